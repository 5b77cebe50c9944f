"""The pictures of a folder in natural order, and a note about its other files."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from app.sources.files import printable, printable_name
from app.sources.picture_files import is_picture, natural_order
from hand.errors import SourceError


@dataclass(frozen=True, slots=True)
class PictureListing:
    """The pictures of a folder.

    Attributes:
        files: in natural order.
        skipped: one sentence about what else is there, with counts; empty where there is nothing.
    """

    files: tuple[Path, ...]
    skipped: str = ""


def list_pictures(folder: Path, *, subfolders: bool = False) -> PictureListing:
    """Lists the pictures of a folder.

    Files with names that begin with a dot are ignored: systems leave them beside the user's own (``._`` files of
    macOS end like the picture they belong to).

    Args:
        folder: to be listed.
        subfolders: list its subfolders too.

    Raises:
        SourceError: the folder may not be read.
    """
    pictures: list[Path] = []
    others: Counter[str] = Counter()
    unread = 0

    def warn(error: OSError) -> None:
        if error.filename is None or Path(error.filename) == folder:
            raise SourceError(
                f"The folder {printable(folder)} cannot be read: {error.strerror or error}; check its rights."
            ) from None
        nonlocal unread
        unread += 1

    for place, inner, names in os.walk(folder, onerror=warn):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for path in (Path(place) / name for name in names if not name.startswith(".")):
            if is_picture(path):
                pictures.append(path)
            else:
                others[path.suffix.lower()[1:] or "without a suffix"] += 1
        if not subfolders:
            unread = len(inner)
            break
    files = tuple(sorted(pictures, key=lambda path: natural_order(path.relative_to(folder))))
    return PictureListing(files, _sentence(folder, others, unread, subfolders=subfolders))


def _sentence(folder: Path, others: Counter[str], unread: int, *, subfolders: bool) -> str:
    parts = []
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common())
        parts.append(f"{_counted(others.total(), 'file')} of other kinds ({kinds})")
    if unread:
        why = "that may not be read" if subfolders else "(--subfolders reads them)"
        parts.append(f"{_counted(unread, 'subfolder')} {why}")
    return f"Left out of {printable_name(folder) or folder}: {' and '.join(parts)}." if parts else ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
