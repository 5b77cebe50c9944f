"""Hand models from files: MANO's own pickles (through an allow-list) and .npz archives with the same keys."""

from __future__ import annotations

import io
import logging
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from hand.errors import ModelFileError
from hand.joints import TIP_VERTICES
from hand.mano_pickle import allowed_pickle_from_bytes, read_file
from hand.mirror import Side
from hand.model import HandModel
from hand.model_checks import check_arrays, check_kinematic_tree
from hand.pickle_parts import UnreadValue

LeftShapeSign = Literal["auto", "as_in_file", "negate_x"]

_MANO_VERTICES: Final = 778
_MAX_ARCHIVE_BYTES: Final = 256 << 20
_FLOAT_FIELDS: Final = (
    "v_template",
    "shapedirs",
    "posedirs",
    "J_regressor",
    "weights",
    "hands_mean",
    "hands_components",
)
_REQUIRED: Final = (*_FLOAT_FIELDS, "f", "kintree_table")
_GROWTH_DECISION: Final = 0.5
"""The better explanation of growth must leave less than this share of the other's residual to decide the sign."""

_log = logging.getLogger(__name__)


def load_hand_model(path: Path, *, tips: str = "smplx", left_shape_sign: LeftShapeSign = "auto") -> HandModel:
    """Reads a MANO-format hand model.

    The side is taken from the file: an .npz field ``side``, else LEFT or RIGHT in the file's name, else the geometry
    (in the rest frame a right hand's fingers point along -x).

    The official MANO_LEFT.pkl carries the right hand's x in ``shapedirs``, so that a left hand gets shorter where it
    should grow (https://github.com/vchoutas/smplx/issues/48). Programs that have both files compare them; with a left
    file alone, ``auto`` tests the geometry: ten directions of human shape must be able to let the hand grow as
    a whole, and they can only with the right sign of x (:func:`shape_x_is_negated`). The decision is logged. Data
    sets labelled with the faulty file (DexYCB) need ``as_in_file``.

    Args:
        path: a MANO_RIGHT.pkl or MANO_LEFT.pkl as downloaded, or an .npz with the same keys.
        tips: name of the finger-tip vertices for the 778-vertex mesh, a key of ``hand.joints.TIP_VERTICES``; a file
            with a ``tip_vertices`` field of its own uses that.
        left_shape_sign: what to do about the sign of x in the shape directions of a left hand.

    Raises:
        ModelFileError: missing, damaged, or not a MANO-format hand; the message names the field.
        UnsafePickleError: a pickle that names something no hand model needs.
    """
    path = Path(path)
    data = read_file(path)
    fields = _npz_fields(data, path.name) if data[:2] == b"PK" else allowed_pickle_from_bytes(data, path.name)
    model = _model_from_fields(fields, path, tips)
    if model.side == "left" and left_shape_sign != "as_in_file":
        negated = True if left_shape_sign == "negate_x" else shape_x_is_negated(model)
        if negated:
            _log.info("%s: the x of its shape directions is the right hand's; negated (smplx issue 48).", path.name)
            model = replace(model, shape_directions_m=model.shape_directions_m * np.array([-1.0, 1.0, 1.0])[:, None])
        elif negated is None:
            _log.warning("%s: the sign of x in its shape directions is unclear; left as it is.", path.name)
    return model


def shape_x_is_negated(model: HandModel) -> bool | None:
    """Whether the shape directions move the vertices the wrong way along x.

    The mesh itself, scaled about a free centre, is fitted by the ten shape directions, once as they are and once with x
    negated. Size is the first thing in which hands differ, so the correct sign explains growth far better.

    Returns:
        True or False, or None when neither sign explains growth clearly better.
    """

    def unexplained(x_sign: float) -> float:
        directions = (model.shape_directions_m.astype(np.float64) * np.array([x_sign, 1.0, 1.0])[:, None]).reshape(
            -1, 10
        )
        shifts = np.tile(np.eye(3), (model.vertex_count, 1))
        basis = np.concatenate([directions / max(np.abs(directions).max(), 1e-12), shifts], 1)
        growth = model.v_template_m.astype(np.float64).reshape(-1)
        return float(np.linalg.norm(growth - basis @ np.linalg.lstsq(basis, growth, rcond=None)[0]))

    as_is, negated = unexplained(1.0), unexplained(-1.0)
    if negated < _GROWTH_DECISION * as_is:
        return True
    return False if as_is < _GROWTH_DECISION * negated else None


def _npz_fields(data: bytes, name: str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
        if not any(member.filename.endswith(".npy") for member in members):
            raise ModelFileError(
                f"{name} is a zip archive of files, not a hand model; unpack it and give MANO_RIGHT.pkl "
                "(in mano_v1_2/models)."
            )
        if sum(member.file_size for member in members) > _MAX_ARCHIVE_BYTES:
            raise ModelFileError(f"{name} unpacks to more than {_MAX_ARCHIVE_BYTES >> 20} MiB; give another file.")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {key: _npz_field(arrays, key) for key in arrays.files}
    except ModelFileError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged archive fails in many ways, and all mean the same
        raise ModelFileError(
            f"{name} is damaged, cut short, encrypted, or holds Python objects ({type(error).__name__}: {error}); "
            "make or download it again."
        ) from None


def _npz_field(arrays: np.lib.npyio.NpzFile, key: str) -> Any:
    """One field; an array of Python objects, which only running a pickle would give, is kept unread."""
    try:
        return arrays[key]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        return UnreadValue("a Python object such as a scipy.sparse matrix")


def _model_from_fields(fields: dict[str, Any], path: Path, tips: str) -> HandModel:
    missing = [key for key in _REQUIRED if key not in fields]
    if missing:
        kind = " (it seems to be a body or face model)" if "v_template" in fields else ""
        raise ModelFileError(
            f"{path.name} has no field {missing[0]}{kind}; its fields are {', '.join(sorted(fields)) or 'none'}: "
            "give a MANO hand model such as MANO_RIGHT.pkl from mano_v1_2/models."
        )
    tree = _array(fields, "kintree_table", path.name, "iu")
    if tree.ndim != 2 or len(tree) != 2:
        raise _wrong(path.name, "kintree_table", "of shape (2, 16)", f"shape {tree.shape}")
    # the root's parent is stored as 2**32 - 1, in an unsigned type
    check_kinematic_tree(path.name, tree[0].astype(np.int64))
    arrays = {key: _array(fields, key, path.name, "f") for key in _FLOAT_FIELDS}
    faces = _array(fields, "f", path.name, "iu")
    optional = {"joint_axes": _array(fields, "joint_axes", path.name, "f")} if "joint_axes" in fields else {}
    claimed = _claimed_side(fields, path)
    tip_vertices = _tip_vertices(fields, path.name, tips, claimed, len(arrays["v_template"]))
    check_arrays(path.name, {**arrays, **optional, "f": faces}, tip_vertices)
    model = HandModel(
        name=str(fields.get("name", path.stem)),
        side=claimed or "right",
        v_template_m=arrays["v_template"],
        shape_directions_m=arrays["shapedirs"],
        pose_directions_m=arrays["posedirs"],
        joint_regressor=arrays["J_regressor"],
        skinning_weights=arrays["weights"],
        faces=faces.astype(np.int32),
        mean_pose_rad=arrays["hands_mean"],
        pose_components=arrays["hands_components"],
        tip_vertices=tip_vertices,
        shape_names=tuple(str(text) for text in fields.get("shape_names", ())),
        joint_axes=optional.get("joint_axes"),
    )
    side = side_of_geometry(model)
    if claimed and claimed != side:
        raise ModelFileError(
            f"{path.name} is labelled as a {claimed} hand, but its fingers point along "
            f"{'-x' if side == 'right' else '+x'} as a {side} hand's do; rename the file or give the right one."
        )
    if side == model.side:
        return model
    return replace(model, side=side, tip_vertices=_tip_vertices(fields, path.name, tips, side, model.vertex_count))


def side_of_geometry(model: HandModel) -> Side:
    """The side that the rest mesh shows: a right hand's fingers point along -x, a left hand's along +x."""
    joints = model.joint_regressor @ model.v_template_m
    knuckles = joints[[1, 4, 7, 10]].mean(0)
    return "right" if knuckles[0] < joints[0, 0] else "left"


def _claimed_side(fields: dict[str, Any], path: Path) -> Side | None:
    text = str(fields["side"]).lower() if "side" in fields else path.name.lower()
    if "left" in text and "right" not in text:
        return "left"
    if "right" in text and "left" not in text:
        return "right"
    return None


def _tip_vertices(
    fields: dict[str, Any], name: str, source: str, side: Side | None, vertices: int
) -> tuple[int, int, int, int, int]:
    if "tip_vertices" in fields:
        tips = _array(fields, "tip_vertices", name, "iu").reshape(-1)
        if len(tips) != 5:
            raise _wrong(name, "tip_vertices", "of five vertex numbers", f"{len(tips)}")
        return (int(tips[0]), int(tips[1]), int(tips[2]), int(tips[3]), int(tips[4]))
    if source not in TIP_VERTICES:
        raise ModelFileError(f"There are no tip vertices named {source!r}; choose from {', '.join(TIP_VERTICES)}.")
    if vertices != _MANO_VERTICES:
        raise ModelFileError(
            f"{name} has {vertices} vertices and no field tip_vertices; only MANO's {_MANO_VERTICES}-vertex mesh has "
            "known finger tips: add the field."
        )
    if side == "left" and f"{source}-left" in TIP_VERTICES:
        source = f"{source}-left"
    return TIP_VERTICES[source]


def _array(fields: dict[str, Any], key: str, name: str, kinds: str) -> np.ndarray:
    value = fields[key]
    wanted = "floating-point numbers" if kinds == "f" else "whole numbers"
    if isinstance(value, UnreadValue):
        if name.endswith(".npz"):
            raise ModelFileError(
                f"{name}: field {key} should be an array of {wanted}, got {value.kind}; save it as {key}.toarray(), or "
                "give the original .pkl."
            )
        raise _wrong(name, key, f"of {wanted}", value.kind)
    if not isinstance(value, (np.ndarray, list, tuple)):
        raise _wrong(name, key, f"of {wanted}", type(value).__name__)
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different length
        raise _wrong(name, key, f"of {wanted}", "rows of different length") from None
    if array.dtype.kind not in kinds:
        raise _wrong(name, key, f"of {wanted}", f"type {array.dtype}")
    return array


def _wrong(name: str, key: str, wanted: str, came: str) -> ModelFileError:
    return ModelFileError(
        f"{name}: field {key} should be an array {wanted}, got {came}; use an unmodified MANO-format file."
    )
