"""What every data set gives, whatever its layout: hands by number, each with its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from hand.camera import Intrinsics, project
from hand.crop import MIDDLE_KNUCKLE, upright_angle_rad
from hand.errors import DataError
from hand.frame_change import FrameChange
from hand.mirror import mirror_points, mirror_pose
from hand.picture_limits import decode_color
from trainer.recipe.dataset_facts import SetFacts


@dataclass(frozen=True, slots=True, eq=False)
class SetPose:
    """MANO's parameters of one hand as a set gives them, the fingers in the set's own convention.

    Attributes:
        pose_rad: 48 numbers, the global rotation already in camera axes (:class:`hand.frame_change.FrameChange`).
        shape: 10 coefficients.
        translation_m: in the set's own frame, where it has one.
        to_camera: from that frame to camera axes.
    """

    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    translation_m: Float[np.ndarray, "3"] | None = None
    to_camera: FrameChange | None = None

    def mirrored(self) -> SetPose:
        """The other hand's."""
        return SetPose(
            mirror_pose(self.pose_rad),
            self.shape,
            None if self.translation_m is None else mirror_points(self.translation_m),
            None if self.to_camera is None else self.to_camera.mirrored(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class SetHand:
    """The labels of one hand, as a right hand of the (mirrored, if left) picture, in OpenCV's camera axes.

    Attributes:
        name: of the sample in the set, for people and files.
        intrinsics: of the picture as the hand is seen in it.
        mirrored: the hand is a left one: mirror the picture first.
        joints_m: 21 joints in the common order; one that is not known lies at the mean of those that are.
        joints_known: which joints are annotated.
        pose: MANO's parameters, where the set has any for this hand.
        box_px: left, top, right, bottom of the hand where the set gives a box, for those that give no joints.
    """

    name: str
    intrinsics: Intrinsics
    mirrored: bool
    joints_m: Float[np.ndarray, "21 3"]
    joints_known: Bool[np.ndarray, "21"]
    pose: SetPose | None = None
    box_px: Float[np.ndarray, "4"] | None = None

    @property
    def outline_px(self) -> Float[np.ndarray, "N 2"]:
        """What a crop is laid around: the known joints in the (mirrored) picture, or two corners of the box."""
        if self.box_px is not None:
            return self.box_px.reshape(2, 2)
        return project(self.joints_m[self.joints_known], self.intrinsics)

    @property
    def standing_rad(self) -> float:
        """The turn of a crop in which the hand stands upright; 0 where it is not known how it stands."""
        if not self.joints_known[[0, MIDDLE_KNUCKLE]].all():
            return 0.0
        return upright_angle_rad(project(self.joints_m, self.intrinsics))


@runtime_checkable
class HandSet(Protocol):
    """One split of a data set; hands are numbered from 0, and read on demand."""

    @property
    def facts(self) -> SetFacts:
        """Where it comes from and how it is written."""

    @property
    def hand_model_digest(self) -> str:
        """Digest of the hand model that poses refer to: "" for MANO and so for real sets."""

    def __len__(self) -> int:
        """How many hands there are, those without an annotation included."""

    def hand(self, index: int) -> SetHand | None:
        """Labels of a hand, None where the set carries no annotation for it."""

    def picture_bytes(self, index: int) -> bytes:
        """The picture's file, not mirrored."""

    def mask_bytes(self, index: int) -> bytes | None:
        """The file of the mask that shows where the hand is, None where there is none."""


def known_joints(
    joints_m: Float[np.ndarray, "21 3"], known: Bool[np.ndarray, "21"]
) -> tuple[Float[np.ndarray, "21 3"], Bool[np.ndarray, "21"]]:
    """Joints fit for :class:`SetHand`: unknown ones, which may be anything, are put where they do no harm."""
    known = known & np.isfinite(joints_m).all(1)
    filled = joints_m.copy()
    filled[~known] = joints_m[known].mean(0) if known.any() else [0.0, 0.0, 1.0]
    return filled, known


def picture_of(hands: HandSet, index: int, hand: SetHand) -> UInt8[np.ndarray, "height width 3"]:
    """The picture that the labels of a hand hold for, mirrored for a left hand.

    Raises:
        DataError: it is missing, damaged, or of another size than its camera.
    """
    picture = decoded(hands.picture_bytes(index), cv2.IMREAD_COLOR, hand, hands.facts)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def mask_of(hands: HandSet, index: int, hand: SetHand) -> UInt8[np.ndarray, "height width"] | None:
    """The hand's mask, 0 to 255, mirrored for a left hand; None where there is none.

    Raises:
        DataError: it is damaged or of another size than the picture.
    """
    data = hands.mask_bytes(index)
    return None if data is None else decoded(data, cv2.IMREAD_GRAYSCALE, hand, hands.facts)


def decoded(data: bytes, flags: int, hand: SetHand, facts: SetFacts) -> UInt8[np.ndarray, "height width ..."]:
    """A picture's bytes as an array.

    Args:
        data: of a JPEG or PNG file.
        flags: OpenCV's.
        hand: with this picture.
        facts: of its set.

    Raises:
        DataError: they are no picture, or one of another size.
    """
    picture = decode_color(data, flags)
    if picture is None:
        raise DataError(
            f"The picture of {hand.name} ({facts.title}) is damaged: it has {len(data)} bytes that are no picture; "
            "copy it again."
        )
    height, width = picture.shape[:2]
    if (width, height) != (hand.intrinsics.width_px, hand.intrinsics.height_px):
        raise DataError(
            f"The picture of {hand.name} ({facts.title}) should be {hand.intrinsics.width_px} x "
            f"{hand.intrinsics.height_px} as its camera's, it is {width} x {height}; copy it again."
        )
    return np.ascontiguousarray(picture[:, ::-1]) if hand.mirrored else picture
