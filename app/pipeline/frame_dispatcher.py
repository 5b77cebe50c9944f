"""Where paths pick up frames: each as quickly as it can, and as far as possible the same ones.

Two paths that each took the newest frame whenever they are free would, on a slow machine, hardly ever look at the same
one, and nothing could be compared. So a path that is free takes the frame another path took last, if it has not had it
yet, and only otherwise the newest. The slower path's frames are then all among the faster one's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from app.pipeline.mailbox import Mailbox
from hand.types import Frame, Provider


class FrameDispatcher:
    """One inbox per path."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        """Empty inboxes.

        Args:
            providers: the paths.
        """
        self._lock = threading.Lock()
        self._taken: Frame | None = None
        self.inboxes: dict[Provider, Mailbox[Frame]] = {provider: _Inbox(self) for provider in providers}

    def next_frame(self, newest: Frame, before: Frame | None) -> Frame:
        """The frame a path gets that is free now.

        Args:
            newest: what lies in its inbox.
            before: what it got last.
        """
        with self._lock:
            shared = self._taken
            if shared is not None and shared is not newest and _lies_between(before, shared, newest):
                return shared
            self._taken = newest
            return newest


class _Inbox(Mailbox[Frame]):
    """A mailbox that asks its desk which frame to hand out."""

    def __init__(self, desk: FrameDispatcher) -> None:
        super().__init__()
        self._desk = desk
        self._before: Frame | None = None

    def _take(self) -> Frame | None:
        newest = self._content
        if newest is None:
            return None
        frame = self._desk.next_frame(newest, self._before)
        self._before = frame
        if frame is not newest:
            self._drops -= 1  # it was replaced here, and is taken after all; the newest stays for the next time
            return frame
        return super()._take()


def _lies_between(before: Frame | None, frame: Frame, newest: Frame) -> bool:
    """Whether a frame comes after one and before another of the same source."""
    if (frame.source_id, frame.mirrored) != (newest.source_id, newest.mirrored):
        return False
    later = before is None or frame.capture_time_ns > before.capture_time_ns
    return later and frame.capture_time_ns < newest.capture_time_ns
