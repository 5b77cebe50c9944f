"""An initial estimate without iterations: the palm by rigid alignment, the fingers by the directions of their bones.

It initialises a first frame; a followed hand starts from its own last frame instead.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from hand.anatomy import rotations_from_angles
from hand.camera import Intrinsics
from hand.joints import MANO_PARENTS, mano_joint_to_common
from hand.landmark_offsets import BONE_OF_LANDMARK
from ik_baseline.kernel import Chain

PALM_LANDMARKS = np.flatnonzero(BONE_OF_LANDMARK == 0)
"""Wrist, thumb CMC and four knuckles: they ride on the palm and move as one."""

_LANDMARK_OF_JOINT = mano_joint_to_common()


def align_palm(
    chain: Chain, world_m: Float[np.ndarray, "21 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"], float]:
    """Rotation, wrist and scale that lay the rest palm onto the observed one.

    Least squares over the six palm landmarks (Umeyama 1991, eq. 40-42), proper rotations only.

    Args:
        chain: the hand.
        world_m: observed landmarks, camera axes, any origin.

    Returns:
        rotation: rest frame to camera axes.
        wrist_m: where the model's wrist lies in the observed frame, in observed metres.
        scale: this hand's metres over observed metres.
    """
    rest = (chain.rest_joints[_joint_of_landmark()] + chain.offsets)[PALM_LANDMARKS] - chain.rest_joints[0]
    seen = world_m[PALM_LANDMARKS]
    rest_middle, seen_middle = rest.mean(0), seen.mean(0)
    covariance = (seen - seen_middle).T @ (rest - rest_middle)
    left, singular, right = np.linalg.svd(covariance)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * signs) @ right
    scale = float(((rest - rest_middle) ** 2).sum() / (singular * signs).sum())
    return rotation, seen_middle - rotation @ rest_middle / scale, scale


def bend_fingers(
    chain: Chain, rotation: Float[np.ndarray, "3 3"], from_wrist_m: Float[np.ndarray, "21 3"]
) -> Float[np.ndarray, "45"]:
    """Joint angles that point every bone at its next landmark, twist left at zero, limits kept.

    Args:
        chain: the hand.
        rotation: of the palm, rest frame to camera axes.
        from_wrist_m: observed landmarks from the model's wrist, in this hand's metres.
    """
    frames = chain.axes
    limits = chain.lower.reshape(15, 3), chain.upper.reshape(15, 3)
    angles = np.zeros((16, 3))
    world, joints = np.tile(rotation, (16, 1, 1)), np.zeros((16, 3))
    ends = _rest_ends(chain)
    for depth in range(3):
        moving = np.arange(1 + depth, 16, 3)
        parents = np.array(MANO_PARENTS)[moving]
        bones = chain.rest_joints[moving] - chain.rest_joints[parents]
        joints[moving] = joints[parents] + np.einsum("jab,jb->ja", world[parents], bones)
        to_landmark = from_wrist_m[_LANDMARK_OF_JOINT[moving] + 1] - joints[moving]
        wanted = np.einsum("jba,jcb,jc->ja", frames[moving], world[parents], to_landmark)
        resting = np.einsum("jba,jb->ja", frames[moving], ends[moving])
        found = _pointing_angles(wanted) - _pointing_angles(resting)
        angles[moving] = np.clip(found, limits[0][moving - 1], limits[1][moving - 1])
        world[moving] = world[parents] @ rotations_from_angles(angles, frames)[moving]
    return angles[1:].reshape(45)


def translate_to_pixels(
    from_wrist_m: Float[np.ndarray, "21 3"], pixels_px: Float[np.ndarray, "21 2"], intrinsics: Intrinsics
) -> Float[np.ndarray, "3"]:
    """The wrist's position in the camera at which given points project onto given pixels.

    Each landmark gives two equations that are linear in the translation (X, Y, Z), for instance
    fx (x + X) = (u - cx) (z + Z); all are solved together by least squares.

    Args:
        from_wrist_m: points from the wrist, camera axes, metres.
        pixels_px: their pixels.
        intrinsics: of the picture.
    """
    x = (pixels_px[:, 0] - intrinsics.cx_px) / intrinsics.fx_px
    y = (pixels_px[:, 1] - intrinsics.cy_px) / intrinsics.fy_px
    one, zero = np.ones(21), np.zeros(21)
    rows = np.concatenate([np.stack([one, zero, -x], 1), np.stack([zero, one, -y], 1)])
    depth = from_wrist_m[:, 2]
    right_side = np.concatenate([x * depth - from_wrist_m[:, 0], y * depth - from_wrist_m[:, 1]])
    wrist: np.ndarray = np.linalg.lstsq(rows, right_side, rcond=None)[0]
    # a hand behind the camera or nearer than 5 cm is an outlier: put it in front and let the solver decide
    if wrist[2] < 0.05:
        wrist = np.array([x.mean() * 0.5, y.mean() * 0.5, 0.5])
    return wrist


def _joint_of_landmark() -> np.ndarray:
    """MANO joint of each landmark; a finger tip stands for its last joint, which only palm landmarks are read from."""
    joints = np.zeros(21, np.intp)
    joints[_LANDMARK_OF_JOINT] = np.arange(16)
    return joints


def _rest_ends(chain: Chain) -> np.ndarray:
    """From each MANO joint to the landmark at the end of its bone, at rest."""
    ends = np.zeros((16, 3))
    for joint in range(1, 16):
        landmark = _LANDMARK_OF_JOINT[joint] + 1
        last = joint % 3 == 0
        end = chain.tip_rest[landmark // 4 - 1] if last else chain.rest_joints[joint + 1]
        ends[joint] = end + chain.offsets[landmark] - chain.rest_joints[joint]
    return ends


def _pointing_angles(direction: Float[np.ndarray, "J 3"]) -> Float[np.ndarray, "J 3"]:
    """Flexion and abduction that turn the bone's axis to a direction given in the joint's frame; twist zero.

    Ry(a) Rx(f) (0, 0, 1) = (sin a cos f, -sin f, cos a cos f); a bone bent by more than 90 degrees points back.
    """
    x, y, z = direction[:, 0], direction[:, 1], direction[:, 2]
    forward = np.where(z < 0.0, -1.0, 1.0)
    abduction = np.arctan2(forward * x, np.abs(z))
    flexion = np.arctan2(-y, forward * np.hypot(x, z))
    return np.stack([flexion, abduction, np.zeros_like(x)], 1)
