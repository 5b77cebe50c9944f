"""Joins the paths' results for the same frame, in the order of the frames, without unbounded waiting.

The order is that of arrival: a file that is played fast has capture times ahead of the clock, and so ahead of those of
a camera that is chosen after it.

A frame is complete when every path that is waited for has a result for it. A path is not waited for while it is off,
starting or broken, when it already works on a later frame (then it skipped this one), or when it is usually so late
that waiting would delay the other one's hand. What comes too late for its frame is still shown and compared, as
``late``.

With ``wait_for_all`` every path is waited for however late it is: without a viewer the output must not depend on the
machine.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from app.pipeline.output_selector import OutputHand
from app.pipeline.worker import MissingReason, PathUpdate
from hand.types import Frame, HandState, PathId, PathResult

T = TypeVar("T")

PATIENCE_MS = 30.0
"""A path that is usually later than this behind the other one is not awaited."""

MOST_PENDING = 2
"""Later frames that may already be there while one still waits for a path."""

MOST_PENDING_HANDLESS = 12
"""The same while no path found a hand in it: the other path's hand would be the output, and nothing else is delayed."""

_REMEMBERED = 24
"""Frames that a late path can still complete: 0.4 s of a 60 Hz source. Each holds its picture, so not for ever."""

_LATENESS_WEIGHT = 0.2
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class JoinedResult:
    """The results of all paths for one frame.

    Attributes:
        frame: the picture.
        results: by path; one that is off, broken or too late is missing.
        outputs: the output hands, none when there is no hand.
        missing: why a path has no result.
        late: an earlier frame was completed after a later one had been passed on; it has no outputs.
    """

    frame: Frame
    results: Mapping[PathId, PathResult]
    outputs: tuple[OutputHand, ...] = ()
    missing: Mapping[PathId, MissingReason] = field(default_factory=dict)
    late: bool = False

    @property
    def output(self) -> HandState | None:
        """The first output hand, or None when there is none; its ``origin`` is the path it follows."""
        return self.outputs[0].state if self.outputs else None


@dataclass(slots=True)
class _Entry(Generic[T]):
    frame: Frame
    first_ns: int
    updates: dict[PathId, PathUpdate[T]]
    joined: JoinedResult | None = None


Choose = Callable[[Frame, Mapping[PathId, PathResult], Mapping[PathId, MissingReason]], tuple[OutputHand, ...]]
Emit = Callable[[JoinedResult, Mapping[PathId, PathUpdate[T]], bool], None]


class ResultSynchronizer(Generic[T]):
    """Safe to call from the threads of all paths; emits one frame after the other."""

    def __init__(
        self,
        path_ids: Iterable[PathId],
        choose: Choose,
        emit: Emit[T],
        clock_ns: Callable[[], int] = time.monotonic_ns,
        *,
        wait_for_all: bool = False,
    ) -> None:
        """Starts empty.

        Args:
            path_ids: the paths.
            choose: makes the output of a frame; called once per frame, in their order.
            emit: receives the joined result, the updates that are new with it, and whether it is a new measurement (not
                an old one drawn again); called in the thread of the path that delivered the last result.
            clock_ns: for tests.
            wait_for_all: a path that works is waited for without limit. Only for sources that wait for the slowest
                path, so that the frames that wait here are few.
        """
        self._choose = choose
        self._emit = emit
        self._clock_ns = clock_ns
        self._wait_for_all = wait_for_all
        self._lock = threading.RLock()
        path_ids = tuple(path_ids)
        self._not_awaited: dict[PathId, MissingReason] = dict.fromkeys(path_ids, MissingReason.STARTING)
        self._newest_ns: dict[PathId, int] = {}
        self._begun_ns: dict[PathId, int] = {}
        self._oldest_pending_ns = math.inf
        self._lateness_ms: dict[PathId, float] = dict.fromkeys(path_ids, 0.0)
        self._last_result: dict[PathId, PathResult] = {}
        self._pending: deque[_Entry[T]] = deque()
        self._passed: deque[_Entry[T]] = deque(maxlen=_REMEMBERED)

    def expect(self, path_id: PathId, missing: MissingReason | None = None) -> None:
        """Sets whether a path is waited for.

        Args:
            path_id: the path.
            missing: why it is not; None when it is.
        """
        with self._lock:
            if missing is not None:
                self._not_awaited[path_id] = missing
                self._lateness_ms[path_id] = 0.0
            else:
                self._not_awaited.pop(path_id, None)
            self._flush()

    def begin(self, path_id: PathId, frame: Frame) -> None:
        """Registers that a path works on a frame: earlier ones without a result of it count as skipped."""
        self._begun_ns[path_id] = frame.arrival_time_ns
        # read without the lock, so that a path does not wait while another one composes, unless there is a reason to
        if self._oldest_pending_ns < frame.arrival_time_ns:
            with self._lock:
                self._flush()

    def add(self, path_id: PathId, update: PathUpdate[T]) -> None:
        """Takes a path's result."""
        with self._lock:
            again = self._last_result.get(path_id) is update.result
            self._last_result[path_id] = update.result
            frame = update.result.frame
            entry = self._entry_of(frame)
            if entry is None:
                entry = _Entry(frame, self._clock_ns(), {})
                self._insert(entry)
            entry.updates[path_id] = update
            if not again:
                self._newest_ns[path_id] = frame.arrival_time_ns
                late_ms = (self._clock_ns() - entry.first_ns) / _NS_PER_MS
                self._lateness_ms[path_id] += _LATENESS_WEIGHT * (late_ms - self._lateness_ms[path_id])
            if entry.joined is None:
                self._flush()
            else:
                self._emit_again(entry, path_id, again)

    def _entry_of(self, frame: Frame) -> _Entry[T] | None:
        return next((entry for entry in (*self._pending, *self._passed) if entry.frame is frame), None)

    def _insert(self, entry: _Entry[T]) -> None:
        """Keeps pending entries in the order of the frames; one that was overtaken long ago counts as done."""
        time_ns = entry.frame.arrival_time_ns
        if self._passed and time_ns <= self._passed[-1].frame.arrival_time_ns:
            entry.joined = JoinedResult(entry.frame, {}, late=True)
            return
        index = sum(other.frame.arrival_time_ns < time_ns for other in self._pending)
        self._pending.insert(index, entry)
        self._oldest_pending_ns = self._pending[0].frame.arrival_time_ns

    def _flush(self) -> None:
        while self._pending:
            entry = self._pending[0]
            handless = not any(update.result.states for update in entry.updates.values())
            most = math.inf if self._wait_for_all else MOST_PENDING_HANDLESS if handless else MOST_PENDING
            if self._missing(entry, wait_for_all=handless or self._wait_for_all) and len(self._pending) <= most:
                return
            self._pending.popleft()
            self._oldest_pending_ns = self._pending[0].frame.arrival_time_ns if self._pending else math.inf
            results = _results(entry)
            missing = {p: self._not_awaited.get(p, MissingReason.LATE) for p in self._lateness_ms if p not in results}
            entry.joined = JoinedResult(entry.frame, results, self._choose(entry.frame, results, missing), missing)
            self._passed.append(entry)
            self._emit(entry.joined, dict(entry.updates), True)

    def _missing(self, entry: _Entry[T], *, wait_for_all: bool) -> bool:
        return any(
            path_id not in entry.updates
            and path_id not in self._not_awaited
            and self._newest_ns.get(path_id, -1) < entry.frame.arrival_time_ns
            and self._begun_ns.get(path_id, -1) <= entry.frame.arrival_time_ns
            and (wait_for_all or self._lateness_ms[path_id] < PATIENCE_MS)
            for path_id in self._lateness_ms
        )

    def _emit_again(self, entry: _Entry[T], path_id: PathId, again: bool) -> None:
        assert entry.joined is not None
        newest = bool(self._passed) and self._passed[-1] is entry
        if again and newest:
            self._emit(entry.joined, dict(entry.updates), False)
            return
        late = JoinedResult(entry.frame, _results(entry), late=True)
        self._emit(late, {path_id: entry.updates[path_id]}, not again)


def _results(entry: _Entry[T]) -> dict[PathId, PathResult]:
    return {path_id: update.result for path_id, update in entry.updates.items()}


P = TypeVar("P")


@dataclass(frozen=True, slots=True, eq=False)
class Composition(Generic[P]):
    """What there is to show since the last pull.

    Attributes:
        joined: the newest frame with the paths' results.
        measured: results that were not there at the last pull, by path; one drawn again is none.
        panes: drawings by the name of the pane they are for.
    """

    joined: JoinedResult
    measured: Mapping[PathId, PathResult]
    panes: Mapping[Any, P]

    def merged_into(self, newer: Composition[P]) -> Composition[P]:
        """The newer one, with what only the older one has."""
        joined = self.joined if newer.joined.late and not self.joined.late else newer.joined
        return Composition(joined, {**self.measured, **newer.measured}, {**self.panes, **newer.panes})
