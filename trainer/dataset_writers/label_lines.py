"""Labels as one line of JSON per sample, appended in order: they tell where a stopped series resumes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from filelock import FileLock, Timeout

from hand.atomic_file import write_bytes_atomically
from hand.errors import DataError

_BLOCK_BYTES: Final = 1 << 20


class LabelLines:
    """A file of label lines, opened to go on with; a context manager.

    Each line reaches the system in one piece, so that after a killed process at most the last one is torn. Opening cuts
    such an end off. Only one process at a time has the file open.

    Attributes:
        count: how many whole lines the file has.
    """

    def __init__(self, path: Path, lock: FileLock | None = None) -> None:
        """Opens the file, which is made if needed.

        Args:
            path: of the file.
            lock: the file's own (:func:`lock_of`), where the caller holds it already.

        Raises:
            DataError: it cannot be read or written, or another process writes it.
        """
        self._path = path
        self._lock = lock or lock_of(path)
        hold(self._lock, path)
        try:
            self.count, whole_bytes = _whole_lines(path) if path.exists() else (0, 0)
            self._file = path.open("ab", buffering=0)
            self._file.truncate(whole_bytes)
        except OSError as error:
            self._lock.release()
            raise cannot_write(path, error) from None

    def append(self, line: dict[str, Any]) -> None:
        """Adds one line.

        Raises:
            DataError: the disk is full or gone.
        """
        try:
            data = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise cannot_write(self._path, error) from None
        self.count += 1

    def __enter__(self) -> LabelLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.release()


def lock_of(path: Path) -> FileLock:
    """The lock of a file of label lines, not yet held."""
    return FileLock(path.with_name(f".{path.name}.lock"))


def hold(lock: FileLock, path: Path) -> None:
    """Takes a lock, once more if this object holds it already; each time has to be released.

    Args:
        lock: of a file of label lines.
        path: of that file, for the message.

    Raises:
        DataError: another process writes the file, or the lock cannot be written.
    """
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"Another process is writing {path}; wait for it, or choose another folder.") from None
    except OSError as error:
        raise cannot_write(path, error) from None


def _whole_lines(path: Path) -> tuple[int, int]:
    """How many lines end in a line feed, and how many bytes they have."""
    count, seen, whole = 0, 0, 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            count += block.count(b"\n")
            if b"\n" in block:
                whole = seen + block.rindex(b"\n") + 1
            seen += len(block)
    return count, whole


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is there entirely or not at all.

    Raises:
        DataError: the disk is full or gone.
    """
    try:
        # a stopped series resumes at any sample, so none need be on the disk before the next one
        write_bytes_atomically(path, content, sync=False)
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> DataError:
    """The sentence for a full or missing disk."""
    return DataError(
        f"{path} cannot be written ({error.strerror or error}); check the disk and give the command again."
    )
