"""Inverse kinematics: one hand's landmarks in, pose, shape and metric place in the camera out.

The way there: a closed-form start (``closed_form``) or the last frame, then damped Gauss-Newton on the detector's world
landmarks and on the reprojection into the picture (``kernel``), inside anatomical limits, with robust weights. The
standard deviations below weight each source; nothing else needs tuning.

Left hands are mirrored, solved as right hands, and mirrored back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.landmark_offsets import BONE_OF_LANDMARK
from hand.layer import HandLayer
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose
from hand.model import HandModel
from hand.pose_kernels import matrices_of_axis_angles
from hand.types import HandObservation
from ik_baseline.closed_form import align_palm, bend_fingers, translate_to_pixels
from ik_baseline.kernel import (
    UNKNOWNS,
    Chain,
    Fit,
    Prior,
    State,
    Target,
    local_rotation_vectors,
    minimise,
    pose_landmarks,
    residual_lengths,
    residuals_and_jacobian,
)
from ik_baseline.person import HandCalibration, build_chain
from ik_baseline.warm_start import WarmStart, steadied

WORLD_DEVIATION_M = (0.006, 0.006, 0.012)
"""Expected error of a world landmark along each camera axis; the depth of a single picture is the weakest."""

PIXEL_DEVIATION = 0.012
"""Expected error of a landmark in the picture over the longer side of the hand's box."""

SCALE_DEVIATION = 0.08
"""Assumed relative error of the size of the detector's hand in one frame."""

ROBUST_FLOOR = 3.0
"""Standard deviations up to which a landmark is never doubted."""

MAX_ITERATIONS_WARM = 8
MAX_ITERATIONS_COLD = 40

# Prior standard deviations of (flexion, abduction, twist), radians: what a joint cannot do is held most firmly. Flexion
# is left to the landmarks and the limits, so it is not drawn to anything.
_FINGER_DEVIATIONS = ((8.0, 1.5, 0.06), (8.0, 0.03, 0.03), (8.0, 0.03, 0.03))
_THUMB_DEVIATIONS = ((8.0, 3.0, 0.7), (8.0, 0.1, 0.06), (8.0, 0.03, 0.03))

_NOTHING_KNOWN = np.zeros((UNKNOWNS, UNKNOWNS))


@dataclass(frozen=True, slots=True, eq=False)
class IkSolution:
    """One solved hand.

    Attributes:
        side: which hand.
        pose_rad: 16 axis-angle triples, MANO order, absolute, global rotation first.
        shape: the calibration's shape, held.
        camera_translation_m: MANO's convention: added after the hand was turned about its own root joint.
        joints_m: 21 model joints in camera axes.
        landmarks_m: expected landmarks of the detector: joints plus the calibrated offsets.
        world_residual_m: distance of each expected landmark to the detector's world landmark.
        reprojection_px: distance of each expected landmark's projection to the detector's.
        pressed: share of the 45 joint angles that press against a limit, leaving out those that hardly move.
        iterations: Gauss-Newton steps taken.
        warm: start values and prior for the next frame.
    """

    side: Side
    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    camera_translation_m: Float[np.ndarray, "3"]
    joints_m: Float[np.ndarray, "21 3"]
    landmarks_m: Float[np.ndarray, "21 3"]
    world_residual_m: Float[np.ndarray, "21"]
    reprojection_px: Float[np.ndarray, "21"]
    pressed: float
    iterations: int
    warm: WarmStart


class IkSolver:
    """Solves one hand at a time; keeps no state, so one solver serves both hands of a picture."""

    def __init__(self, model: HandModel, calibration: HandCalibration | None = None) -> None:
        """Prepares the hand.

        Args:
            model: hand model; a left one is mirrored, for the solver works on right hands.
            calibration: of the person; the average hand when left out.
        """
        self.model = model if model.side == "right" else model.mirrored()
        self._layer = HandLayer(self.model, np.float64)
        deviations = np.array([*(_FINGER_DEVIATIONS * 4), *_THUMB_DEVIATIONS]).reshape(45)
        self._angle_weights = 1.0 / deviations**2
        self._rest_angles = np.zeros(45)
        self.calibration = calibration or HandCalibration.default(self.model)

    @property
    def calibration(self) -> HandCalibration:
        """The person's calibration; may be exchanged between two frames."""
        return self._calibration

    @calibration.setter
    def calibration(self, calibration: HandCalibration) -> None:
        self._calibration = calibration
        self._chain = build_chain(self._layer, calibration)
        self._mobile = np.flatnonzero(self._chain.upper - self._chain.lower > np.radians(30.0))
        self._lower, self._upper = self._chain.lower[self._mobile], self._chain.upper[self._mobile]

    @property
    def chain(self) -> Chain:
        """The arrays of the hand in use, for measurements and tests."""
        return self._chain

    def solve(
        self, observation: HandObservation, intrinsics: Intrinsics, previous: WarmStart | None = None
    ) -> IkSolution:
        """Fits the hand to one observation.

        Args:
            observation: of the detector.
            intrinsics: of the picture.
            previous: the same hand one frame ago; without it the solver starts from the closed form.
        """
        target = self.target(observation, intrinsics)
        if previous is None:
            start = self.closed_form(target)
            fit = self._minimise(target, self._prior(start, _NOTHING_KNOWN), start, MAX_ITERATIONS_COLD)
            warm = WarmStart(fit.state, target.pixels, target.world, fit.information)
        else:
            information, settled_px, settled_world_m = steadied(previous, target)
            prior = self._prior(previous.state, information)
            fit = self._minimise(target, prior, previous.state, MAX_ITERATIONS_WARM)
            warm = WarmStart(fit.state, settled_px, settled_world_m, fit.information)
        return self._solution(observation.side, target, fit, warm)

    def warm_up(self) -> None:
        """Compiles, or loads from numba's cache, everything that :meth:`solve` runs."""
        camera = Intrinsics.from_fov(640, 480)
        joints_m = self._layer(np.zeros(48), self._calibration.shape, np.array([0.0, 0.0, 0.5])).joints_m
        pixels = project(joints_m, camera)
        observation = HandObservation("right", 1.0, pixels, joints_m, crop_around(pixels, 1.5))
        self.solve(observation, camera, self.solve(observation, camera).warm)

    def target(self, observation: HandObservation, intrinsics: Intrinsics) -> Target:
        """The observation in the kernel's form: of a right hand, with its precision."""
        world, pixels = observation.world_landmarks_m, observation.landmarks_px
        if observation.side == "left":
            world = mirror_points(world)
            pixels = mirror_pixels(pixels, intrinsics.width_px)
            intrinsics = intrinsics.mirrored()
        world = world @ turn_to_ray(pixels.mean(0), intrinsics).T
        box_px = max(float((pixels.max(0) - pixels.min(0)).max()), 1.0)
        return Target(
            world=np.ascontiguousarray(world, np.float64),
            pixels=np.ascontiguousarray(pixels, np.float64),
            world_precision=1.0 / np.array(WORLD_DEVIATION_M),
            pixel_precision=1.0 / max(PIXEL_DEVIATION * box_px, 0.5),
            camera=np.array([intrinsics.fx_px, intrinsics.fy_px, intrinsics.cx_px, intrinsics.cy_px]),
        )

    def closed_form(self, target: Target) -> State:
        """The start without iterations."""
        rotation, wrist, scale = align_palm(self._chain, target.world)
        from_wrist = (target.world - wrist) * scale
        angles = bend_fingers(self._chain, rotation, from_wrist)
        fx, fy, cx, cy = (float(value) for value in target.camera)
        # the picture's size plays no part in projecting
        camera = Intrinsics(fx, fy, cx, cy, 1, 1)
        place = translate_to_pixels(from_wrist, target.pixels, camera)
        return State(rotation, angles, place, -wrist * scale, float(np.log(scale)))

    def converge(self, target: Target, start: State | None = None) -> State:
        """The converged state of a frame by itself, without any other; from the closed form when no start is given."""
        start = self.closed_form(target) if start is None else start
        return self._minimise(target, self._prior(start, _NOTHING_KNOWN), start, MAX_ITERATIONS_COLD).state

    def described(self, side: Side, target: Target, state: State) -> IkSolution:
        """A state that was found elsewhere, as a solution.

        Args:
            side: of the hand that ``target`` was made from.
            target: what was observed.
            state: of a right hand.
        """
        points, _, world, _ = pose_landmarks(self._chain, state.rotation, state.angles)
        rides = world[BONE_OF_LANDMARK]
        landmarks = points + np.einsum("kij,kj->ki", rides, self._chain.offsets)
        residuals, _ = residuals_and_jacobian(self._chain, state, target)
        fit = Fit(state, points, landmarks, residuals, _NOTHING_KNOWN, 0)
        return self._solution(side, target, fit, WarmStart(state, target.pixels, target.world, _NOTHING_KNOWN))

    def prior_weights(self) -> Float[np.ndarray, "55"]:
        """One over the variance of each unknown before any observation; 0 where nothing is known."""
        weights = np.zeros(UNKNOWNS)
        weights[3:48] = self._angle_weights
        weights[54] = 1.0 / SCALE_DEVIATION**2
        return weights

    def _prior(self, previous: State, information: Float[np.ndarray, "55 55"]) -> Prior:
        return Prior(self._rest_angles, self._angle_weights, previous, information, 1.0 / SCALE_DEVIATION**2)

    def _minimise(self, target: Target, prior: Prior, start: State, max_iterations: int) -> Fit:
        fit: Fit = minimise(self._chain, target, prior, start, max_iterations, ROBUST_FLOOR)
        return fit

    def _solution(self, side: Side, target: Target, fit: Fit, warm: WarmStart) -> IkSolution:
        state = fit.state
        pose = local_rotation_vectors(self._chain, state.rotation, state.angles).reshape(48)
        translation = state.wrist - self._chain.rest_joints[0]
        joints, expected = fit.points + state.wrist, fit.landmarks + state.wrist
        if side == "left":
            pose, translation = mirror_pose(pose), mirror_points(translation)
            joints, expected = mirror_points(joints), mirror_points(expected)
        world_residual, reprojection = residual_lengths(fit.residuals, target.world_precision, target.pixel_precision)
        angles = state.angles[self._mobile]
        at_limit = (angles <= self._lower) | (angles >= self._upper)
        return IkSolution(
            side=side,
            pose_rad=pose,
            shape=self._calibration.shape,
            camera_translation_m=translation,
            joints_m=joints,
            landmarks_m=expected,
            world_residual_m=world_residual,
            reprojection_px=reprojection,
            pressed=float(at_limit.mean()),
            iterations=fit.iterations,
            warm=warm,
        )


def turn_to_ray(center_px: Float[np.ndarray, "2"], intrinsics: Intrinsics) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation from the optical axis to the ray through a pixel.

    A detector that works on a crop places a hand at the picture's edge on its own optical axis, so its landmarks have
    to be turned by the angle between the camera's axis and the ray to the hand. On real pictures this lowers the world
    residual by up to a fifth, and turning the other way raises it by as much.
    """
    x = (center_px[0] - intrinsics.cx_px) / intrinsics.fx_px
    y = (center_px[1] - intrinsics.cy_px) / intrinsics.fy_px
    off_axis = math.hypot(x, y)
    if off_axis < 1e-9:
        return np.eye(3)
    turn = np.empty((1, 3, 3))
    matrices_of_axis_angles(math.atan(off_axis) / off_axis * np.array([[-y, x, 0.0]]), turn)
    return turn[0]
