"""One step of Loop subdivision, so that a hand of 800 vertices has round finger tips on the screen.

Only for looking at: nothing is measured on the smoothed surface. As every fine vertex is a fixed mean of coarse ones,
the topology is worked out once and each frame costs two small weighted sums.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float, Int

_EDGE_ENDS, _EDGE_WINGS = 3.0 / 8.0, 1.0 / 8.0
_BORDER_NEIGHBOR = 1.0 / 8.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weigh(points: np.ndarray, sources: np.ndarray, weights: np.ndarray, means: np.ndarray) -> None:
    """Each mean is a weighted sum of some of the points."""
    count, width = sources.shape
    for row in range(count):
        x, y, z = means.dtype.type(0), means.dtype.type(0), means.dtype.type(0)
        for k in range(width):
            point, weight = sources[row, k], weights[row, k]
            x += weight * points[point, 0]
            y += weight * points[point, 1]
            z += weight * points[point, 2]
        means[row, 0], means[row, 1], means[row, 2] = x, y, z


class SmoothSurface:
    """Refines meshes of one topology.

    Rules of C. Loop (1987), "Smooth subdivision surfaces based on triangles", with J. Warren's weights for vertices:
    beta = 3/16 for three neighbours and 3/(8 n) for n of them; along an open edge the cubic B-spline's 1/8, 3/4, 1/8.
    """

    def __init__(self, faces: Int[np.ndarray, "F 3"], vertex_count: int) -> None:
        """Works out which coarse vertices make each fine one.

        Args:
            faces: triangles of the coarse mesh; edges belong to at most two of them.
            vertex_count: vertices of the coarse mesh.

        Raises:
            ValueError: an edge belongs to more than two triangles.
        """
        wings: dict[tuple[int, int], list[int]] = {}
        for a, b, c in faces.tolist():
            for start, end, across in ((a, b, c), (b, c, a), (c, a, b)):
                wings.setdefault((min(start, end), max(start, end)), []).append(across)
        if max(len(across) for across in wings.values()) > 2:
            raise ValueError("A surface to be smoothed has at most two triangles at each edge.")
        self._vertex_sources, self._vertex_weights = _vertex_rule(wings, vertex_count)
        self._edge_sources, self._edge_weights = _edge_rule(wings)
        middle = {edge: vertex_count + index for index, edge in enumerate(wings)}
        fine = []
        for a, b, c in faces.tolist():
            ab, bc, ca = (middle[min(s, e), max(s, e)] for s, e in ((a, b), (b, c), (c, a)))
            fine += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        self.faces: Int[np.ndarray, "F*4 3"] = np.array(fine, np.int32)
        """Triangles of the fine mesh, wound like the coarse ones."""

    @property
    def vertex_count(self) -> int:
        """Vertices of the fine mesh."""
        return len(self._vertex_sources) + len(self._edge_sources)

    def refine(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "fine 3"]:
        """The fine mesh: moved coarse vertices first, then one per edge."""
        coarse = np.ascontiguousarray(vertices)
        fine = np.empty((self.vertex_count, 3), coarse.dtype)
        moved = len(self._vertex_sources)
        _weigh(coarse, self._vertex_sources, self._vertex_weights, fine[:moved])
        _weigh(coarse, self._edge_sources, self._edge_weights, fine[moved:])
        return fine


def _vertex_rule(wings: dict[tuple[int, int], list[int]], vertex_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sources and weights of the moved vertices, padded to the largest number of neighbours with weight 0."""
    neighbors: list[list[int]] = [[] for _ in range(vertex_count)]
    border: list[list[int]] = [[] for _ in range(vertex_count)]
    for (start, end), across in wings.items():
        for here, there in ((start, end), (end, start)):
            neighbors[here].append(there)
            if len(across) == 1:
                border[here].append(there)
    width = 1 + max(len(around) for around in neighbors)
    sources = np.repeat(np.arange(vertex_count)[:, None], width, 1)
    weights = np.zeros((vertex_count, width), np.float32)
    for vertex in range(vertex_count):
        around, share = neighbors[vertex], 0.0
        if len(border[vertex]) == 2:
            around, share = border[vertex], _BORDER_NEIGHBOR
        elif not border[vertex] and around:
            share = 3.0 / 16.0 if len(around) == 3 else 3.0 / (8.0 * len(around))
        sources[vertex, 1 : 1 + len(around)] = around
        weights[vertex, 1 : 1 + len(around)] = share
        weights[vertex, 0] = 1.0 - share * len(around)
    return sources, weights


def _edge_rule(wings: dict[tuple[int, int], list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Sources and weights of the vertices on edges: both ends and both wings, or the middle of an open edge."""
    sources, weights = [], []
    for (start, end), across in wings.items():
        if len(across) == 2:
            sources.append((start, end, *across))
            weights.append((_EDGE_ENDS, _EDGE_ENDS, _EDGE_WINGS, _EDGE_WINGS))
        else:
            sources.append((start, end, start, end))
            weights.append((0.5, 0.5, 0.0, 0.0))
    return np.array(sources), np.array(weights, np.float32)
