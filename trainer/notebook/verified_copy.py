"""Copies with a content that was compared with the original: mounted drives can disconnect without an error."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import Final

from hand.atomic_file import write_atomically
from hand.errors import DataError

_PIECE_BYTES: Final = 1 << 22


def copy_verified(source: Path, target: Path) -> bool:
    """Copies a file and compares what was written, by SHA-256; leaves a target of the same size and age alone.

    Args:
        source: the file.
        target: where to; its folder is made, and it is whole or not there.

    Returns:
        Whether there was anything to copy.

    Raises:
        DataError: the file is missing, or the copy differs.
    """
    if not source.is_file():
        raise DataError(f"{source} is missing and should be copied to {target}; upload it again.")
    size, time_ns = source.stat().st_size, source.stat().st_mtime_ns
    if target.is_file() and (target.stat().st_size, target.stat().st_mtime_ns) == (size, time_ns):
        return False

    def write(part: Path) -> None:
        read = hashlib.sha256()
        with source.open("rb") as original, part.open("wb") as copy:
            while piece := original.read(_PIECE_BYTES):
                read.update(piece)
                copy.write(piece)
        if part.stat().st_size != size or _sha256(part) != read.hexdigest():
            raise DataError(f"The copy of {source} differs from it; the disk may be full or the drive gone, try again.")

    write_atomically(target, write)
    os.utime(target, ns=(time_ns, time_ns))
    return True


def copy_tree_verified(source: Path, target: Path) -> int:
    """Copies a folder file by file; an interrupted copy resumes.

    Args:
        source: the folder.
        target: where to.

    Returns:
        How many files the folder has.

    Raises:
        DataError: the folder is missing or empty, or a copy differs.
    """
    files = sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise DataError(f"{source} is missing or empty and should be copied to {target}; upload it again.")
    for path in files:
        copy_verified(path, target / path.relative_to(source))
    return len(files)


def unpack_verified(archive: Path, target: Path) -> Path:
    """Unpacks a ZIP file, each file compared with its checksum; files that are there in full size are left alone.

    Args:
        archive: the ZIP file.
        target: where to.

    Returns:
        The folder with the files: the target, or the only folder inside, which many archives wrap around everything.

    Raises:
        DataError: it is no ZIP file, or damaged.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            for member in members:
                place = target / member.filename
                if not (place.is_file() and place.stat().st_size == member.file_size):
                    packed.extract(member, target)
    except (OSError, zipfile.BadZipFile) as problem:
        raise DataError(f"{archive} cannot be unpacked ({problem}); copy or download it again.") from None
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
