"""Writes pickles in the format of the official downloads: Python 2 strings, chumpy and scipy objects, protocol 2."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from hand.joints import MANO_PARENTS
from hand.model import HandModel


class Ch:
    """Stand-in for chumpy.ch.Ch: pickled as an object with a state dictionary whose ``x`` is the array."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x
        # attributes that the real objects also pickle
        self._dirty_vars: set[str] = set()
        self._itr = None
        self._depends_on_deps: dict[str, Any] = {}
        self._make_dense = False

    @property
    def r(self) -> np.ndarray:
        return self.x

    @property
    def shape(self) -> tuple[int, ...]:
        return self.r.shape

    def __getitem__(self, key: Any) -> np.ndarray:
        return self.r[key]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.r, dtype)


class Select(Ch):
    """Stand-in for chumpy.reordering.Select: a choice of entries of ``a``, reshaped."""

    def __init__(self, a: Ch, idxs: np.ndarray, preferred_shape: tuple[int, ...]) -> None:
        super().__init__(np.empty(0))
        del self.x
        self.a, self.idxs, self.preferred_shape = a, idxs, preferred_shape

    @property
    def r(self) -> np.ndarray:
        return self.a.r.ravel()[self.idxs].reshape(self.preferred_shape)


class transpose(Ch):  # noqa: N801 - chumpy's own name
    """Stand-in for a chumpy expression that SMPL body files contain and hand files do not."""


class csc_matrix:  # noqa: N801 - scipy's own name
    """Stand-in for scipy.sparse.csc.csc_matrix as scipy pickled it under Python 2."""

    def __init__(self, dense: np.ndarray) -> None:
        column, row = np.nonzero(dense.T)
        self._shape = dense.shape
        self.maxprint = 50
        self.data = dense[row, column]
        self.indices = row.astype(np.int32)
        self.indptr = np.searchsorted(column, np.arange(dense.shape[1] + 1)).astype(np.int32)
        self.format = "csc"


_MODULE_NAMES = {
    Ch: "chumpy.ch",
    Select: "chumpy.reordering",
    transpose: "chumpy.reordering",
    csc_matrix: "scipy.sparse.csc",
}


@contextmanager
def field_modules() -> Iterator[None]:
    """Registers the stand-ins under the module names that the real files use, for as long as the block lasts."""
    saved = {name: sys.modules.get(name) for name in (*_MODULE_NAMES.values(), "chumpy")}
    homes = {cls: cls.__module__ for cls in _MODULE_NAMES}
    try:
        for name in saved:
            sys.modules[name] = types.ModuleType(name)
        for cls, module in _MODULE_NAMES.items():
            setattr(sys.modules[module], cls.__name__, cls)
            cls.__module__ = module
        yield
    finally:
        for cls, home in homes.items():
            cls.__module__ = home
        for name, module in saved.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


class _Python2Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes bytes and ASCII texts with Python 2's string opcodes, which readers decode as latin1."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def _save_python2_string(self, text: bytes | str) -> None:
        data = text if isinstance(text, bytes) else text.encode("latin1")
        short = len(data) < 256
        self.write(b"U" + bytes([len(data)]) + data if short else b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(text)

    dispatch[bytes] = _save_python2_string
    dispatch[str] = _save_python2_string


def python2_pickle(value: object, protocol: int = 2) -> bytes:
    """The pickle of a value as Python 2 would have written it."""
    buffer = io.BytesIO()
    with field_modules():
        _Python2Pickler(buffer, protocol).dump(value)
    return buffer.getvalue()


def mano_fields(model: HandModel, *, chumpy: bool = True) -> dict[str, Any]:
    """The dictionary that a MANO file holds; shapedirs is a Select of the first ten of twenty directions."""
    twenty = np.concatenate([model.shape_directions_m, np.full_like(model.shape_directions_m, 9.0)], 2)
    indices = np.arange(twenty.size).reshape(twenty.shape)[:, :, :10].ravel()
    parents = np.array(MANO_PARENTS, dtype=np.int64) % 2**32
    shapedirs = Select(Ch(twenty), indices, model.shape_directions_m.shape) if chumpy else model.shape_directions_m
    return {
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "J": model.joint_regressor @ model.v_template_m,
        "J_regressor": csc_matrix(model.joint_regressor) if chumpy else model.joint_regressor,
        "f": model.faces.astype(np.uint32),
        "hands_coeffs": np.zeros((4, 45)),
        "hands_components": model.pose_components,
        "hands_mean": model.mean_pose_rad,
        "kintree_table": np.stack([parents, np.arange(16)]).astype(np.uint32),
        "posedirs": model.pose_directions_m,
        "shapedirs": shapedirs,
        "v_template": model.v_template_m,
        "weights": model.skinning_weights,
    }
