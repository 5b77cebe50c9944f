"""At most so many a second, evenly spread."""

from __future__ import annotations


class RateLimit:
    """Says which of the moments it is asked about may be used."""

    def __init__(self, rate_hz: float) -> None:
        """The first moment is always allowed.

        Args:
            rate_hz: most per second.
        """
        self._period_s = 1.0 / rate_hz
        self._due_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Whether something may be sent now; asking counts as sending.

        Due times stand on a grid, so that 30 of 60 frames a second are every other frame in spite of their jitter.
        """
        # a quarter of the period early is forgiven: frames jitter about the grid
        if self._due_s is not None and now_s < self._due_s - 0.25 * self._period_s:
            return False
        behind = self._due_s is None or now_s > self._due_s + self._period_s
        self._due_s = (now_s if behind or self._due_s is None else self._due_s) + self._period_s
        return True
