"""A panel that is taller than its place scrolls."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QScrollArea, QVBoxLayout, QWidget


def let_scroll(panel: QWidget, inside: QWidget) -> None:
    """Fills a panel with a widget that scrolls up and down."""
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(inside)
    outside = QVBoxLayout(panel)
    outside.setContentsMargins(0, 0, 0, 0)
    outside.addWidget(scroll)
