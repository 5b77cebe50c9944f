"""All hands of a picture as one closed mesh with normals and colours, ready for any renderer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from app.rendering.orbit import Focus
from app.rendering.smooth_surface import SmoothSurface
from hand.errors import ModelFileError
from hand.finite import all_finite
from hand.mirror import Side, mirror_faces
from hand.model import HandModel
from hand.normals import vertex_normals
from hand.shading import SKIN_RGB
from hand.topology import cap_faces
from hand.types import HandState

SMALL_EDGE_PX: Final = 8.0
"""Triangles with shorter edges on the screen need not be split: the picture is the same with light per vertex, and they
are drawn in half of the time."""


@dataclass(frozen=True, slots=True, eq=False)
class SmoothHand:
    """One hand smoothed for the screen, before it has a colour.

    Attributes:
        side: which hand, for its triangles.
        vertices_m: in camera axes.
        normals: unit normals at the vertices.
    """

    side: Side
    vertices_m: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]

    def moved(self, shift_m: Float[np.ndarray, "3"]) -> SmoothHand:
        """The hand translated."""
        return replace(self, vertices_m=self.vertices_m + np.asarray(shift_m, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class HandMesh:
    """One or two hands in camera axes.

    Attributes:
        vertices_m: of all hands, one after the other.
        normals: unit normals at the vertices.
        faces: triangles, wound outwards, with the wrists closed.
        colors_rgb: of the surface, sRGB 0 to 1.
        time_ns: when the picture was captured.
        edge_m: mean length of the triangles' edges, of a hand of usual size.
        coarse: the same surface in a quarter of the triangles, where there is one.
    """

    vertices_m: Float[np.ndarray, "V 3"]
    normals: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colors_rgb: Float[np.ndarray, "V 3"]
    time_ns: int
    edge_m: float
    coarse: HandMesh | None = None

    def for_scale(self, px_per_m: float) -> HandMesh:
        """The hands with no more triangles than are visible.

        Args:
            px_per_m: how large a metre is on the screen, where the hands are.
        """
        if self.coarse is not None and self.coarse.edge_m * px_per_m < SMALL_EDGE_PX:
            return self.coarse
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What a 3D view shows.

    Attributes:
        solid: hands that hide what is behind them.
        ghost: transparent hands, drawn over the others.
        focus: the point and extent that the camera of the view shows.
    """

    solid: HandMesh | None
    ghost: HandMesh | None
    focus: Focus


class HandMeshBuilder:
    """Puts the meshes of a picture together, smoothed for the screen. Safe to call from several threads.

    The triangles of each combination of sides are kept. A model that cannot be smoothed or closed (it is the user's
    own) is drawn as it is.
    """

    def __init__(self, model: HandModel) -> None:
        """For results of paths that use this model (of either side)."""
        right = model.faces if model.side == "right" else mirror_faces(model.faces)
        # vertices do not depend on the winding, so one surface serves both sides
        self._surface = _smooth_surface(right, model.vertex_count)
        fine = right if self._surface is None else self._surface.faces
        self._open: dict[Side, np.ndarray] = {"right": fine, "left": mirror_faces(fine)}
        template_m = np.asarray(model.v_template_m, np.float32)
        self._fine = _DetailLevel(fine, self._refined(template_m))
        # the first vertices of the fine surface are the corners of the coarse triangles
        self._coarse = None if self._surface is None else _DetailLevel(right, template_m)
        self._plain: dict[tuple[float, float, float], np.ndarray] = {}

    def build(
        self,
        states: Sequence[HandState],
        time_ns: int,
        colors_rgb: Sequence[Float[np.ndarray, "V 3"] | None] = (),
        plain_rgb: tuple[float, float, float] = SKIN_RGB,
    ) -> HandMesh | None:
        """The hands of a picture, or None when there is none; the arguments are those of :meth:`assemble`."""
        return self.assemble([self.smooth(state) for state in states], time_ns, colors_rgb, plain_rgb)

    def smooth(self, state: HandState) -> SmoothHand | None:
        """A hand ready to be assembled, which is most of the work; None when its vertices are not finite."""
        if not all_finite(state.vertices_m):
            return None
        vertices = self._refined(np.asarray(state.vertices_m, np.float32))
        # the caps have no part in the normals: the skin at the wrist goes on straight
        return SmoothHand(state.side, vertices, vertex_normals(vertices, self._open[state.side]))

    def assemble(
        self,
        hands: Sequence[SmoothHand | None],
        time_ns: int,
        colors_rgb: Sequence[Float[np.ndarray, "V 3"] | None] = (),
        plain_rgb: tuple[float, float, float] = SKIN_RGB,
    ) -> HandMesh | None:
        """Some hands as one mesh, or None when there is none.

        Args:
            hands: the hands; those that are None are left out.
            time_ns: when the picture was captured.
            colors_rgb: of each hand's own vertices; None, or nothing at all, leaves a hand plain.
            plain_rgb: colour of plain hands.
        """
        kept = [(index, hand) for index, hand in enumerate(hands) if hand is not None]
        if not kept:
            return None
        colors = [self._colors(colors_rgb[i] if i < len(colors_rgb) else None, plain_rgb) for i, _ in kept]
        of_all = [hand for _, hand in kept]
        coarse = None if self._coarse is None else self._coarse.mesh(of_all, colors, time_ns)
        return self._fine.mesh(of_all, colors, time_ns, coarse)

    def _colors(self, colors_rgb: np.ndarray | None, plain_rgb: tuple[float, float, float]) -> np.ndarray:
        if colors_rgb is not None:
            return self._refined(np.asarray(colors_rgb, np.float32))
        if plain_rgb not in self._plain:
            self._plain[plain_rgb] = np.tile(np.array(plain_rgb, np.float32), (self._fine.vertex_count, 1))
        return self._plain[plain_rgb]

    def _refined(self, vertices: np.ndarray) -> np.ndarray:
        return vertices if self._surface is None else self._surface.refine(vertices)


class _DetailLevel:
    """The triangles of one level of detail, with the wrists closed."""

    def __init__(self, right_faces: Int[np.ndarray, "F 3"], template_m: Float[np.ndarray, "V 3"]) -> None:
        self.vertex_count = len(template_m)
        edges_m = template_m[right_faces] - template_m[np.roll(right_faces, 1, 1)]
        self._edge_m = float(np.linalg.norm(edges_m, axis=2).mean())
        right = _closed(right_faces)
        self._faces: dict[Side, np.ndarray] = {"right": right, "left": mirror_faces(right)}
        self._faces_of: dict[tuple[Side, ...], np.ndarray] = {}

    def mesh(
        self, hands: Sequence[SmoothHand], colors: Sequence[np.ndarray], time_ns: int, coarse: HandMesh | None = None
    ) -> HandMesh:
        kept = slice(self.vertex_count)
        return HandMesh(
            _joined([hand.vertices_m[kept] for hand in hands]),
            _joined([hand.normals[kept] for hand in hands]),
            self._faces_for(tuple(hand.side for hand in hands)),
            _joined([one[kept] for one in colors]),
            time_ns,
            self._edge_m,
            coarse,
        )

    def _faces_for(self, sides: tuple[Side, ...]) -> np.ndarray:
        if sides not in self._faces_of:
            parts = [self._faces[side] + index * self.vertex_count for index, side in enumerate(sides)]
            self._faces_of[sides] = np.concatenate(parts).astype(np.int32)
        return self._faces_of[sides]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


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
