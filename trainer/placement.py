"""Where a posed hand stands, from where its joints are seen."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics

DEPTH_DEVIATION = 0.3
"""Believed relative error of the depth that is started from; it only decides where the joints tell no depth at all."""

STEPS = 6
LONGEST_STEP = 0.5


def place_by_pixels(
    from_wrist_m: Float[np.ndarray, "21 3"],
    joints_px: Float[np.ndarray, "21 2"],
    sigma_px: Float[np.ndarray, "21"],
    intrinsics: Intrinsics,
    start_m: Float[np.ndarray, "3"],
    steps: int = STEPS,
) -> Float[np.ndarray, "3"]:
    """The wrist position at which the posed hand's projection fits its 2D joints best.

    Gauss-Newton on the reprojection errors, each divided by its expected size, over the direction (x / z, y / z) of
    the wrist and the log of its depth, so that no step leads behind the camera.

    Args:
        from_wrist_m: posed joints minus the wrist, camera axes.
        joints_px: where they are seen.
        sigma_px: expected error of each.
        intrinsics: of the picture.
        start_m: first guess of the wrist, in front of the camera.
        steps: at most; six place a hand exactly, three well enough to go on from.

    Returns:
        The wrist in camera axes.
    """
    focal = np.array([intrinsics.fx_px, intrinsics.fy_px])
    middle = np.array([intrinsics.cx_px, intrinsics.cy_px])
    weights = 1.0 / np.maximum(sigma_px, 0.1)[:, None] ** 2
    start_depth = math.log(start_m[2])
    u, v, log_depth = float(start_m[0] / start_m[2]), float(start_m[1] / start_m[2]), start_depth
    for _ in range(steps):
        depth = math.exp(log_depth)
        root = depth * np.array([u, v, 1.0])
        points = from_wrist_m + root
        z = np.maximum(points[:, 2:], 0.02)
        slopes = points[:, :2] / z
        residuals = focal * slopes + middle - joints_px
        jacobian = np.zeros((21, 2, 3))
        jacobian[:, 0, 0] = focal[0] * depth / z[:, 0]
        jacobian[:, 1, 1] = focal[1] * depth / z[:, 0]
        jacobian[:, :, 2] = focal * (root[:2] - slopes * root[2]) / z
        normal = np.einsum("jki,jkl,jk->il", jacobian, jacobian, np.broadcast_to(weights, (21, 2)))
        gradient = np.einsum("jki,jk->i", jacobian, weights * residuals)
        normal[2, 2] += 1.0 / DEPTH_DEVIATION**2
        gradient[2] += (log_depth - start_depth) / DEPTH_DEVIATION**2
        step = -np.linalg.solve(normal, gradient)
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        u, v, log_depth = u + float(step[0]), v + float(step[1]), log_depth + float(step[2])
        if np.abs(step).max() < 1e-7:
            break
    return math.exp(log_depth) * np.array([u, v, 1.0])
