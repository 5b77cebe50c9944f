"""Work that takes seconds, in a thread of its own; the window learns how it ended and never waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from PyQt6.QtCore import QObject, pyqtSignal

from hand.errors import HandliveError

logger = logging.getLogger(__name__)


class Background(QObject):
    """Runs jobs one beside the other; each ends with one sentence for the user."""

    finished = pyqtSignal(str)
    """A sentence: what was done, or why it could not be."""

    def __init__(self, parent: QObject) -> None:
        """Idle."""
        super().__init__(parent)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._abandoned = False

    def start(self, name: str, work: Callable[[], str]) -> None:
        """Begins a job.

        Args:
            name: of its thread, for logs.
            work: returns the sentence; what it raises becomes one.
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._run, args=(work,), name=name)
        self._threads.append(thread)
        thread.start()

    def wait(self, patience_s: float | None = None) -> None:
        """Lets everything that was begun end, because half a file helps nobody.

        Args:
            patience_s: for work that is worth nothing to a window that closes, such as a connection that comes about.
        """
        end_s = None if patience_s is None else time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(None if end_s is None else max(end_s - time.monotonic(), 0.0))
        with self._lock:
            self._abandoned = patience_s is not None

    def tell(self, emit: Callable[[], None]) -> None:
        """Emits a signal from a job, unless the job was abandoned: what it would reach may be gone by then.

        Args:
            emit: the signal's ``emit`` with its arguments.
        """
        with self._lock:
            if not self._abandoned:
                emit()

    def _run(self, work: Callable[[], str]) -> None:
        try:
            sentence = work()
        except (HandliveError, OSError) as error:
            sentence = str(error)
        except Exception as error:
            logger.exception("%s", threading.current_thread().name)
            sentence = f"That failed with an unexpected error ({error}); the log has the details."
        self.tell(lambda: self.finished.emit(sentence))
