"""The binary part of a GLB file: arrays one after the other, each with the accessor that describes it."""

from __future__ import annotations

import numpy as np
from pygltflib import (
    ARRAY_BUFFER,
    ELEMENT_ARRAY_BUFFER,
    FLOAT,
    GLTF2,
    UNSIGNED_BYTE,
    UNSIGNED_INT,
    Accessor,
    Buffer,
    BufferView,
)

_COMPONENT_TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UNSIGNED_BYTE, np.dtype(np.uint32): UNSIGNED_INT}
_ELEMENT_TYPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}


class GlbBuffer:
    """Collects arrays for a file."""

    def __init__(self, document: GLTF2) -> None:
        """Starts empty.

        Args:
            document: gets the accessors.
        """
        self._document = document
        self._data = bytearray()

    def add(self, array: np.ndarray, *, indices: bool = False, vertices: bool = False, bounds: bool = False) -> int:
        """Adds an array.

        Args:
            array: float32, uint8 or uint32 of scalars, 3-vectors, 4-vectors or 4x4 matrices (column by column).
            indices: of triangles.
            vertices: one element per vertex.
            bounds: with smallest and largest values, as the format requires for positions and times.

        Returns:
            The accessor's number.
        """
        array = np.ascontiguousarray(array)
        data = array.tobytes()
        view = BufferView(buffer=0, byteOffset=len(self._data), byteLength=len(data))
        if indices or vertices:
            view.target = ELEMENT_ARRAY_BUFFER if indices else ARRAY_BUFFER
        self._document.bufferViews.append(view)
        accessor = Accessor(
            bufferView=len(self._document.bufferViews) - 1,
            componentType=_COMPONENT_TYPES[array.dtype],
            count=len(array),
            type=_ELEMENT_TYPES[array.shape[1:]],
        )
        if bounds:
            flat = array.reshape(len(array), -1)
            accessor.min, accessor.max = flat.min(0).tolist(), flat.max(0).tolist()
        self._document.accessors.append(accessor)
        self._data += data + bytes(-len(data) % 4)
        return len(self._document.accessors) - 1

    def finish(self) -> None:
        """Puts the data into the document."""
        self._document.buffers = [Buffer(byteLength=len(self._data))]
        self._document.set_binary_blob(bytes(self._data))
