"""Listeners to every joined result or every captured frame: one thread and one short queue each."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hand.types import Frame

logger = logging.getLogger(__name__)

T = TypeVar("T")

QUEUE_LENGTH = 64
"""Results that wait for a listener at most; beyond it the oldest is dropped and counted."""


class Listener(threading.Thread, Generic[T]):
    """Hands results to a callback, in order, in a thread of its own."""

    def __init__(self, name: str, callback: Callable[[T], None], on_close: Callable[[Listener[T]], None]) -> None:
        """Starts at once.

        Args:
            name: for logs and thread lists.
            callback: may take its time; what it raises is logged and changes nothing.
            on_close: told when it is closed.
        """
        super().__init__(name=f"listener-{name}", daemon=True)
        self._callback = callback
        self._on_close = on_close
        self._condition = threading.Condition()
        self._queue: deque[T] = deque()
        self._closed = False
        self._dropped = 0
        self._complained = False
        self.start()

    @property
    def dropped(self) -> int:
        """Results it was too slow for."""
        with self._condition:
            return self._dropped

    def put(self, item: T) -> None:
        """Queues a result; never waits."""
        with self._condition:
            if self._closed:
                return
            if len(self._queue) >= QUEUE_LENGTH:
                self._queue.popleft()
                self._dropped += 1
            self._queue.append(item)
            self._condition.notify()

    def close(self, timeout_s: float = 2.0) -> None:
        """Delivers what is queued, then ends; waits for that, unless called from the callback itself."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._on_close(self)
        if threading.current_thread() is not self:
            self.join(timeout_s)

    def run(self) -> None:
        """Serves the queue."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                item = self._queue.popleft()
            try:
                self._callback(item)
            except Exception:
                if not self._complained:  # once: it would say the same thirty times a second
                    self._complained = True
                    logger.exception("listener %s", self.name)


class Listeners(Generic[T]):
    """All listeners of one kind of result."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._listeners: tuple[Listener[T], ...] = ()

    def add(self, name: str, callback: Callable[[T], None]) -> Listener[T]:
        """Starts a listener; close it to end it."""
        listener = Listener(name, callback, self._remove)
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return listener

    def publish(self, item: T) -> None:
        """Queues a result for each of them."""
        for listener in self._listeners:
            listener.put(item)

    def close(self) -> None:
        """Ends all of them."""
        for listener in self._listeners:
            listener.close()

    def _remove(self, listener: Listener[T]) -> None:
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other is not listener)


class FrameTap:
    """A :class:`app.pipeline.capture_thread.FrameSink` that gives every frame to listeners."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listeners: Listeners[Frame] = Listeners()

    def add(self, name: str, callback: Callable[[Frame], None]) -> Listener[Frame]:
        """Gives every frame to a callback in a thread of its own; see :class:`app.pipeline.listeners.Listener`."""
        return self._listeners.add(name, callback)

    def put(self, frame: Frame) -> None:
        """Passes a frame on; never waits."""
        self._listeners.publish(frame)

    def close(self) -> None:
        """Ends all listeners."""
        self._listeners.close()
