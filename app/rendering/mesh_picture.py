"""The 3D view drawn without OpenGL: a lit mesh on a soft background."""

from __future__ import annotations

import threading
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from app.palette import Theme, rgb
from app.rendering.hand_mesh import HandMesh, Scene
from app.rendering.orbit import Orbit, view_intrinsics
from hand.camera import Intrinsics
from hand.raster import NEAR_DEPTH, Rasterizer
from hand.shading import View, see_mesh

_FINE_PIXELS = 1_000_000
"""Above this size single samples are fine enough: such a view is on a high-density screen."""


GHOST_OPACITY = 0.5
"""Opacity of the transparent hand."""


class MeshPainter:
    """Draws hand meshes at a size that may change; several threads may call it, and draw one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rasterizer: Rasterizer | None = None
        self._size_px = (0, 0)

    def paint(
        self, scene: Scene | None, orbit: Orbit, size_px: tuple[int, int], theme: Theme
    ) -> UInt8[np.ndarray, "height width 4"]:
        """A picture of the hands, or of the empty background, as BGRA.

        Args:
            scene: the hands, if any.
            orbit: where the user turned the eye.
            size_px: width and height.
            theme: colours of the background.
        """
        width, height = size_px
        picture = background_picture(width, height, theme).copy()
        if scene is None:
            return picture
        view = scene.focus.view(orbit)
        camera = view_intrinsics(width, height)
        for mesh, opacity in ((scene.solid, 1.0), (scene.ghost, GHOST_OPACITY)):
            if mesh is not None:
                self.draw(picture, mesh, camera, opacity, view)
        return picture

    def draw(
        self,
        picture: UInt8[np.ndarray, "height width channels"],
        mesh: HandMesh,
        camera: Intrinsics,
        opacity: float,
        view: View | None = None,
    ) -> None:
        """Draws a lit mesh over a picture, in place.

        Args:
            picture: the background, of the camera's size: RGB, or with four channels BGRA.
            mesh: the hands.
            camera: intrinsics.
            opacity: 0 to 1.
            view: its place; that of the camera that took the frame when left out.
        """
        mesh = mesh.for_scale(camera.fx_px / _depth_m(mesh, view))
        seen = see_mesh(mesh.vertices_m, mesh.normals, mesh.colors_rgb, camera, view)
        with self._lock:
            rasterizer = self._rasterizer_for(camera.width_px, camera.height_px)
            # it leaves out what has no image
            rasterizer.draw(seen.points_px, seen.depth_m, mesh.faces, seen.colors_rgb, cull_back_faces=True)
            rasterizer.composite(picture, alpha=opacity, clear=True)

    def _rasterizer_for(self, width: int, height: int) -> Rasterizer:
        if self._rasterizer is None or self._size_px != (width, height):
            samples = 2 if width * height <= _FINE_PIXELS else 1
            self._rasterizer, self._size_px = Rasterizer(width, height, samples=samples), (width, height)
        return self._rasterizer


def _depth_m(mesh: HandMesh, view: View | None) -> float:
    """How far one of the vertices is from the camera."""
    place = mesh.vertices_m[0]
    depth_m = place[2] if view is None else view.rotation[2] @ place + view.translation_m[2]
    return max(float(depth_m), NEAR_DEPTH)


@lru_cache(maxsize=4)
def background_picture(width: int, height: int, theme: Theme) -> UInt8[np.ndarray, "height width 4"]:
    """The background behind the mesh as BGRA: light in the middle, falling off smoothly, dithered against banding."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (x - (width - 1) / 2.0) / max(width, height)
    down = (y - (height - 1) * 0.46) / max(width, height)
    share = np.clip(np.hypot(across, down) / 0.62, 0.0, 1.0)
    share = (share * share * (3.0 - 2.0 * share))[:, :, None]
    center, edge = (np.array(rgb(color), np.float32) for color in (theme.stage_center, theme.stage_edge))
    noise = np.random.default_rng(0).random((height, width, 1), np.float32) - 0.5
    picture = np.clip(center + (edge - center) * share + noise + 0.5, 0.0, 255.0).astype(np.uint8)
    picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA)
    picture.flags.writeable = False
    return picture
