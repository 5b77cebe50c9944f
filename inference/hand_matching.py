"""Matches the hands of two paths in the same picture."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from hand.types import HandState

SAME_PLACE = 0.7
"""Hands with joints closer than this on average in the picture, over the smaller hand's size, are one hand."""

_LEAST_DEPTH_M = 1e-3

HandPair = tuple[HandState | None, HandState | None]


def pair_hands(first: Sequence[HandState], second: Sequence[HandState]) -> list[HandPair]:
    """Pairs the hands of two lists, nearest first; a hand without a partner comes alone.

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
    """Mean distance of the projected joints over the smaller hand's size; infinite for a hand behind the camera."""
    return float(_gap(np.asarray(one.joints_m, np.float64), np.asarray(other.joints_m, np.float64)))


@numba.njit(cache=True, error_model="numpy")
def _gap(first: np.ndarray, second: np.ndarray) -> float:
    """Mean distance of points' directions (x / z, y / z) over the smaller of both boxes' longer sides."""
    total = 0.0
    low, high = np.full((2, 2), np.inf), np.full((2, 2), -np.inf)
    for j in range(len(first)):
        if not (first[j, 2] > _LEAST_DEPTH_M and second[j, 2] > _LEAST_DEPTH_M):
            return np.inf
        squared = 0.0
        for axis in range(2):
            a, b = first[j, axis] / first[j, 2], second[j, axis] / second[j, 2]
            squared += (a - b) * (a - b)
            low[0, axis], high[0, axis] = min(low[0, axis], a), max(high[0, axis], a)
            low[1, axis], high[1, axis] = min(low[1, axis], b), max(high[1, axis], b)
        total += np.sqrt(squared)
    size = min(max(high[0, 0] - low[0, 0], high[0, 1] - low[0, 1]), max(high[1, 0] - low[1, 0], high[1, 1] - low[1, 1]))
    gap = total / len(first)
    return gap / max(size, 1e-6) if np.isfinite(gap) else np.inf
