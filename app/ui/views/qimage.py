"""Arrays as Qt images, without a copy."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PyQt6.QtGui import QImage


def bgra_image(pixels: UInt8[np.ndarray, "height width 4"]) -> QImage:
    """An opaque image over the array's own memory.

    The array must stay alive and unchanged for as long as the image is used: keep both together.
    """
    height, width = pixels.shape[:2]
    # Qt takes any buffer; its type hints allow bytes alone
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)  # type: ignore[call-overload]


def rgb_image(pixels: UInt8[np.ndarray, "height width 3"]) -> QImage:
    """An image over the memory of an array with contiguous rows; the same precaution applies."""
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)  # type: ignore[call-overload]
