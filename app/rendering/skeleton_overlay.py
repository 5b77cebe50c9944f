"""Draws the overlay of a hand into a picture: the same one for the window and for files.

In the window this happens in the path's thread: antialiased strokes with a halo cost Qt's painter, which works in the
window's own thread, ten times as much. What never changes from hand to hand, which joints a stroke connects and in
which colour, is laid out once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int, UInt8

from app.palette import FINGER_COLORS, HALO_COLOR, PALM_COLOR, rgb
from app.rendering.skeleton import HandDrawing
from app.rendering.strokes import COLUMNS, FILLED, paint_shapes
from hand.joints import BONES

_LANDMARK_RGB = (244, 246, 250)
_RING_PX, _HALO_PX = 1.0, 1.0
_THINNEST_PX, _THICKEST_PX = 2, 8

_PALM_ACROSS = ((5, 9), (9, 13), (13, 17))
"""Between the knuckles: not bones, but they make the palm a surface to the eye."""

STROKES: Final = (*_PALM_ACROSS, *BONES)
"""Joints that strokes connect, in the order in which they are drawn."""


def joint_color(joint: int) -> str:
    """Colour of a joint, #rrggbb."""
    return PALM_COLOR if joint == 0 else FINGER_COLORS[(joint - 1) // 4]


def stroke_color(start: int, end: int) -> str:
    """Colour of the stroke between two joints, #rrggbb."""
    return PALM_COLOR if start == 0 or (start, end) in _PALM_ACROSS else joint_color(end)


class _Layout:
    """The shapes of one overlay: between which points, and radius, thickness and colour of each."""

    def __init__(self, *, landmarks: bool) -> None:
        # points 0 to 20 are the joints, 21 to 41 where the detector saw them; a radius is a share of the width and more
        rows: list[tuple[int, int, float, float, float, tuple[int, int, int]]] = []
        halo = rgb(HALO_COLOR)
        rows += [(a, b, 0.5, 0.6 + _HALO_PX, FILLED, halo) for a, b in STROKES]
        rows += [(a, b, 0.5, 0.6, FILLED, rgb(stroke_color(a, b))) for a, b in STROKES]
        if landmarks:
            rows += [(21 + joint, 21 + joint, 1.0, 4.0, _RING_PX, _LANDMARK_RGB) for joint in range(21)]
        for joint in range(21):
            rows.append((joint, joint, 1.0, 1.5 + _HALO_PX, FILLED, halo))
            rows.append((joint, joint, 1.0, 1.5, FILLED, rgb(joint_color(joint))))
        starts, ends, shares, more, thicknesses, colors = zip(*rows, strict=True)
        self.ends: Int[np.ndarray, "N 2"] = np.stack([starts, ends], 1)
        self.width_share: Float[np.ndarray, " N"] = np.array(shares, np.float32)
        self.radius_px: Float[np.ndarray, " N"] = np.array(more, np.float32)
        self.shapes: Float[np.ndarray, "N 9"] = np.zeros((len(rows), COLUMNS), np.float32)
        self.shapes[:, 5] = thicknesses
        self.shapes[:, 6:9] = colors


_PLAIN, _WITH_LANDMARKS = _Layout(landmarks=False), _Layout(landmarks=True)


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
    points, layout = drawing.joints_px, _PLAIN
    if landmarks and drawing.observed_px is not None:
        points, layout = np.concatenate([points, drawing.observed_px]), _WITH_LANDMARKS
    shapes = layout.shapes.copy()
    # pixel centres are integers on both sides of the scaling
    shapes[:, :4] = ((points + 0.5) * scale - 0.5)[layout.ends].reshape(-1, 4)
    shapes[:, 4] = layout.width_share * width + layout.radius_px
    if picture.shape[2] == 4:
        shapes[:, 6:9] = layout.shapes[:, 8:5:-1]
    paint_shapes(picture, shapes)
