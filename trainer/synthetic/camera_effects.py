"""From linear light to the 8-bit picture a webcam would have sent: exposure, colour, blur, noise, curve, JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from trainer.synthetic.lighting import tint

_NOISE_PX: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class CameraEffects:
    """How one picture is taken.

    Attributes:
        brightness: where exposure puts the bright parts of the hand, linear.
        white_balance: gain per channel, mean 1.
        blur_px: radius of the lens blur (standard deviation).
        motion_px: length of the motion blur; none below 2.
        motion_angle_rad: its direction.
        noise: strength of shot noise.
        noise_place: where the noise is taken from (row, column of the noise field).
        jpeg_quality: 1 to 100, or 0 for no compression.
        fixed_gain: exposure that does not follow the hand, for clips; automatic when None.
    """

    brightness: float
    white_balance: Float[np.ndarray, "3"]
    blur_px: float
    motion_px: float
    motion_angle_rad: float
    noise: float
    noise_place: tuple[int, int]
    jpeg_quality: int
    fixed_gain: float | None = None


def draw_effects(rng: np.random.Generator, scale: float = 1.0) -> CameraEffects:
    """Effects of an everyday webcam.

    Args:
        rng: random generator.
        scale: size of the picture relative to 640 pixels across the whole field; blurs follow it.
    """
    return CameraEffects(
        brightness=float(rng.uniform(0.24, 0.50)),
        white_balance=tint(rng, 0.04),
        blur_px=float(
            rng.uniform(0.35, 0.9) * scale + (rng.uniform(0.5, 2.0) * scale if rng.uniform() < 0.08 else 0.0)
        ),
        motion_px=float(rng.uniform(3.0, 9.0) * scale if rng.uniform() < 0.25 else 0.0),
        motion_angle_rad=float(rng.uniform(0.0, np.pi)),
        noise=float(rng.uniform(0.002, 0.012)),
        noise_place=(int(rng.integers(_NOISE_PX)), int(rng.integers(_NOISE_PX))),
        jpeg_quality=int(rng.uniform(65, 96)),
    )


def take_picture(
    light: Float[np.ndarray, "height width 3"], gain: float, effects: CameraEffects
) -> UInt8[np.ndarray, "height width 3"]:
    """Turns linear light into a picture.

    Args:
        light: linear light, float32; changed.
        gain: exposure, see :func:`exposure_gain`.
        effects: what the camera does.
    """
    light *= (gain * effects.white_balance).astype(np.float32)
    if effects.motion_px >= 2.0:
        light = cv2.filter2D(light, -1, _motion_kernel(effects.motion_px, effects.motion_angle_rad))
    if effects.blur_px > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), effects.blur_px)
    if effects.noise > 0.0:
        height, width = light.shape[:2]
        # variance grows with the light (shot noise) over a constant floor (read noise)
        deviation = np.sqrt(np.maximum(light, 0.0) * (effects.noise * 0.12) + (effects.noise * 0.35) ** 2)
        light = light + deviation * _noise_field(effects.noise_place, height, width)
    picture = _tone_table()[np.clip(light * 2048.0, 0.0, 4095.0).astype(np.uint16)]
    if effects.jpeg_quality > 0:
        picture = _through_jpeg(picture, effects.jpeg_quality)
    return picture


def exposure_gain(
    light: Float[np.ndarray, "height width 3"], coverage: Float[np.ndarray, "height width"], brightness: float
) -> float:
    """Automatic exposure for the hand, damped as a camera's is that measures the background too."""
    step = max(coverage.shape[0] // 64, 1)
    hand = light[::step, ::step][coverage[::step, ::step] > 0.9]
    if len(hand) == 0:
        return 1.0
    luminance = hand @ np.array([0.25, 0.65, 0.10], np.float32)
    bright = max(float(np.percentile(luminance, 75)), 0.02)
    return float(np.clip((brightness / bright) ** 0.65, 0.4, 1.7))


@lru_cache(maxsize=1)
def _tone_table() -> UInt8[np.ndarray, "4096"]:
    """A camera's curve: a soft shoulder, then gamma; 2048 stands for linear light 1."""
    light = np.arange(4096) / 2048.0
    shouldered = light * (1.0 + 0.12 * light) / (1.0 + 0.55 * light)
    return (np.clip(shouldered * 1.25, 0.0, 1.0) ** (1 / 2.2) * 255.0 + 0.5).astype(np.uint8)


@lru_cache(maxsize=1)
def _noise_pool() -> Float[np.ndarray, "512 512 3"]:
    return np.random.default_rng(11).standard_normal((_NOISE_PX, _NOISE_PX, 3), np.float32)


@lru_cache(maxsize=1)
def _noise_tiles() -> Float[np.ndarray, "1024 1536 3"]:
    return np.tile(_noise_pool(), (2, 3, 1))


def _noise_field(place: tuple[int, int], height: int, width: int) -> Float[np.ndarray, "height width 3"]:
    """Noise from a fixed field that repeats beyond its edges: fresh normal numbers cost more than the hand."""
    pool = _noise_pool()
    if height < _NOISE_PX and width < _NOISE_PX:  # most crops: a window without seam, and without copying
        top, left = place[0] % (_NOISE_PX - height), place[1] % (_NOISE_PX - width)
        return pool[top : top + height, left : left + width]
    if height <= _NOISE_PX and width <= 2 * _NOISE_PX:  # full frames: the same without copying, over a seam
        return _noise_tiles()[place[0] : place[0] + height, place[1] : place[1] + width]
    rows = (place[0] + np.arange(height)) % _NOISE_PX
    columns = (place[1] + np.arange(width)) % _NOISE_PX
    return pool[rows[:, None], columns]


def _motion_kernel(length_px: float, angle_rad: float) -> Float[np.ndarray, "size size"]:
    """A line of the given length through the middle, of sum 1."""
    size = int(np.ceil(length_px)) | 1
    middle = size // 2
    kernel = np.zeros((size, size), np.float32)
    steps = np.linspace(-0.5, 0.5, 4 * size) * (length_px - 1.0)
    x, y = middle + steps * np.cos(angle_rad), middle + steps * np.sin(angle_rad)
    np.add.at(kernel, (np.rint(y).astype(int), np.rint(x).astype(int)), 1.0)
    return kernel / kernel.sum()


def _through_jpeg(picture: UInt8[np.ndarray, "height width 3"], quality: int) -> UInt8[np.ndarray, "height width 3"]:
    _, packed = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
