"""Joints in space from their places in two calibrated views, by several observers.

Start from the linear method (direct linear transform; Hartley and Zisserman 2004, section 12.2), then Gauss-Newton on
the reprojection errors with robust weights. An observer is one path in one view. The expected error of each point is
the covariance of that least-squares problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from app.two_views.camera_pair import CameraPair

_STEPS: Final = 8
_HUBER: Final = 1.5
"""Standard deviations from which an observer's weight falls."""

OUTLIER: Final = 3.5
"""Standard deviations from which an observer of a joint is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Joints of one observer in one view, frame by frame.

    Attributes:
        view: 0 for the first camera, 1 for the second.
        joints_px: NaN where it found none.
        sigma_px: standard deviation of each joint along each axis of the picture.
    """

    view: int
    joints_px: Float[np.ndarray, "N J 2"]
    sigma_px: Float[np.ndarray, "N J"]


@dataclass(frozen=True, slots=True, eq=False)
class Triangulated:
    """Points in the first camera's axes.

    Attributes:
        joints_m: NaN where no two views agree.
        covariance_m2: of each point; NaN likewise.
        misfit: root mean square reprojection error over its standard deviation; about 1 where the sigmas are right.
        used: which observers each point was made from, in the order given.
    """

    joints_m: Float[np.ndarray, "N J 3"]
    covariance_m2: Float[np.ndarray, "N J 3 3"]
    misfit: Float[np.ndarray, "N J"]
    used: Bool[np.ndarray, "S N J"]


def triangulate(pair: CameraPair, sightings: Sequence[Sightings]) -> Triangulated:
    """Triangulates every joint of every frame.

    Args:
        pair: the calibrated cameras.
        sightings: of at least one observer in each view; all of the same frames and joints.
    """
    pixels = np.stack([one.joints_px for one in sightings]).astype(np.float64)
    sigma = np.stack([one.sigma_px for one in sightings]).astype(np.float64)
    view = np.array([one.view for one in sightings])
    used: Bool[np.ndarray, "S N J"] = np.asarray(np.isfinite(pixels).all(-1))
    points, covariance, residual = _solve(pair, view, pixels, sigma, used)
    # an observer that the others contradict is left out, as long as both views keep one
    for _ in range(2):
        worst = np.where(used, residual, 0.0)
        candidate = worst.argmax(0)[None] == np.arange(len(view))[:, None, None]
        alone = np.stack([used[view == view[s]].sum(0) for s in range(len(view))]) <= 1
        drop = candidate & (worst > OUTLIER) & ~alone
        if not drop.any():
            break
        used = used & ~drop
        points, covariance, residual = _solve(pair, view, pixels, sigma, used)
    squares = np.where(used, residual**2, 0.0).sum(0) / np.maximum(2.0 * used.sum(0) - 3.0, 1.0)
    misfit = np.sqrt(squares)
    # where the remaining two contradict each other it is unknown which is right: a gap
    contradicted = (np.where(used, residual, 0.0) > OUTLIER).any(0)
    in_both = used[view == 0].any(0) & used[view == 1].any(0)
    in_front = (points[..., 2] > 0.02) & (pair.to_second(points)[..., 2] > 0.02)
    known = in_both & in_front & ~contradicted & np.isfinite(points).all(-1)
    points[~known], covariance[~known], misfit[~known] = np.nan, np.nan, np.nan
    return Triangulated(points, covariance, misfit, used & known[None])


def linear_points(
    pair: CameraPair,
    view: np.ndarray,
    pixels: Float[np.ndarray, "S N J 2"],
    weight: Float[np.ndarray, "S N J"],
) -> Float[np.ndarray, "N J 3"]:
    """The linear solution, each equation weighted; NaN-free pixels where the weight is above 0.

    Args:
        pair: the calibrated cameras.
        view: of each observer.
        pixels: of each observer and point.
        weight: of each, 0 to leave it out.
    """
    rows = []
    for s, which in enumerate(view):
        intrinsics, rotation, translation = pair.views[which]
        projection = np.concatenate([rotation, translation[:, None]], 1)
        at = np.where(weight[s][..., None] > 0.0, pixels[s], 0.0)
        x = (at[..., 0] - intrinsics.cx_px) / intrinsics.fx_px
        y = (at[..., 1] - intrinsics.cy_px) / intrinsics.fy_px
        rows.append(weight[s][..., None] * (x[..., None] * projection[2] - projection[0]))
        rows.append(weight[s][..., None] * (y[..., None] * projection[2] - projection[1]))
    homogeneous = np.linalg.svd(np.stack(rows, -2))[2][..., -1, :]
    scale = homogeneous[..., 3:]
    return np.asarray(homogeneous[..., :3] / np.where(np.abs(scale) < 1e-9, 1e-9, scale))


def _solve(
    pair: CameraPair,
    view: np.ndarray,
    pixels: Float[np.ndarray, "S N J 2"],
    sigma: Float[np.ndarray, "S N J"],
    used: Bool[np.ndarray, "S N J"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, covariances, and each observer's residual length over its standard deviation."""
    weight = np.where(used, 1.0 / np.maximum(sigma, 1e-6), 0.0)
    points = linear_points(pair, view, pixels, weight)
    points = np.where(np.abs(points) < 50.0, points, 50.0)
    for _ in range(_STEPS):
        matrix, gradient, residual = _normal_equations(pair, view, pixels, weight, points)
        step = np.linalg.solve(matrix + 1.0 * np.eye(3), gradient[..., None])[..., 0]
        length = np.linalg.norm(step, axis=-1, keepdims=True)
        points = points - step * np.minimum(1.0, 0.2 / np.maximum(length, 1e-12))
    matrix, _, residual = _normal_equations(pair, view, pixels, weight, points)
    covariance = np.linalg.inv(matrix + 1.0 * np.eye(3))
    return points, covariance, residual


def _normal_equations(
    pair: CameraPair,
    view: np.ndarray,
    pixels: Float[np.ndarray, "S N J 2"],
    weight: Float[np.ndarray, "S N J"],
    points: Float[np.ndarray, "N J 3"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix, gradient = np.zeros((*points.shape[:-1], 3, 3)), np.zeros(points.shape)
    residuals = np.zeros(weight.shape)
    for s, which in enumerate(view):
        error, jacobian = reprojection(pair, int(which), points, np.where(weight[s][..., None] > 0.0, pixels[s], 0.0))
        error, jacobian = error * weight[s][..., None], jacobian * weight[s][..., None, None]
        length = np.linalg.norm(error, axis=-1)
        residuals[s] = length
        robust = np.minimum(1.0, _HUBER / np.maximum(length, 1e-9))[..., None, None]
        turned = np.swapaxes(jacobian, -1, -2) * robust
        matrix += turned @ jacobian
        gradient += (turned @ error[..., None])[..., 0]
    return matrix, gradient, residuals


def reprojection(
    pair: CameraPair, view: int, points_m: Float[np.ndarray, "*batch 3"], pixels: Float[np.ndarray, "*batch 2"]
) -> tuple[Float[np.ndarray, "*batch 2"], Float[np.ndarray, "*batch 2 3"]]:
    """Projection minus pixel, and its derivative by the point (first camera's axes)."""
    intrinsics, rotation, translation = pair.views[view]
    seen = points_m @ rotation.T + translation
    depth = np.maximum(seen[..., 2], 0.01)
    x, y = seen[..., 0] / depth, seen[..., 1] / depth
    error = np.stack(
        [
            intrinsics.fx_px * x + intrinsics.cx_px - pixels[..., 0],
            intrinsics.fy_px * y + intrinsics.cy_px - pixels[..., 1],
        ],
        -1,
    )
    by_seen = np.zeros((*points_m.shape[:-1], 2, 3))
    by_seen[..., 0, 0], by_seen[..., 0, 2] = intrinsics.fx_px / depth, -intrinsics.fx_px * x / depth
    by_seen[..., 1, 1], by_seen[..., 1, 2] = intrinsics.fy_px / depth, -intrinsics.fy_px * y / depth
    return error, by_seen @ rotation
