"""Saves the window as a picture once enough was shown, for the README and for checks without a display."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtBoundSignal
from PyQt6.QtWidgets import QWidget

_SETTLE_MS = 600
_PATIENCE_MS = 30_000


class Screenshot(QObject):
    """Waits for a number of results, or for a message that stays, then saves the window and closes it."""

    def __init__(
        self, window: QWidget, result_shown: pyqtBoundSignal, message: Callable[[], str], path: Path, frames: int
    ) -> None:
        """Starts waiting.

        Args:
            window: which window.
            result_shown: emitted for each result on the screen.
            message: the message over the panes at present, or an empty text.
            path: of the picture; the suffix gives its format.
            frames: results to be shown before.
        """
        super().__init__(window)
        self._window = window
        self._message = message
        self._path = path
        self.saved = False
        self._watch = QTimer(self)
        self._watch.timeout.connect(self._look)
        self._watch.start(_SETTLE_MS)
        self._last_message = ""
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self._save)
        self._patience.start(_PATIENCE_MS)
        after_results(result_shown, frames, self._save)

    def _look(self) -> None:
        message = self._message()
        if message and message == self._last_message and not message.startswith("One moment"):
            self._save()
        self._last_message = message

    def _save(self) -> None:
        if self.saved:
            return
        self._watch.stop()
        self._patience.stop()
        with suppress(OSError):  # the picture is not saved then, which the program's end reports
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self.saved = self._window.grab().save(str(self._path))
        self._window.close()


def after_results(result_shown: pyqtBoundSignal, count: int, act: Callable[[], object]) -> None:
    """Calls a function once so many results were shown.

    Args:
        result_shown: emitted for each result on the screen.
        count: of results.
        act: called once, and not from inside the paint event that counts.
    """
    left = count

    def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            QTimer.singleShot(0, act)

    result_shown.connect(count_down)
