"""Signals of other threads, blocked once the window has closed: their receivers are gone then."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SignalGate:
    """Lets signals of other threads through until it is shut.

    A thread that outlives its window, because a driver, an engine or a disk holds it, would otherwise emit a signal of
    an object that Qt has deleted, which ends the process now and then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shut = False

    def emit(self, emit: Callable[[], object]) -> None:
        """Emits a signal unless the gate is shut.

        Args:
            emit: emits it. The signal is looked up in there too, because the object that has it may be gone; its slots
                are called later, in the thread of the window, and never from within.
        """
        with self._lock:
            if not self._shut:
                emit()

    def shut(self) -> None:
        """Lets nothing through any more; when this returns, no thread is emitting."""
        with self._lock:
            self._shut = True
