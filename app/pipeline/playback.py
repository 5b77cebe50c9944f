"""Playing a file: pause, speed, seek, single steps, repetition, and the pace of its frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

SPEEDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""What a file can be slowed down or hurried to, as a share of its own speed."""


@dataclass(frozen=True, slots=True)
class PlaybackState:
    """Where a file is, as the window shows it.

    Attributes:
        seekable: the source can be stopped and moved; a camera cannot.
        paused: the present frame is held.
        speed: share of its own speed.
        loop: it starts again at its end.
        position: index of the frame shown last, -1 before the first.
        length: how many frames there are, 0 where that is unknown.
        frames_per_second: of the file at its own speed.
    """

    seekable: bool = False
    paused: bool = False
    speed: float = 1.0
    loop: bool = False
    position: int = -1
    length: int = 0
    frames_per_second: float = 0.0


class Playback:
    """The requests of one side and the state of the other; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = PlaybackState()
        self._target: int | None = None

    @property
    def state(self) -> PlaybackState:
        """Position and speed; immutable."""
        with self._lock:
            return self._state

    # requests of the user

    def pause(self, paused: bool) -> None:
        """Holds the present frame, or goes on."""
        self._change(paused=paused)

    def set_speed(self, speed: float) -> None:
        """Plays at a share of the file's own speed."""
        self._change(speed=min(max(speed, SPEEDS[0]), SPEEDS[-1]))

    def set_loop(self, loop: bool) -> None:
        """Starts again at the end, or stops there."""
        self._change(loop=loop)

    def seek(self, index: int) -> None:
        """Goes to a frame and shows it, also while paused."""
        with self._lock:
            last = self._state.length - 1 if self._state.length else index
            self._target = max(0, min(index, last))

    def step(self, frames: int) -> None:
        """Pauses, and goes so many frames on, or back where negative."""
        with self._lock:
            position = self._state.position if self._target is None else self._target
            last = self._state.length - 1 if self._state.length else position + frames
            self._state = replace(self._state, paused=True)
            self._target = max(0, min(position + frames, last))

    # the capture thread's side

    def begin(self, *, seekable: bool, length: int, frames_per_second: float, loop: bool) -> None:
        """Registers another source, at its beginning and not paused; the speed is kept."""
        with self._lock:
            self._target = None
            self._state = PlaybackState(
                seekable=seekable,
                speed=self._state.speed if seekable else 1.0,
                loop=loop,
                length=length,
                frames_per_second=frames_per_second,
            )

    def take_target(self) -> int | None:
        """The frame to go to, once."""
        with self._lock:
            target, self._target = self._target, None
            return target

    def wants_another_place(self) -> bool:
        """Whether there is a frame to go to."""
        with self._lock:
            return self._target is not None

    def is_waiting(self) -> bool:
        """Whether to wait for the next request."""
        with self._lock:
            return self._state.seekable and self._state.paused and self._target is None

    def arrived_at(self, position: int) -> None:
        """Registers the frame that was shown."""
        self._change(position=position)

    def _change(self, **values: object) -> None:
        with self._lock:
            self._state = replace(self._state, **values)  # type: ignore[arg-type]


_RESYNC_S = 0.25


class Pacer:
    """Computes how long to wait before a frame is shown; after a long gap it restarts instead of catching up."""

    def __init__(
        self, frames_per_second: float, speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """The clock starts at the first call.

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
            media_time_ns: the frame's time by the file's clock; the same time again is the same frame.
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
