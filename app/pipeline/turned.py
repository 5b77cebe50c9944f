"""Pictures turned by quarters, and the camera that would have taken them so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from hand.camera import Intrinsics

_CODES: Final = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turn_picture(
    image_rgb: UInt8[np.ndarray, "height width 3"], quarter_turns: int
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """The picture, turned clockwise by so many right angles."""
    code = _CODES.get(quarter_turns % 4)
    return image_rgb if code is None else cv2.rotate(image_rgb, code)


def turn_intrinsics(intrinsics: Intrinsics, quarter_turns: int) -> Intrinsics:
    """The camera of the turned picture: pixel (x, y) goes to (height - 1 - y, x) with every right angle."""
    for _ in range(quarter_turns % 4):
        intrinsics = replace(
            intrinsics,
            fx_px=intrinsics.fy_px,
            fy_px=intrinsics.fx_px,
            cx_px=intrinsics.height_px - 1 - intrinsics.cy_px,
            cy_px=intrinsics.cx_px,
            width_px=intrinsics.height_px,
            height_px=intrinsics.width_px,
        )
    return intrinsics
