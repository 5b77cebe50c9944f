"""Another background behind a hand that has a mask: the labels stay true, because the hand does not move."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.camera_effects import draw_effects, take_picture

_EDGE_PX: Final = 1.0
"""Softness of the seam (standard deviation); a hard one would be learned as the hand's outline."""


def before_another_background(
    picture_rgb: UInt8[np.ndarray, "height width 3"],
    mask: UInt8[np.ndarray, "height width"],
    pool: BackgroundPool,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "height width 3"]:
    """The hand of a picture before a background of the pool.

    Args:
        picture_rgb: the picture; not changed.
        mask: 255 on the hand, 0 beside it; JPEG's ringing does no harm.
        pool: where the background comes from.
        rng: source of chance.
    """
    height, width = mask.shape
    behind = take_picture(pool.draw(rng, height, width).astype(np.float32), 1.0, draw_effects(rng, 0.6))
    hand = np.where(mask > 127, np.float32(1.0), np.float32(0.0))
    # a pixel of the old background clings to the outline of every mask
    hand = cv2.erode(hand, np.ones((3, 3), np.uint8))
    share = cv2.GaussianBlur(hand, (0, 0), _EDGE_PX)[..., None]
    mixed: np.ndarray = picture_rgb * share + behind * (1.0 - share)
    return np.rint(mixed).astype(np.uint8)
