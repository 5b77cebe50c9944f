"""Pose correctives as few morph targets: the directions in which this motion really bulges and creases the hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.model import HandModel
from hand.rotations import matrix_from_axis_angle

TOLERANCE_M: Final = 2e-5
"""No vertex of any frame is further off than this for the targets that are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Correctives:
    """Morph targets and their weights.

    Attributes:
        targets_m: K displacements of all vertices, at weight 1.
        weights: of each target in each frame, 0 to 1: Blender clamps what is played below 0.
    """

    targets_m: Float[np.ndarray, "K V 3"]
    weights: Float[np.ndarray, "T K"]


def principal_correctives(model: HandModel, poses_rad: Float[np.ndarray, "T 48"]) -> Correctives:
    """The correctives of a motion by singular value decomposition, as many as :data:`TOLERANCE_M` asks for.

    MANO displaces vertices by 135 directions times the entries of (R_1 .. R_15 - I); a motion uses far fewer. With
    directions^T = Q R (Q orthonormal), features R^T are coordinates in which lengths are those of the displacement of
    the whole mesh, hence no shorter than that of any single vertex.
    """
    count = model.vertex_count
    directions = np.asarray(model.pose_directions_m, np.float64).reshape(3 * count, 135)
    rotations = matrix_from_axis_angle(np.asarray(poses_rad, np.float64).reshape(-1, 16, 3)[:, 1:])
    features = (rotations - np.eye(3)).reshape(len(poses_rad), 135)
    basis, triangle = np.linalg.qr(directions)
    coordinates = features @ triangle.T
    _, _, modes = np.linalg.svd(coordinates, full_matrices=False)
    amounts = coordinates @ modes.T
    # what is left when the first k modes are kept, for every k
    left = np.sqrt(np.maximum(np.cumsum(np.square(amounts[:, ::-1]), axis=1)[:, ::-1], 0.0)).max(0)
    kept = int(np.sum(left > TOLERANCE_M))
    # each direction and its opposite, as far as the motion goes there
    amounts = np.concatenate([amounts[:, :kept], -amounts[:, :kept]], 1).clip(min=0.0)
    modes = np.concatenate([modes[:kept], -modes[:kept]])
    largest = amounts.max(0, initial=0.0)
    used = largest > 0.0
    targets = (modes[used] * largest[used, None]) @ basis.T
    return Correctives(targets.reshape(-1, count, 3), amounts[:, used] / largest[used])
