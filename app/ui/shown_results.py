"""Does something once enough was shown in the window."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QTimer

from app.ui.window.main_window import MainWindow


def after_results(window: MainWindow, count: int, act: Callable[[], object]) -> None:
    """Calls a function once so many results were shown.

    Args:
        window: which window.
        count: of results.
        act: called once, and not from inside the paint event that counts.
    """
    left = count

    def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            QTimer.singleShot(0, act)

    window.result_shown.connect(count_down)
