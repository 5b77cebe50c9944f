"""Faces in the background: blobs with a head's colours and layout, so that skin and roundness alone make no hand."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

from trainer.synthetic.skin import TONES_SRGB, linear


def paint_face(rng: np.random.Generator, picture: Float[np.ndarray, "height width 3"]) -> None:
    """Paints head, hair, neck and shoulders somewhere into a picture.

    Args:
        rng: random generator.
        picture: linear light, changed in place.
    """
    height, width = picture.shape[:2]
    size = height * float(rng.uniform(0.08, 0.27))
    middle = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.2, 0.75) * height])
    lean = float(np.clip(rng.normal() * 0.15, -0.4, 0.4))
    turn = float(rng.uniform(-0.25, 0.25))  # eyes, nose and mouth move sideways when the head turns
    skin = linear(TONES_SRGB[rng.integers(len(TONES_SRGB))]) * np.exp(rng.normal(0.0, 0.12, 3) + rng.normal(0.0, 0.3))
    hair = rng.uniform(0.005, 0.25) * np.clip(1.0 + rng.normal(0.0, 0.06, 3) + [0.25, 0.0, -0.2], 0.1, 2.0)
    cloth = rng.uniform(0.01, 0.6) * np.clip(1.0 + rng.normal(0.0, 0.4, 3), 0.1, 2.0)
    lit_from = rng.uniform(-0.5, 0.5)
    cosine, sine = np.cos(lean), np.sin(lean)

    def blob(
        x: float, y: float, half_x: float, half_y: float, color: Float[np.ndarray, "3"], form: float = 0.0
    ) -> None:
        """An ellipse at a place of the head (its half height is 1), shaded like a ball to the degree of `form`."""
        center = middle + size * np.array([cosine * x - sine * y, sine * x + cosine * y])
        reach = size * max(half_x, half_y) + 3.0
        left, top = (max(int(value - reach), 0) for value in center)
        right, bottom = min(int(center[0] + reach) + 1, width), min(int(center[1] + reach) + 1, height)
        if right <= left or bottom <= top:
            return
        across, down = np.meshgrid(np.arange(left, right) - center[0], np.arange(top, bottom) - center[1])
        u = (cosine * across + sine * down) / (size * half_x)
        v = (cosine * down - sine * across) / (size * half_y)
        radius = np.hypot(u, v)
        soft = max(1.5 / (size * min(half_x, half_y)), 0.05)
        share = np.clip((1.0 - radius) / soft + 0.5, 0.0, 1.0)[..., None]
        light = 1.0 - form * (0.35 * radius**2 - lit_from * u + 0.15 * v)
        part = picture[top:bottom, left:right]
        part += (share * (color * np.clip(light, 0.1, 2.0)[..., None] - part)).astype(np.float32)

    blob(0.0, 2.6, 1.9, 1.35, cloth, 0.5)
    blob(0.0, 1.05, 0.38, 0.55, skin * 0.75, 0.3)
    if rng.uniform() < 0.85:
        blob(0.0, -0.12 + rng.uniform(0.0, 0.5), rng.uniform(0.8, 0.95), rng.uniform(1.0, 1.35), hair, 0.3)
    blob(0.0, 0.05, 0.72, 0.98, skin, 0.8)
    for side in (-1.0, 1.0):
        blob(turn + side * 0.28, -0.12, 0.13, 0.06, np.full(3, 0.55), 0.0)
        blob(turn + side * 0.28, -0.12, 0.055, 0.06, hair * 0.5)
        blob(turn + side * 0.29, -0.27, 0.17, 0.035, 0.3 * skin + 0.5 * hair)
    blob(1.2 * turn, 0.12, 0.08, 0.22, skin * 1.12, 0.3)
    blob(1.2 * turn, 0.32, 0.14, 0.045, skin * 0.6)
    blob(turn, 0.52, 0.24, 0.07, skin * [0.85, 0.5, 0.5])
    cv2.GaussianBlur(picture, (0, 0), 0.6, dst=picture)
