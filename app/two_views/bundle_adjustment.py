"""Bundle adjustment of two cameras over a moving hand with constant lengths of bones and palm.

A hand is small before a camera, so that two views alone hardly distinguish a deeper hand from another angle between the
cameras (the bas-relief ambiguity of affine cameras; Koenderink and van Doorn 1991). Constant lengths
while the hand turns, and the proportions of hands, resolve it.

Unknown are the second camera's rotation and translation, both focal lengths where they are only assumed, every joint of
every frame and each bone's length. Sparse nonlinear least squares (Triggs et al. 1999, "Bundle Adjustment - A Modern
Synthesis") by SciPy, with a robust loss on the reprojection errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix

from app.two_views.camera_pair import CameraPair
from app.two_views.triangulation import linear_points, reprojection
from hand.camera import Intrinsics
from hand.joints import BONES
from hand.rotations import matrix_from_axis_angle

BONE_SIGMA_M: Final = 0.002
"""How far a bone's length in one frame may lie from its length: joints under skin move a little."""

ASSUMED_FOCAL_SIGMA: Final = 0.12
"""Standard deviation of an assumed focal length, as a share: webcams have 55 to 78 degrees."""

_LENGTH_SIGMA: Final = 0.015
"""How exactly the known length is seen, as a share: a joint lies under the skin, and is seen a few millimetres off."""

PALM_EDGES: Final = ((1, 5), (5, 9), (9, 13), (13, 17), (5, 17), (1, 9))
"""Distances inside the palm, which hardly change either; those of :data:`hand.joints.BONES` are left out."""

LENGTH_PRIOR: Final = 0.07
"""Standard deviation of a person's bone over the average hand's, after both have the same size."""

EDGES: Final = np.array((*BONES, *PALM_EDGES))
"""Pairs of joints with a distance that a hand keeps."""
_COUNT: Final = len(EDGES)
_SHARED: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Correspondences:
    """One path's joints in both views at the same moments; every path has its own definition of a joint's place.

    Attributes:
        first_px: in the first view; no NaN.
        second_px: in the second view; no NaN.
        sigma_px: standard deviation of each joint in each frame.
    """

    first_px: Float[np.ndarray, "N 21 2"]
    second_px: Float[np.ndarray, "N 21 2"]
    sigma_px: Float[np.ndarray, "N 21"]


def adjust(
    pair: CameraPair,
    hands: Sequence[Correspondences],
    *,
    joints_of_length: tuple[int, int],
    length_m: float,
    proportions: Float[np.ndarray, "21 3"],
    steps: int,
) -> tuple[CameraPair, float]:
    """Refines two cameras.

    Args:
        pair: the start, of any scale; focal lengths of assumed intrinsics are refined.
        hands: of one or two paths.
        joints_of_length: the two joints with the distance that gives the scale, see ``hand.joints.JOINT_NAMES``.
        length_m: their distance.
        proportions: joints of a hand with the expected lengths, of any size and pose.
        steps: at most so many evaluations.

    Returns:
        The cameras, and what is left of the robust sum of squares.
    """
    expected = edge_lengths(proportions[None])[0]
    one, other = joints_of_length
    expected = expected * length_m / np.linalg.norm(proportions[one] - proportions[other])
    problem = _Problem(pair, hands, joints_of_length, length_m, expected, LENGTH_PRIOR * expected)
    found = least_squares(
        problem.residuals,
        problem.start(),
        problem.jacobian,
        method="trf",
        loss="soft_l1",
        f_scale=1.5,
        tr_solver="lsmr",
        x_scale="jac",
        max_nfev=steps,
        ftol=1e-5,
    )
    return problem.cameras(found.x), float(found.cost)


def edge_lengths(joints_m: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, "N edges"]:
    """Lengths of the bones and of :data:`PALM_EDGES`."""
    return np.asarray(np.linalg.norm(joints_m[:, EDGES[:, 0]] - joints_m[:, EDGES[:, 1]], axis=-1))


class _Problem:
    """Residuals and their sparse derivative.

    Unknowns: rotation update (3), translation (3), log focal lengths (2), lengths of each hand, points of each hand.
    """

    def __init__(
        self,
        pair: CameraPair,
        hands: Sequence[Correspondences],
        joints_of_length: tuple[int, int],
        length_m: float,
        expected_m: Float[np.ndarray, " edges"],
        expected_sigma_m: Float[np.ndarray, " edges"],
    ) -> None:
        self._pair, self._hands = pair, hands
        self._expected, self._expected_sigma = expected_m, expected_sigma_m
        self._ends, self._length = joints_of_length, length_m
        self._points_at = [_SHARED + _COUNT * len(hands)]
        for hand in hands:
            self._points_at.append(self._points_at[-1] + hand.first_px.size // 2 * 3)
        self._focal_sigma = [ASSUMED_FOCAL_SIGMA if view.assumed else 0.005 for view in pair.intrinsics]

    def start(self) -> Float[np.ndarray, " unknowns"]:
        """From the linear solution, brought to scale."""
        pair = self._pair
        points = [
            linear_points(
                pair, np.array([0, 1]), np.stack([hand.first_px, hand.second_px]), np.ones((2, *hand.sigma_px.shape))
            )
            for hand in self._hands
        ]
        one, other = self._ends
        seen = np.median(np.linalg.norm(points[0][:, one] - points[0][:, other], axis=-1))
        scale = self._length / max(float(seen), 1e-9)
        lengths = [self._expected for _ in points]
        # a point that the start puts behind a camera would never come back
        depth = np.median([np.median(own[..., 2]) for own in points])
        clean = []
        for own in points:
            middle = np.median(own, 1, keepdims=True)
            middle[..., 2] = np.where(middle[..., 2] > 0.2 * depth, middle[..., 2], depth)
            far = np.linalg.norm(own - middle, axis=-1, keepdims=True) * scale > 0.15
            clean.append(np.where(far, middle, own) * scale)
        return np.concatenate(
            [np.zeros(3), pair.translation_m * scale, np.zeros(2), *lengths, *(own.ravel() for own in clean)]
        )

    def cameras(self, unknowns: Float[np.ndarray, " unknowns"]) -> CameraPair:
        pair = self._pair
        return CameraPair(
            _zoomed(pair.first, unknowns[6]),
            _zoomed(pair.second, unknowns[7]),
            matrix_from_axis_angle(unknowns[:3]) @ pair.rotation,
            unknowns[3:6].copy(),
        )

    def residuals(self, unknowns: Float[np.ndarray, " unknowns"]) -> Float[np.ndarray, " residuals"]:
        """All residuals over their standard deviations."""
        pair, parts = self.cameras(unknowns), []
        for h, hand in enumerate(self._hands):
            points, lengths = self._hand(unknowns, h)
            for view, pixels in enumerate((hand.first_px, hand.second_px)):
                error, _ = reprojection(pair, view, points, pixels)
                parts.append((error / hand.sigma_px[..., None]).ravel())
            parts.append(((edge_lengths(points) - lengths) / BONE_SIGMA_M).ravel())
            parts.append((lengths - self._expected) / self._expected_sigma)
        one, other = self._ends
        points, _ = self._hand(unknowns, 0)
        mean = np.linalg.norm(points[:, one] - points[:, other], axis=-1).mean()
        parts.append([(mean / self._length - 1.0) / _LENGTH_SIGMA])
        parts.append(unknowns[6:8] / self._focal_sigma)
        return np.concatenate(parts)

    def jacobian(self, unknowns: Float[np.ndarray, " unknowns"]) -> csr_matrix:
        """Derivative of the residuals by the unknowns, sparse."""
        pair = self.cameras(unknowns)
        rows: list[np.ndarray] = []
        columns: list[np.ndarray] = []
        values: list[np.ndarray] = []
        row = 0

        def put(at_rows: np.ndarray, at_columns: np.ndarray, what: np.ndarray) -> None:
            at_rows, at_columns, what = np.broadcast_arrays(at_rows, at_columns, what)
            rows.append(at_rows.ravel())
            columns.append(at_columns.ravel())
            values.append(what.ravel())

        for h, hand in enumerate(self._hands):
            points, _ = self._hand(unknowns, h)
            count = points.shape[0] * 21
            column = self._points_at[h] + 3 * np.arange(count).reshape(-1, 21)
            for view, pixels in enumerate((hand.first_px, hand.second_px)):
                error, by_point = reprojection(pair, view, points, pixels)
                weight = 1.0 / hand.sigma_px
                at = row + 2 * np.arange(count).reshape(-1, 21)[..., None] + np.arange(2)
                put(at[..., None], column[..., None, None] + np.arange(3), by_point * weight[..., None, None])
                camera = pair.intrinsics[view]
                offset = error + pixels - np.array([camera.cx_px, camera.cy_px])
                put(at, np.array(6 + view), offset * weight[..., None])
                if view == 1:
                    # X_second = R X + t; by t as by the point in the second camera's axes
                    by_seen = by_point @ pair.rotation.T
                    put(at[..., None], 3 + np.arange(3), by_seen * weight[..., None, None])
                    turned = points @ pair.rotation.T
                    by_turn = np.cross(turned[..., None, :], by_seen)
                    put(at[..., None], np.arange(3), by_turn * weight[..., None, None])
                row += 2 * count
            near, far = EDGES[:, 0], EDGES[:, 1]
            along = points[:, near] - points[:, far]
            length = np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
            unit = along / length / BONE_SIGMA_M
            at = row + np.arange(len(points) * _COUNT).reshape(-1, _COUNT)
            put(at[..., None], column[:, near][..., None] + np.arange(3), unit)
            put(at[..., None], column[:, far][..., None] + np.arange(3), -unit)
            put(at, _SHARED + _COUNT * h + np.arange(_COUNT), np.array(-1.0 / BONE_SIGMA_M))
            row += len(points) * _COUNT
            put(row + np.arange(_COUNT), _SHARED + _COUNT * h + np.arange(_COUNT), 1.0 / self._expected_sigma)
            row += _COUNT
        points, _ = self._hand(unknowns, 0)
        one, other = self._ends
        along = points[:, one] - points[:, other]
        unit = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-6)
        unit = unit / (len(points) * self._length * _LENGTH_SIGMA)
        column = self._points_at[0] + 3 * np.arange(len(points) * 21).reshape(-1, 21)
        put(np.array(row), column[:, one][:, None] + np.arange(3), unit)
        put(np.array(row), column[:, other][:, None] + np.arange(3), -unit)
        put(row + 1 + np.arange(2), 6 + np.arange(2), 1.0 / np.array(self._focal_sigma))
        shape = (row + 3, self._points_at[-1])
        return csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape)

    def _hand(self, unknowns: Float[np.ndarray, " unknowns"], h: int) -> tuple[np.ndarray, np.ndarray]:
        points = unknowns[self._points_at[h] : self._points_at[h + 1]].reshape(-1, 21, 3)
        return points, unknowns[_SHARED + _COUNT * h : _SHARED + _COUNT * (h + 1)]


def _zoomed(intrinsics: Intrinsics, log_scale: float) -> Intrinsics:
    scale = float(np.exp(np.clip(log_scale, -1.0, 1.0)))
    return replace(intrinsics, fx_px=intrinsics.fx_px * scale, fy_px=intrinsics.fy_px * scale)
