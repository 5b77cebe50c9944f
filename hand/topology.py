"""The open edge of a triangle mesh: where a hand ends at the wrist."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from hand.errors import ModelFileError


def boundary_loop(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "L"]:
    """The vertices around the mesh's hole, in the order in which faces touching it run along it.

    Args:
        faces: a triangle mesh with at most one hole.

    Returns:
        Vertex numbers around the hole; empty for a closed mesh.

    Raises:
        ModelFileError: there is more than one hole, or edges are shared by more than two faces.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in edges}
    follows = {a: b for a, b in known if (b, a) not in known}
    if not follows:
        return np.zeros(0, np.int64)
    start = min(follows)
    loop = [start]
    while follows[loop[-1]] != start:
        loop.append(follows[loop[-1]])
        if len(loop) > len(follows):
            raise ModelFileError("A hand mesh needs one simple hole at the wrist, but its open edges branch.")
    if len(loop) != len(follows):
        raise ModelFileError(
            f"A hand mesh needs one hole at the wrist, but {len(follows)} open edges form several "
            f"(the first has {len(loop)})."
        )
    return np.array(loop, np.int64)


def cap_faces(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "C 3"]:
    """Triangles that close the hole as a zigzag over its own vertices, wound like the other faces.

    A zigzag stays well shaped on the flat, roundish cut of a wrist, and needs no vertex of its own.
    """
    loop = boundary_loop(faces)[::-1]
    caps = []
    left, right = 0, len(loop) - 1
    while right - left >= 2:
        caps.append((loop[left], loop[left + 1], loop[right]))
        left += 1
        if right - left >= 2:
            caps.append((loop[left], loop[right - 1], loop[right]))
            right -= 1
    return np.array(caps, np.int64).reshape(-1, 3)
