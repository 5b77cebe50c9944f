"""The hand layer in NumPy: pose and shape of one hand to vertices and joints, for live use.

The formulas are SMPL's (Loper et al. 2015, eq. 2-6), as used by MANO (Romero et al. 2017, eq. 1-3). The batched,
differentiable twin is ``hand.torch_layer``; tests hold the two, and smplx, together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from hand.joints import FROM_MANO_WITH_TIPS, MANO_PARENTS
from hand.model import HandModel
from hand.rotations import matrix_from_axis_angle

_PARENTS = np.array(MANO_PARENTS)
_COMMON_ORDER = np.array(FROM_MANO_WITH_TIPS)


@dataclass(frozen=True, slots=True, eq=False)
class HandGeometry:
    """A posed hand.

    Attributes:
        vertices_m: mesh vertices.
        joints_m: 21 joints in the common order; the tips are mesh vertices.
        joint_rotations: orientation of each of the 16 MANO joints in the frame of the vertices (rest frame to it).
    """

    vertices_m: Float[np.ndarray, "V 3"]
    joints_m: Float[np.ndarray, "21 3"]
    joint_rotations: Float[np.ndarray, "16 3 3"]


@dataclass(frozen=True, slots=True, eq=False)
class ShapedHand:
    """A hand of one person in the rest pose: what is left to do per frame is posing.

    Attributes:
        shape: the coefficients it was made with.
        vertices_m: rest vertices of this person.
        joints_m: the 16 rest joints in MANO order.
        vertices_by_axis_m: the vertices once more, by coordinate.
        bones_m: each joint as seen from its parent; the wrist as seen from the origin.
    """

    shape: Float[np.ndarray, "10"]
    vertices_m: Float[np.ndarray, "V 3"]
    joints_m: Float[np.ndarray, "16 3"]
    vertices_by_axis_m: Float[np.ndarray, "3 V"]
    bones_m: Float[np.ndarray, "16 3"]


class HandLayer:
    """Poses a hand model; the last shape is kept, because a person's hand does not change from frame to frame.

    Inside, points are stored by coordinate, (3, V), so that each step is a few long vector operations.
    """

    def __init__(self, model: HandModel, dtype: type[np.floating] = np.float32) -> None:
        """Prepares the arrays.

        Args:
            model: the hand.
            dtype: np.float32 for live use, np.float64 where exactness matters.
        """
        self.model = model
        self.dtype = np.dtype(dtype)
        count = model.vertex_count
        regressor = model.joint_regressor.astype(np.float64)
        self._template = np.ascontiguousarray(model.v_template_m.T, dtype)
        self._shape_directions = np.ascontiguousarray(
            model.shape_directions_m.transpose(1, 0, 2).reshape(3 * count, 10), dtype
        )
        self._pose_directions = np.ascontiguousarray(
            model.pose_directions_m.transpose(2, 1, 0).reshape(135, 3 * count), dtype
        )
        self._weights = np.ascontiguousarray(model.skinning_weights.T, dtype)
        self._template_joints = (regressor @ model.v_template_m).astype(dtype)
        self._shape_joints = np.einsum("jv,vck->jck", regressor, model.shape_directions_m).reshape(48, 10).astype(dtype)
        self._tips = np.array(model.tip_vertices)
        self._identity = np.eye(3, dtype=dtype)
        self._shaped = self._make_shaped(np.zeros(10, dtype))

    @property
    def faces(self) -> Int[np.ndarray, "F 3"]:
        """Triangles of the mesh."""
        return self.model.faces

    def shaped(self, shape: Float[np.ndarray, "10"]) -> ShapedHand:
        """The rest hand of one person; asking again for the same shape costs nothing."""
        shape = np.asarray(shape, self.dtype)
        if not np.array_equal(shape, self._shaped.shape):
            self._shaped = self._make_shaped(shape.copy())
        return self._shaped

    def __call__(
        self,
        pose_rad: Float[np.ndarray, "48"],
        shape: Float[np.ndarray, "10"],
        translation_m: Float[np.ndarray, "3"] | None = None,
    ) -> HandGeometry:
        """Poses the hand.

        Args:
            pose_rad: 16 axis-angle triples in MANO order, absolute (mean pose already added), global rotation first.
            shape: shape coefficients.
            translation_m: added after the hand was turned about its own root joint.
        """
        rotations = matrix_from_axis_angle(np.asarray(pose_rad, self.dtype).reshape(16, 3))
        return self.from_matrices(rotations, shape, translation_m)

    def from_matrices(
        self,
        rotations: Float[np.ndarray, "16 3 3"],
        shape: Float[np.ndarray, "10"],
        translation_m: Float[np.ndarray, "3"] | None = None,
    ) -> HandGeometry:
        """Poses the hand from 16 local rotation matrices in MANO order; see :meth:`__call__`."""
        shaped = self.shaped(shape)
        rotations = np.asarray(rotations, self.dtype)
        transforms = _pose_joints(rotations, shaped.bones_m)
        turns, joints = transforms[:, :3, :3], transforms[:, :3, 3]

        features = (rotations[1:] - self._identity).reshape(135)
        # einsum's plain loop beats a BLAS matrix-vector product here: 0.04 ms instead of 0.09 ms, measured
        offsets = np.einsum("f,fv->v", features, self._pose_directions).reshape(3, -1)
        posed = shaped.vertices_by_axis_m + offsets

        shifts = joints - (turns @ shaped.joints_m[:, :, None])[:, :, 0]
        skinning = np.concatenate([turns, shifts[:, :, None]], 2).reshape(16, 12).T @ self._weights
        skinning = skinning.reshape(3, 4, -1)
        by_axis = skinning[:, 3] + skinning[:, 0] * posed[0]
        by_axis += skinning[:, 1] * posed[1]
        by_axis += skinning[:, 2] * posed[2]
        if translation_m is not None:
            translation = np.asarray(translation_m, self.dtype)
            by_axis += translation[:, None]
            joints = joints + translation
        vertices = np.ascontiguousarray(by_axis.T)
        joints_21 = np.concatenate([joints, vertices[self._tips]])[_COMMON_ORDER]
        return HandGeometry(vertices, joints_21, turns.copy())

    def _make_shaped(self, shape: Float[np.ndarray, "10"]) -> ShapedHand:
        by_axis = self._template + (self._shape_directions @ shape).reshape(3, -1)
        joints = self._template_joints + (self._shape_joints @ shape).reshape(16, 3)
        bones = np.concatenate([joints[:1], joints[1:] - joints[_PARENTS[1:]]])
        return ShapedHand(shape, np.ascontiguousarray(by_axis.T), joints, by_axis, bones)


def _pose_joints(
    rotations: Float[np.ndarray, "16 3 3"], bones_m: Float[np.ndarray, "16 3"]
) -> Float[np.ndarray, "16 4 4"]:
    """Forward kinematics: from each joint's own frame to the frame of the vertices, all five fingers at once."""
    local = np.zeros((16, 4, 4), rotations.dtype)
    local[:, :3, :3] = rotations
    local[:, :3, 3] = bones_m
    local[:, 3, 3] = 1.0
    world = np.empty_like(local)
    world[0] = local[0]
    # MANO numbers the joints finger by finger, from the palm outwards
    fingers, fingers_local = world[1:].reshape(5, 3, 4, 4), local[1:].reshape(5, 3, 4, 4)
    fingers[:, 0] = world[0] @ fingers_local[:, 0]
    fingers[:, 1] = fingers[:, 0] @ fingers_local[:, 1]
    fingers[:, 2] = fingers[:, 1] @ fingers_local[:, 2]
    return world
