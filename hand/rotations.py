"""Rotations in NumPy: axis-angle, matrix, 6D and quaternion, exact near 0 and near pi.

All functions take any number of leading batch axes. Matrices act on column vectors (``R @ v``). Quaternions are
(w, x, y, z). The 6D form is the first two *columns* of the matrix, one after the other (Zhou et al. 2019, "On the
Continuity of Rotation Representations in Neural Networks", eq. 14-15). The torch counterparts are in
``hand.torch_rotations``.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

_SMALL_ANGLE_SQUARED = 1e-8
"""Below this squared angle the Taylor series is exact to double precision (the next term is angle^4 / 120)."""

_GENERATORS = np.array(
    [[0, 0, 0, 0, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 0, -1, 0, 0], [0, -1, 0, 1, 0, 0, 0, 0, 0]], dtype=np.float32
)
"""The cross-product matrices of x, y and z, flattened: v @ _GENERATORS is the cross-product matrix of v."""

_IDENTITY = np.eye(3, dtype=np.float32)


def matrix_from_axis_angle(axis_angle_rad: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices from axis-angle vectors (Rodrigues' formula).

    Args:
        axis_angle_rad: rotation axis times angle, radians; any length, zero included.

    Returns:
        Matrices of the same dtype.
    """
    squared = (axis_angle_rad * axis_angle_rad).sum(-1)
    small = squared < _SMALL_ANGLE_SQUARED
    angle = np.sqrt(np.where(small, 1.0, squared))
    sine_ratio = np.where(small, 1.0 - squared / 6.0, np.sin(angle) / angle)
    # 1 - cos a = 2 sin^2(a / 2), which loses no digits for small angles
    cosine_ratio = np.where(small, 0.5 - squared / 24.0, 2.0 * (np.sin(0.5 * angle) / angle) ** 2)
    matrix = cosine_ratio[..., None, None] * (axis_angle_rad[..., :, None] * axis_angle_rad[..., None, :])
    matrix += ((sine_ratio[..., None] * axis_angle_rad) @ _GENERATORS).reshape(matrix.shape)
    matrix += (1.0 - cosine_ratio * squared)[..., None, None] * _IDENTITY
    return matrix.astype(axis_angle_rad.dtype, copy=False)


def quaternion_from_matrix(matrix: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 4"]:
    """Unit quaternions (w, x, y, z) with w >= 0 from rotation matrices.

    Four candidate quaternions are formed and the best conditioned one is kept (Shepperd 1978, "Quaternion from Rotation
    Matrix"), so that no angle, pi included, loses precision.
    """
    m = matrix
    diagonal = np.stack([m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], -1)
    trace = diagonal.sum(-1)
    candidates = np.empty((*matrix.shape[:-2], 4, 4), dtype=matrix.dtype)
    candidates[..., 0, 0] = 1.0 + trace
    for k in range(3):
        candidates[..., k + 1, k + 1] = 1.0 - trace + 2.0 * diagonal[..., k]
    for k, (a, b) in enumerate(((2, 1), (0, 2), (1, 0))):
        candidates[..., 0, k + 1] = candidates[..., k + 1, 0] = m[..., a, b] - m[..., b, a]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        candidates[..., a + 1, b + 1] = candidates[..., b + 1, a + 1] = m[..., a, b] + m[..., b, a]
    best = np.concatenate([trace[..., None], diagonal], -1).argmax(-1)
    quaternion = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    return np.where(quaternion[..., :1] < 0.0, -quaternion, quaternion)


def axis_angle_from_quaternion(quaternion: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 3"]:
    """Axis-angle vectors of length at most pi from quaternions (w, x, y, z) of any sign."""
    quaternion = np.where(quaternion[..., :1] < 0.0, -quaternion, quaternion)
    scalar, vector = quaternion[..., 0], quaternion[..., 1:]
    sine_half = np.linalg.norm(vector, axis=-1)
    small = sine_half < 1e-7
    safe = np.where(small, 1.0, sine_half)
    # angle / sin(angle / 2) tends to 2 as the angle goes to 0; atan2 keeps full precision near pi
    ratio = np.where(small, 2.0, 2.0 * np.arctan2(sine_half, scalar) / safe)
    return vector * ratio[..., None].astype(quaternion.dtype)


def quaternion_from_axis_angle(
    axis_angle_rad: Float[np.ndarray, "*batch 3"],
) -> Float[np.ndarray, "*batch 4"]:
    """Unit quaternions (w, x, y, z) from axis-angle vectors."""
    squared = (axis_angle_rad * axis_angle_rad).sum(-1)
    small = squared < _SMALL_ANGLE_SQUARED
    angle = np.sqrt(np.where(small, 1.0, squared))
    ratio = np.where(small, 0.5 - squared / 48.0, np.sin(0.5 * angle) / angle)
    scalar = np.where(small, 1.0 - squared / 8.0, np.cos(0.5 * angle))
    return np.concatenate([scalar[..., None], axis_angle_rad * ratio[..., None]], -1).astype(axis_angle_rad.dtype)


def matrix_from_quaternion(quaternion: Float[np.ndarray, "*batch 4"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices from quaternions (w, x, y, z), normalised first."""
    q = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    w, x, y, z = (q[..., k] for k in range(4))
    rows = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def axis_angle_from_matrix(matrix: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Axis-angle vectors of length at most pi from rotation matrices, precise at every angle."""
    return axis_angle_from_quaternion(quaternion_from_matrix(matrix))


def sixd_from_matrix(matrix: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 6"]:
    """The 6D form: first column, then second column."""
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], -1)


def matrix_from_sixd(sixd: Float[np.ndarray, "*batch 6"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation matrices from any 6D vectors with halves that are not parallel (Gram-Schmidt)."""
    first, second = sixd[..., :3], sixd[..., 3:]
    x = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = second - (x * second).sum(-1, keepdims=True) * x
    y = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)


def geodesic_rad(
    first: Float[np.ndarray, "*#batch 3 3"], second: Float[np.ndarray, "*#batch 3 3"]
) -> Float[np.ndarray, "*batch"]:
    """Angle of the rotation that takes one orientation to the other, 0 to pi."""
    relative = np.swapaxes(first, -1, -2) @ second
    return np.asarray(np.linalg.norm(axis_angle_from_matrix(relative), axis=-1))


def chordal_mean(rotations: Float[np.ndarray, "N *batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """The rotation nearest to several ones: least sum of squared differences of the matrices.

    Source: Hartley et al. 2013, "Rotation Averaging", section 5.3; the projection of the matrices' mean onto SO(3).

    Args:
        rotations: N of each; they should not cancel each other, as half turns about opposite axes do.
    """
    left, _, right = np.linalg.svd(rotations.mean(0))
    signs = np.ones(left.shape[:-1])
    signs[..., 2] = np.linalg.det(left @ right)
    return (left * signs[..., None, :]) @ right
