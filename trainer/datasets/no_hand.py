"""Crops without a hand from a data set: what lies beside the hand in its own picture, and made-up backgrounds."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import UInt8

from hand.crop import SquareCrop, crop_picture
from trainer.datasets.hand_set import SetHand
from trainer.samples.augmentation import jitter_colors
from trainer.samples.labelled_crop import LabelledCrop, without_hand

_FLESH: Final = 0.2
"""How far flesh may reach beyond the box of the joints, over the box's longer side."""

_SMALLEST: Final = 0.35
"""Least side of what is cut out beside the hand, over the longer side of its box: less would be a blur."""


def crop_beside(
    hand: SetHand, picture_rgb: UInt8[np.ndarray, "height width 3"], rng: np.random.Generator, input_px: int
) -> LabelledCrop | None:
    """A square of a hand's picture that the hand does not reach into; None where it leaves no room.

    Made-up backgrounds alone would not do: a network would learn that photographs always show a hand.

    Args:
        hand: its labels.
        picture_rgb: the picture that they hold for.
        rng: source of chance.
        input_px: side of the crop.
    """
    height, width = map(float, picture_rgb.shape[:2])
    low, high = hand.outline_px.min(0), hand.outline_px.max(0)
    longer = float((high - low).max())
    left, top = (low - _FLESH * longer).tolist()
    right, bottom = (high + _FLESH * longer).tolist()
    upright = [(0.0, 0.0, left, height), (right, 0.0, width, height)]
    strips = [*upright, (0.0, 0.0, width, top), (0.0, bottom, width, height)]
    smallest = _SMALLEST * longer
    roomy = [strip for strip in strips if _shorter(strip) >= smallest]
    if not roomy:
        return None
    x, y, end_x, end_y = strip = roomy[rng.integers(len(roomy))]
    side = rng.uniform(smallest, _shorter(strip))
    center_x, center_y = rng.uniform(x, end_x - side) + side / 2.0, rng.uniform(y, end_y - side) + side / 2.0
    square = SquareCrop(center_x - 0.5, center_y - 0.5, side)
    return without_hand(jitter_colors(crop_picture(picture_rgb, square, input_px), rng))


def _shorter(strip: tuple[float, float, float, float]) -> float:
    left, top, right, bottom = strip
    return min(right - left, bottom - top)
