"""Draws the overlay of a hand into a picture: the same one for the window and for files.

In the window this happens in the path's thread: antialiased strokes with a halo cost Qt's painter, which works in the
window's own thread, ten times as much.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from app.palette import HALO_COLOR, rgb
from app.rendering.skeleton import HandDrawing

_SUBPIXEL_BITS = 4
_LANDMARK_RGB = (244, 246, 250)
_THINNEST_PX, _THICKEST_PX = 2, 8


def overlay_skeleton(
    picture_rgb: UInt8[np.ndarray, "height width 3"],
    drawing: HandDrawing,
    scale: float = 1.0,
    *,
    landmarks: bool = False,
) -> None:
    """Draws one hand's overlay into a picture.

    Args:
        picture_rgb: changed in place.
        drawing: in pixels of the frame.
        scale: size of the picture over that of the frame.
        landmarks: also draw circles where the detector saw the joints.
    """
    width = min(max(_THINNEST_PX, round(drawing.size_px * scale / 75.0)), _THICKEST_PX)

    def place(point: tuple[float, float]) -> tuple[int, int]:
        # pixel centres are integers on both sides of the scaling
        x, y = ((value + 0.5) * scale - 0.5 for value in point)
        return round(x * (1 << _SUBPIXEL_BITS)), round(y * (1 << _SUBPIXEL_BITS))

    strokes = [(place(stroke.start_px), place(stroke.end_px), rgb(stroke.color)) for stroke in drawing.strokes]
    halo = rgb(HALO_COLOR)
    for start, end, _ in strokes:
        cv2.line(picture_rgb, start, end, halo, width + 2, cv2.LINE_AA, _SUBPIXEL_BITS)
    for start, end, color in strokes:
        cv2.line(picture_rgb, start, end, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    if landmarks:
        radius = (width + 4) << _SUBPIXEL_BITS
        for point in drawing.observed_px:
            cv2.circle(picture_rgb, place(point), radius, _LANDMARK_RGB, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    for dot in drawing.dots:
        center = place(dot.center_px)
        for radius_px, color in ((width + 2.0, halo), (width + 1.0, rgb(dot.color))):
            radius = round(radius_px * (1 << _SUBPIXEL_BITS))
            cv2.circle(picture_rgb, center, radius, color, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
