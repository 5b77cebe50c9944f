"""What makes arrays a MANO-format hand; a message names the field, what was expected and what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from hand.errors import ModelFileError
from hand.joints import MANO_PARENTS

POSE_FEATURES = 135
"""Entries of R_1 .. R_15 minus identity, flattened row by row."""

_SMALLEST_EXTENT_M, _LARGEST_EXTENT_M = 0.05, 0.5


def check_arrays(name: str, arrays: Mapping[str, np.ndarray], tip_vertices: Sequence[int]) -> None:
    """Refuses arrays that are not a MANO-format hand.

    Args:
        name: the model's name, for the message.
        arrays: under MANO's names: v_template, shapedirs, posedirs, J_regressor (dense), weights, f, hands_mean,
            hands_components, and joint_axes if there are any.
        tip_vertices: five finger tips.

    Raises:
        ModelFileError: at the first field that does not fit.
    """
    template = arrays["v_template"]
    vertices = template.shape[0] if template.ndim == 2 else -1
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
    if vertices < 21:
        raise _refusal(name, "v_template", "an array of shape (21 or more, 3)", f"shape {template.shape}")
    for key, array in arrays.items():
        if key == "f":
            continue
        if array.shape != expected[key]:
            raise _refusal(name, key, f"an array of shape {expected[key]}", f"shape {array.shape}")
        if array.dtype.kind != "f":
            raise _refusal(name, key, "floating-point numbers", f"type {array.dtype}")
        if not np.isfinite(array).all():
            raise _refusal(name, key, "finite numbers", f"{int((~np.isfinite(array)).sum())} NaN or infinite entries")
    _check_faces(name, arrays["f"], vertices)
    for key in ("weights", "J_regressor"):
        sums = arrays[key].sum(1)
        worst = float(sums[np.abs(sums - 1.0).argmax()])
        if abs(worst - 1.0) > 1e-3:
            raise _refusal(name, key, "rows that sum to 1", f"a row that sums to {worst:.4f}")
    if arrays["weights"].min() < -1e-6:
        raise _refusal(name, "weights", "no negative weight", f"{arrays['weights'].min():.4g}")
    if len(tip_vertices) != 5 or not all(0 <= tip < vertices for tip in tip_vertices):
        raise _refusal(name, "tip_vertices", f"five vertex numbers below {vertices}", f"{tuple(tip_vertices)}")
    extent = float(np.ptp(template, axis=0).max())
    if not _SMALLEST_EXTENT_M < extent < _LARGEST_EXTENT_M:
        raise _refusal(
            name,
            "v_template",
            f"a hand of {_SMALLEST_EXTENT_M} to {_LARGEST_EXTENT_M} m (metres)",
            f"an extent of {extent:.4g}",
        )


def check_kinematic_tree(name: str, parents: Int[np.ndarray, " joints"]) -> None:
    """Refuses a kinematic tree other than MANO's.

    Args:
        name: the model's name, for the message.
        parents: parent of each joint; the root's own entry is ignored (MANO stores 2**32 - 1 there).

    Raises:
        ModelFileError: the tree differs from MANO's.
    """
    if parents.shape != (16,) or tuple(int(parent) for parent in parents[1:]) != MANO_PARENTS[1:]:
        raise ModelFileError(
            f"Hand model {name}: field kintree_table should hold MANO's 16 parents {MANO_PARENTS}, got {len(parents)}: "
            f"{parents.tolist()}; use a MANO hand model (not SMPL, SMPL-X or FLAME)."
        )


def _check_faces(name: str, faces: np.ndarray, vertices: int) -> None:
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu" or len(faces) == 0:
        raise _refusal(name, "f", "whole-number triangles (F, 3)", f"shape {faces.shape}, type {faces.dtype}")
    if faces.min() < 0 or faces.max() >= vertices:
        raise _refusal(name, "f", f"vertex numbers from 0 to {vertices - 1}", f"{faces.min()} to {faces.max()}")


def _refusal(name: str, key: str, wanted: str, came: str) -> ModelFileError:
    return ModelFileError(
        f"Hand model {name}: field {key} should be {wanted}, got {came}; use an unmodified MANO-format file."
    )
