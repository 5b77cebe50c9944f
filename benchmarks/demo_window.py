"""What measurements of the real window share: waiting while it runs, and waiting until both paths see hands."""

from __future__ import annotations

import time

from PyQt6.QtCore import QEventLoop, QTimer

from app.ui.window.main_window import MainWindow

_LONGEST_START_S = 300.0


def wait(seconds: float) -> None:
    """Runs the windows for so long."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1e3), loop.quit)
    loop.exec()


def wait_for_hands(window: MainWindow) -> None:
    """Waits until every path has given ten results; engines take a while to load.

    Raises:
        SystemExit: nothing came.
    """
    started = time.monotonic()
    while any(window.statistics(provider).frames < 10 for provider in window.pipeline.providers):
        if time.monotonic() - started > _LONGEST_START_S:
            raise SystemExit("The paths gave no results; see the messages above.")
        wait(0.5)
