"""All hands of a result as one closed mesh with normals, ready for any renderer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from app.rendering.smooth_surface import SmoothSurface
from hand.errors import ModelFileError
from hand.mirror import Side, mirror_faces
from hand.model import HandModel
from hand.normals import vertex_normals
from hand.topology import cap_faces
from hand.types import PathResult


@dataclass(frozen=True, slots=True, eq=False)
class HandMesh:
    """One or two hands in camera axes.

    Attributes:
        vertices_m: of all hands, one after the other.
        normals: unit normals at the vertices.
        faces: triangles, wound outwards, with the wrists closed.
        time_ns: when the picture was captured.
    """

    vertices_m: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    time_ns: int


class HandMeshBuilder:
    """Puts the meshes of a result together, smoothed for the screen.

    The triangles of each combination of sides are kept. A model that cannot be smoothed or closed (it is the user's
    own) is drawn as it is.
    """

    def __init__(self, model: HandModel) -> None:
        """For results of paths that use this model (of either side)."""
        right = model.faces if model.side == "right" else mirror_faces(model.faces)
        # vertices do not depend on the winding, so one surface serves both sides
        self._surface = _smooth_surface(right, model.vertex_count)
        fine = right if self._surface is None else self._surface.faces
        self._vertex_count = model.vertex_count if self._surface is None else self._surface.vertex_count
        self._open: dict[Side, np.ndarray] = {"right": fine, "left": mirror_faces(fine)}
        self._closed: dict[tuple[Side, ...], np.ndarray] = {}

    def build(self, result: PathResult) -> HandMesh | None:
        """The hands of a result, or None when there is none."""
        states = [state for state in result.states if np.isfinite(state.vertices_m).all()]
        if not states:
            return None
        vertices = [self._refined(np.asarray(state.vertices_m, np.float32)) for state in states]
        # the caps have no part in the normals: the skin at the wrist goes on straight
        normals = [vertex_normals(part, self._open[state.side]) for part, state in zip(vertices, states, strict=True)]
        faces = self._faces(tuple(state.side for state in states))
        return HandMesh(np.concatenate(vertices), np.concatenate(normals), faces, result.frame.capture_time_ns)

    def _refined(self, vertices: np.ndarray) -> np.ndarray:
        return vertices if self._surface is None else self._surface.refine(vertices)

    def _faces(self, sides: tuple[Side, ...]) -> np.ndarray:
        if sides not in self._closed:
            parts = [_closed(self._open[side]) + index * self._vertex_count for index, side in enumerate(sides)]
            self._closed[sides] = np.concatenate(parts).astype(np.int32)
        return self._closed[sides]


def _smooth_surface(faces: np.ndarray, vertex_count: int) -> SmoothSurface | None:
    try:
        return SmoothSurface(faces, vertex_count)
    except ValueError:
        return None


def _closed(faces: np.ndarray) -> np.ndarray:
    try:
        return np.concatenate([faces, cap_faces(faces)])
    except ModelFileError:
        return faces
