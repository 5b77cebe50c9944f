"""`python -m trainer COMMAND`: pictures, training and export from the command line.

Each command has a module of its own, which is imported only when the command runs, so that rendering needs
no torch and ``--help`` is instant.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import hand.picture_limits  # noqa: F401 - sets what OpenCV reads when it is loaded
from hand.errors import HandliveError
from hand.terminal_output import tolerate_any_letter

COMMANDS: Final = {
    "fit": ("trainer.fit", "train a network by a recipe, or go on with a stopped run"),
    "finetune": (
        "trainer.finetune",
        "teach a network your own hand from recordings, and report whether it helped",
    ),
    "compare": ("trainer.compare", "measure two networks side by side on recorded sessions and renderings"),
    "synthesize": ("trainer.synthesize", "render hands with perfect labels, as a recording or in a data set's format"),
    "features": (
        "trainer.features",
        "store what the frozen part of a network makes of a recipe's crops, to learn from",
    ),
    "evaluate": ("trainer.evaluate", "measure a network on renderings, photographs or a data set, and write a report"),
    "data": ("trainer.data", "check a data set before training, and pack it"),
    "average": ("trainer.average", "write the mean of two networks' weights"),
    "export": ("trainer.export", "calibrate a trained network and write the files that ship"),
    "backgrounds": ("trainer.cut_backgrounds", "cut the hand-free parts out of labelled photographs"),
    "fuse-labels": ("trainer.fuse_labels", "fuse pseudo-labels of photographs with a network's predictions"),
    "masks": ("trainer.make_masks", "find where the hands are in labelled photographs, to change what is behind them"),
    "notebook": ("trainer.notebook.command", "write the Colab notebook from the package, or check that it is fresh"),
    "demo-clip": ("trainer.synthetic.demo_clip", "render the demo clip and its ground truth into assets/demo"),
}
"""Command: the module with the ``main(arguments)`` that runs it, and its help text."""

_USERS_ERRORS: Final = frozenset(
    [
        *(errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
        *(errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG, errno.EMFILE, errno.EIO),
        getattr(errno, "EDQUOT", errno.ENOSPC),
    ]
)
"""Of the system: the disk is full, a folder is not there or may not be written, a name is too long."""

TRAINING_PACKAGES: Final = ("torch", "torchvision", "lightning", "tensorboard", "onnx", "onnxscript", "safetensors")
"""What the extra ``train`` of pyproject.toml brings; rendering and the notebook need none of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: command line without the program's name; the process's own when None.

    Returns:
        The exit code: 0, 1 for a verdict of ``data check`` against a set, 2 when the user's input cannot be used or the
        training part is not installed, or 130 when the user broke off.
    """
    tolerate_any_letter()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print("usage: python -m trainer COMMAND [--help]\n\ncommands:")
        for name, (_, summary) in COMMANDS.items():
            print(f"  {name:<12} {summary}")
        return 0 if given else 2
    name, *rest = given
    if name not in COMMANDS:
        print(f"There is no command {name!r}; choose one of {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    # NumPy's matrix products are small here: threads of their own only take the cores from workers and from torch
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it would report its use, and keep a number in the home folder
    try:
        code: int | None = importlib.import_module(COMMANDS[name][0]).main(rest)
    except HandliveError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        # what a disk, a folder or a name of the user's causes is the user's to mend; anything else keeps its traceback
        if error.errno not in _USERS_ERRORS:
            raise
        where = f" ({error.filename})" if error.filename else ""
        print(f"{name} broke off: {error.strerror}{where}; check the disk and the path, then go on.", file=sys.stderr)
        return 2
    except MemoryError:
        print(
            f"{name} ran out of memory; process less at once, such as a smaller batch.",
            file=sys.stderr,
        )
        return 2
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in TRAINING_PACKAGES:
            raise
        print(
            f"The training part is not installed ({name} needs {missing.name}); run  make setup-train , which prints "
            "how much it downloads, or  pip install -c constraints.txt '.[train]' .",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
