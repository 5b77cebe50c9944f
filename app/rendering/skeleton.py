"""The overlay of one hand in picture pixels; the window and the files draw the same one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.camera import project
from hand.mirror import Side, other_side
from hand.types import HandState, PathResult


@dataclass(frozen=True, slots=True, eq=False)
class HandDrawing:
    """The overlay of one hand.

    Attributes:
        joints_px: the joints, which bones connect.
        observed_px: where the detector saw the joints, None where it is not known.
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
        if not np.isfinite(joints_px).all():
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
