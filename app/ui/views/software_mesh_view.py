"""The 3D view where no graphics card draws: the path's thread rasterises, the window only shows the picture."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QWidget

from app.palette import DARK, Theme
from app.rendering.hand_mesh import Scene
from app.rendering.mesh_picture import MeshPainter, background_picture
from app.rendering.orbit import Orbit
from app.ui.views.mesh_view import MeshWidget, paint_frame
from app.ui.views.orbit_controls import OrbitControls
from app.ui.views.qimage import bgra_image


@dataclass(frozen=True, slots=True)
class _Request:
    """How the path's thread is to draw; replaced as a whole, so that it never reads a half change."""

    orbit: Orbit
    size_px: tuple[int, int]
    theme: Theme


@dataclass(frozen=True, slots=True, eq=False)
class MeshPicture:
    """A drawn view; without pixels where there is no hand."""

    image_bgra: np.ndarray | None


class SoftwareMeshView(MeshWidget, QWidget):
    """A mesh view drawn by :mod:`hand.raster`."""

    painted = pyqtSignal()
    redraw_requested = pyqtSignal()
    orbit_changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._legend = "", False
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # Qt need not paint all that lies behind
        self._controls = OrbitControls(self)
        self._controls.changed.connect(self._turned)
        self._theme = DARK
        self._lock = threading.Lock()
        self._request = _Request(Orbit(), (480, 480), DARK)
        self._painter = MeshPainter()
        self._shown = MeshPicture(None)
        self._image = QImage()
        self._background: tuple[tuple[int, int, str], np.ndarray] | None = None
        self._fresh = False

    @property
    def renderer_name(self) -> str:
        return "Software"

    @property
    def renderer_details(self) -> str:
        return "Drawn by the processor, because no graphics card was found or --renderer software was given"

    def prepare(self, scene: Scene | None) -> MeshPicture:
        """Draws; called by the threads of both paths."""
        if scene is None:
            return MeshPicture(None)
        with self._lock:
            request = self._request
        return MeshPicture(self._painter.paint(scene, request.orbit, request.size_px, request.theme))

    def show_scene(self, prepared: MeshPicture) -> None:
        self._shown = prepared
        self._image = QImage() if prepared.image_bgra is None else bgra_image(prepared.image_bgra)
        self._fresh = True
        self.update()

    def caption(self, text: str, *, legend: bool = False) -> None:
        if (text, legend) != (self._title, self._legend):
            self._title, self._legend = text, legend
            self.update()

    def turn_to(self, orbit: Orbit) -> None:
        if orbit != self._controls.orbit:
            self._controls.orbit = orbit
            self._request_again()

    def clear(self) -> None:
        self._shown, self._image, self._fresh = MeshPicture(None), QImage(), False
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._request_again()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Requests pictures of the new size."""
        super().resizeEvent(event)
        self._request_again()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Shows the last drawn view, or the empty background."""
        painter = QPainter(self)
        empty = self._image.isNull()
        image = self._empty_stage() if empty else self._image
        painter.drawImage(QRectF(self.rect()), image)
        paint_frame(painter, self, self._theme, self._title, empty=empty, legend=self._legend)
        painter.end()
        if self._fresh:
            self._fresh = False
            self.painted.emit()

    def _empty_stage(self) -> QImage:
        wanted = (*self._request.size_px, self._theme.name)
        if self._background is None or self._background[0] != wanted:
            self._background = (wanted, background_picture(*self._request.size_px, self._theme))
        return bgra_image(self._background[1])

    def _turned(self) -> None:
        self._request_again()
        self.orbit_changed.emit(self._controls.orbit)

    def _request_again(self) -> None:
        ratio = self.devicePixelRatioF()
        size = max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))
        with self._lock:
            self._request = replace(self._request, orbit=self._controls.orbit, size_px=size, theme=self._theme)
        self.update()
        self.redraw_requested.emit()
