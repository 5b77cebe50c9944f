"""The 3D view behind one interface, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from PyQt6.QtCore import QRectF, QSize, Qt, pyqtBoundSignal
from PyQt6.QtGui import QColor, QFont, QPainter
from PyQt6.QtWidgets import QWidget

from app.palette import Theme
from app.rendering.hand_mesh import HandMesh
from app.rendering.orbit import Focus
from app.ui.style import paint_corners

NO_HAND_TEXT = "The hand appears here"

PREFERRED_SIZE = QSize(520, 560)
"""About square, as a hand is."""

SMALLEST_SIZE = QSize(240, 240)
"""Small enough for two views at 1280 x 720."""


@dataclass(frozen=True, slots=True, eq=False)
class MeshInView:
    """A mesh and what the eye looks at; None where there is no hand."""

    mesh: HandMesh | None
    focus: Focus | None


class MeshView(Protocol):
    """What the window needs of a 3D view."""

    painted: pyqtBoundSignal
    """Another mesh is on the screen."""
    redraw_wanted: pyqtBoundSignal
    """The view was turned or resized and wants the last mesh prepared again."""

    @property
    def widget(self) -> QWidget:
        """The view itself."""

    @property
    def renderer_name(self) -> str:
        """Who draws, for people."""

    @property
    def renderer_details(self) -> str:
        """The same for people who want to know exactly."""

    def prepare(self, mesh: HandMesh | None, focus: Focus | None) -> Any:
        """The view's share of the work in a path's thread."""

    def show_mesh(self, prepared: Any) -> None:
        """Puts on the screen what `prepare` returned."""

    def reset(self) -> None:
        """Back to the camera's own view."""

    def clear(self) -> None:
        """No hand."""

    def set_theme(self, theme: Theme) -> None:
        """Takes the colours of a theme."""


def paint_frame(painter: QPainter, widget: QWidget, theme: Theme, title: str, *, empty: bool) -> None:
    """What every 3D view paints over its mesh: whose it is, rounded corners, and a word while there is no hand."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = QFont(widget.font())
    font.setPixelSize(13)
    painter.setFont(font)
    painter.setPen(QColor(theme.muted))
    painter.drawText(QRectF(widget.rect()).adjusted(16, 12, -16, -12), Qt.AlignmentFlag.AlignLeft, title)
    if empty:
        painter.drawText(QRectF(widget.rect()), Qt.AlignmentFlag.AlignCenter, NO_HAND_TEXT)
    paint_corners(painter, widget.width(), widget.height(), theme)
