"""The compiled loops of :mod:`inference.hand_fusion`: the situation of a hand, and the weighted mean of two poses.

One file, because numba's cache of a kernel does not notice changes to helpers in other files.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from hand.joints import mano_joint_to_common

HAND_FEATURES: Final = ("network_log_odds", "ik_log_odds", "network_sigma", "palm", "edge_on", "apart_px", "border",
                        "apart_form", "apart_sigma")  # fmt: skip
"""What is the same for all joints of a hand, in the order of the kernel's output."""

JOINT_FEATURES: Final = ("apart_rad", "flexion_rad", "joint_sigma", "joint_apart_px")
"""What differs from joint to joint, in the order of the kernel's output."""

_PLACE: Final = mano_joint_to_common()
"""Number of each MANO joint among the 21."""


_BORDER: Final = 0.02
"""Joints nearer to the picture's border than this share of its longer side may be cut off."""

# they hold the interpreter lock: none takes longer than waiting for it again can
_jit = numba.njit(cache=True, error_model="numpy")


@_jit
def describe_pair(
    network_rotations: np.ndarray,
    ik_rotations: np.ndarray,
    axes: np.ndarray,
    network_joints: np.ndarray,
    ik_joints: np.ndarray,
    network_px: np.ndarray,
    network_sigma_px: np.ndarray,
    ik_px: np.ndarray,
    scalars: np.ndarray,
    hand: np.ndarray,
    joints: np.ndarray,
    apart: np.ndarray,
) -> float:
    """Describes a hand that both paths found: its situation, and how far apart the two poses are.

    Args:
        network_rotations: (16, 3, 3) local rotations of a right hand, the first in camera axes.
        ik_rotations: the same of the other path.
        axes: (16, 3, 3) anatomical axes of each joint (``hand.anatomy``).
        network_joints: (21, 3) joints in camera axes.
        ik_joints: the same of the other path.
        network_px: (21, 2) joints in the picture, as the network predicts them.
        network_sigma_px: (21,) expected error of each.
        ik_px: (21, 2) joints in the picture, as the hand detector finds them.
        scalars: confidence of the network and of IK, width and height of the picture.
        hand: (9,), written: :data:`HAND_FEATURES`, each about 0 on average and of the size 1.
        joints: (16, 4), written: :data:`JOINT_FEATURES`, the same.
        apart: (16, 3), written: turn from the network's rotation to IK's, about the joint's anatomical axes.

    Returns:
        Mean distance of the joints in metres, each hand relative to its own wrist.
    """
    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
    gap, sigma, ratio, outside = 0.0, 0.0, 0.0, 0
    width, height = scalars[2], scalars[3]
    margin = _BORDER * max(width, height)
    for k in range(21):
        x, y = network_px[k, 0], network_px[k, 1]
        low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
        apart_px = np.hypot(x - ik_px[k, 0], y - ik_px[k, 1])
        gap += apart_px / 21.0
        ratio += apart_px / max(network_sigma_px[k], 1e-6) / 21.0
        sigma += network_sigma_px[k] / 21.0
        if x < margin or y < margin or x > width - 1.0 - margin or y > height - 1.0 - margin:
            outside += 1
    box = max(high_x - low_x, high_y - low_y, 1.0)
    hand[0] = 0.5 * _log_odds(scalars[0])
    hand[1] = 0.5 * _log_odds(scalars[1])
    hand[2] = _log_ratio(sigma / box, 0.03)
    facing = _palm_towards_camera(network_joints)
    hand[3] = facing
    hand[4] = 1.0 - 2.0 * abs(facing)
    hand[5] = _log_ratio(gap / box, 0.03)
    hand[6] = 3.0 * outside / 21.0
    form = _distance_of_forms(network_joints, network_rotations[0], ik_joints, ik_rotations[0])
    hand[7] = _log_ratio(form, 0.008)
    hand[8] = _log_ratio(ratio, 0.8)
    relative, local = np.empty((3, 3)), np.empty((3, 3))
    for j in range(16):
        _transposed_product(network_rotations[j], ik_rotations[j], relative)
        x, y, z = _axis_angle(relative)
        for axis in range(3):
            apart[j, axis] = axes[j, 0, axis] * x + axes[j, 1, axis] * y + axes[j, 2, axis] * z
        joints[j, 0] = 2.0 * np.sqrt(x * x + y * y + z * z) - 0.5
        flexion = 0.0
        if j > 0:
            # of both poses' mean, about the joint's own axes: R = A Ry Rz Rx A^T (hand.anatomy)
            _transposed_product(axes[j], network_rotations[j], local)
            _product_in_place(local, axes[j])
            flexion = np.arctan2(-local[1, 2], local[1, 1]) + 0.5 * apart[j, 0]
        joints[j, 1] = flexion - 0.5
        # the joint that this one moves first
        below = _PLACE[j] + 1 if j > 0 else 9
        joints[j, 2] = _log_ratio(network_sigma_px[below] / box, 0.03)
        joints[j, 3] = _log_ratio(
            np.hypot(network_px[below, 0] - ik_px[below, 0], network_px[below, 1] - ik_px[below, 1]) / box, 0.03
        )
    return form


@_jit
def mean_rotations(
    network_rotations: np.ndarray, apart: np.ndarray, shares: np.ndarray, axes: np.ndarray, mean: np.ndarray
) -> None:
    """Goes a share of the way from the network's rotations to IK's.

    Args:
        network_rotations: (16, 3, 3).
        apart: (16, 3), from :func:`describe_pair`.
        shares: (16, 3) of the way about each anatomical axis, 0 to 1.
        axes: (16, 3, 3) anatomical axes.
        mean: (16, 3, 3), written.
    """
    turn = np.empty((3, 3))
    for j in range(16):
        a, b, c = shares[j, 0] * apart[j, 0], shares[j, 1] * apart[j, 1], shares[j, 2] * apart[j, 2]
        _rotation(
            axes[j, 0, 0] * a + axes[j, 0, 1] * b + axes[j, 0, 2] * c,
            axes[j, 1, 0] * a + axes[j, 1, 1] * b + axes[j, 1, 2] * c,
            axes[j, 2, 0] * a + axes[j, 2, 1] * b + axes[j, 2, 2] * c,
            turn,
        )
        for m in range(3):
            for n in range(3):
                mean[j, m, n] = (
                    network_rotations[j, m, 0] * turn[0, n]
                    + network_rotations[j, m, 1] * turn[1, n]
                    + network_rotations[j, m, 2] * turn[2, n]
                )


@_jit
def ik_shares(
    hand: np.ndarray, joints: np.ndarray, groups: np.ndarray, bias: np.ndarray, slopes: np.ndarray, shares: np.ndarray
) -> None:
    """IK's share of the precision about each anatomical axis: a logistic regression on the situation.

    Args:
        hand: (9,) features of the hand.
        joints: (16, 4) features of the joints.
        groups: (16,) group of each joint.
        bias: (16, 3) logarithm of IK's precision over the network's in an average situation.
        slopes: (groups, 13) how it changes with the features, the hand's first.
        shares: (16, 3), written.
    """
    for j in range(16):
        slope = slopes[groups[j]]
        total = 0.0
        for f in range(len(hand)):
            total += slope[f] * hand[f]
        for f in range(joints.shape[1]):
            total += slope[len(hand) + f] * joints[j, f]
        for axis in range(3):
            shares[j, axis] = 1.0 / (1.0 + np.exp(-(bias[j, axis] + total)))


@_jit
def combine_places(
    network_px: np.ndarray,
    network_sigma_px: np.ndarray,
    ik_px: np.ndarray,
    share: float,
    sigma_factor: float,
    places: np.ndarray,
    sigma: np.ndarray,
) -> None:
    """Both paths' 2D joints, weighted by their inverse variances.

    Where the paths contradict each other by more than both expect, the result's expected error grows (Birge's
    ratio: R. T. Birge, "The Calculation of Errors by the Method of Least Squares", Physical Review 40, 1932).

    Args:
        network_px: (21, 2).
        network_sigma_px: (21,) expected errors that the network predicts.
        ik_px: (21, 2).
        share: IK's share of the precision, 0 to 1.
        sigma_factor: the network's own expected errors are multiplied by it.
        places: (21, 2), written.
        sigma: (21,), written.
    """
    for k in range(21):
        variance = (sigma_factor * network_sigma_px[k]) ** 2
        squared = 0.0
        for axis in range(2):
            gap = ik_px[k, axis] - network_px[k, axis]
            places[k, axis] = network_px[k, axis] + share * gap
            squared += 0.5 * gap * gap
        # the variance of the gap is variance + variance (1 - share) / share, that of the mean variance (1 - share)
        ratio = squared * share / max(variance, 1e-12)
        sigma[k] = np.sqrt(variance * max(1.0 - share, 1e-6) * max(ratio, 1.0))


@_jit
def _distance_of_forms(first: np.ndarray, first_turn: np.ndarray, second: np.ndarray, second_turn: np.ndarray) -> float:
    """Mean distance of the joints of two hands, each relative to its own wrist."""
    total = 0.0
    for k in range(1, 21):
        squared = 0.0
        for axis in range(3):
            gap = 0.0
            for m in range(3):
                gap += first_turn[m, axis] * (first[k, m] - first[0, m])
                gap -= second_turn[m, axis] * (second[k, m] - second[0, m])
            squared += gap * gap
        total += np.sqrt(squared) / 20.0
    return total


@_jit
def _palm_towards_camera(joints: np.ndarray) -> float:
    """Cosine between a right palm's normal and the direction to the camera; 0 is a palm that is seen edge on."""
    a, b, ray = np.empty(3), np.empty(3), 0.0
    for axis in range(3):
        a[axis], b[axis] = joints[5, axis] - joints[0, axis], joints[17, axis] - joints[0, axis]
        ray += joints[9, axis] ** 2
    nx, ny, nz = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
    length = np.sqrt(nx * nx + ny * ny + nz * nz) * np.sqrt(ray)
    return -(nx * joints[9, 0] + ny * joints[9, 1] + nz * joints[9, 2]) / max(length, 1e-12)


@_jit
def _log_odds(probability: float) -> float:
    kept = min(max(probability, 0.01), 0.99)
    return np.log(kept / (1.0 - kept))


@_jit
def _log_ratio(value: float, usual: float) -> float:
    return np.log(min(max(value / usual, 0.05), 20.0))


@_jit
def _transposed_product(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    for m in range(3):
        for n in range(3):
            out[m, n] = left[0, m] * right[0, n] + left[1, m] * right[1, n] + left[2, m] * right[2, n]


@_jit
def _product_in_place(matrix: np.ndarray, right: np.ndarray) -> None:
    for m in range(3):
        a, b, c = matrix[m, 0], matrix[m, 1], matrix[m, 2]
        for n in range(3):
            matrix[m, n] = a * right[0, n] + b * right[1, n] + c * right[2, n]


@_jit
def _axis_angle(m: np.ndarray) -> tuple[float, float, float]:
    """Logarithm of a rotation matrix, by way of a quaternion (Shepperd's method)."""
    a, b, c = m[0, 0], m[1, 1], m[2, 2]
    trace = a + b + c
    wx, wy, wz = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    if trace >= a and trace >= b and trace >= c:
        w, x, y, z = 1.0 + trace, wx, wy, wz
    elif a >= b and a >= c:
        w, x, y, z = wx, 1.0 - trace + 2.0 * a, xy, xz
    elif b >= c:
        w, x, y, z = wy, xy, 1.0 - trace + 2.0 * b, yz
    else:
        w, x, y, z = wz, xz, yz, 1.0 - trace + 2.0 * c
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    sine_half = np.sqrt(x * x + y * y + z * z)
    length = np.sqrt(w * w + sine_half * sine_half)
    ratio = 2.0 / length if sine_half < 1e-9 * length else 2.0 * np.arctan2(sine_half, w) / sine_half
    return x * ratio, y * ratio, z * ratio


@_jit
def _rotation(x: float, y: float, z: float, out: np.ndarray) -> None:
    """Rodrigues' formula; the series near zero."""
    squared = x * x + y * y + z * z
    angle = np.sqrt(squared)
    if angle < 1e-6:
        sine, cosine = 1.0, 0.5
    else:
        sine, cosine = np.sin(angle) / angle, (1.0 - np.cos(angle)) / squared
    one = 1.0 - cosine * squared
    out[0, 0], out[1, 1], out[2, 2] = one + cosine * x * x, one + cosine * y * y, one + cosine * z * z
    out[0, 1], out[1, 0] = cosine * x * y - sine * z, cosine * x * y + sine * z
    out[0, 2], out[2, 0] = cosine * x * z + sine * y, cosine * x * z - sine * y
    out[1, 2], out[2, 1] = cosine * y * z - sine * x, cosine * y * z + sine * x
