"""A place for one thing between two threads: the latest wins, what it replaces is counted."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Depth one, so that a slow reader gets the present and not a growing past."""

    def __init__(self, *, lossless: bool = False) -> None:
        """An empty mailbox.

        Args:
            lossless: ``put`` waits until the last thing was taken, instead of replacing it.
        """
        self._condition = threading.Condition()
        self._content: T | None = None
        self._lossless = lossless
        self._closed = False
        self._woken = False
        self._shut = False
        self._drops = 0

    @property
    def drops(self) -> int:
        """Number of values replaced before they were taken."""
        with self._condition:
            return self._drops

    def put(self, content: T, merge: Callable[[T, T], T] | None = None) -> None:
        """Leaves something for the reader; without effect while shut and once closed.

        Args:
            content: the new thing.
            merge: makes one of what is still there and the new thing, instead of replacing it.
        """
        with self._condition:
            while self._lossless and self._content is not None and not self._closed and not self._shut:
                self._condition.wait()
            if self._closed or self._shut:
                return
            if self._content is not None:
                self._drops += 1
                content = content if merge is None else merge(self._content, content)
            self._content = content
            self._arrives(content)
            self._condition.notify_all()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Waits for content; None after the timeout, when woken, or when closed."""
        end_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        with self._condition:
            while not (self._closed or self._woken):
                pause_s = math.inf if self._content is None else self._pause_s(self._content)
                left_s = min(pause_s, end_s - time.monotonic())
                if left_s <= 0.0:
                    break
                self._condition.wait(None if left_s == math.inf else left_s)
            self._woken = False
            return self._take()

    def take_now(self) -> T | None:
        """What is there, without waiting."""
        with self._condition:
            return self._take()

    def wake(self) -> None:
        """Wakes a waiting reader, which returns without content."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    @property
    def shut(self) -> bool:
        """Whether values are rejected, because the reader is disabled; the current one is discarded."""
        return self._shut

    @shut.setter
    def shut(self, shut: bool) -> None:
        with self._condition:
            self._shut = shut
            if shut:
                self._content = None
            self._condition.notify_all()

    def close(self) -> None:
        """Empties it for good and wakes all waiting threads."""
        with self._condition:
            self._closed = True
            self._content = None
            self._condition.notify_all()

    def _arrives(self, content: T) -> None:
        """Called with what lies here from now on."""

    def _pause_s(self, content: T) -> float:
        """How long a reader waits although there is a value; 0 here, subclasses may wait for a better one."""
        return 0.0

    def _take(self) -> T | None:
        content, self._content = self._content, None
        if content is not None:
            self._condition.notify_all()
        return content
