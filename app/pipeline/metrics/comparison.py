"""How the two paths compare: over the last seconds for the eye, and second by second for the whole session.

Quantities, each the same for both paths:

* disagreement: mean distance of the joints with both wrists laid onto each other, mm; placement: that of the wrists.
* reprojection: mean distance of the projected joints to MediaPipe's landmarks of the same frame, px. The landmarks lie
  a few millimetres beside a hand model's joints (nearer to the skin), so it never reaches zero.
* from the output: mean distance of a path's joints from those of the fused hand of the same frame, wrists laid onto
  each other, mm; only of frames in which the output is fused.
* jitter: mean length of the second difference of the joints relative to the wrist, mm per frame squared.
* work: milliseconds the path took for the frame; frames per second: results of the path.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numba
import numpy as np
from jaxtyping import Float

from app.pipeline.metrics.comparison_numbers import (
    SERIES_S,
    WINDOW_S,
    ComparisonNumbers,
    PathNumbers,
    Series,
)
from app.pipeline.metrics.path_statistics import percentile
from app.pipeline.result_synchronizer import JoinedResult
from hand.camera import project
from hand.landmark_distance import longer_side, mean_distance
from hand.metrics import MILLIMETRES_PER_METRE, mean_bend
from hand.types import PATH_IDS, HandOrigin, HandState, PathId, PathResult
from inference.hand_matching import pair_hands

LONGEST_SESSION_S = 24 * 3600
"""Rows that are kept at most; beyond it the oldest go."""

_MOST_ROWS = 8192
"""Of each kind: the plots' seconds of two hands at 200 frames per second."""

_SAMPLE_COLUMNS = 6
"""Time in seconds, work in ms, whether there is a hand, confidence, reprojection in px, jitter in mm."""

_PAIR_COLUMNS = 3 + 21
"""Time in seconds, mean disagreement in mm, placement in mm, and the disagreement of each joint in mm."""

_OUTPUT_COLUMNS = 2
"""Time in seconds, and who was the output."""

_FROM_OUTPUT_COLUMNS = 1 + 21
"""Time in seconds, and the distance of each joint from the fused hand's in mm."""

_OUTPUT_VALUES: Mapping[HandOrigin, float] = {"network": 1.0, "fused": 0.5, "ik": 0.0}
"""As the series has it; NaN is nobody."""

_LONGEST_STEP_S = 0.2
_NO_JOINTS = np.full(21, np.nan)


@dataclass(slots=True)
class _Sample:
    work_ms: float
    has_hand: bool
    confidence: float
    reprojection_px: float
    jitter_mm: float

    def row(self, time_s: float) -> tuple[float, ...]:
        """In the order of :data:`_SAMPLE_COLUMNS`."""
        return time_s, self.work_ms, self.has_hand, self.confidence, self.reprojection_px, self.jitter_mm


@dataclass(slots=True)
class _Pair:
    mean_mm: float
    placement_mm: float


@dataclass(slots=True)
class _Track:
    """The last joints of a path's first hand, for the jitter."""

    time_s: float = -1.0
    joints: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=3))

    def jitter_mm(self, state: HandState | None, time_s: float) -> float:
        """The second difference of the joints up to this hand; NaN without three frames in a row."""
        if state is None or not 0.0 < time_s - self.time_s < _LONGEST_STEP_S:
            self.joints.clear()
        self.time_s = time_s
        if state is None:
            return math.nan
        self.joints.append(np.asarray(state.joints_m - state.joints_m[0], np.float64))
        return mean_bend(*self.joints) * MILLIMETRES_PER_METRE if len(self.joints) == 3 else math.nan


@dataclass(slots=True)
class _JointMean:
    """Mean distance of each joint over the session."""

    sum_mm: Float[np.ndarray, "21"] = field(default_factory=lambda: np.zeros(21))
    count: int = 0

    def add(self, joints_mm: Float[np.ndarray, "21"]) -> None:
        self.sum_mm += joints_mm
        self.count += 1

    def mean_mm(self) -> Float[np.ndarray, "21"]:
        return self.sum_mm / self.count if self.count else _NO_JOINTS.copy()


@dataclass(slots=True)
class _Second:
    """What is collected during one second of the session."""

    index: int
    samples: dict[PathId, list[_Sample]] = field(default_factory=lambda: {"network": [], "ik": []})
    pairs: list[_Pair] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    output_samples: list[_Sample] = field(default_factory=list)
    from_output: dict[PathId, list[float]] = field(default_factory=lambda: {"network": [], "ik": []})
    changes: int = 0

    def row(self) -> dict[str, float]:
        """The second as one line of a table."""
        row: dict[str, float] = {"second": self.index}
        for path_id, samples in self.samples.items():
            row[f"{path_id}_frames"] = len(samples)
            for name in ("work_ms", "confidence", "reprojection_px", "jitter_mm"):
                row[f"{path_id}_{name}"] = _mean(getattr(sample, name) for sample in samples)
        row["compared_frames"] = len(self.pairs)
        row["disagreement_mm"] = _mean(pair.mean_mm for pair in self.pairs)
        row["placement_mm"] = _mean(pair.placement_mm for pair in self.pairs)
        for name in ("confidence", "reprojection_px", "jitter_mm"):
            row[f"output_{name}"] = _mean(getattr(sample, name) for sample in self.output_samples)
        for path_id, values in self.from_output.items():
            row[f"{path_id}_from_output_mm"] = _mean(values)
        for name in ("network", "ik", "fused", ""):
            row[f"output_{name or 'none'}_frames"] = self.outputs.count(name)
        row["output_frames"] = len(self.outputs) - self.outputs.count("")
        row["output_changes"] = self.changes
        return row


class _Memory:
    """State of a comparison; thrown away as a whole."""

    def __init__(self) -> None:
        self.started_s: float | None = None
        self.now_s = 0.0
        self.shift_s = 0.0
        self.samples = {path_id: RollingRows(_SAMPLE_COLUMNS, _MOST_ROWS) for path_id in PATH_IDS}
        self.recorded: dict[PathId, deque[int]] = {path_id: deque(maxlen=32) for path_id in PATH_IDS}
        self.pairs = RollingRows(_PAIR_COLUMNS, _MOST_ROWS)
        self.outputs = RollingRows(_OUTPUT_COLUMNS, _MOST_ROWS)
        self.output_samples = RollingRows(_SAMPLE_COLUMNS, _MOST_ROWS)
        self.from_output = {path_id: RollingRows(_FROM_OUTPUT_COLUMNS, _MOST_ROWS) for path_id in PATH_IDS}
        self.from_output_mean = {path_id: _JointMean() for path_id in PATH_IDS}
        self.last_output = ""
        self.changes = 0
        self.second: _Second | None = None
        self.rows: deque[dict[str, float]] = deque(maxlen=LONGEST_SESSION_S)
        self.joint_mean = _JointMean()
        self.forget_movement()

    def forget_movement(self) -> None:
        """The next frames are of other hands, which have no jitter with those before."""
        self.tracks: dict[PathId, _Track] = {path_id: _Track() for path_id in PATH_IDS}
        self.output_track = _Track()


class Comparison:
    """Collects joined results; safe to feed from one thread and to read from another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memory = _Memory()

    def reset(self) -> None:
        """Forgets the window and the session."""
        with self._lock:
            self._memory = _Memory()

    def record(self, joined: JoinedResult) -> None:
        """Takes what the paths said about one frame; late ones count for their path and the comparison alone."""
        with self._lock:
            memory = self._memory
            time_s = self._time_of(joined)
            if memory.started_s is None:
                memory.started_s = time_s
            second = self._second_of(time_s)
            for path_id, result in joined.results.items():
                if self._is_new(path_id, joined):
                    state = next(iter(result.states), None)
                    work_ms = result.timings_ms.get("total", sum(result.timings_ms.values()))
                    sample = _sample(state, joined.results.get("ik"), work_ms, memory.tracks[path_id], time_s)
                    second.samples[path_id].append(sample)
                    memory.samples[path_id].append(*sample.row(time_s))
            if len(joined.results) == 2:
                self._compare(joined, second, time_s)
            if not joined.late:
                self._count_output(joined, second, time_s)
            memory.now_s = max(memory.now_s, time_s)

    def numbers(self) -> ComparisonNumbers:
        """The last seconds."""
        with self._lock:
            memory = self._memory
            since = memory.now_s - WINDOW_S
            samples = {path_id: rows.since(since) for path_id, rows in memory.samples.items()}
            pairs, outputs = memory.pairs.since(since), memory.outputs.since(since)
            output_samples = memory.output_samples.since(since)
            from_output = {path_id: rows.since(since) for path_id, rows in memory.from_output.items()}
            changes = memory.changes
        followed = outputs[:, 1]
        return ComparisonNumbers(
            paths={path_id: _path_numbers(rows) for path_id, rows in samples.items()},
            disagreement_mm=percentile(pairs[:, 1], 50),
            disagreement_p95_mm=percentile(pairs[:, 1], 95),
            placement_mm=percentile(pairs[:, 2], 50),
            joints_mm=np.median(pairs[:, 3:], 0) if len(pairs) else _NO_JOINTS,
            output=_path_numbers(output_samples),
            from_output_mm={
                path_id: np.median(rows[:, 1:], 0) if len(rows) else _NO_JOINTS for path_id, rows in from_output.items()
            },
            compared=len(pairs),
            output_shares={
                path_id: float((followed == value).sum()) / max(len(followed), 1)
                for path_id, value in _OUTPUT_VALUES.items()
            },
            changes=changes,
        )

    def series(self) -> Series:
        """The curves of the last :data:`SERIES_S` seconds."""
        with self._lock:
            memory, now = self._memory, self._memory.now_s
            samples = {path_id: rows.since(now - SERIES_S) for path_id, rows in memory.samples.items()}
            pairs, outputs = memory.pairs.since(now - SERIES_S), memory.outputs.since(now - SERIES_S)
        return Series(
            confidence={path_id: (rows[:, 0] - now, rows[:, 3]) for path_id, rows in samples.items()},
            work_ms={path_id: (rows[:, 0] - now, rows[:, 1]) for path_id, rows in samples.items()},
            disagreement_mm=(pairs[:, 0] - now, pairs[:, 1]),
            output=(outputs[:, 0] - now, outputs[:, 1]),
        )

    def rows(self) -> list[dict[str, float]]:
        """The session, one row per second; the running second is the last."""
        with self._lock:
            second = self._memory.second
            return [*self._memory.rows, *([] if second is None else [second.row()])]

    def session_joints_mm(self) -> Float[np.ndarray, "21"]:
        """Mean disagreement of each joint over the session."""
        with self._lock:
            return self._memory.joint_mean.mean_mm()

    def session_from_output_mm(self) -> dict[PathId, Float[np.ndarray, "21"]]:
        """Mean distance of each path's joints from the fused hand's over the session."""
        with self._lock:
            return {path_id: mean.mean_mm() for path_id, mean in self._memory.from_output_mean.items()}

    def _time_of(self, joined: JoinedResult) -> float:
        """When a frame was captured, on a clock that never goes back.

        A file that is played fast is ahead of a camera that is chosen after it, whose time then counts on from there.
        """
        memory = self._memory
        time_s = joined.frame.capture_time_ns / 1e9 + memory.shift_s
        if memory.started_s is None:
            return time_s
        if joined.late:
            return min(time_s, memory.now_s)  # it may be of the source before
        if time_s < memory.now_s:
            memory.shift_s += memory.now_s - time_s
            memory.forget_movement()
        return max(time_s, memory.now_s)

    def _second_of(self, time_s: float) -> _Second:
        memory = self._memory
        assert memory.started_s is not None
        index = int(time_s - memory.started_s)
        if memory.second is None or index > memory.second.index:
            if memory.second is not None:
                memory.rows.append(memory.second.row())
            memory.second = _Second(index)
        return memory.second

    def _is_new(self, path_id: PathId, joined: JoinedResult) -> bool:
        """A late frame brings the other path's result along, which was counted before."""
        recorded = self._memory.recorded[path_id]
        if joined.frame.capture_time_ns in recorded:
            return False
        recorded.append(joined.frame.capture_time_ns)
        return True

    def _compare(self, joined: JoinedResult, second: _Second, time_s: float) -> None:
        for network, ik in pair_hands(joined.results["network"].states, joined.results["ik"].states):
            if network is None or ik is None:
                continue
            joints, pair = _apart_mm(network, ik)
            second.pairs.append(pair)
            self._memory.pairs.append(time_s, pair.mean_mm, pair.placement_mm, then=joints)
            self._memory.joint_mean.add(joints)

    def _count_output(self, joined: JoinedResult, second: _Second, time_s: float) -> None:
        memory = self._memory
        name = "" if joined.output is None else joined.output.origin
        memory.outputs.append(time_s, _OUTPUT_VALUES[joined.output.origin] if joined.output else math.nan)
        second.outputs.append(name)
        if name and memory.last_output and name != memory.last_output:
            memory.changes += 1
            second.changes += 1
        memory.last_output = name or memory.last_output
        self._measure_output(joined, second, time_s)

    def _measure_output(self, joined: JoinedResult, second: _Second, time_s: float) -> None:
        memory, state = self._memory, joined.output
        work_ms = math.nan if state is None else state.timings_ms.get("fusion", 0.0)
        sample = _sample(state, joined.results.get("ik"), work_ms, memory.output_track, time_s)
        second.output_samples.append(sample)
        memory.output_samples.append(*sample.row(time_s))
        fused = tuple(output.state for output in joined.outputs if output.origin == "fused")
        for path_id in PATH_IDS:
            states = joined.results[path_id].states if path_id in joined.results else ()
            for one, other in pair_hands(fused, states):
                if one is None or other is None or one.side != other.side:
                    continue
                joints, pair = _apart_mm(one, other)
                memory.from_output[path_id].append(time_s, then=joints)
                memory.from_output_mean[path_id].add(joints)
                second.from_output[path_id].append(pair.mean_mm)


def _sample(state: HandState | None, ik: PathResult | None, work_ms: float, track: _Track, time_s: float) -> _Sample:
    """Measurements of one frame's first hand; NaN without a hand.

    Args:
        state: the hand.
        ik: the frame's landmarks, which reprojection is measured to.
        work_ms: time that the hand took.
        track: of the same path's hand in the frames before.
        time_s: when the frame was captured.
    """
    return _Sample(
        work_ms=work_ms,
        has_hand=state is not None,
        confidence=math.nan if state is None else state.confidence,
        reprojection_px=math.nan if state is None or ik is None else _reprojection_px(state, ik),
        jitter_mm=track.jitter_mm(state, time_s),
    )


def _path_numbers(rows: Float[np.ndarray, "rows columns"]) -> PathNumbers:
    """What the rows of one path come to."""
    if not len(rows):
        return PathNumbers()
    times, work, has_hand, confidence, reprojection, jitter = rows.T
    span_s = float(np.ptp(times))
    return PathNumbers(
        frames_per_second=(len(rows) - 1) / span_s if span_s > 0.0 else math.nan,
        work_ms=percentile(work, 50),
        confidence=_mean(confidence),
        reprojection_px=percentile(reprojection, 50),
        jitter_mm=_mean(jitter),
        hand_share=float(has_hand.mean()),
    )


def _apart_mm(one: HandState, other: HandState) -> tuple[Float[np.ndarray, "21"], _Pair]:
    """How far apart two hands are: each of the joints seen from its own wrist, their mean, and the wrists."""
    joints = np.empty(21)
    placement = _distances(np.asarray(one.joints_m, np.float64), np.asarray(other.joints_m, np.float64), joints)
    joints *= MILLIMETRES_PER_METRE
    return joints, _Pair(float(joints.sum()) / len(joints), placement * MILLIMETRES_PER_METRE)


def _reprojection_px(state: HandState, ik: PathResult) -> float:
    """To the nearest set of landmarks, if any lies on this hand."""
    joints_px = project(np.asarray(state.joints_m, np.float64), ik.frame.intrinsics)
    gaps = [mean_distance(joints_px, np.asarray(seen.landmarks_px, np.float64)) for seen in ik.observations]
    gap = min(gaps, default=math.nan)
    return gap if gap < longer_side(joints_px) else math.nan


@numba.njit(cache=True)
def _distances(first: np.ndarray, second: np.ndarray, apart: np.ndarray) -> float:
    """How far corresponding points are apart, each set seen from its first point, and (returned) how far these are."""
    placement = 0.0
    for axis in range(3):
        placement += (first[0, axis] - second[0, axis]) ** 2
    for p in range(len(first)):
        squared = 0.0
        for axis in range(3):
            squared += (first[p, axis] - first[0, axis] - second[p, axis] + second[0, axis]) ** 2
        apart[p] = np.sqrt(squared)
    return float(np.sqrt(placement))


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


class RollingRows:
    """Keeps the newest rows; the first column is a time that the others are asked by."""

    def __init__(self, columns: int, capacity: int) -> None:
        """Empty.

        Args:
            columns: of a row, the time included.
            capacity: rows that are kept at most.
        """
        # twice the room, so that the rows lie in one piece and are moved only once per capacity
        self._rows = np.empty((2 * capacity, columns))
        self._capacity = capacity
        self._end = 0

    def append(self, *numbers: float, then: Float[np.ndarray, " N"] | None = None) -> None:
        """Adds a row: numbers, and where there is one an array, in the order of the columns."""
        if self._end == len(self._rows):
            self._rows[: self._capacity] = self._rows[self._capacity :]
            self._end = self._capacity
        row = self._rows[self._end]
        row[: len(numbers)] = numbers
        if then is not None:
            row[len(numbers) :] = then
        self._end += 1

    def since(self, time_s: float) -> Float[np.ndarray, "rows columns"]:
        """A copy of the rows that are not older, in the order in which they came."""
        rows = self._rows[max(0, self._end - self._capacity) : self._end]
        return rows[rows[:, 0] >= time_s]
