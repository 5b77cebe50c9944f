"""Augmentation of training crops: where a crop is taken, and its colours and flaws.

Live crops come from the last frame's joints or from a detector, so they are off-centre, too large, too small and
turned. A network that has only seen perfect boxes loses 10 mm on a 5 pixel error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.crop import SquareCrop, crop_around_turned, upright_angle_rad


@dataclass(frozen=True, slots=True)
class CropJitter:
    """Spread of the crop errors.

    Attributes:
        expansion: side of the crop over the longer side of the box of the joints, before errors.
        scale_deviation: of the log of the side.
        shift_deviation: of the centre, over the side, along each axis.
        angle_deviation_rad: of the roll.
        any_angle_share: share of crops with a roll from anywhere up to the largest.
        largest_angle_rad: of those, either way; half a turn is the whole circle.
        upright: errors are about the crop in which the hand stands upright, not about the picture's own axes.
    """

    expansion: float = 1.6
    scale_deviation: float = 0.12
    shift_deviation: float = 0.05
    angle_deviation_rad: float = 0.25
    any_angle_share: float = 0.15
    largest_angle_rad: float = np.pi
    upright: bool = False


LIVE_JITTER: Final = CropJitter(any_angle_share=0.0)
"""Errors of live crops, which are never upside down.

Hands are measured under them everywhere, the evaluation that chooses a checkpoint included, and one hand always under
the same error: a network that is best on exact crops need not be best on the crops it will get.
"""


EXACT: Final = CropJitter(scale_deviation=0.0, shift_deviation=0.0, angle_deviation_rad=0.0, any_angle_share=0.0)
"""No errors."""


def live_jitter(upright: bool) -> CropJitter:
    """The errors of live crops for a network with upright crops, or without."""
    return replace(LIVE_JITTER, upright=upright)


def training_jitter(upright: bool) -> CropJitter:
    """The errors of training crops for a network with upright crops, or without.

    A crop that follows an upright hand is never far off, so that fewer of them lie anyhow; some have to, because a
    search does not have the direction of a hand.
    """
    return CropJitter(any_angle_share=0.06, upright=True) if upright else CropJitter()


def jittered_crop(
    points_px: Float[np.ndarray, "N 2"],
    jitter: CropJitter,
    rng: np.random.Generator,
    *,
    standing_rad: float | None = None,
) -> SquareCrop:
    """A crop around the joints with random errors; errors beyond two deviations are cut off.

    Args:
        points_px: the hand in the picture, usually its 21 joints.
        jitter: how large the errors are.
        rng: source of chance.
        standing_rad: the turn in which the hand stands upright, for upright crops of points that are not 21 joints.
    """
    standing = 0.0
    if jitter.upright:
        standing = upright_angle_rad(points_px) if standing_rad is None else standing_rad
    crop = crop_around_turned(points_px, jitter.expansion, standing)
    shift_x, shift_y, scale, angle = np.clip(rng.standard_normal(4), -2.0, 2.0)
    roll = jitter.angle_deviation_rad * angle
    if rng.random() < jitter.any_angle_share:
        roll = rng.uniform(-jitter.largest_angle_rad, jitter.largest_angle_rad)
    return replace(
        crop,
        center_x_px=crop.center_x_px + jitter.shift_deviation * shift_x * crop.size_px,
        center_y_px=crop.center_y_px + jitter.shift_deviation * shift_y * crop.size_px,
        size_px=crop.size_px * float(np.exp(jitter.scale_deviation * scale)),
        angle_rad=standing + float(roll),
    )


def jitter_colors(image_rgb: UInt8[np.ndarray, "S S 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """Exposure, contrast, white balance, grey, blur, noise, JPEG and one occluder, each only now and then.

    Args:
        image_rgb: a crop; not changed.
        rng: source of chance.
    """
    picture: np.ndarray = image_rgb.astype(np.float32)
    if rng.random() < 0.8:
        exposure = 0.55 if rng.random() < 0.2 else 0.18  # a fifth may be far too dark, or too bright
        gain = np.exp(rng.normal(0.0, exposure) + rng.normal(0.0, 0.07, 3)).astype(np.float32)
        contrast = np.float32(np.exp(rng.normal(0.0, 0.15)))
        mean = picture.mean()
        picture = (picture * gain - mean) * contrast + mean
    if rng.random() < 0.12:
        picture[:] = (picture @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    if rng.random() < 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.3:
        picture = picture + rng.normal(0.0, rng.uniform(1.0, 9.0), picture.shape).astype(np.float32)
    if rng.random() < 0.15:
        _occlude(picture, rng)
    result: np.ndarray = np.clip(picture, 0.0, 255.0).astype(np.uint8)
    if rng.random() < 0.2:
        _, encoded = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        assert decoded is not None
        result = decoded
    return result


def _occlude(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Paints one flat rectangle over part of the crop, in place."""
    side = picture.shape[0]
    width, height = rng.integers(side // 10, side // 3, 2)
    x, y = rng.integers(0, side - width), rng.integers(0, side - height)
    picture[y : y + height, x : x + width] = rng.uniform(0.0, 255.0, 3)
