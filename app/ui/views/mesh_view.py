"""The 3D view behind one interface, for each renderer."""

from __future__ import annotations

from typing import Any, Protocol

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtBoundSignal
from PyQt6.QtGui import QColor, QFont, QLinearGradient, QPainter
from PyQt6.QtWidgets import QWidget

from app.palette import Theme
from app.rendering.disagreement import COLOR_STOPS, LARGEST_MM
from app.rendering.hand_mesh import Scene
from app.rendering.orbit import Orbit
from app.ui.theme.style_sheet import paint_corners
from app.ui.views.orbit_controls import OrbitControls

NO_HAND_TEXT = "The hand appears here"


class MeshView(Protocol):
    """The window's interface to a 3D view."""

    painted: pyqtBoundSignal
    """Another mesh is on the screen."""
    redraw_requested: pyqtBoundSignal
    """The view was turned or resized, and the last mesh has to be prepared again."""
    orbit_changed: pyqtBoundSignal
    """The user turned the view; carries the :class:`Orbit`."""

    @property
    def widget(self) -> QWidget:
        """What is put into a layout."""

    @property
    def renderer_name(self) -> str:
        """Short name of the renderer for people."""

    @property
    def renderer_details(self) -> str:
        """A sentence about what draws, for a tooltip."""

    @property
    def orbit(self) -> Orbit:
        """Where the user turned the eye."""

    def prepare(self, scene: Scene | None) -> Any:
        """The view's share of the work in a path's thread."""

    def show_scene(self, prepared: Any) -> None:
        """Puts on the screen what `prepare` returned."""

    def turn_to(self, orbit: Orbit) -> None:
        """Takes the orbit of another view; without a signal."""

    def reset(self) -> None:
        """Back to the camera's own view."""

    def caption(self, text: str, *, legend: bool = False) -> None:
        """A line at the head of the view, and whether the colours of disagreement are explained at its foot."""

    def clear(self) -> None:
        """Shows that there is no hand."""

    def set_theme(self, theme: Theme) -> None:
        """Takes the colours of a theme."""


class MeshWidget:
    """What the widgets of all 3D views share; mixed in before their class of Qt, whose methods it overrides."""

    _controls: OrbitControls

    @property
    def widget(self) -> QWidget:
        assert isinstance(self, QWidget)
        return self

    @property
    def orbit(self) -> Orbit:
        return self._controls.orbit

    def reset(self) -> None:
        self._controls.reset()

    def sizeHint(self) -> QSize:
        """About square, as a hand is."""
        return QSize(520, 560)

    def minimumSizeHint(self) -> QSize:
        """Small enough for two views beside a panel at 1280 x 720."""
        return QSize(190, 150)


def paint_frame(painter: QPainter, widget: QWidget, theme: Theme, title: str, *, empty: bool, legend: bool) -> None:
    """What every 3D view paints over its mesh: caption, rounded corners, legend, and a text while there is no hand."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if title or empty:
        font = QFont(widget.font())
        font.setPixelSize(12)
        painter.setFont(font)
        painter.setPen(QColor(theme.muted))
        painter.drawText(QRectF(widget.rect()).adjusted(14, 10, -14, -10), Qt.AlignmentFlag.AlignLeft, title)
    if empty:
        painter.drawText(QRectF(widget.rect()), Qt.AlignmentFlag.AlignCenter, NO_HAND_TEXT)
    elif legend:
        _paint_legend(painter, widget, theme)
    paint_corners(painter, widget.width(), widget.height(), theme)


def _paint_legend(painter: QPainter, widget: QWidget, theme: Theme) -> None:
    """The colours of disagreement with their millimetres, in the lower left corner."""
    width, height = min(150.0, widget.width() - 40.0), 7.0
    left, top = 16.0, widget.height() - 30.0
    gradient = QLinearGradient(QPointF(left, 0.0), QPointF(left + width, 0.0))
    for share, color in COLOR_STOPS:
        gradient.setColorAt(share, QColor(color))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(gradient)
    painter.drawRoundedRect(QRectF(left, top, width, height), height / 2.0, height / 2.0)
    font = QFont(widget.font())
    font.setPixelSize(11)
    painter.setFont(font)
    painter.setPen(QColor(theme.muted))
    row = QRectF(left, top + height + 1.0, width, 15.0)
    painter.drawText(row, Qt.AlignmentFlag.AlignLeft, "0")
    painter.drawText(row, Qt.AlignmentFlag.AlignHCenter, f"{LARGEST_MM / 2.0:.0f}")
    painter.drawText(row, Qt.AlignmentFlag.AlignRight, f"{LARGEST_MM:.0f}+")
    painter.drawText(QRectF(left, top - 16.0, width, 15.0), Qt.AlignmentFlag.AlignLeft, "Disagreement, mm")
