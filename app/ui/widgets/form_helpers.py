"""Helpers for panels, so that all of them look alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from PyQt6.QtWidgets import QHBoxLayout, QHeaderView, QLabel, QPushButton, QTreeWidget, QVBoxLayout, QWidget

from app.ui.theme.style_sheet import SPACING_PX

NOT_MEASURED = "–"  # noqa: RUF001 - a dash, as people write "no value"


def styled(text: str, style: str) -> QLabel:
    """A text on one line.

    Args:
        text: to show.
        style: its name in the style sheet, such as "small" or "value".
    """
    label = QLabel(text)
    label.setObjectName(style)
    return label


def wrapped(text: str, style: str) -> QLabel:
    """A text that breaks into lines; the arguments are those of :func:`styled`."""
    label = styled(text, style)
    label.setWordWrap(True)
    return label


def section(text: str) -> QLabel:
    """The heading of a part of a panel."""
    return styled(text, "section")


def change_style(widget: QWidget, style: str) -> None:
    """Gives a widget another name in the style sheet, which looks at the name only when the widget is polished."""
    if widget.objectName() == style:
        return
    widget.setObjectName(style)
    qt_style = widget.style()
    if qt_style is not None:
        qt_style.polish(widget)


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


def segments(choices: Iterable[tuple[str, str]]) -> list[QPushButton]:
    """Checkable buttons that look like one row of which one is down; the caller groups them.

    Args:
        choices: text and tooltip of each, from left to right.
    """
    made = []
    for text, help_text in choices:
        choice = QPushButton(text)
        choice.setObjectName("segment")
        choice.setCheckable(True)
        choice.setToolTip(help_text)
        made.append(choice)
    made[0].setObjectName("first")
    made[-1].setObjectName("last")
    return made


def table(name: str, columns: Sequence[str], least_height_px: int) -> QTreeWidget:
    """A list with columns, of which the first one takes the room that the others leave.

    Args:
        name: for screen readers.
        columns: their headings.
        least_height_px: how low the list may become.
    """
    made = QTreeWidget()
    made.setAccessibleName(name)
    made.setHeaderLabels(columns)
    made.setRootIsDecorated(False)
    made.setMinimumHeight(least_height_px)
    header = made.header()
    assert header is not None
    header.setStretchLastSection(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return made


def panel_layout(panel: QWidget, spacing_px: int = SPACING_PX) -> QVBoxLayout:
    """The layout of a panel: its parts below each other, with a margin around them."""
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(*(SPACING_PX,) * 4)
    layout.setSpacing(spacing_px)
    return layout


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


def named_value(name: str, value: QLabel, explanation: str = "") -> QHBoxLayout:
    """A value at the right of its name.

    Args:
        name: for people.
        value: filled by the caller.
        explanation: tooltip of both.
    """
    label = styled(name, "small")
    value.setObjectName("value")
    value.setAccessibleName(name)
    for widget in (label, value):
        widget.setToolTip(explanation)
    layout = QHBoxLayout()
    layout.addWidget(label)
    layout.addStretch()
    layout.addWidget(value)
    return layout


def measured_text(value: float, form: str) -> str:
    """A number for people; a dash where nothing was measured, which is NaN."""
    return form.format(value) if math.isfinite(value) else NOT_MEASURED


def clock(seconds: float) -> str:
    """A length for people: "1:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
