"""Keeps a file to its own speed."""

from __future__ import annotations

import time
from collections.abc import Callable

_RESYNC_S = 0.25


class Pacer:
    """Says how long to wait before a frame is shown; after a long gap it starts afresh instead of catching up."""

    def __init__(
        self, frames_per_second: float, speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Starts with the first question.

        Args:
            frames_per_second: for frames without a time of their own; 0 or less means no pacing.
            speed: share of the file's own speed.
            clock: seconds, for tests.
        """
        self._period_s = 1.0 / frames_per_second if frames_per_second > 0 else 0.0
        self._speed = speed
        self._clock = clock
        self._due_s: float | None = None
        self._media_time_ns: int | None = None

    def wait_s(self, media_time_ns: int | None = None) -> float:
        """Seconds until a frame is due, never negative.

        Args:
            media_time_ns: the frame's time by the file's clock; asking again about the same one is the same question.
                None counts as the frame after the one before.
        """
        now = self._clock()
        if self._period_s == 0.0:
            return 0.0
        before, self._media_time_ns = self._media_time_ns, media_time_ns
        if self._due_s is None:
            self._due_s = now
            return 0.0
        step_s = self._period_s
        if media_time_ns is not None and before is not None and media_time_ns >= before:
            step_s = (media_time_ns - before) / 1e9
        self._due_s += step_s / self._speed
        if now - self._due_s > _RESYNC_S:
            self._due_s = now
        return max(0.0, self._due_s - now)
