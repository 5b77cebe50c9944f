"""A set's pose held against its joints: the posed hand, moved onto them, and how far it then misses them.

Where joints were made from the pose (FreiHAND, HO-3D) the hand is also turned onto them: all 21 are known, and the
worst may miss by a millimetre, so that they cannot turn it wrongly. Where people annotated them (InterHand2.6M) the
hand keeps the set's own orientation and is only shifted: often few are known, and those of a finger lie nearly on a
line, so that a turn onto them follows their errors by tens of degrees, and does not show in what they then miss.

A pose belongs to one hand model. Read in the wrong convention, or posed by another model, it looks almost right
and is centimetres off, so no pose is taught that does not give the joints labelled beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from hand.errors import DataError
from hand.joints import TIP_JOINTS, TIP_VERTICES
from hand.layer import HandLayer
from hand.metrics import best_similarity, distances
from hand.model import HandModel
from hand.pose_space import canonical_pose_from
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from trainer.datasets.hand_set import HandSet, SetHand, SetPose
from trainer.recipe.dataset_facts import SetFacts

MANO_VERTICES = 778
_PROBED = 32
"""Hands that are tried before a set is learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedPose:
    """A hand of a set, posed by a hand model and moved onto the labelled joints.

    Attributes:
        rotations: local rotations of the 16 MANO joints, the first in camera axes and turned along, if the hand was.
        shape: coefficients.
        joints_m: camera axes; the tips are the model's own.
        vertices_m: camera axes.
        residual_mm: distance from the labelled joints, tips taken where the set takes them: the largest where joints
            were made from the pose, the mean where they were annotated by themselves.
        turn_rad: angle by which the labelled joints turn the hand: near 0 where all are known, or the set's axes were
            misread.
        unmoved_mm: mean distance where the set's own translation puts the hand; NaN where it has none.
    """

    rotations: Float[np.ndarray, "16 3 3"]
    shape: Float[np.ndarray, "10"]
    joints_m: Float[np.ndarray, "21 3"]
    vertices_m: Float[np.ndarray, "V 3"]
    residual_mm: float
    turn_rad: float
    unmoved_mm: float


class PoseFitter:
    """Poses the hands of one set with the hand model it was labelled with."""

    def __init__(self, model: HandModel, facts: SetFacts) -> None:
        """Prepares the model.

        Args:
            model: a right hand.
            facts: of the set.
        """
        self.facts = facts
        self._layer = HandLayer(model, np.float64)
        own = model.tip_vertices
        self._tips = list(TIP_VERTICES[facts.tips] if facts.tips and model.vertex_count == MANO_VERTICES else own)

    @property
    def model(self) -> HandModel:
        return self._layer.model

    def fit(self, hand: SetHand, pose: SetPose) -> FittedPose:
        """Poses a hand and moves it onto its joints; see the top of this file for when it is turned.

        Args:
            hand: with three or more known joints.
            pose: its own.
        """
        model = self._layer.model
        rotations = matrix_from_axis_angle(
            canonical_pose_from(model, pose.pose_rad, self.facts.convention).reshape(16, 3)
        )
        posed = self._layer.from_matrices(rotations, pose.shape)
        joints = posed.joints_m.copy()
        joints[list(TIP_JOINTS)] = posed.vertices_m[self._tips]
        known = hand.joints_known
        nearest = best_similarity(joints[known], hand.joints_m[known], scale=False)
        move = nearest if self.facts.joints_are_posed else replace(nearest, rotation=np.eye(3))
        rotations = rotations.copy()
        rotations[0] = move.rotation @ rotations[0]
        missed_mm = distances(move.applied(joints)[known], hand.joints_m[known]) * 1000.0
        unmoved = float("nan")
        if pose.translation_m is not None and pose.to_camera is not None:
            # the pose is in camera axes already, so that only the translation is still to be changed
            place = pose.to_camera.translation(pose.translation_m, self._layer.shaped(pose.shape).joints_m[0])
            unmoved = float(distances((joints + place)[known], hand.joints_m[known]).mean() * 1000.0)
        return FittedPose(
            rotations=rotations,
            shape=pose.shape,
            joints_m=move.applied(posed.joints_m),
            vertices_m=move.applied(posed.vertices_m),
            residual_mm=float(np.max(missed_mm) if self.facts.joints_are_posed else np.mean(missed_mm)),
            turn_rad=float(np.linalg.norm(axis_angle_from_matrix(nearest.rotation))),
            unmoved_mm=unmoved,
        )

    def check(self, hand: SetHand) -> tuple[bool, FittedPose | None]:
        """Whether a hand is to be learned from, and with which pose.

        Where joints were made from the pose, a hand with two labels that disagree is refused; where they were annotated
        by themselves, it goes without its pose.
        """
        if hand.pose is None or hand.joints_known.sum() < 3:
            return True, None
        fitted = self.fit(hand, hand.pose)
        if fitted.residual_mm <= self.facts.limit_mm:
            return True, fitted
        return not self.facts.joints_are_posed, None

    def with_own_tips(self, hand: SetHand, fitted: FittedPose) -> SetHand:
        """The labels with the finger tips where this model has them, so that pose and joints describe one hand."""
        joints = hand.joints_m.copy()
        tips = [joint for joint in TIP_JOINTS if hand.joints_known[joint]]
        joints[tips] = fitted.joints_m[tips]
        return replace(hand, joints_m=joints) if self.facts.tips else hand


def fitter_for(
    hands: HandSet,
    model: HandModel,
    warn: Callable[[str], None] = lambda sentence: print(sentence, file=sys.stderr),
    *,
    strict: bool = True,
) -> PoseFitter | None:
    """The check of a set's poses, None where they pose another hand model than the one that is trained.

    The embedded hand is not MANO: MANO's angles and shapes would pose it to another hand. Of a set labelled with MANO
    it therefore learns the joints, in 3D and in the picture, and no pose; with the user's MANO file as ``hand_model``
    of the recipe a network learns everything.

    Args:
        hands: the set.
        model: that the network poses.
        warn: gets a sentence when poses are left out.
        strict: refuse a set if most of its poses miss their joints; False to check it.

    Raises:
        DataError: the poses should be of this model, and half of them miss their joints.
    """
    labelled_with = hands.hand_model_digest
    if model.digest != labelled_with if labelled_with else model.vertex_count != MANO_VERTICES:
        warn(
            f"The poses of this {hands.facts.title} are of another hand model than the network's, {model.name}: its "
            "joints are learned, its poses and shapes are not (hand_model: MANO_RIGHT.pkl in the recipe learns them)."
        )
        return None
    fitter = PoseFitter(model, hands.facts)
    disagreement = poses_against_joints(hands, fitter) if strict else ""
    if disagreement:
        raise DataError(disagreement)
    return fitter


def poses_against_joints(hands: HandSet, fitter: PoseFitter) -> str:
    """Why a set with poses that miss its joints is refused: a sentence about 32 hands of it, empty where they agree.

    Args:
        hands: the set.
        fitter: poses its hands.

    Raises:
        DataError: one of these hands is not annotated as it should be.
    """
    places = sorted({place * len(hands) // _PROBED for place in range(_PROBED)})
    probed = [hand for hand in map(hands.hand, places) if hand is not None and hand.joints_known.sum() >= 3]
    residuals = [fitter.fit(hand, hand.pose).residual_mm for hand in probed if hand.pose is not None]
    if not residuals or float(np.median(residuals)) <= hands.facts.limit_mm:
        return ""
    return (
        f"The poses of {hands.facts.title} should give its joints within {hands.facts.limit_mm:g} mm, with "
        f"{fitter.model.name} they miss them by {np.median(residuals):.1f} mm (median of {len(residuals)}); give the "
        "right hand's unmodified MANO file, and check the set with `python -m trainer data check`."
    )
