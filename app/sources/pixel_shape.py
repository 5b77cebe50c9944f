"""Pixels that are not square, as in digital television: a video declares their ratio, and players stretch by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from jaxtyping import UInt8

_SQUARE: Final = 0.01
"""Pixels with sides that differ by less than this share are square: players and cameras round."""

_LEAST_RATIO, _LARGEST_RATIO = 0.1, 10.0
"""Beyond these a ratio means nothing."""


@dataclass(frozen=True, slots=True)
class PixelShape:
    """The size that a video's pictures are stretched to.

    Attributes:
        stored_px: width and height of the decoded pictures.
        shown_px: width and height at which their pixels are square.
    """

    stored_px: tuple[int, int]
    shown_px: tuple[int, int]

    @classmethod
    def of(cls, capture: cv2.VideoCapture, width_px: int, height_px: int) -> Self:
        """The shape of an open video's pixels; the longer side of a pixel is what is stretched.

        Args:
            capture: the video, through FFmpeg.
            width_px: of its decoded pictures, upright.
            height_px: of the same.
        """
        stored_px = shown_px = (width_px, height_px)
        numerator, denominator = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
        ratio = numerator / denominator if numerator > 0 and denominator > 0 else 1.0
        if int(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180:
            ratio = 1.0 / ratio  # it holds for the picture before it is turned
        if abs(ratio - 1.0) >= _SQUARE and _LEAST_RATIO < ratio < _LARGEST_RATIO:
            shown_px = (round(width_px * ratio), height_px) if ratio > 1.0 else (width_px, round(height_px / ratio))
        return cls(stored_px, shown_px)

    def stretched(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "new_height new_width 3"]:
        """A picture with square pixels."""
        if self.stored_px == self.shown_px:
            return image
        return cv2.resize(image, self.shown_px, interpolation=cv2.INTER_LINEAR)

    def note(self, name: str) -> str:
        """The message for the user about a video of this name; empty where its pixels are square."""
        if self.stored_px == self.shown_px:
            return ""
        (width, height), (shown_width, shown_height) = self.stored_px, self.shown_px
        return (
            f"The pixels of {name} are not square, so its pictures of {width} x {height} are stretched to "
            f"{shown_width} x {shown_height}, as players do."
        )
