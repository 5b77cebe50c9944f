"""Which hand of one path is which hand of the other, in the same picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from hand.types import HandState

SAME_PLACE = 0.7
"""Hands whose joints lie closer than this on average in the picture, over the smaller hand's size, are one hand."""

_LEAST_DEPTH_M = 1e-3

HandPair = tuple[HandState | None, HandState | None]


def pair_hands(first: Sequence[HandState], second: Sequence[HandState]) -> list[HandPair]:
    """Pairs the hands of two lists, nearest first; who has no partner comes alone.

    Sides are not compared, because the paths may disagree about them: the place in the picture decides.

    Returns:
        (hand of the first list or None, hand of the second or None), hands of the first list in their order.
    """
    gaps = sorted((picture_gap(one, other), i, j) for i, one in enumerate(first) for j, other in enumerate(second))
    partner: dict[int, int] = {}
    for gap, i, j in gaps:
        if gap < SAME_PLACE and i not in partner and j not in partner.values():
            partner[i] = j
    pairs: list[HandPair] = [(one, second[partner[i]] if i in partner else None) for i, one in enumerate(first)]
    pairs += [(None, other) for j, other in enumerate(second) if j not in partner.values()]
    return pairs


def picture_gap(one: HandState, other: HandState) -> float:
    """Mean distance of the joints as the camera sees them, over the smaller hand's size; infinite where unseen."""
    first, second = _directions(one), _directions(other)
    gap = float(np.linalg.norm(first - second, axis=1).mean())
    size = min(float(np.ptp(points, axis=0).max()) for points in (first, second))
    return gap / max(size, 1e-6) if np.isfinite(gap) else float("inf")


def _directions(state: HandState) -> Float[np.ndarray, "21 2"]:
    joints = np.asarray(state.joints_m, np.float64)
    depth = joints[:, 2:]
    return np.where(depth > _LEAST_DEPTH_M, joints[:, :2] / np.maximum(depth, _LEAST_DEPTH_M), np.nan)
