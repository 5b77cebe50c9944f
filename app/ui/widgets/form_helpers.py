"""Helpers for panels, so that all of them look alike."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.ui.theme.style_sheet import SPACING_PX

NOT_MEASURED = "–"  # noqa: RUF001 - a dash, as people write "no value"


def section(text: str) -> QLabel:
    """The heading of a part of a panel."""
    label = QLabel(text)
    label.setObjectName("section")
    return label


def wrapped(text: str, style: str) -> QLabel:
    """A text that breaks into lines.

    Args:
        text: to show.
        style: its name in the style sheet, such as "small" or "messageText".
    """
    label = QLabel(text)
    label.setObjectName(style)
    label.setWordWrap(True)
    return label


def button(text: str, help_text: str, act: Callable[[], object]) -> QPushButton:
    """A button that does one thing.

    Args:
        text: on it.
        help_text: shown when the mouse rests on it.
        act: what it does.
    """
    made = QPushButton(text)
    made.setToolTip(help_text)
    made.clicked.connect(lambda _checked: act())
    return made


def row(*widgets: QWidget, fills: bool = True) -> QHBoxLayout:
    """Widgets beside each other.

    Args:
        widgets: from left to right.
        fills: they share the whole width; otherwise they keep their own and stand at the left.
    """
    layout = QHBoxLayout()
    layout.setSpacing(SPACING_PX // 2)
    for widget in widgets:
        layout.addWidget(widget)
    if not fills:
        layout.addStretch(1)
    return layout


def clock(seconds: float) -> str:
    """A length for people: "1:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
