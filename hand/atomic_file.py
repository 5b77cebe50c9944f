"""Files that are either whole or not there: a killed process, a full disk or a second writer never leaves half of one.

Each writer fills a temporary file of its own in the folder of the target and moves it there in one step. The name of
the temporary file is random and it is created exclusively (``O_EXCL``), so two writers never share one, and a link that
somebody planted under such a name is never followed. A symbolic link at the target itself is replaced by the new file,
and what it pointed to stays as it was: a write never leaves the folder that was named. Links among the folders above
the target are followed as usual.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

TEMPORARY_SUFFIX: Final = ".part"

_LONGEST_STEM: Final = 40
_NAMES_TRIED: Final = 1000
_REPLACE_TRIES: Final = 20
_REPLACE_PAUSE_S: Final = 0.02

_CURRENT_FOLDER: Final = -100
_EXCHANGE: Final = 2
"""AT_FDCWD and RENAME_EXCHANGE of linux/fcntl.h and linux/fs.h."""


@contextmanager
def replaced_atomically(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yields a temporary file to be written, and moves it to its place at the end unless anything was raised.

    File and folder are flushed to the disk before this ends. An existing file's permissions are kept; a new one gets
    those that the process gives its files.

    Args:
        path: the file; its folder is made. A symbolic link is replaced, not followed.
        sync: flush to the disk; unnecessary for one of many files that are made again when the last of them is missing.

    Yields:
        An empty file of this process alone.

    Raises:
        OSError: the folder or file cannot be written; what was there before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_file(path)
    try:
        yield temporary
        with suppress(OSError):
            if not path.is_symlink():
                temporary.chmod(path.stat().st_mode & 0o777)
        if sync:
            # before the move, or a power cut could leave the new name with no content
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
        _replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place and then moves it there, so that its name always stands for a whole file.

    Args:
        path: the file; see :func:`replaced_atomically`.
        write: writes the content to the path it is given, an empty file of this process alone.

    Raises:
        OSError: the folder or file cannot be written; what was there before is untouched.
    """
    with replaced_atomically(path) as temporary:
        write(temporary)


def write_bytes_atomically(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Writes bytes; see :func:`replaced_atomically`."""
    with replaced_atomically(path, sync=sync) as temporary:
        temporary.write_bytes(content)


def write_text_atomically(path: Path, text: str) -> None:
    """Writes UTF-8 text; see :func:`replaced_atomically`."""
    with replaced_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_atomically(path: Path, content: Any) -> None:
    """Writes plain values as JSON; see :func:`replaced_atomically`.

    Raises:
        OSError: the folder or file cannot be written.
        ValueError: there is a NaN in the content, which JSON does not have.
    """
    write_text_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def append_line(path: Path, line: str, *, sync: bool = False) -> None:
    """Appends one line in one call to the system, so that lines of two processes never mix.

    Args:
        path: the file; its folder is made.
        line: without its end; several lines are appended together.
        sync: flush it to the disk, too.

    Raises:
        OSError: the file cannot be written, or the disk took a part of the line only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = line.encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        if sync:
            os.fsync(file.fileno())


def make_new_folder(parent: Path, name: str, separator: str = "_") -> Path:
    """Makes a new folder; of two processes that request the same name, one gets a number behind it.

    Args:
        parent: where; it is made too.
        name: of the folder.
        separator: between the name and a number.

    Returns:
        The folder, empty.

    Raises:
        OSError: it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    number, folder = 1, parent / name
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            number, folder = number + 1, parent / f"{name}{separator}{number + 1}"
        else:
            return folder


@contextmanager
def folder_as_a_whole(out: Path) -> Iterator[Path]:
    """Yields a temporary folder to be filled, and moves it to its place at the end unless anything was raised.

    Args:
        out: must be empty, or not there; the folder it lies in is made.

    Yields:
        An empty folder beside it.

    Raises:
        OSError: something cannot be written, or ``out`` is not empty by the end.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = _staging_folder(out)
    try:
        yield staging
        if out.is_dir():
            out.rmdir()
        _replace(staging, out)
        sync_folder(out.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


@contextmanager
def folder_renewed(out: Path) -> Iterator[Path]:
    """Yields a temporary folder; its files then replace those of the same name in one step.

    What else lies in the folder stays. Where the system can exchange two names (Linux), the old folder stands until the
    new one does; elsewhere there are two moves, the first of which is undone when the second one fails.

    Args:
        out: the folder, which need not be there yet; a link to a folder is followed.

    Yields:
        An empty folder beside it, removed if anything was raised.

    Raises:
        OSError: something cannot be written; what was there before is untouched.
    """
    out = out.resolve()
    if not out.is_dir():
        with folder_as_a_whole(out) as staging:
            yield staging
        return
    staging = _staging_folder(out)
    try:
        yield staging
        for old in out.iterdir():
            new = staging / old.name
            if new.exists() or old.name.endswith(TEMPORARY_SUFFIX):
                continue
            if old.is_dir() and not old.is_symlink():
                shutil.copytree(old, new, symlinks=True, copy_function=_link_or_copy)
            else:
                _link_or_copy(old, new)
        staging.chmod(out.stat().st_mode & 0o777)
        _exchange(staging, out)
        sync_folder(out.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)  # what was there before, where all went well


def sync_folder(folder: Path) -> None:
    """Flushes a folder's entries to the disk, where the system can: a new name survives a power cut only then."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot open folders
        return
    with suppress(OSError):  # some network file systems refuse; the files themselves are flushed
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _staging_folder(out: Path) -> Path:
    return make_new_folder(out.parent, f".{out.name[:_LONGEST_STEM]}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    """The same file under a second name, which takes no time and no room; a copy where the disk has no such links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)


def _exchange(staging: Path, out: Path) -> None:
    """Gives each of two folders the other's name."""
    if _exchanged_by_linux(staging, out):
        return
    aside = _staging_folder(out)
    aside.rmdir()
    _replace(out, aside)
    try:
        _replace(staging, out)
    except BaseException:
        _replace(aside, out)
        raise
    _replace(aside, staging)


def _exchanged_by_linux(one: Path, other: Path) -> bool:
    """By renameat2(2), which exchanges two names in one step; False where there is none, or the disk cannot."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_CURRENT_FOLDER, os.fsencode(one), _CURRENT_FOLDER, os.fsencode(other), _EXCHANGE) == 0)


def _temporary_file(path: Path) -> Path:
    """An empty file of this process alone, in the same folder, because a move between disks is not atomic."""
    stem = path.name.encode()[:_LONGEST_STEM].decode(errors="ignore")
    for _ in range(_NAMES_TRIED):
        temporary = path.with_name(f".{stem}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
        with suppress(FileExistsError):
            # 0o666 is cut down by the process's mask, as for every other new file
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o666))
            return temporary
    raise FileExistsError(errno.EEXIST, "No free name for a temporary file", str(path))


def _replace(temporary: Path, path: Path) -> None:
    """Moves the file; Windows refuses while another process reads the old one, which takes milliseconds."""
    for _ in range(_REPLACE_TRIES - 1):
        try:
            temporary.replace(path)
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(_REPLACE_PAUSE_S)
        else:
            return
    temporary.replace(path)
