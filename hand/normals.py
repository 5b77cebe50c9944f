"""Smooth vertex normals of a triangle mesh, fast enough for every frame."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float, Int


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _accumulate(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> None:
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        wx = vertices[c, 0] - vertices[a, 0]
        wy = vertices[c, 1] - vertices[a, 1]
        wz = vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for v in (a, b, c):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(normals.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 0:
            for k in range(3):
                normals[v, k] /= length


def vertex_normals(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, "V 3"]:
    """Unit normals at the vertices: the mean of the touching faces' normals, weighted by their areas.

    Args:
        vertices: vertex positions, any unit.
        faces: triangles, wound so that (b - a) x (c - a) points outwards.

    Returns:
        Normals in the precision of `vertices`; zero for a vertex that no face with an area touches.
    """
    vertices = np.ascontiguousarray(vertices)
    normals = np.zeros_like(vertices)
    _accumulate(vertices, faces, normals)
    return normals
