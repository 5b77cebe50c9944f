"""``python -m trainer backgrounds``: the hand-free parts of labelled photographs, to render hands in front of."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from hand.checked_files import FILE_FAULTS, fault_of
from hand.errors import DataError
from hand.picture_file import read_color, write_picture
from trainer.samples.prediction_file import read_prediction_file

MARGIN = 0.35
"""A hand's box is grown by this share of its longer side all round: joints leave out flesh and forearm."""

SMALLEST_PART = 0.35
"""Parts narrower or lower than this share of the picture are left out."""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line and writes the parts.

    Raises:
        DataError: the prediction file or a picture cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m trainer backgrounds", description=__doc__)
    parser.add_argument("--predictions", type=Path, required=True, help="what `main_v2.py predict` wrote")
    parser.add_argument("--pictures", type=Path, required=True, help="folder that its file names are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for the parts")
    options = parser.parse_args(arguments)
    images = read_prediction_file(options.predictions)["images"]
    options.out.mkdir(parents=True, exist_ok=True)
    count = 0
    for image in images:
        for number, part in enumerate(hand_free_parts(options.pictures, image)):
            write_picture(options.out / f"{_part_name(image['file'])}_{number}.jpg", part)
            count += 1
    print(f"{count} hand-free parts of {len(images)} photographs are in {options.out}.")


def hand_free_parts(pictures: Path, image: dict[str, Any]) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The parts (BGR, as read) left of, right of and above all hands of one entry of a prediction file.

    A picture in which no hand was found gives nothing: the hand may only have been missed. Neither does one with a hand
    that has a joint behind the camera: its extent is unknown.

    Raises:
        DataError: the picture cannot be read.
    """
    try:
        file = pictures / image["file"]
        hands = [hand["joints_px"] for hand in image["hands"]]
        if not hands or any(None in joints for joints in hands):
            return
        box = _box_of_all([np.asarray(joints, float).reshape(21, 2) for joints in hands])
        left, top, right = (int(side) for side in box[:3])
    except FILE_FAULTS as problem:
        raise DataError(
            f"An entry of the prediction file is none that predict writes ({fault_of(problem)}); make the file again."
        ) from None
    picture = read_color(file)
    if picture is None:
        raise DataError(f"The photograph {file} cannot be read; make the prediction file again.")
    height, width = picture.shape[:2]
    for part in (picture[:, : max(left, 0)], picture[:, max(right, 0) :], picture[: max(top, 0)]):
        if part.shape[0] >= SMALLEST_PART * height and part.shape[1] >= SMALLEST_PART * width:
            yield part


def _part_name(file: str) -> str:
    """A file name that no other picture of the folder or its subfolders has: its whole path in one word."""
    return file.replace("%", "%25").replace("/", "%2F")


def _box_of_all(hands: list[Float[np.ndarray, "21 2"]]) -> Float[np.ndarray, "4"]:
    """Left, top, right, bottom around all hands with their margins."""
    boxes = []
    for joints in hands:
        low, high = joints.min(0), joints.max(0)
        margin = MARGIN * (high - low).max()
        boxes.append(np.concatenate([low - margin, high + margin]))
    stacked = np.stack(boxes)
    return np.concatenate([stacked[:, :2].min(0), stacked[:, 2:].max(0)])
