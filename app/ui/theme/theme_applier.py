"""Applies a theme to a window without blocking it.

Qt evaluates all rules of a style sheet again for every widget below the one that has it: 40 to 70 ms for the whole
window, most of it for hidden panels. So each part of the window gets its own copy of the sheet: visible parts change
together, hidden ones follow one by one, and a part that is added later (a row of tabs) is styled as it is added.
A separate window that belongs to this one (a review) is no part of it: it styles itself.
"""

from __future__ import annotations

from typing import Final

from PyQt6.QtCore import QChildEvent, QEvent, QObject, Qt, QTimer
from PyQt6.QtWidgets import QMainWindow, QWidget

from app.palette import Theme
from app.ui.theme.style_sheet import palette, style_sheet

_SEPARATORS: Final = "QMainWindow::separator { background: transparent; width: 6px; height: 6px; }"
"""What only the window itself can have; it has no colour, so that it never changes."""


class ThemeApplier(QObject):
    """Styles one window, now and whenever its theme changes."""

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._sheet = ""
        self._turns = QTimer(self)
        self._turns.timeout.connect(self._style_next)
        window.setStyleSheet(_SEPARATORS)
        window.installEventFilter(self)

    def apply(self, theme: Theme) -> None:
        """Changes all visible parts, and the others after pending events."""
        self._sheet = style_sheet(theme)
        self._window.setPalette(palette(theme))
        for part in self._outdated():
            if part.isVisible() or not self._window.isVisible():
                part.setStyleSheet(self._sheet)
        self._turns.start(0)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Styles what is new in the window before it is shown."""
        if isinstance(event, QChildEvent) and event.type() == QEvent.Type.ChildPolished:
            child = event.child()
            if isinstance(child, QWidget) and _is_part(child) and child.styleSheet() != self._sheet:
                child.setStyleSheet(self._sheet)
        return super().eventFilter(watched, event)

    def _style_next(self) -> None:
        """One hidden part; several in one turn would be what this is meant to avoid."""
        waiting = self._outdated()
        if waiting:
            waiting[0].setStyleSheet(self._sheet)
        else:
            self._turns.stop()

    def _outdated(self) -> list[QWidget]:
        parts = self._window.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
        return [part for part in parts if _is_part(part) and part.styleSheet() != self._sheet]


def _is_part(child: QWidget) -> bool:
    """Menus, dialogs and floating panels are parts, though Qt makes windows of them too."""
    return child.windowType() != Qt.WindowType.Window
