"""The prior that one frame gives the next: it steadies a hand at rest and vanishes as the hand moves."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float

from ik_baseline.kernel import UNKNOWNS, State, Target

PIXEL_MOVED_M = 0.005
"""Movement of a landmark in the picture, in metres at the hand, at which the last frame has lost all weight."""

WORLD_MOVED_M = 0.012
"""The same for world landmarks, which have noisier depth."""

STEADINESS = 4.0
"""On a hand at rest the last frame counts as much as this many new ones."""

# A moving finger must not lose the steadiness of the others: palm first, then thumb, index, middle, ring, pinky
_PARTS = 6
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
    information, settled_px, settled_world_m = np.empty((UNKNOWNS, UNKNOWNS)), np.empty((21, 2)), np.empty((21, 3))
    _steady(
        previous.settled_px,
        previous.settled_world_m,
        previous.information,
        float(previous.state.wrist[2] / target.camera[0]),
        target.pixels,
        target.world,
        settled_px,
        settled_world_m,
        information,
    )
    return information, settled_px, settled_world_m


@numba.njit(cache=True, error_model="numpy")
def _steady(
    before_px: np.ndarray,
    before_m: np.ndarray,
    known: np.ndarray,
    metres_per_px: float,
    pixels: np.ndarray,
    world: np.ndarray,
    settled_px: np.ndarray,
    settled_world_m: np.ndarray,
    information: np.ndarray,
) -> None:
    """The loops of :func:`steadied`; the last three arrays are written."""
    # a detector's world landmarks have no place of their own: only how the hand's form changed is a movement
    for axis in range(3):
        shift = (world[:, axis] - before_m[:, axis]).mean()
        for k in range(21):
            settled_world_m[k, axis] = before_m[k, axis] + shift
    moved = np.zeros(_PARTS)
    for k in range(21):
        pixel_gap = np.sqrt((pixels[k, 0] - before_px[k, 0]) ** 2 + (pixels[k, 1] - before_px[k, 1]) ** 2)
        world_gap = 0.0
        for axis in range(3):
            world_gap += (world[k, axis] - settled_world_m[k, axis]) ** 2
        part = _PART_OF_LANDMARK[k]
        gap = max(pixel_gap * metres_per_px / PIXEL_MOVED_M, np.sqrt(world_gap) / WORLD_MOVED_M)
        moved[part] = max(moved[part], gap)
    kept = np.empty(_PARTS)
    for part in range(_PARTS):
        kept[part] = STEADINESS * max(1.0 - moved[part] ** 2, 0.0) ** 2
    for k in range(21):
        weight = kept[_PART_OF_LANDMARK[k]]
        share = weight / (1.0 + weight)
        for axis in range(2):
            settled_px[k, axis] = pixels[k, axis] + share * (before_px[k, axis] - pixels[k, axis])
        for axis in range(3):
            settled_world_m[k, axis] = world[k, axis] + share * (settled_world_m[k, axis] - world[k, axis])
    discount = np.sqrt(kept)
    for i in range(UNKNOWNS):
        for j in range(UNKNOWNS):
            information[i, j] = known[i, j] * discount[_PART_OF_UNKNOWN[i]] * discount[_PART_OF_UNKNOWN[j]]
