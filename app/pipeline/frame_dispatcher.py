"""Chooses the frame that each path takes next: recent ones, and as far as possible the same for both paths.

If two paths took the newest frame whenever they are free, they would, on a slow machine, hardly ever process the same
one, and nothing could be compared. So a path that is free takes the frame another path took last, if it has not had it
yet, and only otherwise the newest. The slower path's frames are then all among the faster one's.

A path that cannot keep up with the source becomes free at any moment, and finds a frame that is half a period old on
average; so much later is what it shows. Where the newest frame has aged by more than a third of its period, such a path
waits for the next one: what is on the screen, which ages until something newer replaces it, is then younger on average
(waiting takes off all of the frame's age, and adds half of the wait). A path that keeps up never waits with a frame
before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from app.pipeline.mailbox import Mailbox
from hand.types import Frame, PathId

AWAIT_NEXT_FROM: Final = 1.0 / 3.0
"""Share of the source's period after which the next frame is awaited."""

OVERDUE_FROM: Final = 1.25
"""Share of the period after which a frame that did not come is not awaited any more."""

_MEAN_WEIGHT: Final = 0.2
_LARGEST_JUMP: Final = 4.0
"""A time that is longer than so many usual ones, as in a paused file, counts as so many."""


class FrameDispatcher:
    """One inbox per path."""

    def __init__(self, path_ids: Iterable[PathId], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Empty inboxes.

        Args:
            path_ids: the paths.
            clock_ns: for tests.
        """
        self.clock_ns = clock_ns
        self._lock = threading.Lock()
        self._taken: Frame | None = None
        self._arrived: Frame | None = None
        self._arrived_ns = 0
        self._period = _RunningMean()
        self.inboxes: dict[PathId, Mailbox[Frame]] = {path_id: _Inbox(self) for path_id in path_ids}

    def arrives(self, frame: Frame) -> None:
        """Registers a frame that is now in an inbox."""
        with self._lock:
            if frame is self._arrived:
                return  # in the other inbox too
            now_ns = self.clock_ns()
            if self._arrived is not None:
                self._period.add(now_ns - self._arrived_ns)
            self._arrived, self._arrived_ns = frame, now_ns

    def next_frame(self, newest: Frame, before: Frame | None) -> Frame:
        """The frame for a path that is free now.

        Args:
            newest: what lies in its inbox.
            before: the last one it took.
        """
        with self._lock:
            if self._is_shared(newest, before):
                assert self._taken is not None
                return self._taken
            self._taken = newest
            return newest

    def pause_s(self, newest: Frame, before: Frame | None, work_ns: float) -> float:
        """How long a path that is free now waits for the next frame; 0 where it takes what there is.

        Args:
            newest: what lies in its inbox.
            before: the last one it took.
            work_ns: its usual time for a frame.
        """
        with self._lock:
            period_ns, age_ns = self._period.value_ns, self.clock_ns() - self._arrived_ns
            if work_ns < period_ns or age_ns <= AWAIT_NEXT_FROM * period_ns or self._is_shared(newest, before):
                return 0.0
            return max(OVERDUE_FROM * period_ns - age_ns, 0.0) / 1e9

    def _is_shared(self, newest: Frame, before: Frame | None) -> bool:
        """Whether another path took a frame that this one did not."""
        return self._taken is not None and _lies_between(before, self._taken, newest)


class _RunningMean:
    """Exponential mean of recent durations."""

    def __init__(self) -> None:
        self.value_ns = 0.0

    def add(self, time_ns: float) -> None:
        if self.value_ns == 0.0:
            self.value_ns = time_ns
        else:
            self.value_ns += _MEAN_WEIGHT * (min(time_ns, _LARGEST_JUMP * self.value_ns) - self.value_ns)


class _Inbox(Mailbox[Frame]):
    """A mailbox; its dispatcher decides which frame is taken, and when."""

    def __init__(self, dispatcher: FrameDispatcher) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._before: Frame | None = None
        self._taken_ns: int | None = None
        self._work = _RunningMean()

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Waits for a frame to process; None after the timeout, when woken, or when closed."""
        if self._taken_ns is not None:
            self._work.add(self._dispatcher.clock_ns() - self._taken_ns)
            self._taken_ns = None
        return super().take(timeout_s)

    def _arrives(self, content: Frame) -> None:
        self._dispatcher.arrives(content)

    def _pause_s(self, content: Frame) -> float:
        return self._dispatcher.pause_s(content, self._before, self._work.value_ns)

    def _take(self) -> Frame | None:
        newest = self._content
        if newest is None:
            return None
        frame = self._dispatcher.next_frame(newest, self._before)
        self._before, self._taken_ns = frame, self._dispatcher.clock_ns()
        if frame is not newest:
            self._drops -= 1  # it was replaced here, and is taken after all; the newest stays for the next time
            return frame
        return super()._take()


def _lies_between(before: Frame | None, frame: Frame, newest: Frame) -> bool:
    """Whether a frame comes after one and not after another of the same source."""
    if (frame.source_id, frame.mirrored) != (newest.source_id, newest.mirrored):
        return False
    later = before is None or frame.arrival_time_ns > before.arrival_time_ns
    return later and frame.arrival_time_ns <= newest.arrival_time_ns
