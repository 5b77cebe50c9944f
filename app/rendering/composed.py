"""Pictures for files: the camera picture with its overlay on the left, the mesh on the right."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from app.palette import DARK, Theme, rgb
from app.rendering.hand_mesh import HandMeshBuilder, Scene
from app.rendering.mesh_picture import MeshPainter
from app.rendering.orbit import FocusFollower, Orbit
from app.rendering.skeleton import draw_hands, overlay_skeleton
from hand.types import PathResult

_HEIGHT_PX = 540
_CAPTION_PX = 36


class Composer:
    """Makes composed pictures of results."""

    def __init__(self, meshes: HandMeshBuilder, theme: Theme = DARK) -> None:
        """Prepares the painter.

        Args:
            meshes: of the hand model the results were made with.
            theme: colours.
        """
        self._meshes = meshes
        self._painter = MeshPainter()
        self._theme = theme

    def compose(self, result: PathResult, title: str) -> UInt8[np.ndarray, "height width 3"]:
        """Picture with overlay, mesh, and a line of text above both.

        Args:
            result: one frame's result.
            title: what the picture is from.
        """
        image = result.frame.image_rgb
        scale = _HEIGHT_PX / image.shape[0]
        width = max(1, round(image.shape[1] * scale))
        left = cv2.resize(image, (width, _HEIGHT_PX), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        drawings = draw_hands(result)
        for drawing in drawings:
            overlay_skeleton(left, drawing, scale)
        mesh = self._meshes.build(result.states, result.frame.capture_time_ns)
        scene = None
        if mesh is not None:
            scene = Scene(mesh, None, FocusFollower().follow(mesh.vertices_m, mesh.time_ns))
        right = cv2.cvtColor(
            self._painter.paint(scene, Orbit(), (_HEIGHT_PX, _HEIGHT_PX), self._theme), cv2.COLOR_BGRA2RGB
        )
        hands = ", ".join(drawing.label.replace("  ", " ") for drawing in drawings) or "no hand"
        caption = self._caption(f"{title} - frame {result.frame.sequence}: {hands}", width + _HEIGHT_PX)
        return np.concatenate([caption, np.concatenate([left, right], 1)], 0)

    def _caption(self, text: str, width: int) -> np.ndarray:
        strip = np.empty((_CAPTION_PX, width, 3), np.uint8)
        strip[:] = rgb(self._theme.surface)
        ascii_text = text.encode("ascii", "replace").decode()
        cv2.putText(strip, ascii_text, (12, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, rgb(self._theme.text), 1, cv2.LINE_AA)
        return strip
