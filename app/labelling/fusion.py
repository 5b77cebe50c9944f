"""Fusion of two estimates of each hand: the one solved from MediaPipe's landmarks, and the network's.

Both have errors of 8 to 10 mm on an unseen hand, but only half of that is the same error (correlation 0.5 to 0.6).
Half way between their poses, in the shape that lies on all pictures of the session, labels are a tenth nearer to the
truth than those of MediaPipe alone and an eighth nearer than the network (figures: docs/experiments/session_labels.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from app.labelling.evidence import FrameEvidence
from app.labelling.label_weights import TRUSTED_NETWORK, apart_mm
from app.labelling.person_shape import LARGEST_DEVIATION, ViewObservation, person_shape
from hand.camera import Intrinsics, project
from hand.layer import HandLayer
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose
from hand.model import HandModel
from hand.recording import RecordedHand
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from hand.types import HandObservation
from ik_baseline.solver import IkSolution
from inference.pose_refinement import refine_pose

FARTHEST_MM: Final = 25.0
"""A network's hand of quite another form is wrong or another hand; it is left out."""

PHOTOGRAPH_DEVIATION, RENDERING_DEVIATION = 0.02, 0.06
"""How far joints are seen from where they are, over the hand's box: in photographs, on which MediaPipe was
trained, and in renderings."""

MOMENT_S: Final = 0.05
"""Standard deviation of the time over which corrections of the solved movement are averaged."""

SHAPE_VIEWS: Final = 200
"""Hands that the shape is solved over; more make no difference."""

_LEAST_VIEWS: Final = 8
"""With fewer the average shape is the better guess."""


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """A label made of both estimates; conventions of :class:`ik_baseline.solver.IkSolution`."""

    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    camera_translation_m: Float[np.ndarray, "3"]
    joints_m: Float[np.ndarray, "21 3"]


def fuse(
    evidence: Sequence[FrameEvidence],
    observations: Sequence[HandObservation],
    solutions: Sequence[IkSolution],
    intrinsics: Intrinsics,
    model: HandModel,
    picture_doubt: float,
) -> list[Fused]:
    """Fuses both estimates of every hand of a session.

    Args:
        evidence: of each hand.
        observations: MediaPipe's landmarks, corrected for their systematic errors, in the same order.
        solutions: solved from those.
        intrinsics: of the pictures.
        model: the hand model.
        picture_doubt: how far MediaPipe's 2D errors exceed those on photographs: 0 for photographs, 1 for renderings.
    """
    layer = HandLayer(model if model.side == "right" else model.mirrored(), np.float64)
    # the solver works on right hands, so all of this does; a left hand is mirrored
    cameras: dict[Side, Intrinsics] = {"right": intrinsics, "left": intrinsics.mirrored()}
    sides = [solution.side for solution in solutions]
    seen: dict[int, ViewObservation] = {}
    for side in cameras:
        own = [number for number, of_side in enumerate(sides) if of_side == side]
        inputs = [
            _fusion_input(evidence[k].network, observations[k], solutions[k], intrinsics, picture_doubt) for k in own
        ]
        times_s = np.array([evidence[k].frame.capture_time_ns for k in own], np.int64) / 1e9
        seen |= zip(own, _over_time(inputs, times_s), strict=True)
    views = [seen[number] for number in range(len(solutions))]
    shape = _person(views, sides, cameras, layer, solutions[0].shape)
    return [
        _laid_on_picture(view, cameras[side], layer, shape, side, picture_doubt)
        for view, side in zip(views, sides, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _FusionInput:
    """A right hand as it was solved, and its correction.

    Attributes:
        rotations: of the solved hand.
        wrist_m: of the solved hand.
        joints_px: where the solved hand's joints fall.
        moved_px: distance of the observed joints from there.
        turns_rad: half of the turn of each joint to the network's.
        by_network: whether the network's pose counts.
    """

    rotations: Float[np.ndarray, "16 3 3"]
    wrist_m: Float[np.ndarray, "3"]
    joints_px: Float[np.ndarray, "21 2"]
    moved_px: Float[np.ndarray, "21 2"]
    turns_rad: Float[np.ndarray, "16 3"]
    by_network: bool


def _fusion_input(
    network: RecordedHand | None,
    observation: HandObservation,
    solution: IkSolution,
    intrinsics: Intrinsics,
    picture_doubt: float,
) -> _FusionInput:
    """Both estimates of one hand of one frame, in the axes of a right hand."""
    marked_px = np.asarray(observation.landmarks_px, np.float64)
    joints_px = project(solution.joints_m, intrinsics)
    # the detector marks places that lie a little beside the model's joints, by a known offset
    seen_px = marked_px - np.nan_to_num(project(solution.landmarks_m, intrinsics) - joints_px)
    # a joint that was solved behind the camera has no image: all that is known is where the detector marked it
    joints_px = np.where(np.isfinite(joints_px), joints_px, marked_px)
    if network is not None and not _is_credible(network, solution):
        network = None
    if network is not None and network.landmarks_px is not None:
        seen_px = seen_px + 0.5 * picture_doubt * (np.asarray(network.landmarks_px, np.float64) - seen_px)
    wrist = solution.joints_m[0]
    if solution.side == "left":
        wrist = mirror_points(wrist)
        joints_px, seen_px = (mirror_pixels(points, intrinsics.width_px) for points in (joints_px, seen_px))
    solved = _right_rotations(solution.pose_rad, solution.side)
    turns = np.zeros((16, 3))
    if network is not None:
        other = _right_rotations(network.pose_rad, solution.side)
        turns = 0.5 * axis_angle_from_matrix(np.swapaxes(solved, 1, 2) @ other)
    return _FusionInput(solved, wrist, joints_px, seen_px - joints_px, turns, network is not None)


def _right_rotations(pose_rad: Float[np.ndarray, "48"], side: Side) -> Float[np.ndarray, "16 3 3"]:
    """A pose as rotations of a right hand."""
    pose = np.asarray(pose_rad, np.float64)
    return matrix_from_axis_angle((mirror_pose(pose) if side == "left" else pose).reshape(16, 3))


def _over_time(inputs: Sequence[_FusionInput], times_s: Float[np.ndarray, " T"]) -> list[ViewObservation]:
    """Averages corrections over a moment: the solved movement is smooth, and single frames of a network jitter.

    Args:
        inputs: hands of one side.
        times_s: when each was seen, rising.
    """
    views = []
    for number, hand in enumerate(inputs):
        first, last = np.searchsorted(times_s, times_s[number] + np.array([-2.0, 2.0]) * MOMENT_S)
        near = inputs[first : last + 1]
        weights = np.exp(-0.5 * ((times_s[first : last + 1] - times_s[number]) / MOMENT_S) ** 2)
        moved = np.average([other.moved_px for other in near], axis=0, weights=weights)
        rotations = hand.rotations
        by_network = weights * [other.by_network for other in near]
        if by_network.any():
            turns = np.average([other.turns_rad for other in near], axis=0, weights=by_network)
            rotations = rotations @ matrix_from_axis_angle(turns)
        views.append(ViewObservation(rotations, hand.wrist_m, hand.joints_px + moved))
    return views


def _laid_on_picture(
    view: ViewObservation,
    camera: Intrinsics,
    layer: HandLayer,
    shape: Float[np.ndarray, "10"],
    side: Side,
    picture_doubt: float,
) -> Fused:
    """A hand of the person's shape, bent and placed so that it lies on its picture."""
    box_px = max(float(np.ptp(view.joints_px, axis=0).max()), 1.0)
    deviation = PHOTOGRAPH_DEVIATION + picture_doubt * (RENDERING_DEVIATION - PHOTOGRAPH_DEVIATION)
    sigma_px = np.full(21, deviation * box_px)
    refined = refine_pose(layer, view.rotations, shape, view.joints_px, sigma_px, camera, view.wrist_m)
    unmoved = layer.from_matrices(refined.rotations, shape).joints_m
    translation = refined.root_m - unmoved[0]
    pose = axis_angle_from_matrix(refined.rotations).reshape(48)
    joints = unmoved + translation
    if side == "left":
        pose, joints, translation = mirror_pose(pose), mirror_points(joints), mirror_points(translation)
    return Fused(pose, shape, translation, joints)


def _person(
    views: Sequence[ViewObservation],
    sides: Sequence[Side],
    cameras: Mapping[Side, Intrinsics],
    layer: HandLayer,
    otherwise: Float[np.ndarray, "10"],
) -> Float[np.ndarray, "10"]:
    """The shape of the hand that is seen most often, which the person's other one shares."""
    side = max(cameras, key=sides.count)
    own = [view for view, of_side in zip(views, sides, strict=True) if of_side == side]
    if len(own) < _LEAST_VIEWS:
        return otherwise
    chosen = np.unique(np.linspace(0, len(own) - 1, SHAPE_VIEWS).round().astype(int))
    shape = person_shape([own[number] for number in chosen], cameras[side], layer)
    return np.clip(shape, -LARGEST_DEVIATION, LARGEST_DEVIATION)


def _is_credible(network: RecordedHand, solution: IkSolution) -> bool:
    if network.side != solution.side or network.confidence < TRUSTED_NETWORK:
        return False
    return apart_mm(network.joints_m, solution.joints_m) < FARTHEST_MM
