"""A hand model in MANO's structure: plain arrays, checked once when they enter the program.

The fields and formulas are those of MANO (Romero, Tzionas and Black 2017, "Embodied Hands") and SMPL (Loper et al.
2015): a template mesh, linear shape directions, pose-corrective directions driven by (R_1 .. R_15 - I), a
joint regressor and linear blend skinning weights. Metres throughout.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from hand.mirror import Side, mirror_axis_angle, mirror_faces, mirror_points, other_side
from hand.model_checks import check_arrays


@dataclass(frozen=True, eq=False)
class HandModel:
    """One hand in MANO's structure; its arrays are checked and made read-only when it is made.

    Attributes:
        name: what the model is called in files and reports.
        side: which hand the arrays describe.
        v_template_m: rest vertices.
        shape_directions_m: vertex displacement per unit of each shape coefficient.
        pose_directions_m: vertex displacement per entry of (R_1 .. R_15 - I).
        joint_regressor: rest joints = regressor @ rest vertices; rows sum to 1.
        skinning_weights: weight of each of the 16 joints at each vertex; rows sum to 1.
        faces: triangles, counter-clockwise seen from outside.
        mean_pose_rad: MANO's ``hands_mean``: what a "relative" pose file adds to its 45 numbers.
        pose_components: MANO's ``hands_components``: rows of the PCA basis of the 45 pose numbers.
        tip_vertices: vertices of the five finger tips, thumb to pinky.
        shape_names: what each shape coefficient does, where that is known.
        joint_axes: anatomical axes of each joint in the rest frame as columns (flexion, abduction, twist), where known.

    Raises:
        ModelFileError: an array that does not fit (``hand.model_checks``).
    """

    name: str
    side: Side
    v_template_m: Float[np.ndarray, "V 3"]
    shape_directions_m: Float[np.ndarray, "V 3 10"]
    pose_directions_m: Float[np.ndarray, "V 3 135"]
    joint_regressor: Float[np.ndarray, "16 V"]
    skinning_weights: Float[np.ndarray, "V 16"]
    faces: Int[np.ndarray, "F 3"]
    mean_pose_rad: Float[np.ndarray, "45"]
    pose_components: Float[np.ndarray, "45 45"]
    tip_vertices: tuple[int, int, int, int, int]
    shape_names: tuple[str, ...] = ()
    joint_axes: Float[np.ndarray, "16 3 3"] | None = None

    def __post_init__(self) -> None:
        check_arrays(self.name, self._arrays(), self.tip_vertices)
        for array in self._arrays().values():
            array.flags.writeable = False

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {
            "v_template": self.v_template_m,
            "shapedirs": self.shape_directions_m,
            "posedirs": self.pose_directions_m,
            "J_regressor": self.joint_regressor,
            "weights": self.skinning_weights,
            "f": self.faces,
            "hands_mean": self.mean_pose_rad,
            "hands_components": self.pose_components,
        }
        return arrays if self.joint_axes is None else {**arrays, "joint_axes": self.joint_axes}

    @property
    def vertex_count(self) -> int:
        """Number of vertices."""
        return len(self.v_template_m)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over side, tip vertices and all arrays: identifies the model that a network was trained for."""
        sha = hashlib.sha256(f"{self.side} {self.tip_vertices}".encode())
        for key, array in sorted(self._arrays().items()):
            kind = np.int32 if array.dtype.kind in "iu" else np.float32
            sha.update(key.encode() + str(array.shape).encode() + np.ascontiguousarray(array, kind).tobytes())
        return sha.hexdigest()

    def mirrored(self) -> HandModel:
        """The other hand: x negated, winding reversed, pose directions re-signed for mirrored rotations.

        With M = diag(-1, 1, 1) a rotation entry (R - I)[a, b] of the mirrored hand equals s_a s_b times that of this
        hand, so its direction carries the same sign, and every displacement is mirrored itself.
        """
        signs = np.array([-1.0, 1.0, 1.0])
        entry_signs = np.tile(np.outer(signs, signs).reshape(9), 15)
        # (15 joints x flexion axis etc.): axes are directions of rotation vectors, hence pseudo-vectors
        axes = None if self.joint_axes is None else self.joint_axes * np.array([1.0, -1.0, -1.0])[None, :, None]
        component_signs = np.tile([1.0, -1.0, -1.0], 15)
        return replace(
            self,
            side=other_side(self.side),
            v_template_m=mirror_points(self.v_template_m),
            shape_directions_m=self.shape_directions_m * signs[None, :, None],
            pose_directions_m=self.pose_directions_m * signs[None, :, None] * entry_signs,
            faces=mirror_faces(self.faces),
            mean_pose_rad=mirror_axis_angle(self.mean_pose_rad.reshape(15, 3)).reshape(45),
            pose_components=self.pose_components * component_signs,
            joint_axes=axes,
        )
