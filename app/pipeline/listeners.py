"""Listeners to every joined result or every captured frame: one thread and one short queue each.

Waking a thread for every frame costs more than many a callback. So a disabled listener is never woken, and one that
need not react frame by frame is woken for several frames at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

CLOSE_S = 2.0
"""For what is queued when a listener is closed."""

QUEUE_LENGTH = 64
"""Results that wait for a listener at most; beyond it the oldest is dropped and counted."""


def _always() -> bool:
    return True


class Listener(threading.Thread, Generic[T]):
    """Hands results to a callback, in order, in a thread of its own."""

    def __init__(
        self,
        name: str,
        callback: Callable[[T], None],
        on_close: Callable[[Listener[T]], None],
        *,
        enabled: Callable[[], bool] = _always,
        collect_s: float = 0.0,
    ) -> None:
        """Starts at once.

        Args:
            name: for logs and thread lists.
            callback: may take its time; what it raises is logged and changes nothing.
            on_close: called when it is closed.
            enabled: whether results are to be queued now; called in the threads that produce them.
            collect_s: how long after a first result the callback begins, with all that came meanwhile.
        """
        super().__init__(name=f"listener-{name}", daemon=True)
        self._callback = callback
        self._on_close = on_close
        self._enabled = enabled
        self._collect_s = collect_s
        self._condition = threading.Condition()
        self._queue: deque[T] = deque()
        self._closed = False
        self._dropped = 0
        self._complained = False
        self.start()

    @property
    def dropped(self) -> int:
        """Number of results dropped because the callback was too slow."""
        with self._condition:
            return self._dropped

    def put(self, item: T) -> None:
        """Queues a result if enabled; never waits."""
        if not self._enabled():
            return
        with self._condition:
            if self._closed:
                return
            if len(self._queue) >= QUEUE_LENGTH:
                self._queue.popleft()
                self._dropped += 1
            self._queue.append(item)
            if len(self._queue) == 1:  # else it is awake, or still collects
                self._condition.notify()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Delivers what is queued, then ends; waits for that, unless called from the callback itself."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._on_close(self)
        if threading.current_thread() is not self:
            self.join(timeout_s)

    def run(self) -> None:
        """Serves the queue."""
        while self._await_results():
            while (item := self._next()) is not None:
                try:
                    self._callback(item)
                except Exception:
                    if not self._complained:  # once, not thirty times a second
                        self._complained = True
                        logger.exception("listener %s", self.name)

    def _await_results(self) -> bool:
        """Whether there are any; none come any more once it is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._queue or self._closed)
            if self._collect_s > 0.0:
                self._condition.wait_for(lambda: self._closed, self._collect_s)
            return bool(self._queue)

    def _next(self) -> T | None:
        with self._condition:
            return self._queue.popleft() if self._queue else None


class Listeners(Generic[T]):
    """All listeners of one kind of result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listener[T], ...] = ()

    def add(
        self,
        name: str,
        callback: Callable[[T], None],
        *,
        enabled: Callable[[], bool] = _always,
        collect_s: float = 0.0,
    ) -> Listener[T]:
        """Starts a :class:`Listener`; close it to end it."""
        listener = Listener(name, callback, self._remove, enabled=enabled, collect_s=collect_s)
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return listener

    def put(self, item: T) -> None:
        """Queues a result for each of them; never waits."""
        for listener in self._listeners:
            listener.put(item)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Ends all of them.

        Args:
            timeout_s: how long to wait for them, together.
        """
        end_s = time.monotonic() + timeout_s
        for listener in self._listeners:
            listener.close(max(end_s - time.monotonic(), 0.0))

    def _remove(self, listener: Listener[T]) -> None:
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
