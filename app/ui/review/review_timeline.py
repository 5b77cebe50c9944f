"""The timeline of a session: how reliable each label is, its state, and the present place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.palette import DARK, Theme

KEPT, REJECTED, CORRECTED = "#4fd18b", "#ff6b6b", "#6aa9ff"
"""What became of a label."""

_STRIP_PX = 8


class ReviewTimeline(QWidget):
    """One pixel stands for many frames: the lowest confidence among them is drawn, so that no bad one hides."""

    clicked = pyqtSignal(int)
    """The number of a frame."""

    def __init__(self) -> None:
        super().__init__()
        self._confidence = np.zeros(0)
        self._status = np.zeros(0, np.int8)
        self._current = 0
        self._range: tuple[int, int] | None = None
        self._theme = DARK
        self._curves: QPixmap | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Timeline")
        self.setToolTip("Confidence of the labels over the session; click to go there.")

    def sizeHint(self) -> QSize:
        return QSize(600, 74)

    def set_theme(self, theme: Theme) -> None:
        self._theme, self._curves = theme, None
        self.update()

    def show_session(self, confidence: Float[np.ndarray, " frames"], status: Int[np.ndarray, " frames"]) -> None:
        """Shows a session's curves."""
        self._confidence, self._status, self._curves = confidence, status, None
        self.update()

    def show_place(self, current: int, chosen: tuple[int, int] | None) -> None:
        """Shows the present frame, and the range that is chosen."""
        self._current, self._range = current, chosen
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.surface))
        count = len(self._confidence)
        if count == 0:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = self.width()
        if self._range is not None:
            first, last = (width * (place / count) for place in (self._range[0], self._range[1] + 1))
            shade = QColor(self._theme.accent)
            shade.setAlpha(60)
            painter.fillRect(QRectF(first, 0.0, max(last - first, 1.0), self._curve_height()), shade)
        if self._curves is None or self._curves.size() != self.size() * self.devicePixelRatioF():
            self._curves = self._drawn_curves()
        painter.drawPixmap(0, 0, self._curves)
        x = width * (self._current + 0.5) / count
        painter.setPen(QPen(QColor(self._theme.text), 2))
        painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))

    def _curve_height(self) -> int:
        return self.height() - _STRIP_PX - 4

    def _drawn_curves(self) -> QPixmap:
        """Curve and strip, which stay the same from frame to frame."""
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        count, width, height = len(self._confidence), self.width(), self._curve_height()
        edges = np.linspace(0, count, min(width, count) + 1).astype(int)
        lowest = np.minimum.reduceat(self._confidence, edges[:-1])
        worst = np.maximum.reduceat(_severity(self._status), edges[:-1])
        step = width / len(lowest)
        line = [QPointF((i + 0.5) * step, height - 3 - (height - 8) * v) for i, v in enumerate(lowest.tolist())]
        painter.setPen(QPen(QColor(self._theme.accent), 1.4))
        painter.drawPolyline(QPolygonF(line))
        colors = [QColor(self._theme.border), QColor(KEPT), QColor(CORRECTED), QColor(REJECTED)]
        changes = [0, *(np.flatnonzero(np.diff(worst)) + 1).tolist(), len(worst)]
        for first, end in pairwise(changes):
            area = QRectF(first * step, height + 2, (end - first) * step, _STRIP_PX)
            painter.fillRect(area, colors[int(worst[first])])
        painter.end()
        return picture

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Follows the pointer while the button is held."""
        self._go(event)

    def _go(self, event: QMouseEvent | None) -> None:
        if event is not None and len(self._confidence):
            share = min(max(event.position().x() / max(self.width(), 1), 0.0), 1.0)
            self.clicked.emit(min(int(share * len(self._confidence)), len(self._confidence) - 1))


def _severity(status: Int[np.ndarray, " frames"]) -> Int[np.ndarray, " frames"]:
    """0 no hand, 1 kept, 2 corrected, 3 rejected: of many frames in one pixel the last of these is drawn."""
    return np.asarray(np.array([0, 1, 3, 2], np.int8)[status])
