"""How far a solved hand is to be trusted, 0 to 1."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from hand.types import HandObservation
from ik_baseline.solver import IkSolution

WORLD_HALF_M = 0.02
"""Median distance to the world landmarks at which trust is halved; a good fit to MediaPipe lies at 5 to 8 mm."""

PIXEL_HALF = 0.06
"""Median reprojection error over the hand's box at which trust is halved; a good fit lies at 0.01 to 0.02."""

PRESSED_SHARE = 0.5
"""Share of trust that a hand loses when all its joints press against their limits."""


def confidence_of(solution: IkSolution, observation: HandObservation) -> float:
    """The product of four factors, each 1 when nothing speaks against the hand.

    MediaPipe's own score; how well the world landmarks are met; how well the picture is met (both fall as
    1 / (1 + (error / half)^2), of medians, so that one bad landmark does not decide); and how many joints had to be
    held back at their limits, which says that the landmarks describe no possible hand.
    """
    landmarks_px = observation.landmarks_px
    box_px = max(float((landmarks_px.max(0) - landmarks_px.min(0)).max()), 1.0)
    world = _median(solution.world_residual_m) / WORLD_HALF_M
    pixels = _median(solution.reprojection_px) / box_px / PIXEL_HALF
    held_back = 1.0 - PRESSED_SHARE * solution.pressed
    trust = observation.score * held_back / ((1.0 + world**2) * (1.0 + pixels**2))
    return float(min(max(trust, 0.0), 1.0))


def _median(values: Float[np.ndarray, "21"]) -> float:
    """The middle one of 21, which is one."""
    return float(np.sort(values)[10])
