"""Refines a predicted pose so that the hand's joints project onto the 2D joints found in the picture.

The network predicts the joints twice: by its heat maps, in the picture, and by its pose and shape. The heat maps
are more exact in the picture and the pose in depth, so pose, shape and place are estimated anew from both: maximum a
posteriori, the heat maps with their expected errors as the measurement, pose and shape with theirs as the prior. That
brings the mesh onto the hand in the picture, and some of the gain holds in depth.

The error of the pose differs from picture to picture, and the network does not estimate it. The distance between
both predictions does: where it is larger than the expected errors explain, the prior on the pose is weakened
(:func:`prior_scale`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numba
import numpy as np
from jaxtyping import Float

from hand.anatomy import joint_axes
from hand.camera import Intrinsics, project
from hand.finite import all_finite
from hand.joints import MANO_FINGERS, MANO_PARENTS, mano_joint_to_common
from hand.layer import HandLayer
from hand.model import HandModel

KNUCKLE_DEVIATIONS_RAD: Final = (0.20, 0.12, 0.06)
"""Expected error of a knuckle's flexion, abduction and twist (``hand.anatomy``)."""

HINGE_DEVIATIONS_RAD: Final = (0.20, 0.05, 0.04)
"""The same of the joints beyond it, which can hardly do anything but bend."""

THUMB_DEVIATIONS_RAD: Final = (0.20, 0.15, 0.12)
"""The same of the thumb's joints."""

GLOBAL_DEVIATION_RAD: Final = 0.22
"""Expected error of the orientation, about any axis."""

SHAPE_DEVIATION: Final = 1.0
"""Expected error of each number of the network's shape: a person's deviate by 1, and one picture hardly shows them."""

USUAL_MISFIT: Final = 0.8
"""Median distance of the predicted hand's joints from their heat maps, over the expected errors, at which the pose is
held as firmly as its usual error deserves."""

SMALLEST_SCALE, LARGEST_SCALE = 0.7, 1.6
"""The pose's expected error follows the misfit, between so many times the usual one."""

STEPS: Final = 5

_SMALLEST_SIGMA_PX: Final = 0.1

_NO_SHAPE: Final = np.zeros((21, 3, 0))
"""In the place of a layer's ``bone_shape_directions``: none of the shape's numbers is estimated."""

_PARENTS: Final = np.array(MANO_PARENTS)

_PLACE: Final = mano_joint_to_common()
"""Number of each MANO joint among the 21."""


@dataclass(frozen=True, slots=True, eq=False)
class RefinedHand:
    """A hand whose pose was refined.

    Attributes:
        rotations: local rotations of the 16 MANO joints, the first in camera axes.
        shape: as it was estimated, or as it was given where it is held.
        root_m: wrist in camera axes.
    """

    rotations: Float[np.ndarray, "16 3 3"]
    shape: Float[np.ndarray, "10"]
    root_m: Float[np.ndarray, "3"]


def refine_pose(
    layer: HandLayer,
    rotations: Float[np.ndarray, "16 3 3"],
    shape: Float[np.ndarray, "10"],
    joints_px: Float[np.ndarray, "21 2"],
    sigma_px: Float[np.ndarray, "21"],
    intrinsics: Intrinsics,
    start_m: Float[np.ndarray, "3"],
    precisions: Float[np.ndarray, "16 3 3"] | None = None,
    shape_deviation: float = 0.0,
) -> RefinedHand:
    """Places the posed hand by its 2D joints, then refines its pose towards them.

    Gauss-Newton over a small turn of each joint, the wrist's place and the shape: the pseudo-Huber loss of every
    joint's reprojection error over its expected size (reweighted least squares, so that one misread joint does not
    drag a finger along), against turns of the expected size about each joint's anatomical axes: a finger rather bends
    than twists. Tips move with their last joint, which ignores how the skin deforms: less than a millimetre.

    Args:
        layer: of the hand the network was trained for.
        rotations: as predicted, the first in camera axes.
        shape: as predicted, or of the person.
        joints_px: 2D joints.
        sigma_px: expected error of each.
        intrinsics: of the picture.
        start_m: first guess of the wrist, in front of the camera.
        precisions: inverse covariances of the rotations' errors in the joints' axes; those of the network's rotations
            (:func:`prior_precisions`), scaled by :func:`prior_scale`, when left out.
        shape_deviation: expected error of each number of the shape; 0 holds the shape as it is given.
    """
    joints, orientations = layer.skeleton(rotations, shape)
    joints_m = np.asarray(joints, np.float64)
    joints_px = np.asarray(joints_px, np.float64)
    sigma_px = np.maximum(np.asarray(sigma_px, np.float64), _SMALLEST_SIGMA_PX)
    shape = np.asarray(shape, np.float64)
    start = solve_root_translation(joints_m - joints_m[0], joints_px, sigma_px, intrinsics, start_m, steps=3)
    placed_m = joints_m - joints_m[0] + start
    if precisions is None:
        gaps = np.linalg.norm(project(placed_m, intrinsics) - joints_px, axis=1)
        precisions = prior_precisions(layer.model) / prior_scale(gaps / sigma_px) ** 2
    shape_free = shape_deviation > 0.0
    turns, new_shape, root = _bend(
        placed_m,
        np.asarray(orientations, np.float64),
        shape,
        joints_px,
        sigma_px,
        np.array([intrinsics.fx_px, intrinsics.fy_px, intrinsics.cx_px, intrinsics.cy_px]),
        precisions,
        layer.bone_shape_directions if shape_free else _NO_SHAPE,
        1.0 / shape_deviation**2 if shape_free else 0.0,
    )
    if not all_finite(turns, root, new_shape) or root[2] <= 0.0:
        return RefinedHand(rotations, shape, start)
    local = turns.copy()
    local[1:] = turns[_PARENTS[1:]].transpose(0, 2, 1) @ turns[1:]
    return RefinedHand(local, new_shape, root)


def prior_scale(misfits: Float[np.ndarray, "21"]) -> float:
    """Estimates by which factor the network's pose error in one picture exceeds its usual one.

    The covariance of a prior is estimated from the innovations, as in adaptive Kalman filters (Mehra 1970, On the
    identification of variances and adaptive Kalman filtering). The median is taken, since a single misread joint
    carries no information about the pose.

    Args:
        misfits: distance of each joint of the predicted hand, placed where it fits best, from its 2D joint, over the
            expected error.
    """
    middle = float(np.sort(misfits)[len(misfits) // 2])  # of an odd number it is the median
    return min(max(middle / USUAL_MISFIT, SMALLEST_SCALE), LARGEST_SCALE)


@lru_cache(maxsize=8)
def prior_precisions(model: HandModel) -> Float[np.ndarray, "16 3 3"]:
    """Precision of the network's rotation of each MANO joint: inverse covariances of small turns in the joint's axes.

    Args:
        model: where it has no anatomical axes of its joints, they follow from its bones.
    """
    axes = joint_axes(model)
    precisions = np.empty((16, 3, 3))
    precisions[0] = np.eye(3) / GLOBAL_DEVIATION_RAD**2
    for joint in range(1, 16):
        if MANO_FINGERS[(joint - 1) // 3] == "thumb":
            deviations = THUMB_DEVIATIONS_RAD
        else:
            deviations = KNUCKLE_DEVIATIONS_RAD if joint % 3 == 1 else HINGE_DEVIATIONS_RAD
        precisions[joint] = axes[joint] @ np.diag(1.0 / np.square(deviations)) @ axes[joint].T
    return precisions


def _chains() -> np.ndarray:
    """Which four MANO joints move each of the 21: from the knuckle on, the wrist last; -1 where a chain is shorter."""
    chains = np.full((21, 4), -1)
    for joint in range(1, 16):
        fingers: list[int] = []
        above = joint
        while above > 0:
            fingers.insert(0, above)
            above = int(MANO_PARENTS[above])
        # a joint is moved by those above it, not by itself; the joint after the last one is the tip
        chains[_PLACE[joint], : len(fingers)] = [*fingers[:-1], 0]
        if len(fingers) == 3:
            chains[_PLACE[joint] + 1] = [*fingers, 0]
    return chains


_CHAINS: Final = _chains()

_CHAIN_ENDS: Final = np.array([chain[chain > 0].max(initial=0) for chain in _CHAINS])
"""The MANO joint whose bone leads to each of the 21."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _bend(
    points: np.ndarray,
    turns: np.ndarray,
    shape: np.ndarray,
    pixels: np.ndarray,
    sigma: np.ndarray,
    camera: np.ndarray,
    precisions: np.ndarray,
    bone_shapes: np.ndarray,
    shape_precision: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The turned joints' orientations, the shape and the wrist, from 21 points and 16 orientations in camera axes.

    Unknowns are a turn of every finger joint about camera axes, three numbers each, finger by finger (0 to 44), then
    one of the whole hand (45 to 47), the wrist's place (48 to 50) and as many numbers of the shape as `bone_shapes` has
    (51 to 60, or none): so fingers meet in what comes after them alone. Of the normal equations the lower triangle is
    kept.
    """
    points, turns, new_shape = points.copy(), turns.copy(), shape.copy()
    old_points, old_turns = np.empty_like(points), np.empty_like(turns)
    bent = np.zeros((16, 3))  # what each joint was turned so far, in its own axes
    own, turn, bare, swing = np.empty(3), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    prior = np.empty((3, 3))
    numbers = bone_shapes.shape[2]
    by_shape = np.zeros((21, 3, numbers))  # how each joint moves against the wrist with each number of the shape
    start_depth = points[0, 2]
    depth_prior = 1.0 / (DEPTH_DEVIATION * start_depth) ** 2
    normal, gradient = np.empty((51 + numbers, 51 + numbers)), np.empty(51 + numbers)
    row, place = np.empty((2, 15 + numbers)), np.empty(15 + numbers, np.int64)
    for _ in range(STEPS):
        normal[:] = 0.0
        gradient[:] = 0.0
        for j in range(21):
            x, y, z = points[j, 0], points[j, 1], max(points[j, 2], 0.02)
            du, dv = camera[0] / z / sigma[j], camera[1] / z / sigma[j]
            error_u = du * x + (camera[2] - pixels[j, 0]) / sigma[j]
            error_v = dv * y + (camera[3] - pixels[j, 1]) / sigma[j]
            weight = 1.0 / np.sqrt(1.0 + error_u * error_u + error_v * error_v)
            moved = ((du, 0.0, -du * x / z), (0.0, dv, -dv * y / z))
            used = 0
            for link in range(4):
                joint = _CHAINS[j, link]
                if joint < 0:
                    break
                pivot = _PLACE[joint]
                rx, ry, rz = x - points[pivot, 0], y - points[pivot, 1], points[j, 2] - points[pivot, 2]
                for k in range(2):
                    a, b, c = moved[k]
                    row[k, used] = c * ry - b * rz
                    row[k, used + 1] = a * rz - c * rx
                    row[k, used + 2] = b * rx - a * ry
                for axis in range(3):
                    place[used + axis] = axis + (45 if joint == 0 else 3 * (joint - 1))
                used += 3
            for axis in range(3):
                place[used + axis] = 48 + axis
                for k in range(2):
                    row[k, used + axis] = moved[k][axis]
            used += 3
            if j > 0:
                _bone_by_shape(by_shape, turns[_CHAIN_ENDS[j]], bone_shapes, j)
            for number in range(numbers):
                place[used + number] = 51 + number
                for k in range(2):
                    a, b, c = moved[k]
                    row[k, used + number] = (
                        a * by_shape[j, 0, number] + b * by_shape[j, 1, number] + c * by_shape[j, 2, number]
                    )
            used += numbers
            for m in range(used):
                gradient[place[m]] += weight * (row[0, m] * error_u + row[1, m] * error_v)
                for n in range(m + 1):
                    normal[place[m], place[n]] += weight * (row[0, m] * row[0, n] + row[1, m] * row[1, n])
        for joint in range(16):
            first = 45 if joint == 0 else 3 * (joint - 1)
            # from the joint's axes, in which precision and what it was turned are kept, into the camera's
            _product(turns[joint], precisions[joint], prior)
            for m in range(3):
                for n in range(3):
                    gradient[first + m] += prior[m, n] * bent[joint, n]
                    for k in range(3):
                        normal[first + m, first + n] += prior[m, k] * turns[joint, n, k]
        normal[50, 50] += depth_prior
        gradient[50] += depth_prior * (points[0, 2] - start_depth)
        for number in range(numbers):
            normal[51 + number, 51 + number] += shape_precision
            gradient[51 + number] += shape_precision * (new_shape[number] - shape[number])
        _solve(normal, gradient)
        # every joint turns in its own axes; then the chain is laid out again
        _keep(points, turns, old_points, old_turns)
        for axis in range(3):
            points[0, axis] -= gradient[48 + axis]
        for number in range(numbers):
            new_shape[number] -= gradient[51 + number]
        for joint in range(16):
            first = 45 if joint == 0 else 3 * (joint - 1)
            for axis in range(3):
                own[axis] = 0.0
                for k in range(3):
                    own[axis] -= old_turns[joint, k, axis] * gradient[first + k]
                bent[joint, axis] += own[axis]
            _rotation(own, turn)
            if joint == 0:
                _product(old_turns[0], turn, turns[0])
                continue
            parent = _PARENTS[joint]
            _swing(old_turns[parent], turns[parent], swing)
            _follow(old_points, points, _PLACE[parent], _PLACE[joint], swing)
            _grow(points, _PLACE[joint], turns[parent], bone_shapes, gradient)
            _product(old_turns[joint], turn, bare)
            _product(swing, bare, turns[joint])
            if joint % 3 == 0:
                _swing(old_turns[joint], turns[joint], swing)
                _follow(old_points, points, _PLACE[joint], _PLACE[joint] + 1, swing)
                _grow(points, _PLACE[joint] + 1, turns[joint], bone_shapes, gradient)
    return turns, new_shape, points[0].copy()


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _bone_by_shape(by_shape: np.ndarray, turn: np.ndarray, bone_shapes: np.ndarray, j: int) -> None:
    """How joint ``j`` moves with the shape: as the joint before it, and as the bone between them, turned."""
    before = 0 if j % 4 == 1 else j - 1
    for axis in range(3):
        for number in range(bone_shapes.shape[2]):
            total = by_shape[before, axis, number]
            for k in range(3):
                total += turn[axis, k] * bone_shapes[j, k, number]
            by_shape[j, axis, number] = total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _grow(points: np.ndarray, below: int, turn: np.ndarray, bone_shapes: np.ndarray, step: np.ndarray) -> None:
    """Changes a bone, laid already, as its length and direction follow a step of the shape (numbers 51 to 60)."""
    for k in range(3):
        longer = 0.0
        for number in range(bone_shapes.shape[2]):
            longer -= bone_shapes[below, k, number] * step[51 + number]
        for axis in range(3):
            points[below, axis] += turn[axis, k] * longer


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _keep(points: np.ndarray, turns: np.ndarray, old_points: np.ndarray, old_turns: np.ndarray) -> None:
    """Copies element by element: numba takes seconds to compile one slice assignment between arrays."""
    for j in range(21):
        for axis in range(3):
            old_points[j, axis] = points[j, axis]
    for joint in range(16):
        for i in range(3):
            for k in range(3):
                old_turns[joint, i, k] = turns[joint, i, k]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _follow(old_points: np.ndarray, points: np.ndarray, above: int, below: int, swing: np.ndarray) -> None:
    """Lays a bone at the new place of the joint above it, turned."""
    for axis in range(3):
        points[below, axis] = points[above, axis]
        for k in range(3):
            points[below, axis] += swing[axis, k] * (old_points[below, k] - old_points[above, k])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _product(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """3 x 3; numba's own product calls BLAS, which costs more than these few sums."""
    for i in range(3):
        for j in range(3):
            out[i, j] = left[i, 0] * right[0, j] + left[i, 1] * right[1, j] + left[i, 2] * right[2, j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _swing(old: np.ndarray, new: np.ndarray, out: np.ndarray) -> None:
    """The turn that takes an old orientation to a new one."""
    for i in range(3):
        for j in range(3):
            out[i, j] = new[i, 0] * old[j, 0] + new[i, 1] * old[j, 1] + new[i, 2] * old[j, 2]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rotation(turn: np.ndarray, out: np.ndarray) -> None:
    """Rodrigues' formula; the series near zero."""
    x, y, z = turn[0], turn[1], turn[2]
    squared = x * x + y * y + z * z
    angle = np.sqrt(squared)
    if angle < 1e-6:
        sine, cosine = 1.0, 0.5
    else:
        sine, cosine = np.sin(angle) / angle, (1.0 - np.cos(angle)) / squared
    cross = ((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0))
    for i in range(3):
        for j in range(3):
            outer = turn[i] * turn[j] - (squared if i == j else 0.0)
            out[i, j] = (1.0 if i == j else 0.0) + sine * cross[i][j] + cosine * outer


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(matrix: np.ndarray, right: np.ndarray) -> None:
    """Cholesky's method, in place, past the zeros between different fingers; the answer replaces ``right``."""
    size = len(right)
    for i in range(size):
        begin = i // 9 * 9 if i < 45 else 0
        for j in range(begin, i + 1):
            total = matrix[i, j]
            for k in range(max(begin, j // 9 * 9 if j < 45 else 0), j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(max(total, 1e-12)) if i == j else total / matrix[j, j]
    for i in range(size):
        for k in range(i // 9 * 9 if i < 45 else 0, i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(size - 1, -1, -1):
        right[i] /= matrix[i, i]
        for k in range(i // 9 * 9 if i < 45 else 0, i):
            right[k] -= matrix[i, k] * right[i]


DEPTH_DEVIATION = 0.3
"""Expected relative error of the depth that is started from; it only decides where the joints tell no depth at all."""

PLACEMENT_STEPS = 6
LONGEST_STEP = 0.5


def solve_root_translation(
    from_wrist_m: Float[np.ndarray, "21 3"],
    joints_px: Float[np.ndarray, "21 2"],
    sigma_px: Float[np.ndarray, "21"],
    intrinsics: Intrinsics,
    start_m: Float[np.ndarray, "3"],
    steps: int = PLACEMENT_STEPS,
) -> Float[np.ndarray, "3"]:
    """The wrist position at which the posed hand's projection fits its 2D joints best.

    Gauss-Newton on the reprojection errors, each divided by its expected size, over the direction (x / z, y / z) of
    the wrist and the log of its depth, so that no step leads behind the camera.

    Args:
        from_wrist_m: posed joints minus the wrist, camera axes.
        joints_px: 2D joints.
        sigma_px: expected error of each.
        intrinsics: of the picture.
        start_m: first guess of the wrist, in front of the camera.
        steps: at most; six place a hand exactly, three are enough as a start.

    Returns:
        The wrist in camera axes.
    """
    wrist = np.empty(3)
    _place(
        np.array(from_wrist_m, np.float64),
        np.array(joints_px, np.float64),
        np.maximum(np.asarray(sigma_px, np.float64), _SMALLEST_SIGMA_PX),
        (float(intrinsics.fx_px), float(intrinsics.fy_px), float(intrinsics.cx_px), float(intrinsics.cy_px)),
        (float(start_m[0]), float(start_m[1]), float(start_m[2])),
        steps,
        wrist,
    )
    return wrist


@numba.njit(cache=True, error_model="numpy")
def _place(
    from_wrist: np.ndarray,
    pixels: np.ndarray,
    sigma: np.ndarray,
    camera: tuple[float, float, float, float],
    start: tuple[float, float, float],
    steps: int,
    wrist: np.ndarray,
) -> None:
    """The loop of :func:`solve_root_translation`: unknowns are x / z, y / z and log z of the wrist."""
    fx, fy, cx, cy = camera
    start_depth = np.log(start[2])
    u, v, log_depth = start[0] / start[2], start[1] / start[2], start_depth
    prior = 1.0 / DEPTH_DEVIATION**2
    for _ in range(steps):
        depth = np.exp(log_depth)
        # the normal equations; x / z moves the first coordinate alone and y / z the second, so one entry stays zero
        a, b, c, d, e = 0.0, 0.0, 0.0, 0.0, prior
        p, q, r = 0.0, 0.0, prior * (log_depth - start_depth)
        for j in range(len(from_wrist)):
            z = max(from_wrist[j, 2] + depth, 0.02)
            slope_x, slope_y = (from_wrist[j, 0] + depth * u) / z, (from_wrist[j, 1] + depth * v) / z
            weight = 1.0 / (sigma[j] * sigma[j])
            error_x, error_y = fx * slope_x + cx - pixels[j, 0], fy * slope_y + cy - pixels[j, 1]
            by_u, by_v = fx * depth / z, fy * depth / z
            by_depth_x = fx * (depth * u - slope_x * depth) / z
            by_depth_y = fy * (depth * v - slope_y * depth) / z
            a += weight * by_u * by_u
            b += weight * by_v * by_v
            c += weight * by_u * by_depth_x
            d += weight * by_v * by_depth_y
            e += weight * (by_depth_x * by_depth_x + by_depth_y * by_depth_y)
            p += weight * by_u * error_x
            q += weight * by_v * error_y
            r += weight * (by_depth_x * error_x + by_depth_y * error_y)
        by_depth = -(r - c / a * p - d / b * q) / (e - c * c / a - d * d / b)
        by_u, by_v = -(p + c * by_depth) / a, -(q + d * by_depth) / b
        longest = max(abs(by_u), abs(by_v), abs(by_depth))
        share = min(1.0, LONGEST_STEP / max(longest, 1e-12))
        u, v, log_depth = u + share * by_u, v + share * by_v, log_depth + share * by_depth
        if share * longest < 1e-7:
            break
    depth = np.exp(log_depth)
    wrist[0], wrist[1], wrist[2] = depth * u, depth * v, depth
