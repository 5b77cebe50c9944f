"""Loop subdivision of a triangle mesh as a sparse matrix, found once from the faces and then applied to every pose.

Weights are those of Loop (1987), "Smooth Subdivision Surfaces Based on Triangles", simplified by Warren (1995): new
edge points 3/8, 3/8, 1/8, 1/8; old points keep 1 - n b with b = 3/16 for three neighbours and 3/(8 n) otherwise; on the
boundary 1/2, 1/2 and 1/8, 3/4, 1/8.

The scheme shrinks round forms (a finger tip by half a millimetre), which would bias every label by as much. So the
coarse points are first moved out by what one smoothing step would move them in.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float, Int


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _apply(offsets: np.ndarray, columns: np.ndarray, weights: np.ndarray, points: np.ndarray, out: np.ndarray) -> None:
    for row in range(len(offsets) - 1):
        for k in range(points.shape[1]):
            total = np.float32(0.0)
            for n in range(offsets[row], offsets[row + 1]):
                total += weights[n] * points[columns[n], k]
            out[row, k] = total


@dataclass(frozen=True, slots=True, eq=False)
class SparseMap:
    """A sparse matrix in compressed rows that acts on points or on any per-vertex values.

    Attributes:
        offsets: where each row's entries begin; one more than there are rows.
        columns: the column of each entry.
        weights: the value of each entry.
    """

    offsets: Int[np.ndarray, "rows_plus_1"]
    columns: Int[np.ndarray, "entries"]
    weights: Float[np.ndarray, "entries"]

    @classmethod
    def from_rows(cls, rows: list[dict[int, float]]) -> SparseMap:
        """Builds the map from one dictionary (column to weight) per row."""
        counts = np.array([0] + [len(row) for row in rows])
        columns = np.array([column for row in rows for column in row], np.int32)
        weights = np.array([weight for row in rows for weight in row.values()], np.float32)
        return cls(np.cumsum(counts).astype(np.int32), columns, weights)

    def __call__(self, values: Float[np.ndarray, "V C"]) -> Float[np.ndarray, "rows C"]:
        """Applies the map to values per coarse vertex; float32."""
        result = np.empty((len(self.offsets) - 1, values.shape[1]), np.float32)
        _apply(self.offsets, self.columns, self.weights, np.ascontiguousarray(values, np.float32), result)
        return result

    def after(self, first: SparseMap) -> SparseMap:
        """One map that does `first` and then this."""
        rows = []
        for row in range(len(self.offsets) - 1):
            combined: dict[int, float] = defaultdict(float)
            for n in range(self.offsets[row], self.offsets[row + 1]):
                middle = self.columns[n]
                for m in range(first.offsets[middle], first.offsets[middle + 1]):
                    combined[int(first.columns[m])] += float(self.weights[n] * first.weights[m])
            rows.append(dict(combined))
        return SparseMap.from_rows(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Subdivision:
    """A finer mesh over a coarse one; the coarse vertices come first, in their order.

    Attributes:
        faces: triangles of the finer mesh, wound like the coarse ones.
        values: map for anything smooth per vertex: colours, weights, light.
        points: map for positions: keeps the coarse form instead of shrinking it.
    """

    faces: Int[np.ndarray, "F 3"]
    values: SparseMap
    points: SparseMap


def subdivide(faces: Int[np.ndarray, "F 3"], vertex_count: int, levels: int) -> Subdivision:
    """Finds the maps from a coarse mesh to one with about 4 ** levels as many vertices.

    Args:
        faces: the coarse triangles; every edge in one or two of them.
        vertex_count: how many coarse vertices there are.
        levels: how often every triangle is split into four; 0 changes nothing.
    """
    values = SparseMap.from_rows([{vertex: 1.0} for vertex in range(vertex_count)])
    points = values
    for level in range(levels):
        step, split_faces = _split(faces, len(values.offsets) - 1)
        if level == 0:
            points = _outward(step, vertex_count)
        faces, values, points = split_faces, step.after(values), step.after(points)
    return Subdivision(np.ascontiguousarray(faces, np.int32), values, points)


def _outward(step: SparseMap, vertex_count: int) -> SparseMap:
    """Twice the point minus the smoothed point: undoes, to first order, what the step would smooth away."""
    rows = []
    for vertex in range(vertex_count):
        entries = slice(step.offsets[vertex], step.offsets[vertex + 1])
        row = {
            int(column): -float(weight)
            for column, weight in zip(step.columns[entries], step.weights[entries], strict=True)
        }
        row[vertex] += 2.0
        rows.append(row)
    return SparseMap.from_rows(rows)


def _split(faces: Int[np.ndarray, "F 3"], vertex_count: int) -> tuple[SparseMap, Int[np.ndarray, "F4 3"]]:
    """One level: the map to old points, then one new point per edge; and each triangle's four."""
    opposite: dict[tuple[int, int], list[int]] = defaultdict(list)
    for a, b, c in faces.tolist():
        for first, second, third in ((a, b, c), (b, c, a), (c, a, b)):
            opposite[min(first, second), max(first, second)].append(third)
    neighbours: list[set[int]] = [set() for _ in range(vertex_count)]
    rim: list[set[int]] = [set() for _ in range(vertex_count)]
    for (a, b), thirds in opposite.items():
        neighbours[a].add(b)
        neighbours[b].add(a)
        if len(thirds) == 1:
            rim[a].add(b)
            rim[b].add(a)
    rows: list[dict[int, float]] = []
    for vertex in range(vertex_count):
        around, keep = (sorted(rim[vertex]), 0.75) if rim[vertex] else (sorted(neighbours[vertex]), 0.625)
        if not rim[vertex] and len(around) == 3:
            keep = 1.0 - 9.0 / 16.0
        row = {vertex: keep if around else 1.0}
        row.update({other: (1.0 - keep) / len(around) for other in around})
        rows.append(row)
    number = {}
    for (a, b), thirds in opposite.items():
        number[a, b] = len(rows)
        if len(thirds) == 1:
            rows.append({a: 0.5, b: 0.5})
        else:
            rows.append({a: 0.375, b: 0.375, thirds[0]: 0.125, thirds[1]: 0.125})
    corners = faces.astype(np.int64)
    middle = np.array(
        [
            [number[min(a, b), max(a, b)] for a, b in ((f[0], f[1]), (f[1], f[2]), (f[2], f[0]))]
            for f in corners.tolist()
        ]
    )
    split = np.concatenate(
        [
            np.stack([corners[:, 0], middle[:, 0], middle[:, 2]], 1),
            np.stack([corners[:, 1], middle[:, 1], middle[:, 0]], 1),
            np.stack([corners[:, 2], middle[:, 2], middle[:, 1]], 1),
            middle,
        ]
    )
    return SparseMap.from_rows(rows), split
