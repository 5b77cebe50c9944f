"""One thread per path: frames in, results out; an engine that fails is reported and started again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

from app.pipeline.finite_hands import without_broken_hands
from app.pipeline.mailbox import Mailbox
from app.pipeline.paths.hand_path import HandPath, PathFactory
from hand.errors import HandliveError
from hand.types import Frame, PathId, PathResult

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATH_NAMES: dict[PathId, str] = {"ik": "MediaPipe + IK", "network": "Network"}
"""Names of the paths for people."""

_FIRST_RESTART_S = 0.5
_LONGEST_RESTART_S = 8.0


class PathPhase(Enum):
    """State of a path."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    DISABLED = "disabled"


class MissingReason(Enum):
    """Reason why a path has no result for a frame."""

    STARTING = "starting"
    FAILED = "failed"
    DISABLED = "disabled"
    LATE = "late"
    """It works, and its result is still to come or never will."""


@dataclass(frozen=True, slots=True)
class PathState:
    """State of a path for the window.

    Attributes:
        phase: its state.
        sentence: why it is not running, else empty.
        cause: the failure, without the recovery, else empty.
        failures: number of failures.
        failures_in_a_row: the last of these, without a delivered result in between.
        lost_frames: frames on which it failed, without a result.
    """

    phase: PathPhase = PathPhase.STARTING
    sentence: str = ""
    cause: str = ""
    failures: int = 0
    failures_in_a_row: int = 0
    lost_frames: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PathUpdate(Generic[T]):
    """A result and what was prepared from it for display, in the worker thread.

    Attributes:
        result: of the path.
        prepared: the display form of it.
        taken_ns: ``time.monotonic_ns`` when the path took the frame, or the request to draw it again.
        ready_ns: ``time.monotonic_ns`` when all of this was ready.
    """

    result: PathResult
    prepared: T
    taken_ns: int
    ready_ns: int


class PathWorker(threading.Thread, Generic[T]):
    """Runs one path."""

    def __init__(
        self,
        path_id: PathId,
        factory: PathFactory,
        inbox: Mailbox[Frame],
        prepare: Callable[[PathResult], T],
        deliver: Callable[[PathUpdate[T]], None],
        on_state: Callable[[PathState], None],
        on_begin: Callable[[Frame], None],
    ) -> None:
        """Prepares the thread without starting it.

        Args:
            path_id: which path.
            factory: makes it, here and after every failure.
            inbox: frames to process.
            prepare: what display needs of a result; called in this thread, so that the window only shows it.
            deliver: takes results, in this thread.
            on_state: called with every change of state, in this thread.
            on_begin: called with every frame that is taken, in this thread.
        """
        super().__init__(name=f"path-{path_id}", daemon=True)
        self._path_id = path_id
        self._factory = factory
        self._inbox = inbox
        self._prepare = prepare
        self._deliver = deliver
        self._on_state = on_state
        self._on_begin = on_begin
        self._stopping = threading.Event()
        self._enabled = threading.Event()
        self._enabled.set()
        self._lock = threading.Lock()
        self._state = PathState()
        self._last: PathResult | None = None
        self._delivered_since_failure = False
        self._redraw = False
        self._in_hand: Frame | None = None

    @property
    def state(self) -> PathState:
        """The path's state; immutable, safe to read from any thread."""
        with self._lock:
            return self._state

    def redraw(self) -> None:
        """Prepares the last result once more, for a view that was turned while no frames come."""
        self._redraw = True
        self._inbox.wake()

    @property
    def enabled(self) -> bool:
        """Whether the path works; while disabled it costs nothing, and a loaded engine is kept."""
        return self._enabled.is_set()

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self._inbox.shut = not enabled
        if enabled:
            self._enabled.set()
        else:
            self._enabled.clear()
        self._inbox.wake()

    def stop(self) -> None:
        """Requests that the thread close its path and end."""
        self._stopping.set()
        self._enabled.set()
        self._inbox.close()

    def run(self) -> None:
        """Makes the path, feeds it, and makes it again when it fails."""
        restart_s = _FIRST_RESTART_S
        while not self._stopping.is_set():
            self._wait_while_disabled(PathPhase.STARTING)
            if self._stopping.is_set():
                return
            try:
                self._run_path()
            except HandliveError as error:
                self._fail(str(error), str(error))
            except Exception as error:
                logger.exception("path %s", self._path_id)
                name, cause = PATH_NAMES[self._path_id], f"{type(error).__name__}: {error}"
                self._fail(f"{name} stopped with an error ({cause}) and is started again.", cause)
            if self.state.failures_in_a_row == 1:
                restart_s = _FIRST_RESTART_S  # it worked for a while, so this is a new failure
            if self._stopping.wait(restart_s):
                return
            restart_s = min(2.0 * restart_s, _LONGEST_RESTART_S)

    def _run_path(self) -> None:
        path = self._factory()
        try:
            if self._stopping.is_set():
                return  # the receiver may be gone: engines load for seconds
            self._set_state(replace(self.state, phase=PathPhase.RUNNING, sentence="", cause=""))
            while not self._stopping.is_set():
                if self._wait_while_disabled(PathPhase.RUNNING):
                    path.reset()
                self._step(path)
        finally:
            path.close()

    def _wait_while_disabled(self, then: PathPhase) -> bool:
        """Waits until the path is enabled; whether it had to."""
        if self._enabled.is_set():
            return False
        self._set_state(replace(self.state, phase=PathPhase.DISABLED, sentence="", cause=""))
        self._enabled.wait()
        self._set_state(replace(self.state, phase=then))
        return True

    def _step(self, path: HandPath) -> None:
        frame = self._inbox.take()
        taken_ns = time.monotonic_ns()
        if frame is not None:
            self._in_hand = frame
            self._on_begin(frame)
            if self._last is not None and not _continues(frame, self._last.frame):
                path.reset()
            self._last = without_broken_hands(path.process(frame))
            if self._stopping.is_set():
                return  # the receiver may be gone: an engine took its time
        elif not self._redraw or self._last is None:
            return
        self._redraw = False
        prepared = self._prepare(self._last)
        self._deliver(PathUpdate(self._last, prepared, taken_ns, time.monotonic_ns()))
        if frame is not None:
            self._in_hand, self._delivered_since_failure = None, True

    def _fail(self, sentence: str, cause: str) -> None:
        lost, self._in_hand = self._in_hand is not None, None
        before = self.state
        in_a_row = 1 if self._delivered_since_failure else before.failures_in_a_row + 1
        self._delivered_since_failure = False
        self._set_state(
            PathState(PathPhase.FAILED, sentence, cause, before.failures + 1, in_a_row, before.lost_frames + lost)
        )

    def _set_state(self, state: PathState) -> None:
        with self._lock:
            self._state = state
        try:
            self._on_state(state)
        except Exception:  # frames that waited for this path go on with the change; the thread has to outlive them
            logger.exception("state of path %s", self._path_id)


def _continues(frame: Frame, before: Frame) -> bool:
    same = (frame.source_id, frame.mirrored) == (before.source_id, before.mirrored)
    return same and frame.sequence > before.sequence
