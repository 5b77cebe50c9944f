"""Converts a network's prediction for a crop to a hand in the camera, on the network's hand model or the user's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics, project
from hand.crop import SquareCrop
from hand.crop_camera import crop_camera
from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.layer import HandGeometry, HandLayer
from hand.mirror import Side, mirror_points, mirror_pose
from hand.model import HandModel
from hand.pose_kernels import axis_angles_of_matrices
from hand.types import HandObservation, HandState
from inference.pose_refinement import SHAPE_DEVIATION, refine_pose
from inference.runtime import CropPrediction

if TYPE_CHECKING:
    from ik_baseline.warm_start import WarmStart


@dataclass(frozen=True, slots=True, eq=False)
class NetworkHand:
    """The network's prediction for one hand of one frame.

    Attributes:
        sequence: of the frame.
        side: the side the crop was presented as.
        prediction: of a right hand (of the mirrored picture, for a left one).
        crop: the square, not flipped.
    """

    sequence: int
    side: Side
    prediction: CropPrediction
    crop: SquareCrop

    def observation(self, joints_px: Float[np.ndarray, "21 2"], state: HandState) -> HandObservation:
        """The network's own 2D joints, as a detector would report them."""
        joints_m = np.asarray(state.joints_m, np.float64)
        return HandObservation(self.side, self.prediction.presence, joints_px, joints_m - joints_m.mean(0), self.crop)

    def state(
        self,
        joints_px: Float[np.ndarray, "21 2"],
        pose_rad: Float[np.ndarray, "48"],
        shape: Float[np.ndarray, "10"],
        camera_translation_m: Float[np.ndarray, "3"],
        geometry: HandGeometry,
        reprojection_px: float,
    ) -> HandState:
        """The hand in the camera, once its pose is known; the arguments are those of :class:`HandState`."""
        return HandState(
            sequence=self.sequence,
            side=self.side,
            pose_rad=pose_rad.astype(np.float32),
            shape=shape.astype(np.float32),
            camera_translation_m=camera_translation_m.astype(np.float32),
            joints_m=geometry.joints_m,
            vertices_m=geometry.vertices_m,
            confidence=self.prediction.confidence,
            origin="network",
            reprojection_px=reprojection_px,
            seen_px=joints_px,
            seen_sigma_px=self.prediction.sigma_px,
        )


@dataclass(slots=True)
class RefitState:
    """Where the refit of one hand to another hand model ended, to begin there in the next frame.

    Attributes:
        side: of the hand; a change of side starts the refit again.
        warm: of the solver; None before the first frame.
    """

    side: Side | None = None
    warm: WarmStart | None = None


class NetworkPoser:
    """Poses the network's predictions and places them by their 2D joints."""

    def __init__(self, model: HandModel, trained_for: str) -> None:
        """Determines whether the joints have to be refitted.

        Args:
            model: right-hand model of the user.
            trained_for: digest of the model the network was trained on.

        Raises:
            CheckpointError: that model is neither the user's nor the embedded one.
        """
        own = next((known for known in (model, load_embedded_model()) if known.digest == trained_for), None)
        if own is None:
            raise CheckpointError(
                "The network was trained for a hand model that is not here (neither the given one nor the embedded "
                "one); use a network that was exported with this version, or --method ik."
            )
        self._own_layer = HandLayer(own)
        self._left_layer = HandLayer(own.mirrored())
        self._refit = None if model.digest == trained_for else _Refit(model)
        self._warm_up()
        self.note = ""
        """One sentence when the joints are refitted, else empty."""
        if self._refit is not None:
            self.note = (
                f"The network poses the {own.name} hand; its joints are refitted to {model.name} by inverse kinematics."
            )

    def _warm_up(self) -> None:
        """Compiles, or loads from numba's cache, what poses a hand, so that the first one is not delayed."""
        wrist_m, camera = np.array([0.0, 0.0, 0.5]), Intrinsics.from_fov(640, 480)
        rest, shape = np.tile(np.eye(3), (16, 1, 1)), np.zeros(10)
        joints_m = np.asarray(self._own_layer(np.zeros(48), shape).joints_m, np.float64)
        joints_px = project(joints_m - joints_m[0] + wrist_m, camera)
        refine_pose(self._own_layer, rest, shape, joints_px, np.ones(21), camera, wrist_m)

    def pose(
        self,
        hand: NetworkHand,
        joints_px: Float[np.ndarray, "21 2"],
        intrinsics: Intrinsics,
        refit_state: RefitState,
        hand_shape: Float[np.ndarray, "10"] | None = None,
    ) -> HandState:
        """The posed hand.

        Args:
            hand: the network's prediction.
            joints_px: its 2D joints in the picture.
            intrinsics: of the picture.
            refit_state: of this hand, from frame to frame; kept by the caller, written here.
            hand_shape: of the person as it was measured, on the user's model; the refinement starts from it instead of
                the network's shape, which is hardly more than the average hand's. Of no use for a hand that is refitted
                to another model.
        """
        prediction = hand.prediction
        left = hand.side == "left"
        camera = intrinsics.mirrored() if left else intrinsics
        layer = self._own_layer
        refined = refine_pose(
            layer,
            prediction.rotations,
            prediction.shape if hand_shape is None or self._refit is not None else hand_shape,
            prediction.joints_px,
            prediction.sigma_px,
            camera,
            prediction.root_m,
            shape_deviation=SHAPE_DEVIATION,
        )
        translation = refined.root_m - layer.shaped(refined.shape).joints_m[0]
        if self._refit is not None:
            joints = np.asarray(layer.from_matrices(refined.rotations, refined.shape, translation).joints_m, np.float64)
            joints = mirror_points(joints) if left else joints
            return self._refit.solve(hand, joints, joints_px, intrinsics, refit_state)
        turns = np.empty((16, 3))
        axis_angles_of_matrices(np.ascontiguousarray(refined.rotations), turns)
        pose = turns.reshape(48)
        if left:
            pose, translation, layer = mirror_pose(pose), mirror_points(translation), self._left_layer
        geometry = layer(pose, refined.shape, translation)
        gaps_px = np.linalg.norm(project(np.asarray(geometry.joints_m, float), intrinsics) - joints_px, axis=1)
        return hand.state(joints_px, pose, refined.shape, translation, geometry, float(gaps_px.mean()))


class _Refit:
    """Another hand model, fitted to the network's joints by the IK solver."""

    def __init__(self, model: HandModel) -> None:
        # imported here: the solver is compiled when it is loaded, and only another model needs it
        from ik_baseline.person import HandCalibration
        from ik_baseline.solver import IkSolver

        # joints of a model, not MediaPipe's landmarks: they have no offsets to its joints
        self._solver = IkSolver(model, HandCalibration.without_offsets(model))
        self._solver.warm_up()
        right = self._solver.model
        self._layers: dict[Side, HandLayer] = {"right": HandLayer(right), "left": HandLayer(right.mirrored())}

    def solve(
        self,
        hand: NetworkHand,
        joints_m: Float[np.ndarray, "21 3"],
        joints_px: Float[np.ndarray, "21 2"],
        intrinsics: Intrinsics,
        refit_state: RefitState,
    ) -> HandState:
        """The user's model in the network's pose."""
        # the solver expects landmarks in the axes of a detector with the hand on its optical axis
        middle = joints_px.mean(0)
        straight = crop_camera(SquareCrop(float(middle[0]), float(middle[1]), 1.0), intrinsics).rotation
        landmarks = (joints_m - joints_m.mean(0)) @ straight.T
        observation = HandObservation(hand.side, hand.prediction.presence, joints_px, landmarks, hand.crop)
        before = refit_state.warm if refit_state.side == hand.side else None
        solution = self._solver.solve(observation, intrinsics, before)
        refit_state.side, refit_state.warm = hand.side, solution.warm
        geometry = self._layers[hand.side](solution.pose_rad, solution.shape, solution.camera_translation_m)
        return hand.state(
            joints_px,
            solution.pose_rad,
            solution.shape,
            solution.camera_translation_m,
            geometry,
            float(solution.reprojection_px.mean()),
        )
