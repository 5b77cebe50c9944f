"""Errors of predicted hands, as the field reports them, with proper rotations only.

Positions in metres, results in millimetres. "PA" (Procrustes-aligned) means: the prediction is scaled, turned and
shifted onto the target first (Umeyama 1991). The turn is a *proper* rotation: a mirrored hand keeps its error. The
official FreiHAND and HO-3D scripts allow reflections; their figures are reproduced, and named so, in ``hand.scoring``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float

from hand.rotations import chordal_mean, geodesic_rad, matrix_from_axis_angle

AUC_LARGEST_MM = 50.0
AUC_STEPS = 100
MILLIMETRES_PER_METRE = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class PckCurve:
    """Share of points closer to their target than a threshold.

    Attributes:
        thresholds_mm: ascending.
        fractions: for each threshold, 0 to 1.
        auc: area under the curve over the area of the threshold range, 0 to 1.
    """

    thresholds_mm: Float[np.ndarray, " steps"]
    fractions: Float[np.ndarray, " steps"]
    auc: float


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """A best fit of one set of points to another: scaled and turned about its own mean, then moved to the target's.

    Attributes:
        scale: factor.
        rotation: proper rotation, applied to columns.
        mean: of the points that were fitted.
        target_mean: of the points they were fitted to.
    """

    scale: Float[np.ndarray, "*batch"]
    rotation: Float[np.ndarray, "*batch 3 3"]
    mean: Float[np.ndarray, "*batch 1 3"]
    target_mean: Float[np.ndarray, "*batch 1 3"]

    def applied(self, points: Float[np.ndarray, "*batch N 3"]) -> Float[np.ndarray, "*batch N 3"]:
        """Points moved along with those that were fitted."""
        turned = (points - self.mean) @ np.swapaxes(self.rotation, -1, -2)
        return self.scale[..., None, None] * turned + self.target_mean


def best_similarity(
    predicted: Float[np.ndarray, "*batch P 3"], target: Float[np.ndarray, "*batch P 3"], *, scale: bool = True
) -> Similarity:
    """The similarity (or rigid) transform that takes points nearest to their targets.

    Least squares over rotation, shift and scale (Umeyama 1991, "Least-Squares Estimation of Transformation Parameters
    Between Two Point Patterns", eq. 40-43); the rotation has determinant +1. Points that coincide get scale 0.

    Args:
        predicted: points.
        target: the points they should coincide with, in the same order.
        scale: also fit the scale.
    """
    predicted_mean, target_mean = predicted.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    x, y = predicted - predicted_mean, target - target_mean
    left, singular, right = np.linalg.svd(np.swapaxes(x, -1, -2) @ y)
    signs = np.ones_like(singular)
    signs[..., 2] = np.where(np.linalg.det(left @ right) < 0.0, -1.0, 1.0)
    turn = (left * signs[..., None, :]) @ right
    factor = np.ones(singular.shape[:-1], predicted.dtype)
    if scale:
        spread = (x * x).sum((-1, -2))
        factor = np.where(spread > 0.0, (singular * signs).sum(-1) / np.where(spread > 0.0, spread, 1.0), 0.0)
    return Similarity(np.asarray(factor), np.swapaxes(turn, -1, -2), predicted_mean, target_mean)


def aligned(
    predicted: Float[np.ndarray, "*batch P 3"], target: Float[np.ndarray, "*batch P 3"]
) -> Float[np.ndarray, "*batch P 3"]:
    """The prediction, moved onto the target by :func:`best_similarity`.

    Args:
        predicted: points.
        target: the points they should coincide with, in the same order.
    """
    return best_similarity(predicted, target).applied(predicted)


def distances(
    predicted: Float[np.ndarray, "*batch P D"], target: Float[np.ndarray, "*batch P D"]
) -> Float[np.ndarray, "*batch P"]:
    """Distance of every point to its target, in the unit of the input."""
    return np.linalg.norm(predicted - target, axis=-1)


def mpjpe_mm(predicted_m: Float[np.ndarray, "N 21 3"], target_m: Float[np.ndarray, "N 21 3"]) -> float:
    """Mean per-joint position error after shifting both wrists to the origin.

    Args:
        predicted_m: joints in the common order.
        target_m: joints in the common order.
    """
    from_wrist = distances(predicted_m - predicted_m[:, :1], target_m - target_m[:, :1])
    return float(from_wrist.mean() * MILLIMETRES_PER_METRE)


def pa_error_mm(predicted_m: Float[np.ndarray, "N P 3"], target_m: Float[np.ndarray, "N P 3"]) -> float:
    """Mean position error after similarity alignment: PA-MPJPE for joints, PA-MPVPE for vertices."""
    return float(distances(aligned(predicted_m, target_m), target_m).mean() * MILLIMETRES_PER_METRE)


def pck_curve(distances_mm: Float[np.ndarray, "..."]) -> PckCurve:
    """Share of points within each of 100 thresholds from 0 to 50 mm, and the area under that curve."""
    thresholds = np.linspace(0.0, AUC_LARGEST_MM, AUC_STEPS)
    ordered = np.sort(distances_mm, axis=None)
    fractions = np.searchsorted(ordered, thresholds, side="right") / max(ordered.size, 1)
    return PckCurve(thresholds, fractions, float(np.trapezoid(fractions, thresholds)) / AUC_LARGEST_MM)


def f_score(predicted_m: Float[np.ndarray, "P 3"], target_m: Float[np.ndarray, "T 3"], threshold_mm: float) -> float:
    """F-score of two point clouds (Knapitsch et al. 2017, "Tanks and Temples", eq. 4-6), 0 to 1.

    The harmonic mean of the share of predicted points that lie closer than the threshold to some target point, and of
    the share of target points that lie closer than it to some predicted point. No correspondence is used.

    Args:
        predicted_m: vertices, aligned beforehand for an aligned score.
        target_m: vertices; the number may differ.
        threshold_mm: 5 and 15 are reported.
    """
    to_target, to_predicted = nearest_distances(predicted_m, target_m)
    precision = float((to_target * MILLIMETRES_PER_METRE < threshold_mm).mean())
    recall = float((to_predicted * MILLIMETRES_PER_METRE < threshold_mm).mean())
    return 2.0 * precision * recall / (precision + recall) if precision + recall > 0.0 else 0.0


def nearest_distances(
    first: Float[np.ndarray, "P 3"], second: Float[np.ndarray, "T 3"]
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " T"]]:
    """Distance of every point to the nearest of the other cloud, both ways."""
    center = second.mean(0)
    a, b = first.astype(np.float64) - center, second.astype(np.float64) - center
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2.0 * (a @ b.T)
    rows, columns = squared.argmin(1), squared.argmin(0)
    # the expanded square loses digits, so the winners are measured again
    return np.linalg.norm(a - b[rows], axis=1), np.linalg.norm(b - a[columns], axis=1)


def jitter_mm(positions_m: Float[np.ndarray, "N P 3"]) -> float:
    """Mean length of the second difference over time, mm per frame squared: on a still hand it should be 0."""
    if len(positions_m) < 3:
        return float("nan")
    acceleration = positions_m[2:] - 2.0 * positions_m[1:-1] + positions_m[:-2]
    return float(np.linalg.norm(acceleration, axis=-1).mean() * MILLIMETRES_PER_METRE)


@numba.njit(cache=True)
def mean_bend(
    first: Float[np.ndarray, "P 3"], second: Float[np.ndarray, "P 3"], third: Float[np.ndarray, "P 3"]
) -> float:
    """Mean length of the second differences of points that were seen three times: :func:`jitter_mm` live, in metres."""
    total = 0.0
    for p in range(len(first)):
        squared = 0.0
        for axis in range(3):
            gap = third[p, axis] - 2.0 * second[p, axis] + first[p, axis]
            squared += gap * gap
        total += np.sqrt(squared)
    return total / len(first)


def pose_spread_rad(poses_rad: Float[np.ndarray, "N 48"]) -> float:
    """How much the finger pose varies over samples: root mean square angle to the mean rotation, over 15 joints.

    Reported beside every error, because a network that has collapsed predicts one pose and still scores well: the
    spread of its predictions is then far below the spread of the labels.

    Args:
        poses_rad: absolute axis-angle; the global rotation is left out.
    """
    rotations = matrix_from_axis_angle(poses_rad[:, 3:].reshape(len(poses_rad), 15, 3).astype(np.float64))
    return float(np.sqrt((geodesic_rad(chordal_mean(rotations), rotations) ** 2).mean()))
