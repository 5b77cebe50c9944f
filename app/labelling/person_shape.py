"""The shape of a person's hand, from where its joints lie in many pictures.

A single picture cannot distinguish a long finger from a near one. Over many pictures of one person's hand in different
poses only the person's own proportions lie on all of them, so shape, and each hand's turn and place, are solved
together: a bundle adjustment (Triggs et al. 2000). Joints are linear in the shape, so this is Gauss-Newton on exact
derivatives, with each hand's own six unknowns eliminated by their Schur complement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.layer import HandLayer
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle

DEVIATION: Final = 0.035
"""How far joints are seen from where they are, over the hand's box: what MediaPipe and the network together err."""

TURN_DEVIATION_RAD: Final = 0.12
"""How far a hand's turn is assumed to be off; its place has hardly any prior."""

_OWN_PRECISION: Final = np.array([1.0 / TURN_DEVIATION_RAD**2] * 3 + [1e-6] * 3)
"""Of a hand's turn and place; a little for the place, so that there always is a solution."""

LARGEST_DEVIATION: Final = 2.0
"""A single camera's pictures do not carry a shape farther from the average than this many standard deviations: what
appears to be one is mostly the labeller's error in depth."""

_HUBER: Final = 2.0
_STEPS: Final = 12
_LEAST_DEPTH_M: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class ViewObservation:
    """A right hand in a picture, its fingers posed.

    Attributes:
        rotations: 16 local rotations, MANO order, the first to camera axes.
        wrist_m: about where the wrist is, camera axes.
        joints_px: where the 21 joints are seen.
    """

    rotations: Float[np.ndarray, "16 3 3"]
    wrist_m: Float[np.ndarray, "3"]
    joints_px: Float[np.ndarray, "21 2"]


def person_shape(views: Sequence[ViewObservation], intrinsics: Intrinsics, layer: HandLayer) -> Float[np.ndarray, "10"]:
    """The shape that lies best on all pictures; the prior is that of all hands, standard normal.

    Args:
        views: of one person, in as many poses and views as there are.
        intrinsics: of all pictures.
        layer: right hand, double precision.
    """
    average = np.stack([_wrist_centred(layer, view, np.zeros(10)) for view in views])
    directions = np.stack(
        [
            np.stack([_wrist_centred(layer, view, unit) for view in views]) - average  # linear: no small step
            for unit in np.eye(10)
        ],
        -1,
    )
    return _solve(views, intrinsics, average, directions)


def _wrist_centred(
    layer: HandLayer, view: ViewObservation, shape: Float[np.ndarray, "10"]
) -> Float[np.ndarray, "21 3"]:
    joints = layer.from_matrices(view.rotations, shape).joints_m
    return joints - joints[0]


def _solve(
    views: Sequence[ViewObservation],
    intrinsics: Intrinsics,
    joints_m: Float[np.ndarray, "T 21 3"],
    directions_m: Float[np.ndarray, "T 21 3 10"],
) -> Float[np.ndarray, "10"]:
    """Gauss-Newton over turns, wrists and the shape.

    Args:
        views: hands in their pictures.
        intrinsics: of all pictures.
        joints_m: of the average hand, about its wrist.
        directions_m: how they move with the shape.
    """
    seen = np.stack([view.joints_px for view in views])
    precision = 1.0 / (DEVIATION * np.maximum(np.ptp(seen, axis=1).max(-1), 1.0))
    turns = np.zeros((len(views), 3))
    wrists = np.stack([view.wrist_m for view in views]).astype(np.float64)
    shape = np.zeros(10)
    for _ in range(_STEPS):
        rotation = matrix_from_axis_angle(turns)
        turned = np.einsum("tij,tkj->tki", rotation, joints_m + directions_m @ shape)
        residuals, camera = _reprojection(turned + wrists[:, None], seen, intrinsics)
        off = np.linalg.norm(residuals, axis=-1) * precision[:, None]
        weights = np.minimum(1.0, _HUBER / np.maximum(off, 1e-9)) * precision[:, None] ** 2
        moved_by_own = np.concatenate([-_crosses(turned), np.broadcast_to(np.eye(3), (*turned.shape, 3))], -1)
        moved_by_shape = np.einsum("tij,tkjs->tkis", rotation, directions_m)
        own_step, shape_step = _step(weights, residuals, camera @ moved_by_own, camera @ moved_by_shape, turns, shape)
        turns = axis_angle_from_matrix(matrix_from_axis_angle(own_step[:, :3]) @ rotation)
        wrists = wrists + own_step[:, 3:]
        wrists[:, 2] = np.maximum(wrists[:, 2], _LEAST_DEPTH_M)
        shape = shape + shape_step
    return shape


def _step(
    weights: Float[np.ndarray, "T 21"],
    residuals: Float[np.ndarray, "T 21 2"],
    by_own: Float[np.ndarray, "T 21 2 6"],
    by_shape: Float[np.ndarray, "T 21 2 10"],
    turns: Float[np.ndarray, "T 3"],
    shape: Float[np.ndarray, "10"],
) -> tuple[Float[np.ndarray, "T 6"], Float[np.ndarray, "10"]]:
    """One step of each hand's own unknowns and of the shape, against their priors."""
    own = np.einsum("tk,tkia,tkib->tab", weights, by_own, by_own) + np.diag(_OWN_PRECISION)
    own_gradient = np.einsum("tk,tkia,tki->ta", weights, by_own, residuals)
    own_gradient[:, :3] += turns * _OWN_PRECISION[:3]
    mixed = np.einsum("tk,tkia,tkis->tas", weights, by_own, by_shape)
    shared = np.einsum("tk,tkis,tkiu->su", weights, by_shape, by_shape) + np.eye(10)
    shared_gradient = np.einsum("tk,tkis,tki->s", weights, by_shape, residuals) + shape
    eliminated = np.linalg.solve(own, mixed)
    shape_step = -np.linalg.solve(
        shared - np.einsum("tas,tau->su", mixed, eliminated),
        shared_gradient - np.einsum("tas,ta->s", eliminated, own_gradient),
    )
    own_step = -np.linalg.solve(own, (own_gradient + mixed @ shape_step)[..., None])[..., 0]
    return own_step, shape_step


def _reprojection(
    points_m: Float[np.ndarray, "T 21 3"], seen_px: Float[np.ndarray, "T 21 2"], intrinsics: Intrinsics
) -> tuple[Float[np.ndarray, "T 21 2"], Float[np.ndarray, "T 21 2 3"]]:
    """How far projected points are from where they are seen, and how the projections move with the points."""
    depth = np.maximum(points_m[..., 2], _LEAST_DEPTH_M)
    x, y = points_m[..., 0] / depth, points_m[..., 1] / depth
    focal = np.array([intrinsics.fx_px, intrinsics.fy_px])
    projected = np.stack([x, y], -1) * focal + np.array([intrinsics.cx_px, intrinsics.cy_px])
    camera = np.zeros((*points_m.shape[:2], 2, 3))
    camera[..., 0, 0], camera[..., 1, 1] = focal[0] / depth, focal[1] / depth
    camera[..., 0, 2], camera[..., 1, 2] = -focal[0] * x / depth, -focal[1] * y / depth
    return projected - seen_px, camera


def _crosses(vectors: Float[np.ndarray, "T K 3"]) -> Float[np.ndarray, "T K 3 3"]:
    """The matrices that take the cross product with each vector."""
    result = np.zeros((*vectors.shape, 3))
    x, y, z = np.moveaxis(vectors, -1, 0)
    result[..., 0, 1], result[..., 0, 2], result[..., 1, 2] = -z, y, -x
    result[..., 1, 0], result[..., 2, 0], result[..., 2, 1] = z, -y, x
    return result
