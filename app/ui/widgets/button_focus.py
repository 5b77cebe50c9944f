"""Keys press the button that was focused with the Tab key; otherwise they keep their function in the window.

The space bar pauses, and a key of the window never reaches a button by itself. So its action tests the focus first, and
nothing but the Tab key may leave the focus on a button: neither a click, nor a card that was closed.
"""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt
from PyQt6.QtWidgets import QAbstractButton, QApplication, QPushButton, QWidget


def press_focused_or(act: Callable[[], object]) -> None:
    """The action of a key that presses buttons and has another function as well.

    Args:
        act: what it does where no button has the focus.
    """
    focused = QApplication.focusWidget()
    if isinstance(focused, QAbstractButton):
        focused.click()
    else:
        act()


def focus_by_tab(button: QAbstractButton) -> None:
    """Keeps a click from leaving the focus on a button that the Tab key reaches."""
    if button.focusPolicy() == Qt.FocusPolicy.StrongFocus:
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)


class ButtonFocus(QObject):
    """Manages the focus of a window."""

    def __init__(self, window: QWidget) -> None:
        """Begins with the focus on no button.

        Args:
            window: with all its buttons.
        """
        super().__init__(window)
        self._window = window
        for button in window.findChildren(QAbstractButton):
            focus_by_tab(button)
        window.setFocus()  # or the first button would get it when the window is shown
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._follow)

    def _follow(self, before: QWidget | None, now: QWidget | None) -> None:
        if not isinstance(now, QAbstractButton) or now.window() is not self._window:
            return
        if before is not None and not before.isVisible():
            self._window.setFocus()  # Qt gave it to the next one because what had it is gone
        elif isinstance(now, QPushButton):
            now.setAutoDefault(True)  # which is what lets the return key press it
