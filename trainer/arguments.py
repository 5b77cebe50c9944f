"""Types of command-line options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

MOST: Final = 100_000_000
"""Of samples, crops and seeds: their file names have eight digits."""


def whole_number(least: int, most: int = MOST) -> Callable[[str], int]:
    """A type for :meth:`argparse.ArgumentParser.add_argument`: a whole number within limits, both included."""

    def integer(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"needs a whole number from {least} to {most}, got {text[:40]!r}")
        return number

    return integer
