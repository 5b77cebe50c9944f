"""Reading the picture of a hand that is looked at as a right one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from hand.errors import DataError
from hand.picture_file import read_color


def right_hand_picture(file: Path, mirrored: bool, message: str) -> UInt8[np.ndarray, "height width 3"]:
    """A picture in RGB, mirrored where its hand is a left one.

    Args:
        file: the picture.
        mirrored: whether the hand is a left one.
        message: error message when it cannot be read.

    Raises:
        DataError: it cannot be read.
    """
    picture = read_color(file)
    if picture is None:
        raise DataError(message)
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
