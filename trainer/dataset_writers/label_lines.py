"""Labels as one line of JSON per sample, appended in order: how far a stopped series had come, and where it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from hand.errors import DataError

_BLOCK_BYTES: Final = 1 << 20


class LabelLines:
    """A file of label lines, opened to go on with; a context manager.

    Each line reaches the system in one piece, so that after a killed process at most the last one is torn. Opening cuts
    such an end off.

    Attributes:
        count: how many whole lines the file has.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, which is made if needed.

        Args:
            path: of the file.

        Raises:
            DataError: it cannot be read or written.
        """
        self._path = path
        try:
            self.count, whole_bytes = _whole_lines(path) if path.exists() else (0, 0)
            self._file = path.open("ab", buffering=0)
            self._file.truncate(whole_bytes)
        except OSError as error:
            raise cannot_write(path, error) from None

    def append(self, line: dict[str, Any]) -> None:
        """Adds one line.

        Raises:
            DataError: the disk is full or gone.
        """
        try:
            self._file.write(json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        except OSError as error:
            raise cannot_write(self._path, error) from None
        self.count += 1

    def __enter__(self) -> LabelLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


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


def numbers(array: np.ndarray) -> Any:
    """An array as nested lists of the shortest numbers that give the same single precision back."""
    flat = [float(str(number)) for number in np.asarray(array, np.float32).ravel()]
    return np.array(flat).reshape(np.shape(array)).tolist()


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is there entirely or not at all.

    Raises:
        DataError: the disk is full or gone.
    """
    temporary = part_of(path)
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None


def part_of(path: Path) -> Path:
    """Where a file is written before it gets its own name."""
    return path.with_name(path.name + ".part")


def cannot_write(path: Path, error: OSError) -> DataError:
    """The sentence for a full or missing disk."""
    return DataError(
        f"{path} cannot be written ({error.strerror or error}); check the disk and give the command again."
    )
