"""Where the hand is in a labelled photograph, so that training can change what is behind it.

The labels' joints mark pixels that are surely hand and others that are surely not; GrabCut (Rother et al. 2004)
classifies those between by their colours. What it includes by mistake, a bit of a face or of the wall between two
fingers, is clutter like any other; what matters is that no finger is lost, which the bones ensure.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.crop import SquareCrop, crop_around, crop_picture, transform_points
from hand.errors import DataError
from hand.joints import BONES
from hand.picture_file import read_color

SIDE_PX: Final = 192
"""Side of a mask; half as fine again as the crops that it serves."""

_EXPANSION: Final = 2.0
"""Side of a mask over the longer side of the box of the joints; what lies outside is background."""

_SURE, _LIKELY, _POSSIBLE = 0.045, 0.13, 0.30
"""Distance from the bones over the length of the palm: surely hand, more likely hand than not, and possibly hand."""

_FOREARM: Final = 1.1
"""Width of the strip beyond the wrist that may be forearm, over the length of the palm."""

_ROUNDS: Final = 4
_HAND: Final = (255,)
_PALM: Final = (0, 1, 5, 9, 13, 17)


def mask_name(photograph: Path, joints_px: Float[np.ndarray, "21 2"]) -> str:
    """File name of a hand's mask; another label of the same hand, made later, has another one."""
    digest = hashlib.sha256(np.round(joints_px).astype(np.int32).tobytes()).hexdigest()
    return f"{photograph.stem}_{digest[:12]}.png"


def mask_square(joints_px: Float[np.ndarray, "21 2"]) -> SquareCrop:
    """The part of the photograph that a mask covers."""
    return crop_around(joints_px, _EXPANSION)


def mask_in_photograph(
    picture_rgb: UInt8[np.ndarray, "height width 3"], joints_px: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "S S"]:
    """Which pixels of a photograph's :func:`mask_square` show the hand.

    Args:
        picture_rgb: the photograph.
        joints_px: 21 joints in it.
    """
    square = mask_square(joints_px)
    return hand_mask(crop_picture(picture_rgb, square, SIDE_PX), transform_points(joints_px, square.matrix(SIDE_PX)))


def hand_mask(
    picture_rgb: UInt8[np.ndarray, "S S 3"], joints_px: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "S S"]:
    """Which pixels show the hand and the forearm behind it.

    Args:
        picture_rgb: a picture that shows little more than the hand.
        joints_px: 21 joints in that picture.

    Returns:
        255 on the hand, 0 beside it.
    """
    guess = _first_guess(joints_px, picture_rgb.shape[0])
    everywhere, hand_colors, other_colors = (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(picture_rgb, guess, everywhere, hand_colors, other_colors, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.where((guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)


def mask_in(
    crop: SquareCrop, mask: UInt8[np.ndarray, "S S"], joints_px: Float[np.ndarray, "21 2"], output_px: int
) -> UInt8[np.ndarray, "output output"]:
    """A stored mask as it lies in a crop of the same photograph.

    Args:
        crop: which square of the photograph.
        mask: result of :func:`mask_in_photograph`.
        joints_px: the hand's joints in the photograph.
        output_px: side of the crop's picture.
    """
    # both maps come from the photograph: back through one and forth through the other
    from_photograph = np.vstack([mask_square(joints_px).matrix(mask.shape[0]), [0.0, 0.0, 1.0]])
    matrix: np.ndarray = crop.matrix(output_px) @ np.linalg.inv(from_photograph)
    return cv2.warpAffine(mask, matrix, (output_px, output_px), flags=cv2.INTER_LINEAR)


def read_mask(folder: Path, photograph: Path, joints_px: Float[np.ndarray, "21 2"]) -> UInt8[np.ndarray, "S S"]:
    """The mask that `python -m trainer masks` wrote about a hand.

    Raises:
        DataError: there is none.
    """
    mask = read_color(folder / mask_name(photograph, joints_px), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DataError(
            f"The hand in {photograph} has no mask of its present label in {folder}; make the masks again with "
            "`python -m trainer masks`."
        )
    return mask


def _first_guess(joints_px: Float[np.ndarray, "21 2"], side_px: int) -> UInt8[np.ndarray, "S S"]:
    """GrabCut's four labels by the distance from the bones."""
    palm_px = float(np.linalg.norm(joints_px[[5, 9, 13, 17]] - joints_px[0], axis=1).max())
    # a palm seen from the fingertips is foreshortened; a hand is never wider than three of its palms
    palm_px = max(palm_px, float(np.ptp(joints_px, axis=0).max()) / 3.0)
    possible = _around_bones(joints_px, _POSSIBLE * palm_px, side_px)
    wrist, away = joints_px[0], joints_px[0] - joints_px[9]
    end = wrist + away * (2 * side_px / max(float(np.linalg.norm(away)), 1.0))
    cv2.line(possible, _pixel(wrist), _pixel(end), _HAND, int(_FOREARM * palm_px))
    guess = np.full((side_px, side_px), cv2.GC_BGD, np.uint8)
    guess[possible > 0] = cv2.GC_PR_BGD
    guess[_around_bones(joints_px, _LIKELY * palm_px, side_px) > 0] = cv2.GC_PR_FGD
    guess[_around_bones(joints_px, _SURE * palm_px, side_px) > 0] = cv2.GC_FGD
    return guess


def _around_bones(joints_px: Float[np.ndarray, "21 2"], distance_px: float, side_px: int) -> UInt8[np.ndarray, "S S"]:
    """All that lies within some distance of a bone, or within the palm."""
    near = np.zeros((side_px, side_px), np.uint8)
    for start, end in BONES:
        cv2.line(near, _pixel(joints_px[start]), _pixel(joints_px[end]), _HAND, max(int(2 * distance_px), 1))
    cv2.fillConvexPoly(near, cv2.convexHull(joints_px[list(_PALM)].astype(np.int32)), _HAND)
    return near


def _pixel(point_px: Float[np.ndarray, "2"]) -> tuple[int, int]:
    return int(point_px[0]), int(point_px[1])
