"""The overlay of one hand: where it lies in picture pixels, and how it is drawn, in the window and into files alike.

In the window this happens in the path's thread: antialiased strokes with a halo cost Qt's painter, which works in the
window's own thread, ten times as much. All strokes of a hand are one compiled call: OpenCV takes one call per line, and
each gives the interpreter lock away and has to wait for it again, which took longer than the drawing. What never
changes from hand to hand, which joints a stroke connects and in which colour, is laid out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from jaxtyping import Float, Int, UInt8

from app.palette import FINGER_COLORS, HALO_COLOR, PALM_COLOR, rgb
from hand.camera import project
from hand.finite import all_finite
from hand.joints import BONES
from hand.mirror import Side, other_side
from hand.types import HandState, PathResult


@dataclass(frozen=True, slots=True, eq=False)
class HandDrawing:
    """The overlay of one hand.

    Attributes:
        joints_px: the joints, which bones connect.
        observed_px: the detector's landmarks, None where they are not known.
        label: side and confidence, for people.
        label_anchor_px: below this point the label hangs.
        size_px: the longer side of the hand's box, which line widths follow.
    """

    joints_px: Float[np.ndarray, "21 2"]
    observed_px: Float[np.ndarray, "21 2"] | None
    label: str
    label_anchor_px: tuple[float, float]
    size_px: float


def shown_side(side: Side, mirrored: bool) -> Side:
    """The person's own side: a mirror image shows a right hand as a left one."""
    return other_side(side) if mirrored else side


def hand_label(state: HandState, mirrored: bool) -> str:
    """Side and confidence of one hand, for people."""
    return f"{shown_side(state.side, mirrored).capitalize()} hand  {state.confidence:.0%}"


def draw_hands(result: PathResult) -> tuple[HandDrawing, ...]:
    """The overlays of all hands in a result; a hand behind the camera has none."""
    drawings = []
    for index, state in enumerate(result.states):
        joints_px = project(np.asarray(state.joints_m, float), result.frame.intrinsics)
        if not all_finite(joints_px):
            continue
        observed = result.observations[index].landmarks_px if index < len(result.observations) else None
        low, high = joints_px.min(0), joints_px.max(0)
        drawings.append(
            HandDrawing(
                joints_px=joints_px,
                observed_px=observed,
                label=hand_label(state, result.frame.mirrored),
                label_anchor_px=(float(low[0] + high[0]) / 2.0, float(high[1])),
                size_px=float((high - low).max()),
            )
        )
    return tuple(drawings)


FILLED = -1.0
"""In place of a ring's thickness."""

COLUMNS = 9
"""Of a shape: both ends (x, y, x, y), radius, thickness, and the colour in the picture's own channel order."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _paint(picture: np.ndarray, shapes: np.ndarray) -> None:
    height, width = picture.shape[:2]
    half, zero, one = np.float32(0.5), np.float32(0.0), np.float32(1.0)
    for s in range(len(shapes)):
        x0, y0, x1, y1, radius, thickness = shapes[s, :6]
        outer = radius + half + max(half * thickness, zero)
        if not (np.isfinite(x0 + x1 + y0 + y1) and outer < np.float32(1e6)):
            continue
        color_0, color_1, color_2 = shapes[s, 6], shapes[s, 7], shapes[s, 8]
        plain_0, plain_1, plain_2 = np.uint8(color_0 + half), np.uint8(color_1 + half), np.uint8(color_2 + half)
        outer_2 = outer * outer
        inner_2 = -one if thickness >= zero or radius < half else (radius - half) * (radius - half)
        along_x, along_y = x1 - x0, y1 - y0
        per_length_2 = one / max(along_x * along_x + along_y * along_y, np.float32(1e-12))
        left, right = max(min(x0, x1) - outer, zero), min(max(x0, x1) + outer, np.float32(width - 1))
        top, bottom = max(min(y0, y1) - outer, zero), min(max(y0, y1) + outer, np.float32(height - 1))
        if left > right or top > bottom:
            continue
        for y in range(int(top), int(np.ceil(bottom)) + 1):
            dy = np.float32(y) - y0
            # of a long line only the part that is near this row
            first, last = zero, one
            if abs(along_y) > one:
                first, last = (dy - outer) / along_y, (dy + outer) / along_y
                first, last = max(min(first, last), zero), min(max(first, last), one)
                if first > last:
                    continue
            from_x, to_x = x0 + first * along_x, x0 + last * along_x
            row_left = max(min(from_x, to_x) - outer, left)
            row_right = min(max(from_x, to_x) + outer, right)
            for x in range(int(row_left), int(np.ceil(row_right)) + 1):
                dx = np.float32(x) - x0
                share = min(max((dx * along_x + dy * along_y) * per_length_2, zero), one)
                off_x, off_y = dx - share * along_x, dy - share * along_y
                distance_2 = off_x * off_x + off_y * off_y
                if distance_2 >= outer_2:
                    continue
                if distance_2 <= inner_2:  # most of a line is covered wholly
                    picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = plain_0, plain_1, plain_2
                    continue
                distance = np.sqrt(distance_2)
                if thickness >= zero:
                    cover = half * thickness + half - abs(distance - radius)
                else:
                    cover = radius + half - distance
                cover = min(max(cover, zero), one)
                before_0, before_1, before_2 = (
                    np.float32(picture[y, x, 0]),
                    np.float32(picture[y, x, 1]),
                    np.float32(picture[y, x, 2]),
                )
                picture[y, x, 0] = np.uint8(before_0 + (color_0 - before_0) * cover + half)
                picture[y, x, 1] = np.uint8(before_1 + (color_1 - before_1) * cover + half)
                picture[y, x, 2] = np.uint8(before_2 + (color_2 - before_2) * cover + half)


def paint_shapes(picture: UInt8[np.ndarray, "height width channels"], shapes: Float[np.ndarray, "N 9"]) -> None:
    """Draws shapes one over the other, in place.

    Args:
        picture: 3 or 4 channels, the first three are written; the centre of its first pixel is (0, 0).
        shapes: a row each: a round-ended line from one end to the other, or a dot where both are the same. The radius
            is half the line's width; with a thickness of 0 or more only a ring at the radius is drawn, for dots.
    """
    _paint(picture, np.ascontiguousarray(shapes, np.float32))


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
        # points 0 to 20 are the joints, 21 to 41 the detector's landmarks; a radius is a share of the width and more
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
        landmarks: also draw circles at the detector's landmarks.
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
