"""The 3D view on a graphics card: the same light as :mod:`hand.shading`, per pixel instead of per vertex."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QMatrix3x3,
    QMatrix4x4,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QVector3D,
)
from PyQt6.QtOpenGL import (
    QOpenGLBuffer,
    QOpenGLVertexArrayObject,
)
from PyQt6.QtOpenGLWidgets import QOpenGLWidget
from PyQt6.QtWidgets import QWidget

from app.palette import DARK, Theme
from app.rendering.hand_mesh import HandMesh, Scene
from app.rendering.mesh_picture import GHOST_OPACITY
from app.rendering.orbit import FIELD_OF_VIEW_DEG, Focus, Orbit
from app.ui.views.mesh_view import MeshWidget, paint_frame
from app.ui.views.opengl_support import opengl_format, opengl_functions
from app.ui.views.orbit_controls import OrbitControls
from app.ui.views.shaders import MESH_FRAGMENT, MESH_VERTEX, STAGE_FRAGMENT, STAGE_VERTEX, shader_program
from hand.shading import STUDIO

logger = logging.getLogger(__name__)

_NEAR_M, _FAR_M = 0.02, 10.0

# OpenGL's own numbers
_COLOR_AND_DEPTH = 0x4000 | 0x0100
_DEPTH_TEST, _CULL_FACE, _MULTISAMPLE, _BLEND = 0x0B71, 0x0B44, 0x809D, 0x0BE2
_SRC_ALPHA, _ONE_MINUS_SRC_ALPHA, _DEPTH_BUFFER = 0x0302, 0x0303, 0x0100
_TRIANGLES, _UNSIGNED_INT, _FLOAT = 0x0004, 0x1405, 0x1406


class OpenGLMeshView(MeshWidget, QOpenGLWidget):
    """A mesh view drawn by OpenGL 4.1 through PyQt6's own functions."""

    painted = pyqtSignal()
    redraw_requested = pyqtSignal()
    orbit_changed = pyqtSignal(object)

    def __init__(self, renderer_name: str, parent: QWidget | None = None) -> None:
        """Starts empty.

        Args:
            renderer_name: of the graphics card, for people.
            parent: the widget around it.
        """
        super().__init__(parent)
        self.setFormat(opengl_format())
        self._renderer_name = renderer_name
        self._controls = OrbitControls(self)
        self._controls.changed.connect(self._turned)
        self._theme = DARK
        self._scene: Scene | None = None
        self._fresh = False
        self._gl: Any = None
        self._frame = _Frame(self)

    @property
    def renderer_name(self) -> str:
        return "OpenGL"

    @property
    def renderer_details(self) -> str:
        return f"Drawn by {self._renderer_name}"

    def prepare(self, scene: Scene | None) -> Scene | None:
        """Nothing is left to do in the path's thread."""
        return scene

    def show_scene(self, prepared: Scene | None) -> None:
        self._scene = prepared
        self._fresh = True
        self._frame.show_empty(prepared is None)
        self.update()

    def turn_to(self, orbit: Orbit) -> None:
        self._controls.orbit = orbit
        self.update()

    def caption(self, text: str, *, legend: bool = False) -> None:
        self._frame.caption(text, legend)

    def clear(self) -> None:
        self._scene, self._fresh = None, False
        self._frame.show_empty(True)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._frame.set_theme(theme)
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keeps the frame around the whole view."""
        super().resizeEvent(event)
        self._frame.setGeometry(self.rect())

    def initializeGL(self) -> None:
        """Compiles shaders and makes buffers; called again when the context was lost."""
        context = self.context()
        self._gl = None if context is None else opengl_functions(context)
        if self._gl is None:
            logger.error("OpenGL 4.1 is not available in the window; start with --renderer software")
            return
        self._mesh_program = shader_program(MESH_VERTEX, MESH_FRAGMENT)
        self._stage_program = shader_program(STAGE_VERTEX, STAGE_FRAGMENT)
        self._stage_arrays = QOpenGLVertexArrayObject()
        self._stage_arrays.create()
        self._mesh_arrays = QOpenGLVertexArrayObject()
        self._mesh_arrays.create()
        self._mesh_arrays.bind()
        self._points = QOpenGLBuffer(QOpenGLBuffer.Type.VertexBuffer)
        self._points.create()
        self._points.bind()
        self._points.setUsagePattern(QOpenGLBuffer.UsagePattern.StreamDraw)
        self._indices = QOpenGLBuffer(QOpenGLBuffer.Type.IndexBuffer)
        self._indices.create()
        self._indices.bind()
        stride = 9 * 4
        for location, offset in ((0, 0), (1, 3 * 4), (2, 6 * 4)):
            self._mesh_program.enableAttributeArray(location)
            self._mesh_program.setAttributeBuffer(location, _FLOAT, offset, 3, stride)
        self._mesh_arrays.release()

    def paintGL(self) -> None:
        if self._gl is None:
            return
        self._gl.glClear(_COLOR_AND_DEPTH)
        self._gl.glEnable(_MULTISAMPLE)
        self._draw_stage()
        if self._scene is not None:
            if self._scene.solid is not None:
                self._draw_mesh(self._scene.solid, self._scene.focus, 1.0)
            if self._scene.ghost is not None:
                self._gl.glClear(_DEPTH_BUFFER)  # it is visible through everything, as in the software view
                self._draw_mesh(self._scene.ghost, self._scene.focus, GHOST_OPACITY)
        if self._fresh:
            self._fresh = False
            self.painted.emit()

    def _draw_stage(self) -> None:
        self._gl.glDisable(_DEPTH_TEST)
        self._gl.glDisable(_CULL_FACE)
        program = self._stage_program
        program.bind()
        program.setUniformValue("size", float(self.width()), float(self.height()))
        program.setUniformValue("center", _color(self._theme.stage_center))
        program.setUniformValue("edge", _color(self._theme.stage_edge))
        self._stage_arrays.bind()
        self._gl.glDrawArrays(_TRIANGLES, 0, 3)
        self._stage_arrays.release()
        program.release()

    def _draw_mesh(self, mesh: HandMesh, focus: Focus, opacity: float) -> None:
        view = focus.view(self._controls.orbit)
        to_eye = np.eye(4)
        to_eye[:3, :3], to_eye[:3, 3] = view.rotation, view.translation_m
        program = self._mesh_program
        self._gl.glEnable(_DEPTH_TEST)
        self._gl.glEnable(_CULL_FACE)
        program.bind()
        program.setUniformValue("to_eye", QMatrix4x4(to_eye.ravel().tolist()))
        program.setUniformValue("turn", QMatrix3x3(np.asarray(view.rotation, float).ravel().tolist()))
        program.setUniformValue("to_clip", QMatrix4x4(_clip_matrix(self.width(), self.height())))
        program.setUniformValue("opacity", opacity)
        program.setUniformValue("key_direction", QVector3D(*STUDIO.key_direction).normalized())
        program.setUniformValue("fill_direction", QVector3D(*STUDIO.fill_direction).normalized())
        for name in ("key", "fill", "sky", "ground", "wrap", "gloss", "rim"):
            program.setUniformValue(name, float(getattr(STUDIO, name)))
        self._mesh_arrays.bind()
        self._upload(mesh)
        if opacity < 1.0:
            self._gl.glEnable(_BLEND)
            # the widget itself stays opaque
            self._gl.glBlendFuncSeparate(_SRC_ALPHA, _ONE_MINUS_SRC_ALPHA, 0, 1)
        self._gl.glDrawElements(_TRIANGLES, int(mesh.faces.size), _UNSIGNED_INT, None)
        self._gl.glDisable(_BLEND)
        self._mesh_arrays.release()
        program.release()

    def _upload(self, mesh: HandMesh) -> None:
        data = np.concatenate([mesh.vertices_m, mesh.normals, mesh.colors_rgb], 1).astype(np.float32).tobytes()
        self._points.bind()
        self._points.allocate(data, len(data))  # type: ignore[call-overload] # takes any buffer
        self._points.release()
        indices = np.ascontiguousarray(mesh.faces, np.uint32).tobytes()
        self._indices.bind()
        self._indices.allocate(indices, len(indices))  # type: ignore[call-overload] # takes any buffer

    def _turned(self) -> None:
        self.update()
        self.orbit_changed.emit(self._controls.orbit)


class _Frame(QWidget):
    """Title and corners over the view; a widget of its own, because a QPainter inside ``paintGL`` is lost in grabs."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._title, self._legend = "", False
        self._theme = DARK
        self._empty = True

    def caption(self, text: str, legend: bool) -> None:
        """The line at the head and the legend at the foot."""
        if (text, legend) != (self._title, self._legend):
            self._title, self._legend = text, legend
            self.update()

    def show_empty(self, empty: bool) -> None:
        """Sets whether there is a hand below."""
        if empty != self._empty:
            self._empty = empty
            self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        paint_frame(painter, self, self._theme, self._title, empty=self._empty, legend=self._legend)
        painter.end()


def _clip_matrix(width: int, height: int) -> list[float]:
    """From camera axes (y down, z forward) to clip space, the pinhole of :func:`.orbit.view_intrinsics`."""
    focal = min(width, height) / math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2.0)
    depth = _FAR_M - _NEAR_M
    rows = [
        [focal / width, 0.0, 0.0, 0.0],
        [0.0, -focal / height, 0.0, 0.0],
        [0.0, 0.0, (_FAR_M + _NEAR_M) / depth, -2.0 * _FAR_M * _NEAR_M / depth],
        [0.0, 0.0, 1.0, 0.0],
    ]
    return [value for row in rows for value in row]


def _color(name: str) -> QVector3D:
    color = QColor(name)
    return QVector3D(color.redF(), color.greenF(), color.blueF())
