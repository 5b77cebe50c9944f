"""Fuses the poses and 2D joints of two paths that found the same hand.

The estimate is a maximum a posteriori one: the mean of both poses, weighted by their precisions in the situation at
hand, is the prior, and the 2D joints of both, weighted by theirs, are the measurement (docs/fusion.md: equations).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from hand.anatomy import angles_from_rotations, joint_axes, joint_limits, rotations_from_angles
from hand.camera import Intrinsics, project
from hand.joints import MANO_FINGERS
from hand.layer import HandLayer
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose
from hand.model import HandModel
from hand.pose_kernels import axis_angles_of_matrices, matrices_of_axis_angles
from hand.types import HandState
from inference.fusion_kernel import (
    HAND_FEATURES,
    JOINT_FEATURES,
    combine_places,
    describe_pair,
    ik_shares,
    mean_rotations,
)
from inference.fusion_weights import FusionWeights
from inference.pose_refinement import prior_precisions, refine_pose

GROUPS: Final = ("wrist", "knuckles", "hinges", "thumb")
"""Joints that share how their weights change with the situation."""

_LEAST_DEPTH_M: Final = 0.02
_MM_PER_M: Final = 1000.0


def joint_groups() -> Int[np.ndarray, "16"]:
    """The number in :data:`GROUPS` of each of the 16 MANO joints."""
    groups = np.zeros(16, np.int64)
    for joint in range(1, 16):
        thumb = MANO_FINGERS[(joint - 1) // 3] == "thumb"
        groups[joint] = 3 if thumb else 1 if joint % 3 == 1 else 2
    return groups


@dataclass(frozen=True, slots=True, eq=False)
class PairSituation:
    """A hand that both paths found, mirrored to a right one, and how the paths differ.

    Attributes:
        network_rotations: local rotations, the first in camera axes.
        network_px: 2D joints of the network.
        network_sigma_px: expected error of each.
        ik_px: 2D joints of the hand detector.
        hand: the situation of the hand (``inference.fusion_kernel.HAND_FEATURES``).
        joints: the situation of each joint (``JOINT_FEATURES``).
        apart_rad: turn from the network's rotation to IK's about each joint's anatomical axes.
        form_mm: mean distance of the joints, each hand relative to its own wrist.
        intrinsics: of the picture, or of its mirror image for a left hand.
    """

    network_rotations: Float[np.ndarray, "16 3 3"]
    network_px: Float[np.ndarray, "21 2"]
    network_sigma_px: Float[np.ndarray, "21"]
    ik_px: Float[np.ndarray, "21 2"]
    hand: Float[np.ndarray, "H"]
    joints: Float[np.ndarray, "16 J"]
    apart_rad: Float[np.ndarray, "16 3"]
    form_mm: float
    intrinsics: Intrinsics

    @property
    def wrist_apart_rad(self) -> float:
        """Angle between both orientations of the whole hand."""
        return float(np.linalg.norm(self.apart_rad[0]))


class HandFusion:
    """Fuses hands of one hand model; keeps nothing from one hand to the next."""

    def __init__(self, model: HandModel, weights: FusionWeights) -> None:
        """Prepares the layers.

        Args:
            model: the hand model that both paths pose (either side).
            weights: what each path is worth.
        """
        right = model if model.side == "right" else model.mirrored()
        self._weights = weights
        self._axes = joint_axes(right)
        self._groups = joint_groups()
        self._solver_layer = HandLayer(right, np.float64)
        self._layers: dict[Side, HandLayer] = {"right": HandLayer(right), "left": HandLayer(right.mirrored())}
        self._precisions = prior_precisions(right) / weights.prior_factor**2
        self._limits = joint_limits()

    @property
    def weights(self) -> FusionWeights:
        """What each path is worth."""
        return self._weights

    def describe(self, network: HandState, ik: HandState, intrinsics: Intrinsics) -> PairSituation:
        """The situation of a pair of hands of the same side.

        Args:
            network: the network's hand.
            ik: MediaPipe + IK's hand of the same frame.
            intrinsics: of the picture.
        """
        left = network.side == "left"
        camera = intrinsics.mirrored() if left else intrinsics
        network_rotations, ik_rotations = _right_rotations(network), _right_rotations(ik)
        network_joints, ik_joints = (
            np.array(mirror_points(state.joints_m) if left else state.joints_m, np.float64) for state in (network, ik)
        )
        network_px, ik_px = (_places(state, intrinsics) for state in (network, ik))
        sigma = _sigma(network, network_px)
        hand, joints, apart = np.empty(len(HAND_FEATURES)), np.empty((16, len(JOINT_FEATURES))), np.empty((16, 3))
        scalars = np.array([network.confidence, ik.confidence, intrinsics.width_px, intrinsics.height_px], np.float64)
        form_m = describe_pair(
            network_rotations,
            ik_rotations,
            self._axes,
            network_joints,
            ik_joints,
            network_px,
            sigma,
            ik_px,
            scalars,
            hand,
            joints,
            apart,
        )
        return PairSituation(
            network_rotations,
            network_px,
            sigma,
            ik_px,
            hand,
            joints,
            apart,
            form_m * _MM_PER_M,
            camera,
        )

    def fuse(
        self,
        network: HandState,
        ik: HandState,
        intrinsics: Intrinsics,
        *,
        situation: PairSituation | None = None,
        shape: Float[np.ndarray, "10"] | None = None,
    ) -> HandState:
        """The fused hand; both have to be of the same side.

        Args:
            network: the network's hand.
            ik: MediaPipe + IK's hand of the same frame.
            intrinsics: of the picture.
            situation: of this pair, where it was computed before.
            shape: of the person; the weighted mean of both hands' when left out.
        """
        seen = self.describe(network, ik, intrinsics) if situation is None else situation
        weights, left = self._weights, network.side == "left"
        shares, mean = np.empty((16, 3)), np.empty((16, 3, 3))
        ik_shares(seen.hand, seen.joints, self._groups, weights.bias, weights.slopes, shares)
        mean_rotations(seen.network_rotations, seen.apart_rad, shares, self._axes, mean)
        if shape is None:
            shape = self.mean_shape(network, ik)
        places, sigma = np.empty((21, 2)), np.empty(21)
        combine_places(
            seen.network_px,
            seen.network_sigma_px,
            seen.ik_px,
            weights.ik_share_of_places(seen.hand),
            weights.sigma_factor,
            places,
            sigma,
        )
        refined = refine_pose(
            self._solver_layer,
            mean,
            shape,
            places,
            sigma,
            seen.intrinsics,
            _wrist_between(network, ik, float(shares[0].mean())),
            self._precisions,
        )
        rotations = self._within_limits(refined.rotations)
        turns = np.empty((16, 3))
        axis_angles_of_matrices(np.ascontiguousarray(rotations), turns)
        pose = turns.reshape(48)
        translation = refined.root_m - self._solver_layer.shaped(shape).joints_m[0]
        if left:
            pose, translation = mirror_pose(pose), mirror_points(translation)
        geometry = self._layers[network.side](pose, shape, translation)
        places_px = mirror_pixels(places, intrinsics.width_px) if left else places
        gaps = project(np.asarray(geometry.joints_m, np.float64), intrinsics) - places_px
        reprojection_px = float(np.sqrt((gaps * gaps).sum(1)).mean())
        return HandState(
            sequence=network.sequence,
            side=network.side,
            pose_rad=pose.astype(np.float32),
            shape=np.asarray(shape, np.float32),
            camera_translation_m=translation.astype(np.float32),
            joints_m=geometry.joints_m,
            vertices_m=geometry.vertices_m,
            confidence=weights.confidence_of(network.confidence, relative_misfit(reprojection_px, places_px)),
            origin="fused",
            reprojection_px=reprojection_px,
            seen_px=places_px,
            seen_sigma_px=sigma,
        )

    def mean_shape(self, network: HandState, ik: HandState) -> Float[np.ndarray, "10"]:
        """The weighted mean of both hands' shapes."""
        share = self._weights.shape_share
        return np.asarray((1.0 - share) * network.shape + share * ik.shape, np.float64)

    def _within_limits(self, rotations: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "16 3 3"]:
        """Joints that bend farther than a hand can, bent as far as it can."""
        angles = angles_from_rotations(rotations, self._axes)
        excess = self._limits.excess_rad(angles)
        excess[0] = 0.0
        beyond = np.flatnonzero(np.abs(excess).max(1) > 0.0)
        if not len(beyond):
            return rotations
        held = rotations.copy()
        held[beyond] = rotations_from_angles(angles - excess, self._axes)[beyond]
        return held


def _right_rotations(state: HandState) -> Float[np.ndarray, "16 3 3"]:
    """Local rotations of a hand, of a left one those of its mirror image."""
    pose = np.array(mirror_pose(state.pose_rad) if state.side == "left" else state.pose_rad, np.float64)
    rotations = np.empty((16, 3, 3))
    matrices_of_axis_angles(pose.reshape(16, 3), rotations)
    return rotations


def _places(state: HandState, intrinsics: Intrinsics) -> Float[np.ndarray, "21 2"]:
    """A path's own 2D joints, else the projected ones; of a left hand in the mirrored picture."""
    places = state.seen_px
    if places is None:
        places = np.nan_to_num(project(np.asarray(state.joints_m, np.float64), intrinsics))
    places = np.array(places, np.float64)
    return mirror_pixels(places, intrinsics.width_px) if state.side == "left" else places


def _sigma(network: HandState, places_px: Float[np.ndarray, "21 2"]) -> Float[np.ndarray, "21"]:
    """The network's expected 2D errors; where it predicts none, a usual share of the hand's size."""
    if network.seen_sigma_px is not None:
        return np.array(network.seen_sigma_px, np.float64)
    return np.full(21, 0.03 * _box_side_px(places_px))


def relative_misfit(reprojection_px: float, places_px: Float[np.ndarray, "21 2"]) -> float:
    """Mean distance of a hand's joints from the 2D joints it was fitted to, over the longer side of their box."""
    return reprojection_px / _box_side_px(places_px)


def _box_side_px(places_px: Float[np.ndarray, "21 2"]) -> float:
    """The longer side of the box around 2D joints, at least one pixel."""
    return max(float(np.ptp(places_px, axis=0).max()), 1.0)


def _wrist_between(network: HandState, ik: HandState, share: float) -> Float[np.ndarray, "3"]:
    """The wrist, of a left hand in the mirrored world: a share of the way from the network's to IK's."""
    wrist = (1.0 - share) * np.asarray(network.joints_m[0], np.float64) + share * np.asarray(ik.joints_m[0], np.float64)
    wrist[2] = max(wrist[2], _LEAST_DEPTH_M)
    return mirror_points(wrist) if network.side == "left" else wrist
