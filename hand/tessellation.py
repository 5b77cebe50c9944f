"""Rounder pictures of a coarse mesh: Phong tessellation, for display only.

Every edge gets a new vertex that is lifted off the straight chord onto the surface that the vertex normals suggest
(Boubekeur and Alexa 2008, "Phong Tessellation", eq. 2, at the edge midpoints). The old vertices stay where they
are, so nothing shrinks, and it works for any closed or open triangle mesh, MANO's as well as the embedded one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from hand.normals import vertex_normals

ROUNDNESS = 0.75
"""How far towards the suggested surface a midpoint is lifted; the paper's recommendation."""


class PhongTessellation:
    """One refinement step of a fixed topology: V + E vertices, four triangles for each old one.

    Attributes:
        faces: triangles of the refined mesh, wound like the old ones.
    """

    def __init__(self, faces: Int[np.ndarray, "F 3"]) -> None:
        """Finds the edges once; they do not change while the hand moves."""
        corners = np.asarray(faces, dtype=np.int64)
        count = int(corners.max()) + 1
        halves = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
        edges, edge_of_half = np.unique(np.sort(halves, axis=1), axis=0, return_inverse=True)
        self._start, self._end = edges[:, 0], edges[:, 1]
        self._coarse_faces = corners
        ab, bc, ca = count + edge_of_half.reshape(3, -1)
        a, b, c = corners.T
        quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        self.faces: Int[np.ndarray, "F4 3"] = np.concatenate([np.stack(q, axis=1) for q in quarters]).astype(np.int32)

    def refine(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "VE 3"]:
        """The old vertices followed by one lifted midpoint per edge."""
        normals = vertex_normals(vertices, self._coarse_faces)
        start, end = vertices[self._start], vertices[self._end]
        half = 0.5 * (end - start)
        # the midpoint's height over the tangent planes of both ends, from which it is taken off
        above_start = np.einsum("ek,ek->e", half, normals[self._start])[:, None]
        above_end = -np.einsum("ek,ek->e", half, normals[self._end])[:, None]
        sag = 0.5 * (above_start * normals[self._start] + above_end * normals[self._end])
        # where the normals part - in a fold of skin - they do not describe the surface between them
        agreement = np.einsum("ek,ek->e", normals[self._start], normals[self._end])[:, None]
        return np.concatenate([vertices, start + half - ROUNDNESS * np.clip(agreement, 0.0, 1.0) * sag])
