"""Work that takes seconds, in threads beside the window's own; its results are handed over in the window's thread.

The window does not wait for two kinds of work. What takes seconds and reads, writes or resolves something
runs here. What takes minutes, or needs torch, runs in a child process: :mod:`app.ui.recording.session_process`,
:mod:`app.jobs.training` and :mod:`app.optional_parts.installation`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from queue import SimpleQueue
from typing import Any, TypeVar

from PyQt6.QtCore import QObject, QTimer

from hand.errors import HandliveError

logger = logging.getLogger(__name__)

T = TypeVar("T")

SAVE_S = 20.0
"""For files that are being written when the window closes; a disk that takes longer does not answer at all."""

_POLL_MS = 20
_NUMBERS = count()


class BackgroundTasks(QObject):
    """Runs tasks side by side.

    A thread puts its outcome into a queue, and a timer of the window's thread empties it. A thread holds its work and
    this queue alone: it never touches an object of Qt, never drops the last reference to one, which would destroy it in
    the wrong thread, and has no effect when it outlives the window.
    """

    def __init__(self, parent: QObject, notify: Callable[[str], object]) -> None:
        """Without a task.

        Args:
            parent: owns this; nothing is handed over once it is gone.
            notify: gets one sentence for each task that failed.
        """
        super().__init__(parent)
        self._notify = notify
        self._threads: list[threading.Thread] = []
        self._receivers: dict[int, Callable[[Any], object]] = {}
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._deliver)

    @property
    def busy(self) -> bool:
        """Whether a task runs, or its result was not handed over yet."""
        return bool(self._receivers)

    def start(self, name: str, work: Callable[[], T], receive: Callable[[T], object]) -> None:
        """Starts a task.

        Args:
            name: of its thread, for logs.
            work: runs in that thread, and holds no object of Qt; what it raises becomes a sentence for ``notify``.
            receive: gets the result of ``work``, in the window's thread.
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        number = next(_NUMBERS)
        thread = threading.Thread(target=_run, args=(number, work, self._outcomes), name=name, daemon=True)
        self._threads.append(thread)
        self._receivers[number] = receive
        self._timer.start()
        thread.start()

    def wait(self, patience_s: float = SAVE_S) -> None:
        """Waits for all tasks, then hands over what they gave.

        Args:
            patience_s: the longest wait; little for work that is worth nothing to a window that closes.
        """
        self._join(patience_s)
        self._deliver()
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late and patience_s >= SAVE_S:
            logger.warning("After %.0f s, this was not finished: %s.", patience_s, ", ".join(late))

    def abandon(self, patience_s: float = 0.0) -> None:
        """Hands over nothing more.

        Args:
            patience_s: the longest wait for threads to end by themselves.
        """
        self._timer.stop()
        self._join(patience_s)

    def _join(self, patience_s: float) -> None:
        end_s = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(end_s - time.monotonic(), 0.0))

    def _deliver(self) -> None:
        while not self._outcomes.empty():
            outcome = self._outcomes.get()
            receive = self._receivers.pop(outcome.number)
            if not self._receivers:
                self._timer.stop()
            if outcome.problem:
                self._notify(outcome.problem)
            else:
                receive(outcome.result)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a task gave, or the sentence about why it failed."""

    number: int
    result: Any = None
    problem: str = ""


def _run(number: int, work: Callable[[], object], outcomes: SimpleQueue[_Outcome]) -> None:
    """In a task's thread."""
    try:
        outcome = _Outcome(number, work())
    except (HandliveError, OSError) as error:
        outcome = _Outcome(number, problem=str(error))
    except Exception as error:
        logger.exception("%s", threading.current_thread().name)
        outcome = _Outcome(number, problem=f"That failed with an unexpected error ({error}); the log has the details.")
    outcomes.put(outcome)
