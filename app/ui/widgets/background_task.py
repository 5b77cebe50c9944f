"""Work that takes seconds, in a thread of its own; the window learns how it ended and never waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from PyQt6.QtCore import QObject, pyqtSignal

from app.ui.widgets.signal_gate import SignalGate
from hand.errors import HandliveError

logger = logging.getLogger(__name__)

SAVE_S = 20.0
"""For files that are being written when the window closes; a disk that takes longer does not answer at all."""


class Background(QObject):
    """Runs jobs one beside the other; each ends with one sentence for the user."""

    finished = pyqtSignal(str)
    """A sentence: what was done, or why it could not be."""

    def __init__(self, parent: QObject) -> None:
        """Idle."""
        super().__init__(parent)
        self._threads: list[threading.Thread] = []
        self._gate = SignalGate()

    def start(self, name: str, work: Callable[[], str]) -> None:
        """Begins a job.

        Args:
            name: of its thread, for logs.
            work: returns the sentence; what it raises becomes one.
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, patience_s: float = SAVE_S) -> None:
        """Lets what was begun end while the program does, and abandons what does not.

        Args:
            patience_s: little for work that is worth nothing to a window that closes, such as a connection that comes
                about.
        """
        end_s = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(end_s - time.monotonic(), 0.0))
        self._gate.shut()
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late and patience_s >= SAVE_S:
            logger.warning("After %.0f s, this was not finished: %s.", patience_s, ", ".join(late))

    def tell(self, emit: Callable[[], object]) -> None:
        """Emits a signal from a job, unless the job was abandoned.

        Args:
            emit: the signal's ``emit`` with its arguments.
        """
        self._gate.emit(emit)

    def _run(self, work: Callable[[], str]) -> None:
        try:
            sentence = work()
        except (HandliveError, OSError) as error:
            sentence = str(error)
        except Exception as error:
            logger.exception("%s", threading.current_thread().name)
            sentence = f"That failed with an unexpected error ({error}); the log has the details."
        self.tell(lambda: self.finished.emit(sentence))
