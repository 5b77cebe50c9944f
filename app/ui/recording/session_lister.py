"""Reads the list of sessions in a thread of its own: long sessions take a while to open, and the picture goes on."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.recording.sessions import SessionEntry, list_sessions

logger = logging.getLogger(__name__)

_LOOK_EVERY_MS = 20
_CLOSE_S = 0.2


class SessionLister(QObject):
    """One reading at a time; a wish for another one while it lasts is granted afterwards."""

    listed = pyqtSignal(object)
    """All sessions, the newest first, as a list of :class:`SessionEntry`."""

    def __init__(self, home: Path, parent: QObject) -> None:
        """Idle.

        Args:
            home: where sessions are kept.
            parent: owns this.
        """
        super().__init__(parent)
        self._home = home
        self._reading: _Reading | None = None
        self._again = False
        # looked at by a timer, so that the thread never touches anything of Qt, which may be gone by then
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    @property
    def busy(self) -> bool:
        """Whether the list is being read."""
        return self._reading is not None

    def start(self) -> None:
        """Reads the list anew; ``listed`` tells when it is there."""
        if self._reading is not None:
            self._again = True
            return
        self._reading = _Reading(self._home)
        self._reading.start()
        self._timer.start()

    def stop(self) -> None:
        """Tells nobody any more, and waits a moment for a reading that is under way."""
        self._timer.stop()
        if self._reading is not None:
            self._reading.join(_CLOSE_S)

    def _look(self) -> None:
        reading = self._reading
        if reading is None or reading.is_alive():
            return
        self._timer.stop()
        self._reading, again, self._again = None, self._again, False
        self.listed.emit(reading.entries)
        if again:
            self.start()


class _Reading(threading.Thread):
    """One reading of the list."""

    def __init__(self, home: Path) -> None:
        super().__init__(name="session-list", daemon=True)
        self._home = home
        self.entries: list[SessionEntry] = []

    def run(self) -> None:
        """Reads."""
        try:
            self.entries = list_sessions(self._home)
        except OSError:  # a session that is deleted meanwhile
            logger.exception("list of sessions")
