"""The hand layer in NumPy: pose and shape of one hand to vertices and joints, for live use.

The formulas are SMPL's (Loper et al. 2015, eq. 2-6), as used by MANO (Romero et al. 2017, eq. 1-3). The batched,
differentiable twin is ``hand.torch_layer``; tests hold the two, and smplx, together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from hand.joints import MANO_PARENTS, TIP_JOINTS, mano_joint_to_common
from hand.model import HandModel
from hand.pose_kernels import matrices_of_axis_angles, pose_hand, shape_hand
from hand.types import HandState

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
        bones_m: each joint as seen from its parent; the wrist as seen from the origin.
    """

    shape: Float[np.ndarray, "10"]
    vertices_m: Float[np.ndarray, "V 3"]
    joints_m: Float[np.ndarray, "16 3"]
    bones_m: Float[np.ndarray, "16 3"]


class HandLayer:
    """Poses a hand model; the last shape is kept, because a person's hand does not change from frame to frame.

    Correctives and skinning weights that are zero are left out, and all is one compiled call (``hand.pose_kernels``).

    Attributes:
        bone_shape_directions: how the rest bone that ends at each of the 21 joints (common order, float64) changes with
            each number of the shape; zero for the wrist.
    """

    bone_shape_directions: Float[np.ndarray, "21 3 10"]

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
        self._correctives = _packed_correctives(model, self.dtype)
        self._skinning = _packed_skinning(model, self.dtype)
        self._all = np.arange(count)
        # vertices and behind them the joints, which move with the shape in the same way
        joint_directions = np.einsum("jv,vck->jck", regressor, model.shape_directions_m)
        self._template = np.concatenate([model.v_template_m, regressor @ model.v_template_m]).astype(dtype)
        directions = np.concatenate([model.shape_directions_m, joint_directions])
        self._by_shape = np.ascontiguousarray(directions.reshape(-1, 10).T, dtype)
        self._tips = np.array(model.tip_vertices)
        self.bone_shape_directions = self._bone_directions(joint_directions)
        self._shaped = self._make_shaped(np.zeros(10, dtype))

    @property
    def faces(self) -> Int[np.ndarray, "F 3"]:
        """Triangles of the mesh."""
        return self.model.faces

    def shaped(self, shape: Float[np.ndarray, "10"]) -> ShapedHand:
        """The rest hand of one person; the last shape is cached."""
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
        rotations = np.empty((16, 3, 3), self.dtype)
        matrices_of_axis_angles(np.array(pose_rad, self.dtype).reshape(16, 3), rotations)
        return self._posed(rotations, self.shaped(shape), translation_m, self._all)

    def reposed(
        self,
        state: HandState,
        pose_rad: Float[np.ndarray, "48"],
        shape: Float[np.ndarray, "10"],
        translation_m: Float[np.ndarray, "3"],
    ) -> HandState:
        """The same hand in another pose, shape and place, with the geometry that follows."""
        geometry = self(pose_rad, shape, translation_m)
        return replace(
            state,
            pose_rad=pose_rad,
            shape=shape,
            camera_translation_m=translation_m,
            joints_m=geometry.joints_m,
            vertices_m=geometry.vertices_m,
        )

    def from_matrices(
        self,
        rotations: Float[np.ndarray, "16 3 3"],
        shape: Float[np.ndarray, "10"],
        translation_m: Float[np.ndarray, "3"] | None = None,
    ) -> HandGeometry:
        """Poses the hand from 16 local rotation matrices in MANO order; see :meth:`__call__`."""
        return self._posed(np.array(rotations, self.dtype), self.shaped(shape), translation_m, self._all)

    def skeleton(
        self, rotations: Float[np.ndarray, "16 3 3"], shape: Float[np.ndarray, "10"]
    ) -> tuple[Float[np.ndarray, "21 3"], Float[np.ndarray, "16 3 3"]]:
        """Joints and orientations alone, as :meth:`from_matrices` gives them, without the other vertices' cost."""
        geometry = self._posed(np.array(rotations, self.dtype), self.shaped(shape), None, self._tips)
        return geometry.joints_m, geometry.joint_rotations

    def _bone_directions(self, joint_directions: Float[np.ndarray, "16 3 10"]) -> Float[np.ndarray, "21 3 10"]:
        """See ``bone_shape_directions``; the common order lists a finger's joints from the knuckle to the tip."""
        ends = np.empty((21, 3, 10))
        ends[mano_joint_to_common()] = joint_directions
        ends[list(TIP_JOINTS)] = self.model.shape_directions_m[self._tips]
        bones = ends - np.concatenate([ends[:1], ends[:-1]])
        bones[1::4] = ends[1::4] - ends[0]
        return bones

    def _posed(
        self,
        rotations: Float[np.ndarray, "16 3 3"],
        shaped: ShapedHand,
        translation_m: Float[np.ndarray, "3"] | None,
        wanted: Int[np.ndarray, " N"],
    ) -> HandGeometry:
        vertices = np.empty((len(shaped.vertices_m), 3), self.dtype)
        joints, turns = np.empty((21, 3), self.dtype), np.empty((16, 3, 3), self.dtype)
        translation = np.zeros(3, self.dtype) if translation_m is None else np.array(translation_m, self.dtype)
        pose_hand(
            rotations,
            shaped.vertices_m,
            shaped.joints_m,
            shaped.bones_m,
            *self._correctives,
            *self._skinning,
            self._tips,
            translation,
            wanted,
            vertices,
            joints,
            turns,
        )
        return HandGeometry(vertices, joints, turns)

    def _make_shaped(self, shape: Float[np.ndarray, "10"]) -> ShapedHand:
        rest = np.empty_like(self._template)
        shape_hand(self._template.ravel(), self._by_shape, shape, rest.ravel())
        vertices, joints = rest[:-16], rest[-16:]
        bones = joints - joints[_PARENTS]
        bones[0] = joints[0]
        return ShapedHand(shape, vertices, joints, bones)


def _packed_correctives(model: HandModel, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each vertex' correctives begin, the joint each follows, and (., 9, 3) displacements; zeros left out."""
    blocks = model.pose_directions_m.reshape(model.vertex_count, 3, 15, 9).transpose(0, 2, 3, 1)
    vertices, joints = np.nonzero(np.any(blocks != 0.0, axis=(2, 3)))
    return _starts(vertices, model.vertex_count), joints + 1, np.ascontiguousarray(blocks[vertices, joints], dtype)


def _packed_skinning(model: HandModel, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each vertex' weights begin, the joint of each, and the weights that are not zero."""
    vertices, joints = np.nonzero(model.skinning_weights)
    return _starts(vertices, model.vertex_count), joints, model.skinning_weights[vertices, joints].astype(dtype)


def _starts(vertices: Int[np.ndarray, " N"], count: int) -> Int[np.ndarray, " starts"]:
    """Where the entries of each vertex begin in a list that is sorted by vertex."""
    return np.searchsorted(vertices, np.arange(count + 1))
