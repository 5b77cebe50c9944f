"""Draws the overlay of a hand into a picture: the same one for the window and for files.

In the window this happens in the path's thread: antialiased strokes with a halo cost Qt's painter, which works in the
window's own thread, ten times as much.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from app.palette import HALO_COLOR, Rgb, rgb
from app.rendering.skeleton import HandDrawing
from app.rendering.strokes import COLUMNS, FILLED, paint_shapes

_LANDMARK_RGB = (244, 246, 250)
_RING_PX, _HALO_PX = 1.0, 1.0
_THINNEST_PX, _THICKEST_PX = 2, 8


def overlay_skeleton(
    picture: UInt8[np.ndarray, "height width channels"],
    drawing: HandDrawing,
    scale: float = 1.0,
    *,
    landmarks: bool = False,
) -> None:
    """Draws one hand's overlay into a picture.

    Args:
        picture: changed in place: RGB, or with four channels BGRA.
        drawing: in pixels of the frame.
        scale: size of the picture over that of the frame.
        landmarks: also draw circles where the detector saw the joints.
    """
    width = float(min(max(_THINNEST_PX, round(drawing.size_px * scale / 75.0)), _THICKEST_PX))
    stroke_px, dot_px = 0.5 * width + 0.6, width + 1.5  # radii
    halo = rgb(HALO_COLOR)
    rows: list[tuple[float, ...]] = []

    def add(
        start: tuple[float, float], end: tuple[float, float], radius: float, color: Rgb, thickness: float = FILLED
    ) -> None:
        rows.append((*start, *end, radius, thickness, *color))

    for stroke in drawing.strokes:
        add(stroke.start_px, stroke.end_px, stroke_px + _HALO_PX, halo)
    for stroke in drawing.strokes:
        add(stroke.start_px, stroke.end_px, stroke_px, rgb(stroke.color))
    if landmarks:
        for point in drawing.observed_px:
            add(point, point, width + 4.0, _LANDMARK_RGB, _RING_PX)
    for dot in drawing.dots:
        add(dot.center_px, dot.center_px, dot_px + _HALO_PX, halo)
        add(dot.center_px, dot.center_px, dot_px, rgb(dot.color))
    shapes = np.array(rows, np.float32).reshape(-1, COLUMNS)
    # pixel centres are integers on both sides of the scaling
    shapes[:, :4] = (shapes[:, :4] + 0.5) * scale - 0.5
    if picture.shape[2] == 4:
        shapes[:, 6:9] = shapes[:, 8:5:-1].copy()
    paint_shapes(picture, shapes)
