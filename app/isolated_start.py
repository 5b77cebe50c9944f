"""Runs a module of this product in a process that takes no code from the folder it was started in.

``python -P .../app/isolated_start.py MODULE ARGUMENTS...`` does what ``python -m MODULE ARGUMENTS...`` does, from any
folder and without an installation: ``-P`` keeps the current folder off the import path, and the product's own packages,
and nothing else, are imported from the folder that this file's package lies in. A file such as ``torch.py`` in a folder
that the user happens to stand in is therefore never executed. :mod:`app.child_process` builds the command.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

OWN_PACKAGES = frozenset({"app", "assets", "configs", "hand", "ik_baseline", "inference", "trainer"})


class OwnPackageFinder:
    """Finds the product's packages in one folder and leaves every other name to the interpreter."""

    def __init__(self, root: str) -> None:
        """Takes the folder that holds the packages."""
        self._root = root

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See :class:`importlib.abc.MetaPathFinder`; None for modules that are not the product's."""
        return PathFinder.find_spec(name, [self._root], target) if name in OWN_PACKAGES else None


def main() -> None:
    """Runs the module that the command line names, as the program."""
    root = __file__.rpartition("isolated_start")[0].rstrip("/\\").rpartition("app")[0].rstrip("/\\")
    sys.meta_path.insert(0, OwnPackageFinder(root))
    if root not in sys.path:
        # last, and only for processes that this one starts by itself: a library of the same name comes first
        sys.path.append(root)
    module = sys.argv[1]
    del sys.argv[1]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
