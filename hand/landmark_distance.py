"""How far apart two readings of a hand in a picture are, over the hand's size."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float


def landmark_distance(first_px: Float[np.ndarray, "21 2"], second_px: Float[np.ndarray, "21 2"]) -> float:
    """Mean distance of corresponding landmarks over the size of the smaller hand (longer side of its box)."""
    return float(_distance(np.asarray(first_px, np.float64), np.asarray(second_px, np.float64)))


# keep the interpreter lock: reacquiring it would take longer than the microsecond of work
@numba.njit(cache=True, error_model="numpy")
def mean_distance(first: Float[np.ndarray, "N 2"], second: Float[np.ndarray, "N 2"]) -> float:
    """Mean distance of corresponding points."""
    total = 0.0
    for j in range(len(first)):
        across, down = first[j, 0] - second[j, 0], first[j, 1] - second[j, 1]
        total += np.sqrt(across * across + down * down)
    return total / len(first)


@numba.njit(cache=True, error_model="numpy")
def longer_side(points: Float[np.ndarray, "N 2"]) -> float:
    """The longer side of the upright box around points."""
    longer = 0.0
    for axis in range(2):
        low = high = points[0, axis]
        for j in range(len(points)):
            low, high = min(low, points[j, axis]), max(high, points[j, axis])
        longer = max(longer, high - low)
    return longer


@numba.njit(cache=True, error_model="numpy")
def _distance(first: np.ndarray, second: np.ndarray) -> float:
    return mean_distance(first, second) / max(min(longer_side(first), longer_side(second)), 1e-6)
