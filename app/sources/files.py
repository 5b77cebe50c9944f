"""Names of source files for people and for OpenCV, and detection of changes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def file_signature(path: Path) -> tuple[int, int] | None:
    """Modification time (ns) and size, or None when there is nothing to read."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size


def printable(path: Path) -> str:
    """The path with a replacement character for every byte that is no UTF-8, for people and reports."""
    return os.fsencode(path).decode("utf-8", "replace")


def printable_name(path: Path) -> str:
    """The last part of :func:`printable`."""
    return os.fsencode(path.name).decode("utf-8", "replace")


@contextmanager
def opencv_file_name(path: Path) -> Iterator[str]:
    """A name under which OpenCV can open the file.

    OpenCV takes UTF-8 alone, and FFmpeg takes the text before a colon for a protocol; so the name is absolute, and a
    file with a name that is no UTF-8 is reached through a temporary link.

    Raises:
        OSError: the link cannot be made.
    """
    absolute = str(path.absolute())
    try:
        absolute.encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="handlive-") as folder:
            link = Path(folder) / f"link{path.suffix if path.suffix.isascii() else ''}"
            link.symlink_to(absolute)
            yield str(link)
    else:
        yield absolute
