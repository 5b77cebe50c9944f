"""Reads small structured files from any source: limits of size and depth, and one kind of failure.

Untrusted JSON and YAML may nest ten thousand levels deep, hold numbers that no float can, be gigabytes of zeros, or be
no files at all but pipes that never end. The functions here return plain values, or raise
:class:`DamagedFileError` with the end of a sentence ("it nests too deep"), or the :class:`OSError` of the system. Code
that reads further into the values catches :data:`FILE_FAULTS`, and adds the file's name and what to do.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import numpy as np
from jaxtyping import Float

SMALL_BYTES: Final = 16 << 20
"""Of files with settings, metadata, one session's or run's head."""

LARGE_BYTES: Final = 4 << 30
"""Of files with labels of a whole data set."""

DEEPEST: Final = 64
"""Levels of lists and objects in each other; the deepest file of the product has eight."""

MOST_YAML_VALUES: Final = 100_000
"""Counted as often as aliases repeat them: a few lines of aliases of aliases stand for billions."""

_LARGEST_YAML_BYTES: Final = 1 << 20
_DIGITS: Final = 30
_CHUNK_BYTES: Final = 1 << 20


class DamagedFileError(ValueError):
    """A file's content cannot be used; the text gives the reason without the file's name."""


FILE_FAULTS: Final = (
    OSError,
    ValueError,  # also UnicodeDecodeError and DamagedFileError
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    EOFError,
    UnpicklingError,
)
"""What reading a file, and taking plain values out of it, may raise of an untrusted file."""


def fault_of(problem: BaseException) -> str:
    """What was wrong, in a few words on one line, for a message that names the file."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    if isinstance(problem, KeyError) and problem.args:
        return f"it lacks {problem.args[0]!r}"[:200]
    if isinstance(problem, RecursionError):
        return "it nests too deep"
    if isinstance(problem, MemoryError):
        return "it is too large for this computer's memory"
    return (" ".join(str(problem).split()) or type(problem).__name__)[:200]


def float_array(values: Any) -> Float[np.ndarray, "..."]:
    """Plain values as an array; an empty one where they are none, of uneven length, or larger than floats can be."""
    try:
        return np.array(values, np.float64)
    except (ValueError, TypeError, OverflowError):
        return np.zeros(0)


def finite_array(values: Any, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Plain values of a file as an array of this shape.

    Raises:
        TypeError, ValueError: they are not finite numbers, or of another shape.
    """
    array = np.array(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"expected {shape} finite numbers, got shape {array.shape}")
    return array


def read_checked(path: Path, largest_bytes: int = SMALL_BYTES) -> bytes:
    """The content of a regular file.

    Args:
        path: of the file; links to regular files are followed.
        largest_bytes: more is refused before it is read.

    Raises:
        DamagedFileError: it is a folder, a pipe or a device, or too large.
        OSError: it is not there, or may not be read.
    """
    # opening a pipe without a writer would block
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise DamagedFileError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > largest_bytes:
            raise DamagedFileError(f"it has {status.st_size >> 20} MiB, more than {largest_bytes >> 20}")
        content = file.read(status.st_size + 1)
        while len(content) > status.st_size:  # it grows meanwhile
            more = file.read(_CHUNK_BYTES)
            if not more:
                break
            content += more
            if len(content) > largest_bytes:
                raise DamagedFileError(f"it has more than {largest_bytes >> 20} MiB")
    return content


def parse_json(text: bytes | str, *, constants: bool = False) -> Any:
    """Plain values of JSON, of which endless whole numbers are no part.

    Args:
        text: JSON.
        constants: let NaN, infinity and long whole numbers pass, for callers that check each number.

    Raises:
        DamagedFileError: it is none, or nests deeper than :data:`DEEPEST` levels.
    """
    try:
        # json.loads would guess UTF-16 and UTF-32 from zeros
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        refuse = None if constants else _refuse_constant
        content = json.loads(text, parse_constant=refuse, parse_int=None if constants else _whole_number)
    except DamagedFileError:
        raise
    except RecursionError:
        raise DamagedFileError(f"it nests deeper than {DEEPEST} levels") from None
    except UnicodeDecodeError:
        raise DamagedFileError("it is not UTF-8 text") from None
    except ValueError as problem:
        raise DamagedFileError(f"it is not JSON: {fault_of(problem)}") from None
    _check_depth(content)
    return content


def read_json(path: Path, largest_bytes: int = SMALL_BYTES, *, constants: bool = False) -> Any:
    """Plain values of a JSON file; see :func:`parse_json` and :func:`read_checked`.

    Raises:
        DamagedFileError: it is no JSON file within the limits.
        OSError: it is not there, or may not be read.
    """
    return parse_json(read_checked(path, largest_bytes), constants=constants)


def parse_yaml(text: bytes | str) -> Any:
    """Plain values of YAML; its tags execute nothing.

    Raises:
        DamagedFileError: it is none, nests too deep, or holds more than :data:`MOST_YAML_VALUES` values.
    """
    # imported here: only recipes are YAML
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        what = getattr(problem, "problem", None) or str(problem)
        raise DamagedFileError(f"it is not YAML: {' '.join(str(what).split())[:150]}{place}") from None
    except RecursionError:
        raise DamagedFileError(f"it nests deeper than {DEEPEST} levels") from None
    except (ValueError, OverflowError, TypeError, AttributeError) as problem:  # dates and numbers that are none
        raise DamagedFileError(f"it is not YAML: {fault_of(problem)}") from None
    _check_depth(content, MOST_YAML_VALUES)
    return content


def read_yaml(path: Path) -> Any:
    """Plain values of a YAML file; see :func:`parse_yaml` and :func:`read_checked`.

    Raises:
        DamagedFileError: it is no YAML file within the limits.
        OSError: it is not there, or may not be read.
    """
    return parse_yaml(read_checked(path, _LARGEST_YAML_BYTES))


def _check_depth(content: Any, most_values: int | None = None) -> None:
    waiting = [(content, 1)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        if not isinstance(value, (list, dict)):
            continue
        if depth > DEEPEST:
            raise DamagedFileError(f"it nests deeper than {DEEPEST} levels")
        inner = value.values() if isinstance(value, dict) else value
        count += len(value)
        if most_values is not None and count > most_values:
            raise DamagedFileError(f"it holds more than {most_values} values")
        # faster than checking the numbers of a large file one by one
        waiting += [(one, depth + 1) for one in inner if isinstance(one, (list, dict))]


def _refuse_constant(name: str) -> None:
    raise DamagedFileError(f"it holds {name}, which is not JSON")


def _whole_number(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise DamagedFileError(f"it holds a number of {len(digits)} digits")
    return int(digits)
