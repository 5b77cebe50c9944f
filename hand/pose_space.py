"""Pose vectors of other data sets and libraries, turned into the one canonical form and back.

Canonical inside the product: 48 numbers, axis-angle, *absolute*: the global rotation, then the 15 joints in MANO order,
with MANO's mean pose already added. Elsewhere the 45 finger numbers may be relative to the mean pose
(``flat_hand_mean=False``, because zeros then give the mean hand and not the flat one), and may be coefficients of the
first rows of MANO's PCA basis. A pose read in the wrong form looks almost right and costs centimetres, so the
conversion happens here, once, at the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.errors import DataError
from hand.model import HandModel


@dataclass(frozen=True, slots=True)
class PoseConvention:
    """How a data set or library writes the 45 finger numbers.

    Attributes:
        flat_hand_mean: True when they are absolute (zeros are the flat hand), False when MANO's mean is to be added.
        pca_components: how many PCA coefficients there are instead of 45 angles, or None.
    """

    flat_hand_mean: bool
    pca_components: int | None = None


CONVENTIONS: Final = MappingProxyType(
    {
        "canonical": PoseConvention(flat_hand_mean=True),
        "freihand": PoseConvention(flat_hand_mean=False),
        "ho3d": PoseConvention(flat_hand_mean=True),
        "interhand": PoseConvention(flat_hand_mean=False),
        # constructor defaults of the libraries; their users often set others
        "manopth": PoseConvention(flat_hand_mean=True, pca_components=6),
        "manotorch": PoseConvention(flat_hand_mean=True),
        "smplx.MANO": PoseConvention(flat_hand_mean=False, pca_components=6),
        # takes rotation matrices and never adds the mean, whatever flat_hand_mean is
        "smplx.MANOLayer": PoseConvention(flat_hand_mean=True),
    }
)
"""Named conventions: data sets as they are published, libraries as they are by default."""


def canonical_pose(
    model: HandModel,
    raw_pose: Float[np.ndarray, "*batch numbers"],
    *,
    flat_hand_mean: bool,
    pca_components: int | None = None,
) -> Float[np.ndarray, "*batch 48"]:
    """Turns a pose vector of some convention into the canonical one.

    Args:
        model: its mean pose and PCA basis define the vector; for a left hand the left model.
        raw_pose: global rotation (3), then 45 angles or ``pca_components`` coefficients.
        flat_hand_mean: see :class:`PoseConvention`.
        pca_components: see :class:`PoseConvention`.

    Raises:
        DataError: the vector does not have the length of the convention.
    """
    _check_length(raw_pose.shape[-1], pca_components)
    fingers = raw_pose[..., 3:]
    if pca_components is not None:
        fingers = fingers @ model.pose_components[:pca_components].astype(raw_pose.dtype)
    if not flat_hand_mean:
        fingers = fingers + model.mean_pose_rad.astype(raw_pose.dtype)
    return np.concatenate([raw_pose[..., :3], fingers], -1)


def pose_in_convention(
    model: HandModel,
    pose_rad: Float[np.ndarray, "*batch 48"],
    *,
    flat_hand_mean: bool,
    pca_components: int | None = None,
) -> Float[np.ndarray, "*batch numbers"]:
    """The inverse of :func:`canonical_pose`.

    With fewer than 45 PCA components the result is the nearest pose that they can express (least squares).

    Args:
        model: its mean pose and PCA basis define the result.
        pose_rad: canonical pose.
        flat_hand_mean: see :class:`PoseConvention`.
        pca_components: see :class:`PoseConvention`.
    """
    _check_length(3 + (45 if pca_components is None else pca_components), pca_components)
    fingers = pose_rad[..., 3:]
    if not flat_hand_mean:
        fingers = fingers - model.mean_pose_rad.astype(pose_rad.dtype)
    if pca_components is not None:
        # MANO's basis is orthonormal, but a file need not be
        inverse = np.linalg.pinv(model.pose_components[:pca_components].astype(np.float64))
        fingers = fingers @ inverse.astype(pose_rad.dtype)
    return np.concatenate([pose_rad[..., :3], fingers], -1)


def canonical_pose_from(
    model: HandModel, raw_pose: Float[np.ndarray, "*batch numbers"], convention: str
) -> Float[np.ndarray, "*batch 48"]:
    """:func:`canonical_pose` with a named convention, a key of :data:`CONVENTIONS`.

    Raises:
        DataError: no such convention, or a vector of the wrong length.
    """
    if convention not in CONVENTIONS:
        raise DataError(f"There is no pose convention named {convention!r}; choose from {', '.join(CONVENTIONS)}.")
    chosen = CONVENTIONS[convention]
    return canonical_pose(model, raw_pose, flat_hand_mean=chosen.flat_hand_mean, pca_components=chosen.pca_components)


def _check_length(numbers: int, pca_components: int | None) -> None:
    if pca_components is not None and not 1 <= pca_components <= 45:
        raise DataError(f"A hand pose has 1 to 45 PCA components, got {pca_components}.")
    wanted = 48 if pca_components is None else 3 + pca_components
    if numbers != wanted:
        kind = "3 + 45 angles" if pca_components is None else f"3 + {pca_components} PCA coefficients"
        raise DataError(f"A hand pose should have {wanted} numbers ({kind}), got {numbers}; check the convention.")
