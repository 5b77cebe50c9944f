"""A panel that is taller than its place scrolls."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

_SMALLEST_HEIGHT_PX = 120


class Scrolling(QScrollArea):
    """As wide as what it holds, and as high as there is room."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def sizeHint(self) -> QSize:
        inside = self.widget()
        return self._with_bar(_SMALLEST_HEIGHT_PX if inside is None else inside.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Never too narrow, but as low as may be."""
        return self._with_bar(_SMALLEST_HEIGHT_PX)

    def _with_bar(self, height: int) -> QSize:
        inside, bar = self.widget(), self.verticalScrollBar()
        width = 0 if inside is None else max(inside.minimumSizeHint().width(), inside.minimumWidth())
        return QSize(width + (0 if bar is None else bar.sizeHint().width()), height)


def let_scroll(panel: QWidget, inside: QWidget) -> None:
    """Fills a panel with a widget that scrolls up and down."""
    outside = QVBoxLayout(panel)
    outside.setContentsMargins(0, 0, 0, 0)
    outside.addWidget(Scrolling(inside))
