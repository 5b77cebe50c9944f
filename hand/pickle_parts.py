"""Inert records of a pickle's names and arguments, and the arrays made from them; used by ``hand.mano_pickle``.

Nothing of a file is executed here. A :class:`Part` records a name with its arguments and state; :class:`PartReader`
turns the few kinds of parts that hand data consists of into arrays, and checks every size against the bytes there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hand.errors import ModelFileError

_MAX_UNFOLDED_CELLS: Final = 50_000_000
"""How many numbers sparse matrices and selections may unfold to, beyond the bytes that are in the file."""

_SIMPLE_DTYPE: Final = re.compile(r"[<>|=]?(\?|b1|[iu][1248]|f[248]|[SU]\d{1,6})")


@dataclass(frozen=True, slots=True)
class UnreadValue:
    """Stands for a value of a kind that this reader does not evaluate.

    Attributes:
        kind: what it was, for messages.
    """

    kind: str


class Part:
    """A call or construction that the pickle contains: stored, never executed."""

    __slots__ = ("arguments", "state")
    kind = ""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Part:
        part = object.__new__(cls)
        part.arguments = arguments
        part.state = None
        return part

    def __setstate__(self, state: Any) -> None:
        self.state = state


class PartReader:
    """Turns the inert records of one file into values."""

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._done: dict[int, tuple[Any, Any]] = {}  # with the record itself, so that its id stays its own
        self._cells_left = _MAX_UNFOLDED_CELLS

    def value(self, raw: Any) -> Any:
        """The value behind a record or container; shared records are evaluated once."""
        if raw is None or isinstance(raw, (bool, int, float, str, bytes, complex, UnreadValue)):
            return raw
        key = id(raw)
        if key in self._done:
            return self._done[key][1]
        if isinstance(raw, dict):
            # a container is noted before it is filled: it may contain itself
            filled: dict[Any, Any] = {}
            self._done[key] = (raw, filled)
            for name, entry in raw.items():
                filled[self._text(name) if isinstance(name, bytes) else self.value(name)] = self.value(entry)
            return filled
        if isinstance(raw, list):
            entries: list[Any] = []
            self._done[key] = (raw, entries)
            entries.extend(self.value(entry) for entry in raw)
            return entries
        self._done[key] = (raw, UnreadValue("a reference to itself"))
        value = self._tuple_or_part(raw)
        self._done[key] = (raw, value)
        return value

    def _tuple_or_part(self, raw: Any) -> Any:
        if isinstance(raw, tuple):
            return tuple(self.value(entry) for entry in raw)
        if isinstance(raw, (bytearray, set, frozenset)):
            return bytes(raw) if isinstance(raw, bytearray) else UnreadValue("a set")
        if not isinstance(raw, Part):
            raise self._damaged(f"a bare name {getattr(raw, '__name__', raw)}")
        kind = raw.kind
        if kind == "reconstructor":  # protocols 0 and 1: (class, base, base state), then the state
            if not (raw.arguments and isinstance(raw.arguments[0], type) and issubclass(raw.arguments[0], Part)):
                raise self._damaged("an object without a class")
            kind = raw.arguments[0].kind
        if kind in ("set", "frozenset", "object", "chumpy_other"):
            return UnreadValue(type(raw).__name__ if kind == "chumpy_other" else kind)
        if kind == "array":
            return self._array(raw.state)
        if kind == "buffer":
            data, dtype, shape, order = raw.arguments
            return self._from_bytes(self._bytes(data), self._dtype(dtype), shape, order)
        if kind == "scalar":
            return self._from_bytes(self._bytes(raw.arguments[1]), self._dtype(raw.arguments[0]), (1,), "C")[0]
        if kind in ("encode", "bytes"):
            return self._bytes(raw)
        if kind.startswith("sparse_"):
            return self._sparse(kind.removeprefix("sparse_"), self._state(raw))
        if kind == "chumpy_value":
            return self.value(self._state(raw).get("x", UnreadValue("an empty Ch")))
        if kind == "chumpy_select":
            return self._select(self._state(raw))
        raise self._damaged(f"a bare {kind}")

    def _array(self, state: Any) -> Any:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise self._damaged("an array without content")
        shape, dtype, column_major, data = state[-4:]
        if isinstance(data, list) or self._dtype_code(dtype).startswith("O"):
            return UnreadValue("an array of Python objects")
        return self._from_bytes(self._bytes(data), self._dtype(dtype), shape, "F" if column_major else "C")

    def _from_bytes(self, data: bytes, dtype: np.dtype, shape: Any, order: Any) -> np.ndarray:
        shape = self._shape(shape)
        wanted = dtype.itemsize
        for length in shape:
            wanted *= length
        if wanted != len(data) or order not in ("C", "F"):
            raise self._damaged(f"an array of shape {shape} with {len(data)} bytes instead of {wanted}")
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")
        return array.astype(dtype.newbyteorder("="), order="K")

    def _dtype(self, part: Any) -> np.dtype:
        code = self._dtype_code(part)
        if not _SIMPLE_DTYPE.fullmatch(code):
            raise self._damaged(f"an array of type {code!r}")
        dtype = np.dtype(code)
        state = part.state
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            dtype = dtype.newbyteorder(state[1])
        return dtype

    def _dtype_code(self, part: Any) -> str:
        if not (isinstance(part, Part) and part.kind == "dtype" and part.arguments):
            raise self._damaged("an array without a type")
        return self._text(part.arguments[0])

    def _sparse(self, form: str, state: dict[Any, Any]) -> np.ndarray:
        rows, columns = self._shape(state.get("_shape", state.get("shape")))
        self._spend(rows * columns)
        data = self._vector(state.get("data"))
        if form == "coo":
            # SciPy from 1.13 on keeps both in one tuple
            places = state.get("coords", (state.get("row"), state.get("col")))
            if not isinstance(places, tuple) or len(places) != 2:
                raise self._damaged("a sparse matrix whose index does not fit")
            row, column = self._vector(places[0]), self._vector(places[1])
        else:
            inner, starts = self._vector(state.get("indices")), self._vector(state.get("indptr"))
            outer_count = columns if form == "csc" else rows
            lengths = np.diff(starts)
            if len(starts) != outer_count + 1 or (lengths < 0).any() or lengths.sum() != len(inner):
                raise self._damaged("a sparse matrix whose index does not fit")
            outer = np.repeat(np.arange(outer_count), lengths)
            row, column = (inner, outer) if form == "csc" else (outer, inner)
        if not (len(data) == len(row) == len(column)):
            raise self._damaged("a sparse matrix whose index does not fit")
        if len(row) and not (0 <= row.min() <= row.max() < rows and 0 <= column.min() <= column.max() < columns):
            raise self._damaged("a sparse matrix whose index does not fit")
        dense = np.zeros((rows, columns), data.dtype)
        np.add.at(dense, (row, column), data)
        return dense

    def _select(self, state: dict[Any, Any]) -> Any:
        source = self.value(state.get("a"))
        if not isinstance(source, np.ndarray):
            return UnreadValue("a selection from something that is not an array")
        indices = self._vector(state.get("idxs"))
        if len(indices) and not -source.size <= indices.min() <= indices.max() < source.size:
            raise self._damaged("a selection outside its array")
        shape = self._shape(state.get("preferred_shape", (len(indices),)))
        self._spend(len(indices))
        return source.ravel()[indices].reshape(shape)

    def _state(self, part: Part) -> dict[Any, Any]:
        if not isinstance(part.state, dict):
            raise self._damaged(f"a {part.kind} without content")
        return part.state

    def _vector(self, raw: Any) -> np.ndarray:
        array = self.value(raw)
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iufb":
            raise self._damaged("an index that is not a row of numbers")
        return array

    def _shape(self, raw: Any) -> tuple[int, ...]:
        shape = self.value(raw)
        if isinstance(shape, np.ndarray):
            shape = tuple(shape.tolist())
        if not isinstance(shape, (tuple, list)) or len(shape) > 8:
            raise self._damaged("an array without a shape")
        lengths = tuple(int(length) for length in shape)
        if any(length < 0 for length in lengths):
            raise self._damaged(f"an array of shape {lengths}")
        return lengths

    def _bytes(self, raw: Any) -> bytes:
        if isinstance(raw, Part) and raw.kind == "bytes" and not raw.arguments:
            return b""
        if isinstance(raw, Part) and raw.kind == "encode" and len(raw.arguments) == 2:
            raw = raw.arguments[0]  # Python 3 writes bytes for Python 2 as text, to be encoded as latin1
        if isinstance(raw, str):
            return raw.encode("latin1")
        if isinstance(raw, (bytes, bytearray)):
            return bytes(raw)
        raise self._damaged("an array without bytes")

    @staticmethod
    def _text(raw: Any) -> str:
        return raw.decode("latin1") if isinstance(raw, bytes) else str(raw)

    def _spend(self, cells: int) -> None:
        self._cells_left -= cells
        if self._cells_left < 0:
            raise self._damaged("arrays that unfold to more memory than hand data needs")

    def _damaged(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self._file_name} holds {what}; download it again from its official page.")
