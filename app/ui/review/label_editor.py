"""A frame with its labels drawn on it, and joints that can be dragged."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PyQt6.QtWidgets import QApplication, QSizePolicy, QWidget

from app.palette import FINGER_COLORS, PALM_COLOR
from app.ui.views.fitted_rect import fitted_rect
from app.ui.views.qimage import rgb_image

_REACH_PX = 16.0
_CHAINS = [[0, *range(1 + 4 * finger, 5 + 4 * finger)] for finger in range(5)]


class LabelPicture(QWidget):
    """A frame with its labels; joints can be dragged."""

    dragged = pyqtSignal(int, float, float, bool)
    """Joint, place in the picture, and whether it was let go."""

    def __init__(self, missing: str = "This picture is damaged.") -> None:
        """Starts empty.

        Args:
            missing: text where there is no picture.
        """
        super().__init__()
        self._missing = missing
        self._image: QPixmap | None = None
        self._hands: list[tuple[np.ndarray, bool]] = []
        self._held: int | None = None
        self._pressed_at = QPointF()
        self._dragging = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(420, 300)
        self.setMouseTracking(True)

    def show_frame(self, picture: np.ndarray | None, hands: list[tuple[np.ndarray, bool]]) -> None:
        """Shows a picture and joints.

        Args:
            picture: RGB; None where it is damaged.
            hands: joints in pixels (21, 2), and whether the label is rejected.
        """
        self._image = None if picture is None else QPixmap.fromImage(rgb_image(picture))
        self._hands = hands
        self._let_go()  # the held joint belongs to another picture
        self.update()

    def show_hands(self, hands: list[tuple[np.ndarray, bool]]) -> None:
        """Shows other joints on the same picture."""
        self._hands = hands
        self.update()

    def place_of(self, x: float, y: float) -> QPointF:
        """Where a pixel of the picture is in the widget."""
        rect, scale = self._rect()
        return QPointF(rect.left() + (x + 0.5) * scale, rect.top() + (y + 0.5) * scale)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if self._image is None:
            painter.setPen(QColor(PALM_COLOR))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._missing)
            return
        painter.drawPixmap(self._rect()[0], self._image, QRectF(self._image.rect()))
        for joints, rejected in self._hands:
            points = [self.place_of(float(x), float(y)) for x, y in joints]
            for finger, chain in enumerate(_CHAINS):
                color = QColor("#8a8f99" if rejected else FINGER_COLORS[finger])
                for start, end in pairwise(chain):
                    for pen in (QPen(QColor(16, 18, 22, 190), 6), QPen(color, 3)):
                        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
                        painter.setPen(pen)
                        painter.drawLine(points[start], points[end])
                painter.setPen(QPen(QColor(16, 18, 22), 1.5))
                painter.setBrush(color)
                for joint in chain[1:]:
                    painter.drawEllipse(points[joint], 5.0, 5.0)
            painter.setBrush(QColor(PALM_COLOR))
            painter.drawEllipse(points[0], 6.0, 6.0)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Takes hold of the nearest joint of the first hand, with the left button."""
        if event is None or event.button() != Qt.MouseButton.LeftButton or not self._hands:
            return
        gaps = [
            np.hypot(place.x() - event.position().x(), place.y() - event.position().y())
            for place in (self.place_of(float(x), float(y)) for x, y in self._hands[0][0])
        ]
        nearest = int(np.argmin(gaps))
        self._held = nearest if gaps[nearest] < _REACH_PX else None
        self._pressed_at = event.position()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Drags it, once the pointer went so far that it is more than a click with an unsteady hand."""
        if event is None or self._held is None:
            return
        way = (event.position() - self._pressed_at).manhattanLength()
        self._dragging = self._dragging or way >= QApplication.startDragDistance()
        self._emit_drag(event, done=False)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._emit_drag(event, done=True)
            self._let_go()

    def _let_go(self) -> None:
        self._held, self._dragging = None, False

    def _emit_drag(self, event: QMouseEvent, *, done: bool) -> None:
        if self._held is None or not self._dragging:
            return
        rect, scale = self._rect()
        x = (event.position().x() - rect.left()) / scale - 0.5
        y = (event.position().y() - rect.top()) / scale - 0.5
        self.dragged.emit(self._held, x, y, done)

    def _rect(self) -> tuple[QRectF, float]:
        if self._image is None:
            return QRectF(self.rect()), 1.0
        rect = fitted_rect(QRectF(self.rect()), self._image.width(), self._image.height())
        return rect, rect.width() / self._image.width()
