"""From camera axes (x right, y down, z forward) to those of animation programs (y up, z to the viewer)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

CAMERA_TO_SCENE = np.diag([1.0, -1.0, -1.0])
"""Half a turn about x."""

CAMERA_TO_SCENE_XYZW = (1.0, 0.0, 0.0, 0.0)
"""The same as a quaternion, in the order of glTF."""


def rotations_of(poses_rad: Float[np.ndarray, "T 48"], joint: int) -> Rotation:
    """The local rotations of one MANO joint over time."""
    return Rotation.from_rotvec(np.asarray(poses_rad).reshape(len(poses_rad), 16, 3)[:, joint])


def steady_quaternions(rotations: Rotation) -> Float[np.ndarray, "T 4"]:
    """Quaternions (x, y, z, w) without jumps of sign, so that what interpolates between them takes the short way."""
    quaternions = rotations.as_quat()
    flips = np.sum(quaternions[1:] * quaternions[:-1], axis=1) < 0.0
    signs = np.concatenate([[1.0], np.where(np.cumsum(flips) % 2 == 1, -1.0, 1.0)])
    return np.asarray(quaternions * signs[:, None])
