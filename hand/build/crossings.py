"""How deep a posed hand's surface goes into itself.

The mesh is cut into the sixteen pieces that belong to one bone each, every piece is closed by fans over its open
rims, and points of the surface (vertices and face centres) are tested against all pieces but their own: the winding
number tests inside or outside, the distance to the piece's skin is the depth. Where skin meets skin round the same
fold - the crease of a bent joint, a web - contact is anatomy and not a fault: a piece only counts against points at
least ``FOLD_REACH_MM`` of skin away from it.

Winding number: van Oosterom and Strackee 1983, "The Solid Angle of a Plane Triangle". Distance to a triangle:
Ericson 2005, "Real-Time Collision Detection", 5.1.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from hand.joints import MANO_JOINT_NAMES
from hand.model import HandModel

FOLD_REACH_MM = 14.0
"""Along the skin; about the half-width of the region in which a bent finger joint folds."""

SMALLEST_DEPTH_MM = 0.05
"""Of a crossing that is reported."""

Triangles = Float[np.ndarray, "t 3 3"]


@dataclass(frozen=True, slots=True)
class Crossing:
    """The deepest point of one bone's skin inside another bone's piece."""

    of: str
    into: str
    depth_mm: float


class CrossingDetector:
    """Prepared for one model: pieces, rims and distances along the skin depend on the mesh alone."""

    def __init__(self, model: HandModel) -> None:
        """Cuts the rest mesh into pieces."""
        self._faces = np.asarray(model.faces, dtype=np.int64)
        face_weights = model.skinning_weights[self._faces].sum(1)
        self._bone_of_face = face_weights.argmax(1)
        self._pieces = [np.flatnonzero(self._bone_of_face == bone) for bone in range(16)]
        self._rims = [_rim_edges(self._faces[piece]) for piece in self._pieces]
        skin_mm = _distances_along_skin(model.v_template_m * 1000.0, self._faces)
        bone_of_vertex = np.asarray(model.skinning_weights).argmax(1)
        self._bone_of_sample = np.concatenate([bone_of_vertex, self._bone_of_face])
        self._may_cross = np.stack([self._far_from(skin_mm, piece) for piece in self._pieces], axis=1)

    def crossings(self, vertices_m: Float[np.ndarray, "V 3"]) -> list[Crossing]:
        """All pairs of bones whose pieces cross in a posed hand, deepest first.

        Args:
            vertices_m: posed vertices of the model.
        """
        found = []
        for bone, samples, depths in self._sunk_samples(vertices_m):
            for other in np.unique(self._bone_of_sample[samples]):
                depth = float(depths[self._bone_of_sample[samples] == other].max())
                if depth >= SMALLEST_DEPTH_MM:
                    found.append(Crossing(MANO_JOINT_NAMES[other], MANO_JOINT_NAMES[bone], depth))
        return sorted(found, key=lambda crossing: -crossing.depth_mm)

    def sample_depths_mm(self, vertices_m: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "s"]:
        """How deep each vertex, then each face centre, is inside any other piece; 0 outside."""
        deepest = np.zeros(len(self._bone_of_sample))
        for _, samples, depths in self._sunk_samples(vertices_m):
            deepest[samples] = np.maximum(deepest[samples], depths)
        return deepest

    def deepest_mm(self, vertices_m: Float[np.ndarray, "V 3"]) -> float:
        """Depth of the deepest crossing, 0 when there is none."""
        return float(self.sample_depths_mm(vertices_m).max())

    def _sunk_samples(
        self, vertices_m: Float[np.ndarray, "V 3"]
    ) -> Iterator[tuple[int, Int[np.ndarray, "k"], Float[np.ndarray, "k"]]]:
        """For each piece with something in it: its bone, the samples inside it, and their depths in mm."""
        vertices = np.asarray(vertices_m, dtype=np.float64) * 1000.0
        samples = np.concatenate([vertices, vertices[self._faces].mean(1)])
        for bone, piece in enumerate(self._pieces):
            skin = vertices[self._faces[piece]]
            near = ((samples > skin.min((0, 1))) & (samples < skin.max((0, 1)))).all(1)
            candidates = np.flatnonzero(near & self._may_cross[:, bone] & (self._bone_of_sample != bone))
            if len(candidates) == 0:
                continue
            closed = np.concatenate([skin, *(_fan(vertices, rim) for rim in self._rims[bone])])
            inside = candidates[_winding_numbers(samples[candidates], closed) > 0.5]
            if len(inside):
                yield bone, inside, _distances_to(samples[inside], skin)

    def _far_from(self, skin_mm: Float[np.ndarray, "V V"], piece: Int[np.ndarray, "p"]) -> Bool[np.ndarray, "s"]:
        """For every sample whether it is beyond the reach of a fold it may share with a piece."""
        to_vertex = skin_mm[:, np.unique(self._faces[piece])].min(1)
        to_face = to_vertex[self._faces].min(1)
        return np.concatenate([to_vertex, to_face]) > FOLD_REACH_MM


def _distances_along_skin(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V V"]:
    """Shortest ways along edges between all vertices."""
    edges = np.unique(np.sort(np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)]), axis=1), axis=0)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    graph = sparse.coo_matrix((lengths, (edges[:, 0], edges[:, 1])), (len(vertices), len(vertices))).tocsr()
    ways: Float[np.ndarray, "V V"] = dijkstra(graph, directed=False)
    return ways


def _rim_edges(faces: Int[np.ndarray, "F 3"]) -> list[Int[np.ndarray, "_ 2"]]:
    """Directed edges without a partner, grouped into connected rims."""
    directed = np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])
    known = {(int(a), int(b)) for a, b in directed}
    open_edges = np.array([(a, b) for a, b in sorted(known) if (b, a) not in known]).reshape(-1, 2)
    if len(open_edges) == 0:
        return []
    count = int(faces.max()) + 1
    graph = sparse.coo_matrix((np.ones(len(open_edges)), (open_edges[:, 0], open_edges[:, 1])), (count, count))
    labels = sparse.csgraph.connected_components(graph, directed=False)[1][open_edges[:, 0]]
    return [open_edges[labels == label] for label in np.unique(labels)]


def _fan(vertices: Float[np.ndarray, "V 3"], rim: Int[np.ndarray, "e 2"]) -> Float[np.ndarray, "e 3 3"]:
    """Triangles that close a rim from its centre, wound like the faces beside it."""
    ends = vertices[rim]
    centre = np.broadcast_to(ends.mean((0, 1)), (len(rim), 3))
    return np.stack([ends[:, 1], ends[:, 0], centre], axis=1)


def _winding_numbers(points: Float[np.ndarray, "n 3"], triangles: Triangles) -> Float[np.ndarray, "n"]:
    """1 inside a closed outward-wound surface, 0 outside."""
    a, b, c = (triangles[None, :, k] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(side, axis=2) for side in (a, b, c))
    volume = np.einsum("npk,npk->np", a, np.cross(b, c))
    ab, bc, ca = (np.einsum("npk,npk->np", x, y) for x, y in ((a, b), (b, c), (c, a)))
    solid_angle = 2.0 * np.arctan2(volume, la * lb * lc + ab * lc + bc * la + ca * lb)
    return solid_angle.sum(1) / (4.0 * np.pi)


def _distances_to(points: Float[np.ndarray, "n 3"], triangles: Triangles) -> Float[np.ndarray, "n"]:
    """Distance of each point to the nearest triangle: over its plane where it lies above it, else to its edges."""
    a, b, c = (triangles[None, :, k] for k in range(3))
    p = points[:, None]
    normal = np.cross(b - a, c - a)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)
    over = np.ones(np.broadcast_shapes(p.shape, a.shape)[:2], dtype=bool)
    nearest = np.full(over.shape, np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        along = end - start
        over &= np.einsum("npk,npk->np", np.cross(normal, np.broadcast_to(along, normal.shape)), p - start) >= 0.0
        t = np.clip(np.einsum("npk,npk->np", p - start, along) / np.einsum("npk,npk->np", along, along), 0.0, 1.0)
        nearest = np.minimum(nearest, np.linalg.norm(p - start - t[..., None] * along, axis=2))
    height = np.abs(np.einsum("npk,npk->np", p - a, normal))
    return np.where(over, height, nearest).min(1)
