"""Pose-corrective directions: what linear blend skinning gets wrong, measured against the posed implicit skin.

For each joint some sample rotations are applied, one joint at a time. The skinned vertices are pulled onto the
implicit skin of that very pose (at most ``_MAX_PULL_MM``), the pull is smoothed over the mesh and turned back into
the rest frame, and a ridge regression explains it by the nine entries of that joint's (R - I), the features that
MANO's ``posedirs`` multiply.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from hand.anatomy import rotations_from_angles
from hand.build.cage import Cage
from hand.build.implicit import ImplicitHand
from hand.build.primitives import Points
from hand.build.quad_mesh import neighbour_average, smoothed
from hand.build.skeleton import FIRST_JOINT, bone_transforms
from hand.joints import MANO_FINGERS

AnglesDeg = tuple[float, float, float]
"""Flexion, abduction, twist."""

_KNUCKLE: tuple[AnglesDeg, ...] = (
    *((float(f), 0.0, 0.0) for f in (-15, 20, 40, 60, 80, 95)),
    *((0.0, a, 0.0) for a in (-12.0, 12.0)),
    *((45.0, a, 0.0) for a in (-10.0, 10.0)),
)
_PIP: tuple[AnglesDeg, ...] = tuple((float(f), 0.0, 0.0) for f in (-15, 20, 40, 60, 80, 95))
_DIP: tuple[AnglesDeg, ...] = tuple((float(f), 0.0, 0.0) for f in (-10, 15, 35, 55, 70))
_THUMB_CMC: tuple[AnglesDeg, ...] = (
    (20.0, 0.0, 0.0),
    (40.0, 0.0, 0.0),
    (-10.0, 0.0, 0.0),
    (0.0, -20.0, 0.0),
    (0.0, 10.0, 0.0),
    (25.0, -20.0, -20.0),
    (35.0, -20.0, -25.0),
)
_THUMB_BEND: tuple[AnglesDeg, ...] = tuple((float(f), 0.0, 0.0) for f in (-15, 15, 30, 50, 70))

_MAX_PULL_MM = 3.5
_PULL_ITERATIONS = 3
_MAX_STEP_MM = 1.5
_SMOOTHING_PASSES = 3
_RIDGE = 0.02


def pose_directions(
    hand: ImplicitHand,
    cage: Cage,
    weights: Float[np.ndarray, "n 16"],
    joint_axes: Float[np.ndarray, "16 3 3"],
) -> Float[np.ndarray, "n 3 135"]:
    """Displacement in mm of each vertex per entry of (R_1 .. R_15 - I), anatomical frame.

    Args:
        hand: the hand at rest.
        cage: its mesh.
        weights: its blend weights.
        joint_axes: columns (flexion, abduction, twist) of each joint in the anatomical frame.
    """
    count = len(cage.vertices_mm)
    average = neighbour_average(count, cage.quads)
    directions = np.zeros((count, 3, 135))
    for joint in range(1, 16):
        features, pulls = [], []
        for sample in _samples(joint):
            angles = np.zeros((16, 3))
            angles[joint] = np.radians(sample)
            rotations = rotations_from_angles(angles, joint_axes)
            pull = _pull_onto_posed_skin(hand, cage.vertices_mm, weights, rotations, joint)
            blend = np.einsum("nj,jab->nab", weights, bone_transforms(hand.skeleton.joints_mm, rotations)[:, :3, :3])
            # a blend of opposite rotations can be singular: a small diagonal keeps the inverse well conditioned
            at_rest = np.linalg.solve(blend + 1e-3 * np.eye(3), smoothed(pull, average, _SMOOTHING_PASSES)[..., None])
            features.append((rotations[joint] - np.eye(3)).ravel())
            pulls.append(at_rest.ravel())
        x, y = np.array(features), np.array(pulls)
        fit = np.linalg.solve(x.T @ x + _RIDGE * np.eye(9), x.T @ y)
        directions[:, :, (joint - 1) * 9 : joint * 9] = fit.T.reshape(count, 3, 9)
    return directions


def skinned(vertices: Points, weights: Float[np.ndarray, "n 16"], bones: Float[np.ndarray, "16 4 4"]) -> Points:
    """Linear blend skinning of rest vertices."""
    blend = np.einsum("nj,jab->nab", weights, bones)
    return np.einsum("nab,nb->na", blend[:, :3, :3], vertices) + blend[:, :3, 3]


def _samples(joint: int) -> tuple[AnglesDeg, ...]:
    """Sample rotations of a joint."""
    finger, depth = MANO_FINGERS[(joint - 1) // 3], (joint - 1) % 3
    if finger == "thumb":
        return _THUMB_CMC if depth == 0 else _THUMB_BEND
    return (_KNUCKLE, _PIP, _DIP)[depth]


def _pull_onto_posed_skin(
    hand: ImplicitHand,
    vertices: Points,
    weights: Float[np.ndarray, "n 16"],
    rotations: Float[np.ndarray, "16 3 3"],
    joint: int,
) -> Points:
    """Displacement of the skinned vertices onto the implicit skin in the pose; zero where the pose bends nothing."""
    bones = bone_transforms(hand.skeleton.joints_mm, rotations)
    posed = skinned(vertices, weights, bones)
    bent = _is_blended(weights, joint)
    pull = np.zeros_like(vertices)
    on_skin = ImplicitHand(hand.skeleton, bones).project(posed[bent], _PULL_ITERATIONS, _MAX_STEP_MM)
    difference = on_skin - posed[bent]
    length = np.linalg.norm(difference, axis=1, keepdims=True)
    pull[bent] = difference * np.minimum(1.0, _MAX_PULL_MM / np.maximum(length, 1e-9))
    return pull


def _is_blended(weights: Float[np.ndarray, "n 16"], joint: int) -> Bool[np.ndarray, "n"]:
    """Vertices that follow the joint's turn in part only: the rest moves rigidly and is right already."""
    digit_end = FIRST_JOINT[MANO_FINGERS[(joint - 1) // 3]] + 3
    moving = weights[:, joint:digit_end].sum(1)
    blended: Bool[np.ndarray, "n"] = (moving > 0.002) & (moving < 0.999)
    return blended
