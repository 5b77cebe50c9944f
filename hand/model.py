"""A hand model in MANO's structure: plain arrays, checked once when they enter the program.

The fields and formulas are those of MANO (Romero, Tzionas and Black 2017, "Embodied Hands") and SMPL (Loper et al.
2015): a template mesh, linear shape directions, pose-corrective directions driven by (R_1 .. R_15 - I), a
joint regressor and linear blend skinning weights. Metres throughout.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from hand.errors import ModelFileError
from hand.joints import MANO_PARENTS
from hand.mirror import Side, mirror_axis_angle, mirror_faces, mirror_points, other_side

POSE_FEATURES = 135
"""Entries of R_1 .. R_15 minus identity, flattened row by row."""


@dataclass(frozen=True, eq=False)
class HandModel:
    """One hand in MANO's structure.

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
    joint_axes: Float[np.ndarray, "16 3 3"] | None = field(default=None)

    def __post_init__(self) -> None:
        _check(self)
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
        """SHA-256 over side, tip vertices and all arrays: says whether a network was trained for this very model."""
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


def _check(model: HandModel) -> None:
    """Refuses arrays that are not a MANO-format hand, naming the field, what was expected and what came.

    Raises:
        ModelFileError: at the first field that does not fit.
    """
    vertices = model.v_template_m.shape[0] if model.v_template_m.ndim == 2 else -1
    expected = {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, 10),
        "posedirs": (vertices, 3, POSE_FEATURES),
        "J_regressor": (16, vertices),
        "weights": (vertices, 16),
        "hands_mean": (45,),
        "hands_components": (45, 45),
        "joint_axes": (16, 3, 3),
    }
    for key, array in model._arrays().items():
        if key == "f":
            continue
        if array.shape != expected[key] or vertices < 21:
            raise _refusal(model, key, f"an array of shape {expected[key]}", f"shape {array.shape}")
        if array.dtype.kind != "f":
            raise _refusal(model, key, "floating-point numbers", f"type {array.dtype}")
        if not np.isfinite(array).all():
            raise _refusal(model, key, "finite numbers", f"{int((~np.isfinite(array)).sum())} NaN or infinite entries")
    faces = model.faces
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu" or len(faces) == 0:
        raise _refusal(model, "f", "whole-number triangles (F, 3)", f"shape {faces.shape}, type {faces.dtype}")
    if faces.min() < 0 or faces.max() >= vertices:
        raise _refusal(model, "f", f"vertex numbers from 0 to {vertices - 1}", f"{faces.min()} to {faces.max()}")
    for key, rows in (("weights", model.skinning_weights), ("J_regressor", model.joint_regressor)):
        sums = rows.sum(1)
        worst = float(sums[np.abs(sums - 1.0).argmax()])
        if abs(worst - 1.0) > 1e-3:
            raise _refusal(model, key, "rows that sum to 1", f"a row that sums to {worst:.4f}")
    if model.skinning_weights.min() < -1e-6:
        raise _refusal(model, "weights", "no negative weight", f"{model.skinning_weights.min():.4g}")
    if len(model.tip_vertices) != 5 or not all(0 <= tip < vertices for tip in model.tip_vertices):
        raise _refusal(model, "tip_vertices", f"five vertex numbers below {vertices}", f"{model.tip_vertices}")
    extent = float(np.ptp(model.v_template_m, axis=0).max())
    if not 0.05 < extent < 0.5:
        raise _refusal(model, "v_template", "a hand of 0.05 to 0.5 m (metres)", f"an extent of {extent:.4g}")


def check_kinematic_tree(name: str, parents: Int[np.ndarray, "16"]) -> None:
    """Refuses a kinematic tree other than MANO's.

    Args:
        name: the model's name, for the message.
        parents: parent of each joint; the root's own entry is ignored (MANO stores 2**32 - 1 there).

    Raises:
        ModelFileError: the tree differs from MANO's.
    """
    if parents.shape != (16,) or tuple(int(parent) for parent in parents[1:]) != MANO_PARENTS[1:]:
        raise ModelFileError(
            f"Hand model {name}: field kintree_table should hold MANO's 16 parents {MANO_PARENTS}, got "
            f"{parents.tolist()}; use a MANO hand model (not SMPL, SMPL-X or FLAME)."
        )


def _refusal(model: HandModel, key: str, wanted: str, came: str) -> ModelFileError:
    return ModelFileError(
        f"Hand model {model.name}: field {key} should be {wanted}, got {came}; use an unmodified MANO-format file."
    )
