"""Prediction files, which ``main_v2.py predict`` writes, as labels of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hand.checked_files import FILE_FAULTS, LARGE_BYTES, fault_of, read_json
from hand.errors import DataError

_SCHEMA: Final = 1


def read_prediction_file(path: Path, options: str = "") -> dict[str, Any]:
    """The content of a prediction file; its ``images`` are a list, whose entries are not checked.

    Args:
        path: the file.
        options: of the command that makes such a file, for the error message.

    Raises:
        DataError: the file is missing or not a prediction file.
    """
    try:
        content: dict[str, Any] = read_json(path, LARGE_BYTES)
        if content["schema"] != _SCHEMA or not isinstance(content["images"], list):
            raise ValueError(f"no schema {_SCHEMA} with a list of images")
    except FILE_FAULTS as problem:
        command = f"python main_v2.py predict {options}".rstrip()
        raise DataError(
            f"{path} should be a prediction file and is not ({fault_of(problem)}); make it with `{command}`."
        ) from None
    return content
