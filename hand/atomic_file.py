"""Files that are either whole or not there: a killed process or a full disk never leaves half of one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside its place and then moves it there, so that its name always stands for a whole file.

    Args:
        path: the file; its folder is made.
        write: writes the content to the path it is given.

    Raises:
        OSError: the folder or file cannot be written; what was there before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        write(temporary)
        # flushed to the disk before the move, or a power cut could leave the new name with no content
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Writes bytes; see :func:`write_atomically`."""

    def write(target: Path) -> None:
        target.write_bytes(content)

    write_atomically(path, write)


def write_text_atomically(path: Path, text: str) -> None:
    """Writes UTF-8 text; see :func:`write_atomically`."""

    def write(target: Path) -> None:
        target.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_json_atomically(path: Path, content: Any) -> None:
    """Writes plain values as JSON; see :func:`write_atomically`.

    Raises:
        OSError: the folder or file cannot be written.
        ValueError: there is a NaN in the content, which JSON does not have.
    """
    write_text_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
