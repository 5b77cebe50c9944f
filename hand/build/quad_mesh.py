"""Small tools for a quad mesh: edges, neighbour averages, triangles, geodesic distances."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int

Quads = Int[np.ndarray, "q 4"]


def edges_of(quads: Quads) -> Int[np.ndarray, "e 2"]:
    """Undirected edges, each once, smaller index first."""
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    unique: Int[np.ndarray, "e 2"] = np.unique(np.sort(edges, axis=1), axis=0)
    return unique


def neighbour_average(vertex_count: int, quads: Quads) -> sparse.csr_matrix:
    """Sparse matrix that replaces each vertex value by the mean of its edge neighbours."""
    edges = edges_of(quads)
    rows, columns = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    adjacency = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), (vertex_count, vertex_count)).tocsr()
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.diags(1.0 / degree) @ adjacency)


def smoothed(values: Float[np.ndarray, "n c"], average: sparse.csr_matrix, passes: int) -> Float[np.ndarray, "n c"]:
    """Values after some passes of half-way averaging with the neighbours."""
    for _ in range(passes):
        values = 0.5 * values + 0.5 * (average @ values)
    return values


def triangles_of(quads: Quads) -> Int[np.ndarray, "t 3"]:
    """Two triangles per quad, next to each other: quad ``i`` becomes triangles ``2 i`` and ``2 i + 1``."""
    pairs = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1)
    return pairs.reshape(-1, 3)


def signed_volume(vertices: Float[np.ndarray, "n 3"], triangles: Int[np.ndarray, "t 3"]) -> float:
    """Volume enclosed together with the cone to the origin; positive when the winding faces outwards."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)
