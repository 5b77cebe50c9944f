"""A bright frame over a widget for a moment."""

from __future__ import annotations

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QWidget

from app.palette import DARK

_FLASH_MS = 260


class Flash(QWidget):
    """Says without a word that recording begins or ends."""

    def __init__(self, over: QWidget) -> None:
        """Hidden.

        Args:
            over: the widget that is framed.
        """
        super().__init__(over)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.color = QColor(DARK.accent)
        self.hide()

    def flash(self, begins: bool) -> None:
        """Shows itself for a moment: green when recording begins, red when it ends."""
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.color = QColor("#4fd18b" if begins else "#ff6b6b")
        self.show()
        self.raise_()
        QTimer.singleShot(_FLASH_MS, self.hide)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draws the frame."""
        painter = QPainter(self)
        painter.setPen(QPen(self.color, 16))
        painter.drawRect(self.rect())
