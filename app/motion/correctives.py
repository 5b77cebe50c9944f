"""Pose correctives as few morph targets: the directions in which this motion really bulges and creases the hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.model import HandModel
from hand.rotations import matrix_from_axis_angle

TOLERANCE_M: Final = 5e-5
"""No vertex of any frame is farther off than this (0.05 mm) for the targets that are left out."""

_FRAMES_AT_ONCE: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Correctives:
    """Morph targets and their weights: a frame's correction is ``offset_m`` plus the weighted targets.

    Weights lie between 0 and 1, because Blender clamps what is played below 0. A direction that a motion follows both
    ways is therefore counted from its farthest end, which the offset moves the mesh to, and needs one target, not two.

    Attributes:
        offset_m: what the unposed mesh is moved by.
        targets_m: K displacements of all vertices, at weight 1.
        weights: of each target in each frame.
        rest_weights: with which the mesh is that of the rest pose again.
    """

    offset_m: Float[np.ndarray, "V 3"]
    targets_m: Float[np.ndarray, "K V 3"]
    weights: Float[np.ndarray, "T K"]
    rest_weights: Float[np.ndarray, " K"]


def principal_correctives(model: HandModel, poses_rad: Float[np.ndarray, "T 48"]) -> Correctives:
    """The correctives of a motion by singular value decomposition, as few as :data:`TOLERANCE_M` allows.

    MANO displaces vertices by 135 directions times the entries of (R_1 .. R_15 - I); a motion uses far fewer. With
    directions^T = Q R (Q orthonormal), features R^T are coordinates in which lengths are those of the displacement of
    the whole mesh, so that the decomposition finds the directions in which the mesh moves most.
    """
    count = model.vertex_count
    directions = np.asarray(model.pose_directions_m, np.float64).reshape(3 * count, 135)
    rotations = matrix_from_axis_angle(np.asarray(poses_rad, np.float64).reshape(-1, 16, 3)[:, 1:])
    features = (rotations - np.eye(3)).reshape(len(poses_rad), 135)
    basis, triangle = np.linalg.qr(directions)
    coordinates = features @ triangle.T
    _, _, modes = np.linalg.svd(coordinates, full_matrices=False)
    amounts = coordinates @ modes.T
    displacements = modes @ basis.T
    kept = _fewest(amounts, displacements)
    amounts, displacements = amounts[:, :kept], displacements[:kept]
    # the rest pose, with amounts of 0, lies between both ends
    low, high = amounts.min(0, initial=0.0), amounts.max(0, initial=0.0)
    span = high - low
    return Correctives(
        offset_m=(low @ displacements).reshape(count, 3),
        targets_m=(displacements * span[:, None]).reshape(kept, count, 3),
        weights=(amounts - low) / span,
        rest_weights=-low / span,
    )


def _fewest(amounts: Float[np.ndarray, "T M"], displacements: Float[np.ndarray, "M C"]) -> int:
    """How many of the first directions leave no vertex farther off than :data:`TOLERANCE_M`, found by bisection."""
    too_few, enough = -1, len(displacements)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _largest_miss_m(amounts[:, middle:], displacements[middle:]) <= TOLERANCE_M:
            enough = middle
        else:
            too_few = middle
    return enough


def _largest_miss_m(amounts: Float[np.ndarray, "T M"], displacements: Float[np.ndarray, "M C"]) -> float:
    """The farthest that any vertex is displaced in any frame."""
    # no vertex moves farther than the whole mesh does, so most frames need not be checked
    far = amounts[np.linalg.norm(amounts, axis=1) > TOLERANCE_M]
    largest = 0.0
    for first in range(0, len(far), _FRAMES_AT_ONCE):
        missed_m = (far[first : first + _FRAMES_AT_ONCE] @ displacements).reshape(-1, displacements.shape[1] // 3, 3)
        largest = max(largest, float(np.linalg.norm(missed_m, axis=2).max()))
    return largest
