"""Prediction files, which ``main_v2.py predict`` writes, as labels of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hand.camera import Intrinsics
from hand.checked_files import FILE_FAULTS, LARGE_BYTES, fault_of, read_json
from hand.errors import DataError, IntrinsicsError

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


def intrinsics_of(image: dict[str, Any]) -> Intrinsics:
    """The camera that one entry's hands were solved with.

    Entries without one are older, and taken for pictures with the default field of view, which most of them had.

    Raises:
        ValueError: it is no camera, or the picture has no size; the text is the end of a sentence. FILE_FAULTS holds
            this and all else that an entry of another form may raise.
    """
    width_px, height_px = image["width"], image["height"]
    try:
        if "intrinsics" not in image:
            return Intrinsics.from_fov(width_px, height_px)
        fx_px, fy_px, cx_px, cy_px = (float(number) for number in image["intrinsics"])
        return Intrinsics(fx_px, fy_px, cx_px, cy_px, width_px, height_px)
    except IntrinsicsError as problem:
        raise ValueError(str(problem)) from None


def hands_of(image: dict[str, Any]) -> list[dict[str, Any]]:
    """The hands of one entry, each once: where both paths ran, the output alone and not each path's hand beside it."""
    hands: list[dict[str, Any]] = image["hands"]
    output = [hand for hand in hands if "from" in hand]
    return output if output or {"ik", "network"} <= {hand.get("method") for hand in hands} else hands
