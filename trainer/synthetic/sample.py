"""One rendered picture with everything that is true about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from hand.camera import Intrinsics
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose, other_side


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticSample:
    """A picture and its labels; all in the conventions of ``hand``.

    Attributes:
        seed: of the whole series.
        index: in the series; seed and index alone decide everything else.
        image_rgb: the picture.
        intrinsics: of this picture (a crop's camera is the full picture's, shifted and scaled).
        side: the hand the picture shows.
        pose_rad: 16 axis-angle triples, absolute, global rotation to camera axes first.
        shape: shape coefficients.
        translation_m: added after the hand was turned about its root joint.
        joints_m: 21 joints in camera axes.
        joints_px: where they are in the picture.
        vertices_m: the model's own vertices in camera axes.
        mask: share of each pixel that hand and forearm cover, 0 to 255.
        joint_visible: whether skin over the joint, and nothing else, is seen at its pixel.
    """

    seed: int
    index: int
    image_rgb: UInt8[np.ndarray, "height width 3"]
    intrinsics: Intrinsics
    side: Side
    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    translation_m: Float[np.ndarray, "3"]
    joints_m: Float[np.ndarray, "21 3"]
    joints_px: Float[np.ndarray, "21 2"]
    vertices_m: Float[np.ndarray, "V 3"]
    mask: UInt8[np.ndarray, "height width"]
    joint_visible: Bool[np.ndarray, "21"]


def mirror_sample(sample: SyntheticSample) -> SyntheticSample:
    """The same scene in a mirror: picture and every label of the other hand.

    The mirror is the plane x = 0 of the camera; the principal point moves with the picture.
    """
    return replace(
        sample,
        image_rgb=np.ascontiguousarray(sample.image_rgb[:, ::-1]),
        intrinsics=sample.intrinsics.mirrored(),
        side=other_side(sample.side),
        pose_rad=mirror_pose(sample.pose_rad),
        translation_m=mirror_points(sample.translation_m),
        joints_m=mirror_points(sample.joints_m),
        joints_px=mirror_pixels(sample.joints_px, sample.intrinsics.width_px),
        vertices_m=mirror_points(sample.vertices_m),
        mask=np.ascontiguousarray(sample.mask[:, ::-1]),
    )
