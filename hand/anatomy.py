"""Anatomical axes, angles and limits of the joints of a right hand.

A MANO pose is axis-angle in the axes of the rest frame, which has no anatomical meaning and no joint limits.
This file gives every joint a frame of its own, and turns its rotation into three angles and back:

* **flexion** about the first axis: positive bends towards the palm (for the thumb: across the palm, pulp first);
* **abduction** about the second axis: positive turns the bone towards the thumb side (radially), for the thumb away
  from the palm;
* **twist** about the third axis, which runs along the bone towards the finger tip: right-handed.

The three axes are right-handed in this order and are the columns of a joint's frame. The rotation is abduction,
then twist, then flexion, applied from the inside out: ``R = A Ry(abduction) Rz(twist) Rx(flexion) A^T``. Only a
twist of 90 degrees is singular, which no joint of the hand reaches. Angles count from the model's rest pose. For
the wrist (joint 0) the frame is the palm's.

Left hands are mirrored to right ones first (``hand.mirror``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.joints import MANO_FINGERS, mano_joint_to_common
from hand.layer import HandLayer
from hand.model import HandModel

THUMB_PULP_IN_PALM: Final = (-0.62, 0.25, 0.74)
"""Direction of the thumb's pulp at rest, in the palm frame (radial, distal, palmar).

Of the embedded model by construction; for other models in MANO's rest pose an assumption: joint positions alone do
not determine how a straight thumb is rolled about its own length.
"""


def palm_frame(rest_joints_m: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "3 3"]:
    """Axes of the palm as columns (radial, distal, palmar), from joint positions.

    Distal runs from the wrist to the middle finger's knuckle, palmar is normal to the plane of the wrist and the
    knuckles of index and little finger.
    """
    wrist, index, middle, pinky = rest_joints_m[0], rest_joints_m[5], rest_joints_m[9], rest_joints_m[17]
    distal = _unit(middle - wrist)
    # turned from the index (thumb side) to the little finger, the right hand's normal comes out of the palm
    palmar = np.cross(index - wrist, pinky - wrist)
    palmar = _unit(palmar - distal * (palmar @ distal))
    return np.stack([np.cross(distal, palmar), distal, palmar], axis=1)


def anatomical_frames(rest_joints_m: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "16 3 3"]:
    """Anatomical frames of a right hand from its rest joints alone, for models that do not bring their own.

    Args:
        rest_joints_m: the 21 joints of the rest pose in the common order.

    Returns:
        For the 16 joints in MANO order a matrix with columns (flexion, abduction, twist) in the rest frame.
    """
    palm = palm_frame(rest_joints_m)
    thumb_pulp = palm @ np.array(THUMB_PULP_IN_PALM)
    frames = np.empty((16, 3, 3))
    frames[0] = _axes(palm[:, 1], palm[:, 2])
    common = mano_joint_to_common()
    for joint in range(1, 16):
        start = common[joint]
        bone = rest_joints_m[start + 1] - rest_joints_m[start]
        is_thumb = MANO_FINGERS[(joint - 1) // 3] == "thumb"
        frames[joint] = _axes(bone, thumb_pulp if is_thumb else palm[:, 2])
    return frames


def joint_axes(model: HandModel) -> Float[np.ndarray, "16 3 3"]:
    """The anatomical frames that a right-hand model brings, or those that its rest joints suggest.

    Args:
        model: of a right hand.
    """
    axes = model.joint_axes
    if axes is None:
        axes = anatomical_frames(HandLayer(model, np.float64)(np.zeros(48), np.zeros(10), np.zeros(3)).joints_m)
    return np.ascontiguousarray(axes, np.float64)


def rotations_from_angles(
    angles_rad: Float[np.ndarray, "*batch 16 3"], frames: Float[np.ndarray, "16 3 3"]
) -> Float[np.ndarray, "*batch 16 3 3"]:
    """Local rotation matrices from (flexion, abduction, twist) of each joint.

    Args:
        angles_rad: angles of the 16 joints in MANO order.
        frames: their anatomical frames, columns (flexion, abduction, twist).
    """
    flexion, abduction, twist = np.moveaxis(angles_rad, -1, 0)
    local = _about(1, abduction) @ _about(2, twist) @ _about(0, flexion)
    return frames @ local @ np.swapaxes(frames, -1, -2)


def angles_from_rotations(
    rotations: Float[np.ndarray, "*batch 16 3 3"], frames: Float[np.ndarray, "16 3 3"]
) -> Float[np.ndarray, "*batch 16 3"]:
    """The inverse of :func:`rotations_from_angles`; twist comes out within 90 degrees, the others within 180."""
    local = np.swapaxes(frames, -1, -2) @ rotations @ frames
    twist = np.arcsin(np.clip(local[..., 1, 0], -1.0, 1.0))
    flexion = np.arctan2(-local[..., 1, 2], local[..., 1, 1])
    abduction = np.arctan2(-local[..., 2, 0], local[..., 0, 0])
    return np.stack([flexion, abduction, twist], axis=-1)


@dataclass(frozen=True, slots=True)
class JointLimits:
    """Smallest and largest anatomical angles of the 16 joints.

    Attributes:
        lower_rad: (flexion, abduction, twist) of each joint in MANO order.
        upper_rad: the same, largest values.
    """

    lower_rad: Float[np.ndarray, "16 3"]
    upper_rad: Float[np.ndarray, "16 3"]

    def excess_rad(self, angles_rad: Float[np.ndarray, "*batch 16 3"]) -> Float[np.ndarray, "*batch 16 3"]:
        """How far each angle is outside its range: 0 inside, negative below, positive above."""
        return np.maximum(angles_rad - self.upper_rad, 0.0) + np.minimum(angles_rad - self.lower_rad, 0.0)


# Flexion: active range of motion as tabulated by the American Society for Surgery of the Hand's e-Hand manual
# (finger MCP hyperextension up to 45, flexion 90; PIP 0-100; DIP 0-80; thumb MCP -10..55, IP -15..80), widened by
# 5-15 degrees because our zero is the rest pose, a few degrees flexed, and because passive range (a finger pressed
# against something) is larger. Abduction at the MCP: +-20 is normal in clinical tables; the extremes between
# neighbours (17, 14 and 32 degrees on average, Chatzioglou et al. 2024) add the rest spread. Twist and the thumb's
# CMC: manotorch's limits as a start, shifted to our rest pose, in which the thumb is already abducted; the figures
# themselves are our own choice.
_FREE: Final = (-180.0, 180.0)
_FINGER_LIMITS_DEG: Final = (
    ((-35.0, 95.0), (-22.0, 22.0), (-8.0, 8.0)),
    ((-10.0, 110.0), (-4.0, 4.0), (-4.0, 4.0)),
    ((-15.0, 90.0), (-4.0, 4.0), (-4.0, 4.0)),
)
_THUMB_LIMITS_DEG: Final = (
    ((-25.0, 55.0), (-40.0, 35.0), (-40.0, 25.0)),
    ((-20.0, 65.0), (-12.0, 12.0), (-8.0, 8.0)),
    ((-25.0, 90.0), (-4.0, 4.0), (-4.0, 4.0)),
)


def joint_limits() -> JointLimits:
    """Limits of the anatomical angles, counted from a flat rest pose such as MANO's or the embedded model's."""
    table = [(_FREE, (-90.0, 90.0), _FREE)]
    for finger in MANO_FINGERS:
        table.extend(_THUMB_LIMITS_DEG if finger == "thumb" else _FINGER_LIMITS_DEG)
    limits = np.radians(np.array(table))
    return JointLimits(lower_rad=limits[..., 0], upper_rad=limits[..., 1])


def _axes(bone: Float[np.ndarray, "3"], palmar: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Columns (flexion, abduction, twist) of a bone; its palm side faces as nearly as possible along ``palmar``."""
    twist = _unit(bone)
    abduction = -_unit(palmar - twist * (palmar @ twist))
    return np.stack([np.cross(abduction, twist), abduction, twist], axis=1)


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return vector / np.linalg.norm(vector)


def _about(axis: int, angle_rad: Float[np.ndarray, "*batch 16"]) -> Float[np.ndarray, "*batch 16 3 3"]:
    """Rotation matrices about one coordinate axis."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    matrix = np.zeros((*angle_rad.shape, 3, 3))
    following, last = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1.0
    matrix[..., following, following] = matrix[..., last, last] = cosine
    matrix[..., following, last] = -sine
    matrix[..., last, following] = sine
    return matrix
