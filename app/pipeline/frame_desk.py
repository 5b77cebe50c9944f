"""Where paths pick up frames: each as late as it can, and as far as possible the same ones.

Two paths that each took the newest frame whenever they are free would, on a slow machine, hardly ever look at the same
one, and nothing could be compared. Two rules bring them together without making either's hand old:

* a path that is free takes the frame that the other one took last, as long as that is not old;
* a path that is free waits for one that will be free in a moment, and then both take the newest frame at once. So paths
  that take about as long for a frame fall into step, and stay in it.

"Old" and "a moment" are shares of the path's own time for a frame. On a machine that is fast enough both paths
wait for the next frame anyway, and neither rule has anything to do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from app.pipeline.mailbox import Mailbox
from hand.types import Frame, Provider

OLDEST_SHARE: Final = 0.5
"""How old the other path's frame may be, over the path's own time for a frame."""

LONGEST_WAIT_SHARE: Final = 0.25
"""How long a path waits for the other one, over its own time for a frame."""

LONGEST_WAIT_NS: Final = 60_000_000

_NEW_DURATION_WEIGHT: Final = 0.2
_NS_PER_S: Final = 1e9


@dataclass(slots=True)
class _Turn:
    """What is known of one path.

    Attributes:
        frame: the last one it took.
        started_ns: when it took it.
        busy: whether it still works on it.
        usual_ns: how long it takes for a frame, 0 while that is not known.
    """

    frame: Frame | None = None
    started_ns: int = 0
    busy: bool = False
    usual_ns: float = 0.0


class FrameDesk:
    """One inbox per path."""

    def __init__(self, providers: Iterable[Provider], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Empty inboxes.

        Args:
            providers: the paths.
            clock_ns: for tests.
        """
        self._clock_ns = clock_ns
        self._changed = threading.Condition()
        self._turns: dict[Provider, _Turn] = {provider: _Turn() for provider in providers}
        self.inboxes: dict[Provider, Mailbox[Frame]] = {provider: _Inbox(self, provider) for provider in self._turns}

    def finish(self, provider: Provider) -> None:
        """A path is free again: its time for a frame is noted, and whoever waits for it goes on."""
        with self._changed:
            turn = self._turns[provider]
            if turn.busy:
                spent_ns = self._clock_ns() - turn.started_ns
                weight = _NEW_DURATION_WEIGHT if turn.usual_ns else 1.0
                turn.usual_ns += weight * (spent_ns - turn.usual_ns)
                turn.busy = False
            self._changed.notify_all()

    def take(self, provider: Provider, newest: Frame) -> Frame:
        """The frame that a path gets now.

        Args:
            provider: which path.
            newest: what lies in its inbox.
        """
        with self._changed:
            turn = self._turns[provider]
            frame = self._shared(turn, newest) or newest
            turn.frame, turn.started_ns, turn.busy = frame, self._clock_ns(), True
            self._changed.notify_all()
            return frame

    def wait_ns(self, provider: Provider, newest: Frame) -> float:
        """How long a free path should wait for another one that is about to be free; 0 when it should not."""
        with self._changed:
            turn = self._turns[provider]
            longest_ns = min(LONGEST_WAIT_SHARE * turn.usual_ns, LONGEST_WAIT_NS)
            if self._shared(turn, newest) is not None or _keeps_up(turn, newest):
                return 0.0
            now_ns = self._clock_ns()
            left_ns = [
                other.started_ns + other.usual_ns - now_ns
                for other in self._turns.values()
                if other is not turn and other.busy and other.frame is not newest
            ]
            return max((left for left in left_ns if 0.0 < left <= longest_ns), default=0.0)

    def wait_for_others(self, provider: Provider, newest: Frame) -> None:
        """Waits as long as :meth:`wait_ns` says, or until another path has taken a newer frame."""
        deadline_ns = self._clock_ns() + self.wait_ns(provider, newest)
        with self._changed:
            before = {other: turn.frame for other, turn in self._turns.items() if other != provider}
            while (left_ns := deadline_ns - self._clock_ns()) > 0:
                if any(self._turns[other].frame is not frame for other, frame in before.items()):
                    return
                self._changed.wait(left_ns / _NS_PER_S)

    def _shared(self, turn: _Turn, newest: Frame) -> Frame | None:
        """The frame that another path took last, where this one has not had it and it is new enough."""
        others = [other.frame for other in self._turns.values() if other is not turn and other.frame is not None]
        latest = max(others, key=lambda frame: frame.capture_time_ns, default=None)
        if latest is None or not _lies_between(turn.frame, latest, newest):
            return None
        age_ns = self._clock_ns() - latest.capture_time_ns
        return latest if not turn.usual_ns or age_ns <= OLDEST_SHARE * turn.usual_ns else None


class _Inbox(Mailbox[Frame]):
    """A mailbox that asks its desk which frame to hand out, and when."""

    def __init__(self, desk: FrameDesk, provider: Provider) -> None:
        super().__init__()
        self._desk = desk
        self._provider: Provider = provider

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Waits for a frame, and a moment more where the other path is about to be free."""
        self._desk.finish(self._provider)
        newest = self._peek(timeout_s)
        if newest is not None:
            self._desk.wait_for_others(self._provider, newest)
        return self.take_now()

    def _take(self) -> Frame | None:
        newest = self._content
        if newest is None:
            return None
        frame = self._desk.take(self._provider, newest)
        if frame is not newest:
            self._drops -= 1  # it was replaced here, and is taken after all; the newest stays for the next time
            return frame
        return super()._take()


def _keeps_up(turn: _Turn, newest: Frame) -> bool:
    """Whether a path is fast enough for every frame of its source; waiting could cost it some of them."""
    before = turn.frame
    if before is None or before.source_id != newest.source_id or newest.sequence <= before.sequence:
        return True
    period_ns = (newest.capture_time_ns - before.capture_time_ns) / (newest.sequence - before.sequence)
    return turn.usual_ns < period_ns


def _lies_between(before: Frame | None, frame: Frame, newest: Frame) -> bool:
    """Whether a frame comes after one and before another of the same source."""
    if (frame.source_id, frame.mirrored) != (newest.source_id, newest.mirrored):
        return False
    later = before is None or frame.capture_time_ns > before.capture_time_ns
    return later and frame.capture_time_ns < newest.capture_time_ns
