"""Constant bone lengths: triangulated joints of a stretch of time, moved towards one skeleton as their errors allow.

Each frame's joints are pulled from where they were triangulated, by their own covariances, towards the lengths that the
bones have over the whole stretch: a small least-squares problem of 63 unknowns a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from app.two_views.bundle_adjustment import EDGES, edge_lengths

BONE_SIGMA_M: Final = 0.0025
"""How much a length may change from frame to frame: joints under skin, and what detectors make of them."""

FEWEST_FRAMES: Final = 10
"""A length is known from so many frames on."""

_STEPS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Steadied:
    """Joints of steady bones.

    Attributes:
        joints_m: NaN where they were.
        covariance_m2: of each joint, smaller than before.
    """

    joints_m: Float[np.ndarray, "N 21 3"]
    covariance_m2: Float[np.ndarray, "N 21 3 3"]


def mean_lengths(
    joints_m: Float[np.ndarray, "N 21 3"], covariance_m2: Float[np.ndarray, "N 21 3 3"]
) -> Float[np.ndarray, " edges"]:
    """Length of each edge over all frames, freed of what noise adds to a distance; NaN where too few frames show it.

    Args:
        joints_m: NaN where unknown.
        covariance_m2: of the joints.
    """
    lengths = edge_lengths(joints_m)
    one, other = EDGES[:, 0], EDGES[:, 1]
    along = (joints_m[:, one] - joints_m[:, other]) / lengths[..., None]
    noise = covariance_m2[:, one] + covariance_m2[:, other]
    # a distance d with noise of covariance C across it is seen as d + tr(C across) / 2d on average
    across = np.trace(noise, axis1=-2, axis2=-1) - np.einsum("nei,neij,nej->ne", along, noise, along)
    freed = lengths - across / (2.0 * lengths)
    result = np.full(len(EDGES), np.nan)
    enough = np.isfinite(freed).sum(0) >= FEWEST_FRAMES
    result[enough] = np.nanmedian(freed[:, enough], 0)
    return result


def steady(joints_m: Float[np.ndarray, "N 21 3"], covariance_m2: Float[np.ndarray, "N 21 3 3"]) -> Steadied:
    """Moves joints towards the lengths that the bones have over these frames.

    Args:
        joints_m: NaN where unknown.
        covariance_m2: of the joints, NaN likewise.
    """
    lengths = mean_lengths(joints_m, covariance_m2)
    known = np.isfinite(joints_m).all(-1)
    count = len(joints_m)
    start = np.where(known[..., None], joints_m, 0.0)
    # an unknown joint is held by a very weak prior, so that every system can be solved
    precision = np.zeros((count, 21, 3, 3))
    precision[known] = np.linalg.inv(covariance_m2[known] + 1e-12 * np.eye(3))
    precision[~known] = np.eye(3)
    one, other = EDGES[:, 0], EDGES[:, 1]
    used = known[:, one] & known[:, other] & np.isfinite(lengths)
    points = start.copy()
    matrix = np.zeros((count, 63, 63))
    for _ in range(_STEPS):
        matrix[:] = 0.0
        gradient = np.einsum("njab,njb->nja", precision, points - start)
        for j in range(21):
            matrix[:, 3 * j : 3 * j + 3, 3 * j : 3 * j + 3] += precision[:, j]
        for e in range(len(EDGES)):
            a, b = int(one[e]), int(other[e])
            along = points[:, a] - points[:, b]
            length = np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
            unit = along / length
            residual = length[:, 0] - lengths[e]
            # a bone with a large error means that a joint was mistaken, not that it should be dragged all the way
            weight = np.minimum(1.0, 2.0 * BONE_SIGMA_M / np.maximum(np.abs(residual), 1e-9)) / BONE_SIGMA_M**2
            weight = np.where(used[:, e], weight, 0.0)
            residual = np.where(used[:, e], residual, 0.0)
            gradient[:, a] += (weight * residual)[:, None] * unit
            gradient[:, b] -= (weight * residual)[:, None] * unit
            outer = weight[:, None, None] * unit[:, :, None] * unit[:, None, :]
            rows_a, rows_b = slice(3 * a, 3 * a + 3), slice(3 * b, 3 * b + 3)
            matrix[:, rows_a, rows_a] += outer
            matrix[:, rows_b, rows_b] += outer
            matrix[:, rows_a, rows_b] -= outer
            matrix[:, rows_b, rows_a] -= outer
        step = np.linalg.solve(matrix, gradient.reshape(count, 63, 1)).reshape(count, 21, 3)
        points = points - step
    whole = np.linalg.inv(matrix)
    covariance = np.stack([whole[:, 3 * j : 3 * j + 3, 3 * j : 3 * j + 3] for j in range(21)], 1)
    points[~known] = np.nan
    covariance[~known] = np.nan
    return Steadied(points, covariance)
