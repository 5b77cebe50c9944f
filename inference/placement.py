"""Where a posed hand stands, from where its joints are seen."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics

DEPTH_DEVIATION = 0.3
"""Believed relative error of the depth that is started from; it only decides where the joints tell no depth at all."""

STEPS = 6
LONGEST_STEP = 0.5

_SMALLEST_SIGMA_PX = 0.1


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


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _place(
    from_wrist: np.ndarray,
    pixels: np.ndarray,
    sigma: np.ndarray,
    camera: tuple[float, float, float, float],
    start: tuple[float, float, float],
    steps: int,
    wrist: np.ndarray,
) -> None:
    """The loop of :func:`place_by_pixels`: unknowns are x / z, y / z and log z of the wrist."""
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
