"""Keeps a file to its own speed."""

from __future__ import annotations

import time
from collections.abc import Callable

_RESYNC_S = 0.25


class Pacer:
    """Says how long to wait before the next frame; after a long gap it starts afresh instead of catching up."""

    def __init__(self, frames_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with the first question.

        Args:
            frames_per_second: 0 or less means no pacing.
            clock: seconds, for tests.
        """
        self._period_s = 1.0 / frames_per_second if frames_per_second > 0 else 0.0
        self._clock = clock
        self._due_s: float | None = None

    def wait_s(self) -> float:
        """Seconds until the next frame is due, never negative; asking counts as taking that frame."""
        now = self._clock()
        if self._period_s == 0.0:
            return 0.0
        if self._due_s is None or now - self._due_s > _RESYNC_S:
            self._due_s = now
        wait = max(0.0, self._due_s - now)
        self._due_s += self._period_s
        return wait
