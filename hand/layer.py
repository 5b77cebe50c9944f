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

# joints of equal depth are posed together: 1, 4, 7, 10, 13, then their children
_DEPTHS = tuple(np.arange(first, 16, 3) for first in (1, 2, 3))
_PARENTS = np.array(MANO_PARENTS)


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
    """

    shape: Float[np.ndarray, "10"]
    vertices_m: Float[np.ndarray, "V 3"]
    joints_m: Float[np.ndarray, "16 3"]


class HandLayer:
    """Poses a hand model; the last shape is kept, because a person's hand does not change from frame to frame."""

    def __init__(self, model: HandModel, dtype: type[np.floating] = np.float32) -> None:
        """Prepares the arrays.

        Args:
            model: the hand.
            dtype: np.float32 for live use, np.float64 where exactness matters.
        """
        self.model = model
        self.dtype = np.dtype(dtype)
        count = model.vertex_count
        self._template = np.ascontiguousarray(model.v_template_m, dtype)
        self._shape_directions = np.ascontiguousarray(model.shape_directions_m.reshape(count * 3, 10), dtype)
        # transposed: a matrix-vector product over contiguous rows is fastest this way round
        self._pose_directions = np.ascontiguousarray(model.pose_directions_m.reshape(count * 3, 135), dtype)
        self._weights = np.ascontiguousarray(model.skinning_weights, dtype)
        regressor = model.joint_regressor.astype(np.float64)
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
        joint_rotations, joints = self._pose_joints(rotations, shaped.joints_m)
        offsets = self._pose_directions @ (rotations[1:] - self._identity).reshape(135)
        vertices = self._skin(shaped, offsets, joint_rotations, joints)
        joints_21 = np.concatenate([joints, vertices[self._tips]])[list(FROM_MANO_WITH_TIPS)]
        if translation_m is not None:
            translation = np.asarray(translation_m, self.dtype)
            vertices += translation
            joints_21 += translation
        return HandGeometry(vertices, joints_21, joint_rotations)

    def _make_shaped(self, shape: np.ndarray) -> ShapedHand:
        vertices = self._template + (self._shape_directions @ shape).reshape(-1, 3)
        joints = self._template_joints + (self._shape_joints @ shape).reshape(16, 3)
        return ShapedHand(shape, vertices, joints)

    def _pose_joints(
        self, rotations: Float[np.ndarray, "16 3 3"], rest_joints: Float[np.ndarray, "16 3"]
    ) -> tuple[Float[np.ndarray, "16 3 3"], Float[np.ndarray, "16 3"]]:
        """Forward kinematics, one tree depth at a time."""
        world = np.empty_like(rotations)
        joints = np.empty_like(rest_joints)
        world[0], joints[0] = rotations[0], rest_joints[0]
        for depth in _DEPTHS:
            parents = _PARENTS[depth]
            parent_world = world[parents]
            bones = rest_joints[depth] - rest_joints[parents]
            world[depth] = parent_world @ rotations[depth]
            joints[depth] = joints[parents] + (parent_world @ bones[:, :, None])[:, :, 0]
        return world, joints

    def _skin(
        self,
        shaped: ShapedHand,
        offsets: Float[np.ndarray, "V3"],
        joint_rotations: Float[np.ndarray, "16 3 3"],
        joints: Float[np.ndarray, "16 3"],
    ) -> Float[np.ndarray, "V 3"]:
        """Linear blend skinning; written as twelve vector products because they beat a batch of 3x3 products."""
        shifts = joints - (joint_rotations @ shaped.joints_m[:, :, None])[:, :, 0]
        blend = self._weights @ np.concatenate([joint_rotations, shifts[:, :, None]], 2).reshape(16, 12)
        rest = shaped.vertices_m + offsets.reshape(-1, 3)
        vertices = blend[:, 3::4].copy()
        for axis in range(3):
            vertices += blend[:, axis::4] * rest[:, axis : axis + 1]
        return vertices
