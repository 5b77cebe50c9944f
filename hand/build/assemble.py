"""All steps together: the embedded model in MANO's rest frame, metres and array layout.

Frames. Anatomical frame of this package (radial, distal, palmar, mm) to MANO's rest frame (m): fingers along -x,
thumb side towards +z, palm towards -y, the wrist joint at :data:`WRIST_JOINT_M`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from hand.build.anthropometry import REFERENCE, SHAPE_NAMES
from hand.build.cage import Cage, build_cage
from hand.build.correctives import pose_directions
from hand.build.implicit import ImplicitHand
from hand.build.joint_regressor import joint_regressor
from hand.build.pose_statistics import mean_and_components, natural_poses
from hand.build.quad_mesh import triangles_of
from hand.build.shape_space import shape_directions
from hand.build.skeleton import Skeleton, build_skeleton
from hand.build.skinning import skinning_weights

MODEL_NAME: Final = "handlive-embedded-1"
WRIST_JOINT_M: Final = (0.0957, 0.0064, 0.0062)
"""Where MANO's right hand has its wrist joint, to a tenth of a millimetre: other programs assume that place."""

TO_MANO: Final = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
"""Anatomical axes (radial, distal, palmar) to MANO's axes; a proper rotation."""


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """The model's arrays under MANO's names, metres, plus what MANO leaves out.

    Attributes:
        v_template: rest vertices.
        shapedirs: displacement per standard deviation of each named proportion.
        posedirs: displacement per entry of (R_1 .. R_15 - I).
        joint_regressor: ``J_regressor``.
        weights: blend weights.
        faces: ``f``; triangles 2 i and 2 i + 1 are the halves of quad i.
        hands_mean: mean of natural poses.
        hands_components: their PCA basis, rows.
        tip_vertices: finger tips, thumb to pinky.
        joint_axes: columns (flexion, abduction, twist) of each joint, rest frame.
        joints: joints of the skeleton the skin was made from; not stored, the regressor is judged by them.
        joint_directions: how those joints move with shape; not stored.
    """

    v_template: Float[np.ndarray, "n 3"]
    shapedirs: Float[np.ndarray, "n 3 10"]
    posedirs: Float[np.ndarray, "n 3 135"]
    joint_regressor: Float[np.ndarray, "16 n"]
    weights: Float[np.ndarray, "n 16"]
    faces: Int[np.ndarray, "t 3"]
    hands_mean: Float[np.ndarray, "45"]
    hands_components: Float[np.ndarray, "45 45"]
    tip_vertices: Int[np.ndarray, "5"]
    joint_axes: Float[np.ndarray, "16 3 3"]
    joints: Float[np.ndarray, "16 3"]
    joint_directions: Float[np.ndarray, "16 3 10"]
    shape_names: tuple[str, ...] = SHAPE_NAMES


def build_model() -> BuiltModel:
    """Builds the embedded right hand; about half a minute on one core, the same arrays every time."""
    skeleton = build_skeleton(REFERENCE)
    hand = ImplicitHand(skeleton)
    cage = _on_grid(build_cage(hand))
    weights = skinning_weights(hand, cage)
    axes = anatomical_axes(skeleton)
    vertex_directions, joint_directions = shape_directions(hand, cage, weights)
    regressor = joint_regressor(cage.vertices_mm, vertex_directions, skeleton.joints_mm, joint_directions)
    correctives = pose_directions(hand, cage, weights, axes)
    axes_mano = TO_MANO @ axes
    mean, components = mean_and_components(natural_poses(axes_mano))
    return BuiltModel(
        v_template=cage.vertices_mm @ TO_MANO.T / 1000.0 + np.array(WRIST_JOINT_M),
        shapedirs=np.einsum("ab,nbk->nak", TO_MANO, vertex_directions) / 1000.0,
        posedirs=_rotated_pose_directions(correctives) / 1000.0,
        joint_regressor=regressor,
        weights=weights,
        faces=triangles_of(cage.quads),
        hands_mean=mean,
        hands_components=components,
        tip_vertices=cage.tip_vertices,
        joint_axes=axes_mano,
        joints=skeleton.joints_mm @ TO_MANO.T / 1000.0 + np.array(WRIST_JOINT_M),
        joint_directions=np.einsum("ab,jbk->jak", TO_MANO, joint_directions) / 1000.0,
    )


def anatomical_axes(skeleton: Skeleton) -> Float[np.ndarray, "16 3 3"]:
    """Columns (flexion, abduction, twist) in the package's frame: radial, dorsal and distal direction of each bone."""
    radial, distal, palmar = (skeleton.frames[:, :, k] for k in range(3))
    return np.stack([radial, -palmar, distal], axis=2)


def _on_grid(cage: Cage) -> Cage:
    """Vertices rounded to a nanometre: what differs in the last bits between processors stops here."""
    return Cage(np.round(cage.vertices_mm, 6), cage.quads, cage.tip_vertices, cage.wrist_loop)


def _rotated_pose_directions(directions: Float[np.ndarray, "n 3 135"]) -> Float[np.ndarray, "n 3 135"]:
    """Pose directions for displacements *and* rotation features in MANO's axes: R' = M R M^T."""
    entries = directions.reshape(len(directions), 3, 15, 3, 3)
    rotated = np.einsum("ab,nbjcd,ec,fd->najef", TO_MANO, entries, TO_MANO, TO_MANO)
    return rotated.reshape(len(directions), 3, 135)
