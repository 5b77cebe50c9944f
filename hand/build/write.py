"""Writes the model as an ``.npz`` file whose bytes depend on the arrays alone.

Values are rounded to grids far below anything visible (0.1 micrometre, a millionth of a weight), so that the last
bits of different processors vanish; members are stored uncompressed, in a fixed order and with a fixed date,
because the output of compressors changes with their version.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from hand.build.assemble import MODEL_NAME, BuiltModel
from hand.joints import MANO_PARENTS

_METRE_GRID = 7
_WEIGHT_GRID = 6
_ANGLE_GRID = 8
_DATE = (1980, 1, 1, 0, 0, 0)


def model_arrays(model: BuiltModel) -> dict[str, np.ndarray]:
    """The arrays as they are stored, under MANO's names, rounded."""
    parents = np.array(MANO_PARENTS, dtype=np.int64) % 2**32
    return {
        "v_template": _rounded(model.v_template, _METRE_GRID),
        "shapedirs": _rounded(model.shapedirs, _METRE_GRID),
        "posedirs": _rounded(model.posedirs, _METRE_GRID),
        "J_regressor": _rounded_rows(model.joint_regressor),
        "weights": _rounded_rows(model.weights),
        "kintree_table": np.stack([parents, np.arange(16)]).astype(np.uint32),
        "f": model.faces.astype(np.uint32),
        "hands_mean": np.round(model.hands_mean, _ANGLE_GRID) + 0.0,
        "hands_components": np.round(model.hands_components, _ANGLE_GRID) + 0.0,
        "tip_vertices": model.tip_vertices.astype(np.int32),
        "shape_names": np.array(model.shape_names),
        "joint_axes": np.round(model.joint_axes, _ANGLE_GRID) + 0.0,
        "side": np.array("right"),
        "name": np.array(MODEL_NAME),
    }


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """An uncompressed npz archive of the arrays, the same bytes for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, np.asarray(array, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_DATE)
            # the host system would otherwise be written into the archive
            entry.create_system = 3
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    """SHA-256 as hexadecimal text."""
    return hashlib.sha256(data).hexdigest()


def write_if_changed(path: Path, data: bytes) -> bool:
    """Writes the file unless it holds these very bytes; returns whether it wrote."""
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return True


def _rounded(values: Float[np.ndarray, "..."], decimals: int) -> Float[np.ndarray, "..."]:
    # adding zero turns -0.0 into 0.0, whose bytes differ
    return (np.round(values, decimals) + 0.0).astype(np.float32)


def _rounded_rows(rows: Float[np.ndarray, "r c"]) -> Float[np.ndarray, "r c"]:
    """Rows on a grid that still sum to 1: the largest entry of each takes up the rest."""
    scale = 10**_WEIGHT_GRID
    counts = np.rint(rows * scale).astype(np.int64)
    largest = counts.argmax(axis=1)
    counts[np.arange(len(rows)), largest] += scale - counts.sum(axis=1)
    return counts / scale
