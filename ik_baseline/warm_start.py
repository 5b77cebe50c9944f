"""The prior that one frame gives the next: it steadies a hand at rest and vanishes as the hand moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ik_baseline.kernel import State, Target

PIXEL_MOVED_M = 0.005
"""Movement of a landmark in the picture, in metres at the hand, at which the last frame has lost all weight."""

WORLD_MOVED_M = 0.012
"""The same for world landmarks, which have noisier depth."""

STEADINESS = 4.0
"""On a hand at rest the last frame counts as much as this many new ones."""

# A moving finger must not lose the steadiness of the others: palm first, then thumb, index, middle, ring, pinky
_BY_PART = np.array((0, 1, 5, 9, 13, 17, 2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 18, 19, 20))
_PART_STARTS = np.array((0, 6, 9, 12, 15, 18))
_PART_OF_LANDMARK = np.array((0, 0, 1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3, 0, 4, 4, 4, 0, 5, 5, 5))
_PART_OF_UNKNOWN = np.concatenate([np.zeros(3, int), np.repeat((2, 3, 5, 4, 1), 9), np.zeros(7, int)])


@dataclass(frozen=True, slots=True, eq=False)
class WarmStart:
    """The state of this frame for the next one, as a right hand.

    Attributes:
        state: the solved unknowns.
        settled_px: the landmarks the state stands for: smoothed on a still hand, the newest ones on a moving one.
        settled_world_m: the same of the world landmarks.
        information: inverse covariance of the unknowns from this frame's landmarks.
    """

    state: State
    settled_px: Float[np.ndarray, "21 2"]
    settled_world_m: Float[np.ndarray, "21 3"]
    information: Float[np.ndarray, "55 55"]


def steadied(
    previous: WarmStart, target: Target
) -> tuple[Float[np.ndarray, "55 55"], Float[np.ndarray, "21 2"], Float[np.ndarray, "21 3"]]:
    """The temporal prior: the last frame's information, discounted by how far each part of the hand has moved.

    A hand at rest keeps ``STEADINESS`` frames' worth of it, one that moves keeps none. Movement is measured
    against the landmarks the last state stands for, smoothed in the same measure as the state itself: so a slow
    movement adds up and ends the prior too, and lag stays below the thresholds above.

    Args:
        previous: state of the last frame.
        target: the new observation.

    Returns:
        information: the discounted information about the unknowns, as an inverse covariance.
        settled_px: the smoothed landmarks of the new state.
        settled_world_m: the same of the world landmarks.
    """
    metres_per_px = previous.state.wrist[2] / target.camera[0]
    moved_px = np.linalg.norm(target.pixels - previous.settled_px, axis=1)
    settled_world_m = previous.settled_world_m + (target.world - previous.settled_world_m).mean(0)
    moved_world_m = np.linalg.norm(target.world - settled_world_m, axis=1)
    moved = np.maximum(moved_px * metres_per_px / PIXEL_MOVED_M, moved_world_m / WORLD_MOVED_M)
    moved_part = np.maximum.reduceat(moved[_BY_PART], _PART_STARTS)
    kept = STEADINESS * np.clip(1.0 - moved_part**2, 0.0, 1.0) ** 2
    discount = np.sqrt(kept[_PART_OF_UNKNOWN])
    share = (kept / (1.0 + kept))[_PART_OF_LANDMARK][:, None]
    return (
        previous.information * discount * discount[:, None],
        target.pixels + share * (previous.settled_px - target.pixels),
        target.world + share * (settled_world_m - target.world),
    )
