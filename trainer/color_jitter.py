"""Changes of a crop's colours and sharpness that leave every label true."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8


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
