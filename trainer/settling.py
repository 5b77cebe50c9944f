"""A posed hand, bent a little so that its joints fall where they are seen.

The network says twice where the joints are: by its heat maps, in the picture, and by the pose it believes in. The heat
maps are the better witness of the picture and the pose of the depth, so the pose is bent towards the heat maps, each
joint's doubt deciding how far. That brings the mesh onto the hand in the picture, and some of the gain holds in depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.joints import MANO_PARENTS, mano_joint_to_common
from hand.layer import HandLayer
from trainer.placement import DEPTH_DEVIATION, place_by_pixels

FINGER_DEVIATION_RAD: Final = 0.26
"""Believed error of each finger joint's angle. Half or twice as much changed the aligned error by less than 1 %."""

GLOBAL_DEVIATION_RAD: Final = 0.22
"""Believed error of the orientation."""

STEPS: Final = 5

_SMALLEST_SIGMA_PX: Final = 0.1

_PARENTS: Final = np.array(MANO_PARENTS)

_PLACE: Final = mano_joint_to_common()
"""Number of each MANO joint among the 21."""


@dataclass(frozen=True, slots=True, eq=False)
class SettledHand:
    """A hand that lies on its picture.

    Attributes:
        rotations: local rotations of the 16 MANO joints, the first in camera axes.
        root_m: wrist in camera axes.
    """

    rotations: Float[np.ndarray, "16 3 3"]
    root_m: Float[np.ndarray, "3"]


def settle(
    layer: HandLayer,
    rotations: Float[np.ndarray, "16 3 3"],
    shape: Float[np.ndarray, "10"],
    joints_px: Float[np.ndarray, "21 2"],
    sigma_px: Float[np.ndarray, "21"],
    intrinsics: Intrinsics,
    start_m: Float[np.ndarray, "3"],
) -> SettledHand:
    """Places the posed hand by its 2D joints, then bends it towards them.

    Gauss-Newton over a small turn of each joint and the wrist's place: the pseudo-Huber loss of every joint's
    reprojection error over its expected size (reweighted least squares, so that one misread joint does not drag a
    finger along), against turns of :data:`FINGER_DEVIATION_RAD` and :data:`GLOBAL_DEVIATION_RAD`. Tips ride on their
    last joint, which leaves out how the skin gives: less than a millimetre.

    Args:
        layer: of the hand the network was trained for.
        rotations: as predicted, the first in camera axes.
        shape: as predicted.
        joints_px: where the joints are seen.
        sigma_px: expected error of each.
        intrinsics: of the picture.
        start_m: first guess of the wrist, in front of the camera.
    """
    geometry = layer.from_matrices(rotations, shape)
    joints_m = np.asarray(geometry.joints_m, np.float64)
    root = place_by_pixels(joints_m - joints_m[0], joints_px, sigma_px, intrinsics, start_m)
    turns, root = _bend(
        joints_m - joints_m[0] + root,
        np.asarray(geometry.joint_rotations, np.float64),
        np.asarray(joints_px, np.float64),
        np.maximum(np.asarray(sigma_px, np.float64), _SMALLEST_SIGMA_PX),
        np.array([intrinsics.fx_px, intrinsics.fy_px, intrinsics.cx_px, intrinsics.cy_px]),
    )
    if not np.isfinite(turns).all() or not np.isfinite(root).all() or root[2] <= 0.0:
        return SettledHand(rotations, place_by_pixels(joints_m - joints_m[0], joints_px, sigma_px, intrinsics, start_m))
    local = turns.copy()
    local[1:] = turns[_PARENTS[1:]].transpose(0, 2, 1) @ turns[1:]
    return SettledHand(local, root)


def _chains() -> np.ndarray:
    """Which four MANO joints move each of the 21: the wrist first, -1 where a chain is shorter."""
    chains = np.full((21, 4), -1)
    for joint in range(16):
        chain = []
        above = joint
        while above >= 0:
            chain.append(above)
            above = int(MANO_PARENTS[above])
        ordered = chain[::-1]
        # a joint is moved by those above it, not by itself; the joint after the last one is the tip
        chains[_PLACE[joint], : len(ordered) - 1] = ordered[:-1]
        if len(ordered) == 4:
            chains[_PLACE[joint] + 1] = ordered
    return chains


_CHAINS: Final = _chains()


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _bend(
    points: np.ndarray, turns: np.ndarray, pixels: np.ndarray, sigma: np.ndarray, camera: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The turned joints' orientations and the wrist, from 21 points and 16 orientations in camera axes."""
    points, turns = points.copy(), turns.copy()
    start_depth = points[0, 2]
    bent = np.zeros((16, 3))  # what each joint was turned so far, in its own axes
    prior = np.empty(16)
    for joint in range(16):
        deviation = GLOBAL_DEVIATION_RAD if joint == 0 else FINGER_DEVIATION_RAD
        prior[joint] = 1.0 / deviation**2
    depth_prior = 1.0 / (DEPTH_DEVIATION * start_depth) ** 2
    row = np.empty((2, 15))
    place = np.empty(15, np.int64)
    for _ in range(STEPS):
        normal = np.zeros((51, 51))
        gradient = np.zeros(51)
        for j in range(21):
            x, y, z = points[j, 0], points[j, 1], max(points[j, 2], 0.02)
            du, dv = camera[0] / z, camera[1] / z
            error_u = (du * x + camera[2] - pixels[j, 0]) / sigma[j]
            error_v = (dv * y + camera[3] - pixels[j, 1]) / sigma[j]
            weight = 1.0 / np.sqrt(1.0 + error_u * error_u + error_v * error_v)
            du, dv = du / sigma[j], dv / sigma[j]
            # columns: the wrist's place, then a turn of each joint of the chain about camera axes
            row[0, 0], row[0, 1], row[0, 2] = du, 0.0, -du * x / z
            row[1, 0], row[1, 1], row[1, 2] = 0.0, dv, -dv * y / z
            place[0], place[1], place[2] = 48, 49, 50
            used = 3
            for link in range(4):
                joint = _CHAINS[j, link]
                if joint < 0:
                    break
                pivot = points[_PLACE[joint]]
                rx, ry, rz = points[j, 0] - pivot[0], points[j, 1] - pivot[1], points[j, 2] - pivot[2]
                for k in range(2):
                    a, b, c = row[k, 0], row[k, 1], row[k, 2]
                    row[k, used] = c * ry - b * rz
                    row[k, used + 1] = a * rz - c * rx
                    row[k, used + 2] = b * rx - a * ry
                for axis in range(3):
                    place[used + axis] = 3 * joint + axis
                used += 3
            for m in range(used):
                gradient[place[m]] += weight * (row[0, m] * error_u + row[1, m] * error_v)
                for n in range(used):
                    normal[place[m], place[n]] += weight * (row[0, m] * row[0, n] + row[1, m] * row[1, n])
        for joint in range(16):
            pull = turns[joint] @ bent[joint]
            for axis in range(3):
                normal[3 * joint + axis, 3 * joint + axis] += prior[joint]
                gradient[3 * joint + axis] += prior[joint] * pull[axis]
        normal[50, 50] += depth_prior
        gradient[50] += depth_prior * (points[0, 2] - start_depth)
        step = _solve(normal, -gradient)
        # every joint turns in its own axes; then the chain is laid out again
        root = points[0] + step[48:]
        before_points, before_turns = points.copy(), turns.copy()
        points[0] = root
        for joint in range(16):
            own = before_turns[joint].T @ step[3 * joint : 3 * joint + 3]
            bent[joint] += own
            turn = _rotation(own)
            if joint == 0:
                turns[0] = before_turns[0] @ turn
            else:
                parent = _PARENTS[joint]
                swing = turns[parent] @ before_turns[parent].T
                bone = before_points[_PLACE[joint]] - before_points[_PLACE[parent]]
                points[_PLACE[joint]] = points[_PLACE[parent]] + swing @ bone
                turns[joint] = swing @ before_turns[joint] @ turn
            if joint % 3 == 0 and joint > 0:
                tip = _PLACE[joint] + 1
                swing = turns[joint] @ before_turns[joint].T
                points[tip] = points[_PLACE[joint]] + swing @ (before_points[tip] - before_points[_PLACE[joint]])
    return turns, points[0].copy()


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rotation(turn: np.ndarray) -> np.ndarray:
    """Rodrigues' formula; the series near zero."""
    angle = np.sqrt((turn * turn).sum())
    if angle < 1e-6:
        sine, cosine = 1.0, 0.5
    else:
        sine, cosine = np.sin(angle) / angle, (1.0 - np.cos(angle)) / (angle * angle)
    x, y, z = turn
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + sine * cross + cosine * (cross @ cross)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cholesky's method; numba's own solver would need SciPy, which a training machine may lack."""
    size = len(right)
    lower = matrix.copy()
    for i in range(size):
        for j in range(i + 1):
            total = lower[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            lower[i, j] = np.sqrt(max(total, 1e-12)) if i == j else total / lower[j, j]
    result = right.copy()
    for i in range(size):
        for k in range(i):
            result[i] -= lower[i, k] * result[k]
        result[i] /= lower[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            result[i] -= lower[k, i] * result[k]
        result[i] /= lower[i, i]
    return result
