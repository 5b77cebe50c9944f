"""``python -m trainer notebook``: writes the Colab notebook from the package, or checks whether it is up to date."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hand.atomic_file import write_text_atomically
from hand.errors import DataError
from trainer.notebook.inline import ROOT
from trainer.notebook.ipynb import notebook_text

NOTEBOOK = ROOT / "trainer" / "train_colab.ipynb"


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, then writes or compares.

    Raises:
        HandliveError: the notebook is stale, or cannot be made of this package.
    """
    options = _parser().parse_args(arguments)
    text = notebook_text()
    if not options.check:
        write_text_atomically(options.out, text)
        print(f"{options.out} is written.")
    elif not options.out.is_file() or options.out.read_text(encoding="utf-8") != text:
        raise DataError(f"{options.out} differs from the package; write it again with `python -m trainer notebook`.")
    else:
        print(f"{options.out} is up to date.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer notebook", description=__doc__)
    parser.add_argument("--out", type=Path, default=NOTEBOOK, metavar="FILE", help="default: trainer/train_colab.ipynb")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is stale")
    return parser
