"""Joints as convex combinations of nearby vertices, good for every shape of the shape space.

For each joint non-negative least squares over its nearest vertices fits the joint's position on the template and on
the two sides of every shape direction at once; the rows are then scaled to sum to 1. Because vertices and joints
are both linear in the shape coefficients, what holds at these samples holds for all combinations.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

_NEAREST = 60
_SAMPLED_AT = 2.0
"""Shape coefficient at which each direction is sampled, both signs."""

_SUM_WEIGHT_MM = 300.0
"""Weight of the equation "the row sums to 1" beside the equations in millimetres."""


def joint_regressor(
    vertices_mm: Float[np.ndarray, "n 3"],
    vertex_directions_mm: Float[np.ndarray, "n 3 10"],
    joints_mm: Float[np.ndarray, "16 3"],
    joint_directions_mm: Float[np.ndarray, "16 3 10"],
) -> Float[np.ndarray, "16 n"]:
    """Non-negative rows that sum to 1 and give the joints of the template and of every shape.

    Args:
        vertices_mm: template.
        vertex_directions_mm: its shape directions.
        joints_mm: joints of the template.
        joint_directions_mm: how they move with shape.
    """
    offsets = np.concatenate([np.zeros((1, 10)), _SAMPLED_AT * np.eye(10), -_SAMPLED_AT * np.eye(10)])
    all_vertices = vertices_mm[None] + np.einsum("ndk,sk->snd", vertex_directions_mm, offsets)
    all_joints = joints_mm[None] + np.einsum("jdk,sk->sjd", joint_directions_mm, offsets)
    regressor = np.zeros((len(joints_mm), len(vertices_mm)))
    for joint, centre in enumerate(joints_mm):
        squared = ((vertices_mm - centre) ** 2).sum(1)
        near = np.sort(np.argsort(squared, kind="stable")[:_NEAREST])
        matrix = all_vertices[:, near].transpose(0, 2, 1).reshape(-1, len(near))
        matrix = np.vstack([matrix, np.full((1, len(near)), _SUM_WEIGHT_MM)])
        row, _ = nnls(matrix, np.append(all_joints[:, joint].reshape(-1), _SUM_WEIGHT_MM))
        regressor[joint, near] = row / row.sum()
    return regressor
