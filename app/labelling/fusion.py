"""One hand from two witnesses: what was solved from MediaPipe's landmarks, and what the network saw.

Both err by 8 to 10 mm on a hand they do not know, but only half of that is the same error (correlation 0.5 to 0.6).
Half way between their poses, in the shape that lies on all pictures of the session, labels are a tenth nearer to the
truth than those of MediaPipe alone and an eighth nearer than the network (docs/own_hand.md has the figures).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from app.labelling.placing import Sight, person_shape, place
from app.labelling.witnesses import Witness
from hand.camera import Intrinsics, project
from hand.layer import HandLayer
from hand.metrics import aligned
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose
from hand.model import HandModel
from hand.recording import RecordedHand
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from hand.types import HandObservation
from ik_baseline.solver import IkSolution

FARTHEST_MM: Final = 25.0
"""A network's hand of quite another form does not know this hand, or saw another one; it is not mixed in."""

LEAST_CONFIDENCE: Final = 0.3
SHAPE_SIGHTS: Final = 200
"""Hands that the shape is solved over; more make no difference."""

_LEAST_SIGHTS: Final = 8
"""With fewer the average shape is the better guess."""


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """A label after both witnesses were heard; conventions of :class:`ik_baseline.solver.IkSolution`."""

    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    camera_translation_m: Float[np.ndarray, "3"]
    joints_m: Float[np.ndarray, "21 3"]


def fuse(
    witnesses: Sequence[Witness],
    observations: Sequence[HandObservation],
    solutions: Sequence[IkSolution],
    intrinsics: Intrinsics,
    model: HandModel,
) -> list[Fused]:
    """Hears both witnesses about every hand of a session.

    Args:
        witnesses: what was said of each hand.
        observations: MediaPipe's landmarks, freed of what they always get wrong, in the same order.
        solutions: what was solved from those.
        intrinsics: of the pictures.
        model: the hand model.
    """
    layer = HandLayer(model if model.side == "right" else model.mirrored(), np.float64)
    # the solver's world is a right hand's, so is everything here; a left one is looked at in a mirror
    cameras: dict[Side, Intrinsics] = {"right": intrinsics, "left": intrinsics.mirrored()}
    sights = [
        _sight(witness.network, observation, solution, intrinsics)
        for witness, observation, solution in zip(witnesses, observations, solutions, strict=True)
    ]
    shape = _person(sights, [solution.side for solution in solutions], cameras, layer, solutions[0].shape)
    fused = []
    for sight, solution in zip(sights, solutions, strict=True):
        placed = place([sight], cameras[solution.side], layer, shape)
        rotations = sight.rotations.copy()
        rotations[0] = placed.turns[0] @ rotations[0]
        unmoved = layer.from_matrices(rotations, shape).joints_m
        translation = placed.wrists_m[0] - unmoved[0]
        pose = axis_angle_from_matrix(rotations).reshape(48)
        joints = unmoved + translation
        if solution.side == "left":
            pose, joints, translation = mirror_pose(pose), mirror_points(joints), mirror_points(translation)
        fused.append(Fused(pose, shape, translation, joints))
    return fused


def _person(
    sights: Sequence[Sight],
    sides: Sequence[Side],
    cameras: Mapping[Side, Intrinsics],
    layer: HandLayer,
    otherwise: Float[np.ndarray, "10"],
) -> Float[np.ndarray, "10"]:
    """The shape of the hand that is seen most often, which the person's other one shares."""
    side = max(cameras, key=sides.count)
    own = [sight for sight, of_side in zip(sights, sides, strict=True) if of_side == side]
    if len(own) < _LEAST_SIGHTS:
        return otherwise
    chosen = np.unique(np.linspace(0, len(own) - 1, SHAPE_SIGHTS).round().astype(int))
    return person_shape([own[number] for number in chosen], cameras[side], layer)


def _sight(
    network: RecordedHand | None, observation: HandObservation, solution: IkSolution, intrinsics: Intrinsics
) -> Sight:
    """What both witnesses say about one hand, as a right hand's."""
    # the detector marks places that lie a little beside the model's joints, by a known offset
    offset = project(solution.landmarks_m, intrinsics) - project(solution.joints_m, intrinsics)
    joints_px = np.asarray(observation.landmarks_px, np.float64) - offset
    poses = [solution.pose_rad]
    if network is not None and _is_heard(network, solution):
        poses.append(np.asarray(network.pose_rad, np.float64))
        if network.landmarks_px is not None:
            joints_px = (joints_px + np.asarray(network.landmarks_px, np.float64)) / 2.0
    wrist = solution.joints_m[0]
    if solution.side == "left":
        poses = [mirror_pose(pose) for pose in poses]
        wrist, joints_px = mirror_points(wrist), mirror_pixels(joints_px, intrinsics.width_px)
    first, *others = (matrix_from_axis_angle(pose.reshape(16, 3)) for pose in poses)
    for other in others:  # half of the turn from one to the other
        first = first @ matrix_from_axis_angle(0.5 * axis_angle_from_matrix(np.swapaxes(first, 1, 2) @ other))
    return Sight(first, wrist, joints_px)


def _is_heard(network: RecordedHand, solution: IkSolution) -> bool:
    if network.side != solution.side or network.confidence < LEAST_CONFIDENCE:
        return False
    moved = aligned(np.asarray(network.joints_m, np.float64), solution.joints_m)
    return float(np.linalg.norm(moved - solution.joints_m, axis=1).mean()) * 1e3 < FARTHEST_MM
