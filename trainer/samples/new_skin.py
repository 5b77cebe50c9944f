"""Another skin on a hand that has a mask: the same hand of somebody else, in another light than what is around it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

_EDGE_PX: Final = 1.0
"""Softness of the seam (standard deviation)."""

_TONE_MEAN, _TONE_DEVIATION = -0.1, 0.3
"""Of the log of all channels together; rather darker, because what is too bright is lost."""

_HUE_DEVIATION, _GAMMA_DEVIATION, _SLOPE_DEVIATION = 0.07, 0.2, 0.5
"""Of the logs of each channel, of the channels' exponent, and of the light from one end of the picture to the other."""


def in_another_skin(
    picture_rgb: UInt8[np.ndarray, "height width 3"],
    mask: UInt8[np.ndarray, "height width"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "height width 3"]:
    """The hand of a picture with other colours, and with light that falls off to one side.

    Args:
        picture_rgb: the picture; not changed.
        mask: 255 on the hand, 0 beside it.
        rng: source of chance.
    """
    height, width = mask.shape
    share = cv2.GaussianBlur(np.where(mask > 127, np.float32(1.0), np.float32(0.0)), (0, 0), _EDGE_PX)[..., None]
    gamma = np.exp(rng.normal(0.0, _GAMMA_DEVIATION))
    gain = np.exp(rng.normal(_TONE_MEAN, _TONE_DEVIATION) + rng.normal(0.0, _HUE_DEVIATION, 3))
    angle, slope = rng.uniform(0.0, 2.0 * np.pi), rng.normal(0.0, _SLOPE_DEVIATION)
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height))
    light = np.exp(slope * (np.cos(angle) * across + np.sin(angle) * down))[..., None] * gain
    other = 255.0 * np.power(picture_rgb / 255.0, gamma) * light
    mixed: np.ndarray = picture_rgb * (1.0 - share) + np.minimum(other, 255.0) * share
    return np.rint(mixed).astype(np.uint8)
