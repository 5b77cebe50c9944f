"""The coverage of a recording: a table that fills as poses are shown from all sides, and cards with the next ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.palette import DARK, Theme
from app.recording.coverage import POSES, VIEWS, Card

CARDS_SHOWN = 3

_ROW_PX = 18
_NAME_PX = 120
_NARROWEST_PX = 35
"""Of a column, with its head."""
_HEAD_PX = 20
_HEADS = {
    "palm": "palm",
    "back": "back",
    "thumb side": "thumb",
    "little finger's side": "little",
    "finger tips": "tips",
}


class CoverageTable(QWidget):
    """Poses down, sides of the hand across; each cell fills like a glass."""

    def __init__(self) -> None:
        super().__init__()
        self._filled = np.zeros((len(POSES), len(VIEWS)))
        self._theme = DARK
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEAD_PX + _ROW_PX * len(POSES))
        self.setMinimumWidth(_NAME_PX + _NARROWEST_PX * len(VIEWS))
        self.setAccessibleName("Poses and sides shown so far")
        self.setToolTip("Which poses were shown from which side; a cell is full after half a second.")

    def sizeHint(self) -> QSize:
        return QSize(320, _HEAD_PX + _ROW_PX * len(POSES))

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_filled(self, filled: Float[np.ndarray, "poses views"]) -> None:
        """Shows how far each cell is filled, 0 to 1."""
        if not np.array_equal(filled, self._filled):
            self._filled = filled
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = (self.width() - _NAME_PX) / len(VIEWS)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.muted))
        middle = Qt.AlignmentFlag.AlignCenter
        for v, view in enumerate(VIEWS):
            painter.drawText(QRectF(_NAME_PX + v * width, 0, width, _HEAD_PX), middle, _HEADS[view])
        left = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        for p, name in enumerate(POSES.values()):
            top = _HEAD_PX + p * _ROW_PX
            painter.setPen(QColor(self._theme.text))
            shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, _NAME_PX - 8)
            painter.drawText(QRectF(0, top, _NAME_PX, _ROW_PX), left, shown)
            painter.setPen(Qt.PenStyle.NoPen)
            for v in range(len(VIEWS)):
                cell = QRectF(_NAME_PX + v * width + 2, top + 2, width - 4, _ROW_PX - 4)
                painter.setBrush(QColor(self._theme.raised))
                painter.drawRoundedRect(cell, 4, 4)
                if self._filled[p, v] > 0.0:
                    cell.setWidth(max(cell.width() * float(self._filled[p, v]), 6.0))
                    painter.setBrush(QColor(self._theme.accent))
                    painter.drawRoundedRect(cell, 4, 4)


class PromptCards(QWidget):
    """The next things to show, the first one large."""

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._labels = [QLabel() for _ in range(CARDS_SHOWN)]
        for number, label in enumerate(self._labels):
            label.setWordWrap(True)
            label.setObjectName("messageTitle" if number == 0 else "messageText")
            layout.addWidget(label)

    def show_cards(self, cards: Sequence[Card]) -> None:
        if not cards:
            self._labels[0].setText("Everything was shown. Well done: stop whenever you like.")
        for number, label in enumerate(self._labels):
            label.setVisible(number < len(cards) or (number == 0 and not cards))
            if number < len(cards):
                card = cards[number]
                label.setText(card.sentence if number == 0 else f"then: {card.sentence[0].lower()}{card.sentence[1:]}")

    @property
    def texts(self) -> list[str]:
        """The requests that are shown."""
        return [label.text() for label in self._labels if not label.isHidden()]
