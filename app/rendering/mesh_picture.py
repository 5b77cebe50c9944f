"""The 3D view drawn without OpenGL: a lit mesh on a soft stage."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from app.palette import Theme, rgb
from app.rendering.hand_mesh import HandMesh
from app.rendering.orbit import Focus, Orbit, view_intrinsics
from hand.camera import project
from hand.raster import Rasterizer
from hand.shading import SKIN_RGB, shade_vertices

_FINE_PIXELS = 1_000_000
"""Above this size single samples are fine enough: such a view is on a high-density screen."""


class MeshPainter:
    """Draws hand meshes at a size that may change. Serves one thread at a time."""

    def __init__(self) -> None:
        """No buffers yet."""
        self._rasterizer: Rasterizer | None = None
        self._size_px = (0, 0)

    def paint(
        self, mesh: HandMesh | None, focus: Focus | None, orbit: Orbit, size_px: tuple[int, int], theme: Theme
    ) -> UInt8[np.ndarray, "height width 3"]:
        """A picture of the mesh, or of the empty stage.

        Args:
            mesh: the hands, if any.
            focus: what the eye looks at; needed with a mesh.
            orbit: where the user turned the eye.
            size_px: width and height.
            theme: colours of the stage.
        """
        width, height = size_px
        picture = stage(width, height, theme).copy()
        if mesh is None or focus is None:
            return picture
        view = focus.view(orbit)
        vertices = view.apply(mesh.vertices_m)
        normals = mesh.normals @ view.rotation.T.astype(np.float32)
        colors = shade_vertices(vertices, normals, np.broadcast_to(np.array(SKIN_RGB, np.float32), vertices.shape))
        points_px = np.nan_to_num(project(vertices, view_intrinsics(width, height)))
        rasterizer = self._rasterizer_for(width, height)
        rasterizer.clear()
        rasterizer.draw(points_px, vertices[:, 2], mesh.faces, colors, cull_back_faces=True)
        rasterizer.composite(picture)
        return picture

    def _rasterizer_for(self, width: int, height: int) -> Rasterizer:
        if self._rasterizer is None or self._size_px != (width, height):
            samples = 2 if width * height <= _FINE_PIXELS else 1
            self._rasterizer, self._size_px = Rasterizer(width, height, samples=samples), (width, height)
        return self._rasterizer


@lru_cache(maxsize=4)
def stage(width: int, height: int, theme: Theme) -> UInt8[np.ndarray, "height width 3"]:
    """The background behind the mesh: light in the middle, falling off smoothly, with a dither against banding."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (x - (width - 1) / 2.0) / max(width, height)
    down = (y - (height - 1) * 0.46) / max(width, height)
    share = np.clip(np.hypot(across, down) / 0.62, 0.0, 1.0)
    share = (share * share * (3.0 - 2.0 * share))[:, :, None]
    center, edge = (np.array(rgb(color), np.float32) for color in (theme.stage_center, theme.stage_edge))
    noise = np.random.default_rng(0).random((height, width, 1), np.float32) - 0.5
    picture = np.clip(center + (edge - center) * share + noise + 0.5, 0.0, 255.0).astype(np.uint8)
    picture.flags.writeable = False
    return picture
