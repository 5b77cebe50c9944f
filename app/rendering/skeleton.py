"""The overlay of one hand as strokes and dots in picture pixels; the window and the files draw the same ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from app.palette import FINGER_COLORS, PALM_COLOR
from hand.camera import project
from hand.joints import BONES
from hand.mirror import Side, other_side
from hand.types import HandState, PathResult

_PALM_ACROSS = ((5, 9), (9, 13), (13, 17))
"""Between the knuckles: not bones, but they make the palm a surface to the eye."""


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonStroke:
    """One line of the overlay.

    Attributes:
        start_px: one end.
        end_px: the other end.
        color: #rrggbb.
    """

    start_px: tuple[float, float]
    end_px: tuple[float, float]
    color: str


@dataclass(frozen=True, slots=True, eq=False)
class SkeletonDot:
    """One joint of the overlay.

    Attributes:
        center_px: where.
        color: #rrggbb.
    """

    center_px: tuple[float, float]
    color: str


@dataclass(frozen=True, slots=True, eq=False)
class HandDrawing:
    """The overlay of one hand.

    Attributes:
        strokes: lines, palm first.
        dots: joints.
        observed_px: where the detector saw the joints, empty where it is not known.
        label: side and confidence, for people.
        label_anchor_px: below this point the label hangs.
        size_px: the longer side of the hand's box, which line widths follow.
    """

    strokes: tuple[SkeletonStroke, ...]
    dots: tuple[SkeletonDot, ...]
    observed_px: tuple[tuple[float, float], ...]
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
        if not np.isfinite(joints_px).all():
            continue
        observed = result.observations[index].landmarks_px if index < len(result.observations) else None
        drawings.append(_draw_hand(joints_px, observed, hand_label(state, result.frame.mirrored)))
    return tuple(drawings)


def _draw_hand(
    joints_px: Float[np.ndarray, "21 2"], observed_px: Float[np.ndarray, "21 2"] | None, label: str
) -> HandDrawing:
    points = [(float(x), float(y)) for x, y in joints_px]
    strokes = [SkeletonStroke(points[a], points[b], PALM_COLOR) for a, b in _PALM_ACROSS]
    strokes += [SkeletonStroke(points[a], points[b], _color_of(b) if a else PALM_COLOR) for a, b in BONES]
    low, high = joints_px.min(0), joints_px.max(0)
    return HandDrawing(
        strokes=tuple(strokes),
        dots=tuple(SkeletonDot(point, _color_of(joint)) for joint, point in enumerate(points)),
        observed_px=() if observed_px is None else tuple((float(x), float(y)) for x, y in observed_px),
        label=label,
        label_anchor_px=(float(low[0] + high[0]) / 2.0, float(high[1])),
        size_px=float((high - low).max()),
    )


def _color_of(joint: int) -> str:
    return PALM_COLOR if joint == 0 else FINGER_COLORS[(joint - 1) // 4]
