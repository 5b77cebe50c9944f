"""Solves a person's hand shape and landmark offsets over many frames at once.

One picture cannot tell a short finger from a bent one; fifty different ones can. All frames share the shape and the
offsets and keep poses of their own: a bundle adjustment. Each frame's pose is eliminated by its Schur complement
(Triggs et al. 2000, "Bundle Adjustment", sec. 6.1), so what is left to solve is one small system, and the poses are
solved anew between steps. The result is then held; the live solver never touches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.joints import FROM_MANO_WITH_TIPS, MANO_PARENTS
from hand.landmark_offsets import BONE_OF_LANDMARK
from hand.model import HandModel
from hand.types import HandObservation
from ik_baseline.kernel import WORLD_ROWS, State, Target, pose_landmarks, residuals_and_jacobian
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver

OFFSET_DEVIATION_M = 0.001
"""How far one person's landmark offsets are assumed to lie from the average; more lets the whole mesh slide."""

EFFECTIVE_FRAMES = 1.0
"""Weight of all frames together against the priors, in frames with independent errors.

MediaPipe's error on one hand is similar from frame to frame, so more frames hardly improve the average. Counted as
four, shapes leave the plausible range (five standard deviations and more) and fit new frames hardly better.
"""

TILT_WEIGHT = 2.0**0.5
"""What a tilt of the whole hand counts against a joint that bends by the same angle."""

STEPS = 4

# a landmark further off than this many standard deviations has no weight, as in the live solver
_HUBER = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    observation: HandObservation
    intrinsics: Intrinsics
    features: Float[np.ndarray, "48"]


class HandCalibrator:
    """Collects frames of one person's hand until there are enough different ones, then solves for the person."""

    def __init__(
        self,
        model: HandModel,
        *,
        wanted_frames: int = 60,
        start: HandCalibration | None = None,
        offset_deviation_m: float = OFFSET_DEVIATION_M,
        effective_frames: float = EFFECTIVE_FRAMES,
    ) -> None:
        """Prepares an empty collection.

        Args:
            model: hand model.
            wanted_frames: number of different frames for a calibration.
            start: calibration to refine; the default one when left out.
            offset_deviation_m: how far the offsets may go from the start.
            effective_frames: see :data:`EFFECTIVE_FRAMES`; more for a detector without errors of its own.
        """
        self._solver = IkSolver(model, start)
        self._wanted = wanted_frames
        self._samples: list[_Sample] = []
        self._offset_deviation_m = offset_deviation_m
        self._effective_frames = effective_frames
        shape = self._solver.model.shape_directions_m.astype(np.float64)
        regressor = self._solver.model.joint_regressor.astype(np.float64)
        self._joint_directions = np.einsum("jv,vck->jck", regressor, shape)
        self._tip_directions = shape[list(self._solver.model.tip_vertices)]

    @property
    def progress(self) -> float:
        """Share of the required frames that are collected, 0 to 1."""
        return min(len(self._samples) / self._wanted, 1.0)

    def add(self, observation: HandObservation, intrinsics: Intrinsics, *, least_difference: float = 0.6) -> bool:
        """Takes a frame if it shows something new.

        Args:
            observation: of the detector.
            intrinsics: of the picture.
            least_difference: how different from all frames so far it must be, as the length of the vector of all
                joint angles, radians, and of the tilt against the line of sight times :data:`TILT_WEIGHT`. A hand
                that only rolls in the picture shows nothing new of its shape.

        Returns:
            Whether it was taken.
        """
        if self.progress >= 1.0:
            return False
        state = self._solver.solve(observation, intrinsics).warm.state
        # the line of sight in the hand's own axes: it turns with a tilt and stays when the hand rolls in the picture
        features = np.concatenate([state.angles, TILT_WEIGHT * state.rotation[2]])
        if any(np.linalg.norm(features - sample.features) < least_difference for sample in self._samples):
            return False
        self._samples.append(_Sample(observation, intrinsics, features))
        return True

    def solve(self) -> HandCalibration:
        """Shape and offsets that explain all collected frames best.

        Raises:
            ValueError: no frame was added.
        """
        if not self._samples:
            raise ValueError("no frames to calibrate on")
        start = self._solver.calibration
        shared_start = np.concatenate([start.shape, start.landmark_offsets_m.ravel()])
        shared = shared_start.copy()
        prior = np.concatenate([np.ones(10), np.full(63, 1.0 / self._offset_deviation_m**2)])
        share = min(self._effective_frames / len(self._samples), 1.0)
        targets = [self._target(sample) for sample in self._samples]
        states = [self._solver.converge(target) for target in targets]
        cost = share * self._misfit(targets, states)
        for _ in range(STEPS):
            matrix, gradient = np.zeros((73, 73)), np.zeros(73)
            for target, state in zip(targets, states, strict=True):
                frame_matrix, frame_gradient = self._eliminate_pose(target, state)
                matrix += frame_matrix
                gradient += frame_gradient
            gradient = share * gradient + prior * (shared - shared_start)
            step = -np.linalg.solve(share * matrix + np.diag(prior), gradient)
            for length in (1.0, 0.5, 0.25):
                trial = shared + length * step
                self._solver.calibration = self._calibration_of(trial)
                trial_states = [
                    self._solver.converge(target, state) for target, state in zip(targets, states, strict=True)
                ]
                trial_cost = share * self._misfit(targets, trial_states) + prior @ (trial - shared_start) ** 2
                if trial_cost < cost:
                    shared, states, cost = trial, trial_states, trial_cost
                    break
            else:
                break
        self._solver.calibration = self._calibration_of(shared)
        return self._solver.calibration

    def _calibration_of(self, shared: Float[np.ndarray, "73"]) -> HandCalibration:
        offsets = shared[10:].reshape(21, 3).copy()
        return HandCalibration(shared[:10].copy(), offsets, self._solver.model.digest, len(self._samples))

    def _misfit(self, targets: Sequence[Target], states: Sequence[State]) -> float:
        """Huber cost of all frames, with the priors of their poses."""
        total = 0.0
        for target, state in zip(targets, states, strict=True):
            residuals, _ = residuals_and_jacobian(self._solver.chain, state, target)
            weights = _huber_weights(residuals)
            # w = H / r gives H (2 r - H) for Huber's cost beyond H, which is (2 / w - 1) times w^2 r^2
            total += float((weights * (2.0 - weights) * residuals**2).sum())
            own = np.concatenate([np.zeros(3), state.angles, np.zeros(6), [state.log_scale]])
            total += float(self._solver.prior_weights() @ own**2)
        return total

    def _target(self, sample: _Sample) -> Target:
        return self._solver.target(sample.observation, sample.intrinsics)

    def _eliminate_pose(
        self, target: Target, state: State
    ) -> tuple[Float[np.ndarray, "73 73"], Float[np.ndarray, "73"]]:
        """Normal equations of the shared unknowns after this frame's own have been solved for."""
        chain = self._solver.chain
        residuals, own = residuals_and_jacobian(chain, state, target)
        shared = self._shared_jacobian(target, state)
        weights = _huber_weights(residuals)
        # angles at a limit are held there, here as well
        free = np.ones(own.shape[1], bool)
        free[3:48] = (state.angles > chain.lower) & (state.angles < chain.upper)
        own = own[:, free]
        own_matrix = (own * weights[:, None]).T @ own + np.diag(self._solver.prior_weights()[free])
        mixed = (own * weights[:, None]).T @ shared
        # the frame's own gradient is zero: its pose was just solved
        matrix = (shared * weights[:, None]).T @ shared - mixed.T @ np.linalg.solve(own_matrix, mixed)
        return matrix, shared.T @ (weights * residuals)

    def _shared_jacobian(self, target: Target, state: State) -> Float[np.ndarray, "105 73"]:
        """Derivatives of the residuals with respect to shape and offsets."""
        chain = self._solver.chain
        points, _, world, _ = pose_landmarks(chain, state.rotation, state.angles)
        moved = np.zeros((21, 3, 73))
        moved[:, :, :10] = self._shape_motion(world)
        rides = world[BONE_OF_LANDMARK]
        for k in range(21):
            moved[k, :, 10 + 3 * k : 13 + 3 * k] = rides[k]
        landmarks = points + np.einsum("kij,kj->ki", rides, chain.offsets) + state.wrist
        fx, fy = target.camera[:2]
        x, y, depth = landmarks[:, 0, None], landmarks[:, 1, None], landmarks[:, 2, None]
        u = fx / depth * (moved[:, 0] - x / depth * moved[:, 2])
        v = fy / depth * (moved[:, 1] - y / depth * moved[:, 2])
        world_rows = (moved * target.world_precision[None, :, None]).reshape(WORLD_ROWS, 73)
        return np.concatenate([world_rows, np.stack([u, v], 1).reshape(42, 73) * target.pixel_precision])

    def _shape_motion(self, world: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "21 3 10"]:
        """Derivatives of the 21 posed joints with respect to the shape; they are linear in it for a given pose."""
        motion = np.zeros((21, 3, 10))
        directions = self._joint_directions
        for joint in range(1, 16):
            parent = MANO_PARENTS[joint]
            motion[joint] = motion[parent] + world[parent] @ (directions[joint] - directions[parent])
        chain = self._solver.chain
        for tip in range(5):
            along = np.einsum("jab,jbk->jak", world, self._tip_directions[tip] - directions) + motion[:16]
            motion[16 + tip] = np.einsum("j,jak->ak", chain.tip_weights[tip], along)
        return motion[list(FROM_MANO_WITH_TIPS)]


def _huber_weights(residuals: Float[np.ndarray, "105"]) -> Float[np.ndarray, "105"]:
    """Huber's weights, one a landmark and kind of observation."""
    world = np.linalg.norm(residuals[:WORLD_ROWS].reshape(21, 3), axis=1)
    pixels = np.linalg.norm(residuals[WORLD_ROWS:].reshape(21, 2), axis=1)
    world_weights = np.minimum(1.0, _HUBER / np.maximum(world, 1e-9))
    pixel_weights = np.minimum(1.0, _HUBER / np.maximum(pixels, 1e-9))
    return np.concatenate([np.repeat(world_weights, 3), np.repeat(pixel_weights, 2)])
