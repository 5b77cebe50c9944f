"""A whole movement solved at once: every frame's pose, from the frames before it and those after it.

The residuals are the live solver's (``kernel``); between frames stands a prior of movement instead of the last
frame's pose: hands change their speed slowly. So the sum to be made small is

    sum over frames   |residuals of the frame|^2  +  |prior of the joint angles|^2
    sum over threes   |x(t+1) - 2 x(t) + x(t-1)|^2 / sigma^2          (acceleration, frames being equally far apart)

Gauss-Newton on it gives one large banded system, two frames wide, which is solved exactly: each frame then depends on
both directions of time (as with the smoother of Rauch, Tung and Striebel 1965, here with limits and robust weights,
re-weighted at every step).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import LinAlgError, solveh_banded

from hand.camera import Intrinsics
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from hand.types import HandObservation
from ik_baseline.kernel import UNKNOWNS, WORLD_ROWS, State, Target, residuals_and_jacobian
from ik_baseline.solver import ROBUST_FLOOR, IkSolution, IkSolver

FRAME_S: Final = 1.0 / 30.0
"""Time between frames for which the accelerations below are given."""

ANGLE_ACCELERATION_RAD: Final = 0.012
"""Expected change of a joint's speed from frame to frame, in radians per frame per frame at 30 frames a second."""

TURN_ACCELERATION_RAD: Final = 0.008
"""The same of the whole hand's turn."""

PLACE_ACCELERATION_M: Final = 0.0015
"""The same of the wrist."""

CENTER_ACCELERATION_M: Final = 0.0006
"""The same of the detector's hand centre."""

SCALE_ACCELERATION: Final = 0.004
"""The same of the detector's scale."""

PIXEL_DOUBT: Final = 2.5
"""Standard deviations in the picture over the live solver's. Live, the overlay has to match the picture; here the
pose matters, and a corrected landmark is further from its joint in the picture than the live deviation assumes."""

JUMP_M: Final = 0.02
"""A frame with joints further than this from the middle of its neighbours', about the wrist, is an outlier."""

JUMP_DOUBT: Final = 10.0
"""How much larger standard deviations are taken in such a frame."""

_NEIGHBOURS: Final = 3

LONGEST_GAP: Final = 5
"""Frames without a hand that a movement is carried across; after more it is another movement."""

STEPS: Final = 8
_PRECISE_ENOUGH: Final = 2e-4

# what cannot move (PIP and DIP sideways, and about their own length) is left where the first solution has it
_FREE: Final = np.array(
    [0, 1, 2]
    + [3 + 9 * finger + k for finger in range(4) for k in (0, 1, 2, 3, 6)]
    + [39, 40, 41, 42, 43, 45]
    + list(range(48, UNKNOWNS))
)
_SIZE: Final = len(_FREE)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A hand in one frame of a movement.

    Attributes:
        frame: number of the frame; gaps are frames without the hand.
        observation: of the detector.
        doubt: factor on the standard deviations.
    """

    frame: int
    observation: HandObservation
    doubt: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """Normal equations of all frames."""

    matrix: Float[np.ndarray, "T S S"]
    gradient: Float[np.ndarray, "T S"]
    cost: float


class SessionSolver:
    """Solves movements of one hand; keeps nothing from one to the next."""

    def __init__(self, solver: IkSolver, frame_s: float = FRAME_S) -> None:
        """Takes the solver with the hand, camera model and priors to use.

        Args:
            solver: of single frames.
            frame_s: time from one frame to the next.
        """
        self._solver = solver
        chain = solver.chain
        self._lower, self._upper = chain.lower, chain.upper
        deviations = np.empty(UNKNOWNS)
        deviations[:3] = TURN_ACCELERATION_RAD
        deviations[3:48] = ANGLE_ACCELERATION_RAD
        deviations[48:51] = PLACE_ACCELERATION_M
        deviations[51:54] = CENTER_ACCELERATION_M
        deviations[54] = SCALE_ACCELERATION
        # the same acceleration moves a hand four times as far in twice the time
        slowness = float(np.clip(frame_s / FRAME_S, 0.5, 4.0)) ** 2
        self._stiffness = 1.0 / (slowness * deviations[_FREE]) ** 2
        self._prior = solver.prior_weights()[_FREE]

    def solve(
        self,
        seen: Sequence[Seen],
        intrinsics: Intrinsics,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> list[IkSolution]:
        """Solves a session's frames, movement by movement.

        Args:
            seen: one hand of one side, in time order; no frame comes twice.
            intrinsics: of all pictures.
            progress: called with the number of frames done.

        Returns:
            One solution for every entry of ``seen``.

        Raises:
            ValueError: a frame comes twice, or frames run backwards.
        """
        for before, after in pairwise(seen):
            if after.frame <= before.frame:
                raise ValueError(
                    f"A movement is one hand in frames that follow each other, but frame {after.frame} came after "
                    f"frame {before.frame}; give each frame once, in time order."
                )
        solutions: list[IkSolution] = []
        start = 0
        for end in range(1, len(seen) + 1):
            if end == len(seen) or seen[end].frame - seen[end - 1].frame - 1 > LONGEST_GAP:
                solutions.extend(self._movement(seen[start:end], intrinsics))
                start = end
                if progress is not None:
                    progress(end)
        return solutions

    def _movement(self, seen: Sequence[Seen], intrinsics: Intrinsics) -> list[IkSolution]:
        """One movement without long gaps; unobserved frames between observed ones keep the time."""
        first = seen[0].frame
        places = np.array([entry.frame - first for entry in seen])
        live = self._one_by_one(seen, intrinsics)
        jumps = _jumps(np.stack([solution.joints_m - solution.joints_m[0] for solution in live]))
        targets = [
            _doubted(self._solver.target(entry.observation, intrinsics), entry.doubt * (JUMP_DOUBT if jump else 1.0))
            for entry, jump in zip(seen, jumps, strict=True)
        ]
        inliers = {int(place): s.warm.state for place, s, jump in zip(places, live, jumps, strict=True) if not jump}
        states = self._smoothed(targets, _filled(inliers, int(places[-1]) + 1), places)
        targets = [self._solver.target(entry.observation, intrinsics) for entry in seen]
        return [
            self._solver.described(entry.observation.side, target, states[place])
            for entry, target, place in zip(seen, targets, places, strict=True)
        ]

    def _one_by_one(self, seen: Sequence[Seen], intrinsics: Intrinsics) -> list[IkSolution]:
        """Each frame as the live solver has it."""
        solutions: list[IkSolution] = []
        for entry in seen:
            warm = solutions[-1].warm if solutions else None
            solutions.append(self._solver.solve(entry.observation, intrinsics, warm))
        return solutions

    def _smoothed(
        self, targets: Sequence[Target], states: list[State], places: Int[np.ndarray, " seen"]
    ) -> list[State]:
        step = self._equations(targets, states, places)
        for _ in range(STEPS):
            change = _solve_banded(step.matrix, step.gradient, self._stiffness, self._held(states, step.gradient))
            if change is None:
                break
            for length in (1.0, 0.5, 0.25):
                trial = [self._moved(state, length * part) for state, part in zip(states, change, strict=True)]
                trial_step = self._equations(targets, trial, places)
                if trial_step.cost < step.cost:
                    break
            else:
                break
            gained = step.cost - trial_step.cost
            states, step = trial, trial_step
            if gained < _PRECISE_ENOUGH * step.cost:
                break
        return states

    def _equations(self, targets: Sequence[Target], states: Sequence[State], places: Int[np.ndarray, " seen"]) -> _Step:
        """Normal equations of the observations and the priors of single frames, and the acceleration term of each."""
        count = len(states)
        matrix, gradient = np.zeros((count, _SIZE, _SIZE)), np.zeros((count, _SIZE))
        terms = [
            residuals_and_jacobian(self._solver.chain, states[place], target)
            for target, place in zip(targets, places, strict=True)
        ]
        weights, cost = _robust(np.stack([residuals for residuals, _ in terms]))
        for (residuals, jacobian), weight, place in zip(terms, weights, places, strict=True):
            free = jacobian[:, _FREE]
            weighted = free * weight[:, None]
            matrix[place] = weighted.T @ free
            gradient[place] = weighted.T @ residuals
        own = np.zeros((count, UNKNOWNS))
        own[:, 3:48] = [state.angles for state in states]
        own[:, 54] = [state.log_scale for state in states]
        own = own[:, _FREE]
        # a very weak prior on everything, or a long gap would make the system singular
        matrix[:, range(_SIZE), range(_SIZE)] += self._prior + 1e-6
        gradient += self._prior * own
        cost += float((self._prior * own**2).sum())
        if count > 2:
            acceleration = _acceleration(states)[:, _FREE]
            pull = acceleration * self._stiffness
            cost += float((acceleration * pull).sum())
            gradient[:-2] += pull
            gradient[1:-1] -= 2.0 * pull
            gradient[2:] += pull
        return _Step(matrix, gradient, cost)

    def _held(self, states: Sequence[State], gradient: Float[np.ndarray, "T S"]) -> np.ndarray:
        """Which angles press against a limit and have to stay there."""
        angles = np.array([state.angles for state in states])
        pressed = np.zeros((len(states), UNKNOWNS), bool)
        full = np.zeros((len(states), UNKNOWNS))
        full[:, _FREE] = gradient
        pressed[:, 3:48] = ((angles <= self._lower) & (full[:, 3:48] > 0.0)) | (
            (angles >= self._upper) & (full[:, 3:48] < 0.0)
        )
        return pressed[:, _FREE]

    def _moved(self, state: State, change: Float[np.ndarray, " S"]) -> State:
        full = np.zeros(UNKNOWNS)
        full[_FREE] = change
        return State(
            np.ascontiguousarray(matrix_from_axis_angle(full[:3]) @ state.rotation),
            np.clip(state.angles + full[3:48], self._lower, self._upper),
            state.wrist + full[48:51],
            state.centre + full[51:54],
            float(state.log_scale + full[54]),
        )


def _jumps(joints_m: Float[np.ndarray, "T 21 3"]) -> list[bool]:
    """Detects frames that contradict those before and after them; never all of them."""
    count = len(joints_m)
    jumps = []
    for t in range(count):
        middle = np.median(joints_m[max(t - _NEIGHBOURS, 0) : t + _NEIGHBOURS + 1], axis=0)
        jumps.append(bool(np.linalg.norm(joints_m[t] - middle, axis=1).mean() > JUMP_M))
    return jumps if not all(jumps) else [False] * count


def _filled(states: dict[int, State], count: int) -> list[State]:
    """A state for every frame: where there is none, that of the nearest frame that has one."""
    known = np.array(sorted(states))
    return [states[int(known[np.abs(known - place).argmin()])] for place in range(count)]


def _acceleration(states: Sequence[State]) -> Float[np.ndarray, "T-2 55"]:
    """Change in the speed of every unknown at the frames that have two neighbours."""
    values = np.zeros((len(states), UNKNOWNS))
    values[:, 3:48] = [state.angles for state in states]
    values[:, 48:51] = [state.wrist for state in states]
    values[:, 51:54] = [state.centre for state in states]
    values[:, 54] = [state.log_scale for state in states]
    speed = np.diff(values, axis=0)
    rotations = np.array([state.rotation for state in states])
    speed[:, :3] = axis_angle_from_matrix(rotations[1:] @ np.swapaxes(rotations[:-1], -1, -2))
    return np.diff(speed, axis=0)


def _robust(residuals: Float[np.ndarray, "T 105"]) -> tuple[Float[np.ndarray, "T 105"], float]:
    """Geman-McClure weights and the cost they belong to.

    The scale follows the median of the whole movement and not of each frame, as the live solver's does: here a frame
    in which everything is off is corrected by its neighbours.
    """
    total = 0.0
    weights = []
    for part, width in ((residuals[:, :WORLD_ROWS], 3), (residuals[:, WORLD_ROWS:], 2)):
        squared = (part.reshape(len(part), 21, width) ** 2).sum(-1)
        scale = max(ROBUST_FLOOR**2, 6.0 * float(np.median(squared)))
        share = 1.0 / (1.0 + squared / scale)
        weights.append(np.repeat(share**2, width, axis=1))
        total += float((squared * share).sum())
    return np.concatenate(weights, axis=1), total


def _solve_banded(
    matrix: Float[np.ndarray, "T S S"],
    gradient: Float[np.ndarray, "T S"],
    stiffness: Float[np.ndarray, " S"],
    held: np.ndarray,
) -> Float[np.ndarray, "T S"] | None:
    """The Gauss-Newton step of all frames together; None when there is none."""
    count = len(matrix)
    size = count * _SIZE
    bands = np.zeros((3 * _SIZE, size))  # row d: the d-th diagonal below the main one
    rows, columns = np.tril_indices(_SIZE)
    for t in range(count):
        bands[rows - columns, t * _SIZE + columns] = matrix[t][rows, columns]
    # second differences of equally spaced frames: 1 -2 1, squared
    middle, next_one = np.zeros(count), np.zeros(count)
    if count > 2:
        middle[:-2] += 1.0
        middle[1:-1] += 4.0
        middle[2:] += 1.0
        next_one[:-2] -= 2.0
        next_one[1:-1] -= 2.0
        bands[0] += (middle[:, None] * stiffness).ravel()
        bands[_SIZE] += (next_one[:, None] * stiffness).ravel()
        bands[2 * _SIZE, : (count - 2) * _SIZE] += np.tile(stiffness, count - 2)
    for index in np.flatnonzero(held.ravel()).tolist():  # out of the step: its row and column are those of the identity
        bands[:, index] = 0.0
        below = np.arange(1, min(3 * _SIZE, int(index) + 1))
        bands[below, index - below] = 0.0
        bands[0, index] = 1.0
    right = np.where(held.ravel(), 0.0, -gradient.ravel())
    bands[0] *= 1.0 + 1e-6
    try:
        return np.asarray(solveh_banded(bands, right, lower=True, check_finite=False)).reshape(count, _SIZE)
    except LinAlgError:
        return None


def _doubted(target: Target, doubt: float) -> Target:
    return target._replace(
        world_precision=target.world_precision / doubt, pixel_precision=target.pixel_precision / (PIXEL_DOUBT * doubt)
    )
