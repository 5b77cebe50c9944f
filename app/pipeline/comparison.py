"""How the two paths compare: over the last seconds for the eye, and second by second for the whole session.

Quantities, each the same for both paths:

* disagreement: mean distance of the joints with both wrists laid onto each other, mm; placement: that of the wrists.
* reprojection: mean distance of the projected joints to MediaPipe's landmarks of the same frame, px. The landmarks lie
  a few millimetres beside a hand model's joints (nearer to the skin), so it never reaches zero.
* jitter: mean length of the second difference of the joints relative to the wrist, mm per frame squared.
* work: milliseconds the path took for the frame; frames per second: results of the path.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from app.pipeline.hand_pairs import pair_hands
from app.pipeline.joiner import JoinedResult
from hand.camera import project
from hand.metrics import jitter_mm
from hand.types import HandState, PathResult, Provider

WINDOW_S = 5.0
"""What the numbers look back."""

SERIES_S = 20.0
"""What the plots look back."""

LONGEST_SESSION_S = 24 * 3600
"""Rows that are kept at most; beyond it the oldest go."""

BOTH: tuple[Provider, ...] = ("network", "ik")

_LONGEST_STEP_S = 0.2
_MM_PER_M = 1000.0
_NO_JOINTS = np.full(21, np.nan)


@dataclass(frozen=True, slots=True)
class PathNumbers:
    """One path over the window; NaN where nothing was measured.

    Attributes:
        frames_per_second: results.
        work_ms: median time per frame.
        confidence: mean of the hands.
        reprojection_px: median.
        jitter_mm: mean, mm per frame squared.
        hand_share: share of results with a hand.
    """

    frames_per_second: float = math.nan
    work_ms: float = math.nan
    confidence: float = math.nan
    reprojection_px: float = math.nan
    jitter_mm: float = math.nan
    hand_share: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonNumbers:
    """Both paths over the window.

    Attributes:
        paths: each on its own.
        disagreement_mm: mean over joints, median over frames.
        disagreement_p95_mm: 95th percentile over frames.
        placement_mm: median distance of the wrists.
        joints_mm: median for each joint.
        compared: frames in which both had the hand.
        output_shares: share of frames in which each path was the output.
        changes: how often the output changed in the whole session.
    """

    paths: Mapping[Provider, PathNumbers]
    disagreement_mm: float
    disagreement_p95_mm: float
    placement_mm: float
    joints_mm: Float[np.ndarray, "21"]
    compared: int
    output_shares: Mapping[Provider, float]
    changes: int


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What plots show: times in seconds (0 is now, the past is negative) and values, by name.

    Attributes:
        confidence: of each path.
        work_ms: of each path.
        disagreement_mm: of both.
        output: path that was the output, 1 network, 0 IK, NaN none.
    """

    confidence: Mapping[Provider, tuple[np.ndarray, np.ndarray]]
    work_ms: Mapping[Provider, tuple[np.ndarray, np.ndarray]]
    disagreement_mm: tuple[np.ndarray, np.ndarray]
    output: tuple[np.ndarray, np.ndarray]


@dataclass(slots=True)
class _Sample:
    time_s: float
    work_ms: float
    has_hand: bool
    confidence: float
    reprojection_px: float
    jitter_mm: float


@dataclass(slots=True)
class _Pair:
    time_s: float
    joints_mm: np.ndarray
    mean_mm: float
    placement_mm: float


@dataclass(slots=True)
class _Track:
    """The last joints of a path's first hand, for the jitter."""

    time_s: float = -1.0
    joints: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=3))


@dataclass(slots=True)
class _Second:
    """What gathers during one second of the session."""

    index: int
    samples: dict[Provider, list[_Sample]] = field(default_factory=lambda: {"network": [], "ik": []})
    pairs: list[_Pair] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    changes: int = 0

    def row(self) -> dict[str, float]:
        """The second as one line of a table."""
        row: dict[str, float] = {"second": self.index}
        for provider, samples in self.samples.items():
            row[f"{provider}_frames"] = len(samples)
            for name in ("work_ms", "confidence", "reprojection_px", "jitter_mm"):
                row[f"{provider}_{name}"] = _mean(getattr(sample, name) for sample in samples)
        row["compared_frames"] = len(self.pairs)
        row["disagreement_mm"] = _mean(pair.mean_mm for pair in self.pairs)
        row["placement_mm"] = _mean(pair.placement_mm for pair in self.pairs)
        for name in ("network", "ik", ""):
            row[f"output_{name or 'none'}_frames"] = self.outputs.count(name)
        row["output_changes"] = self.changes
        return row


class _Memory:
    """What a comparison remembers; thrown away as a whole."""

    def __init__(self) -> None:
        self.started_s: float | None = None
        self.now_s = 0.0
        self.samples: dict[Provider, deque[_Sample]] = {provider: deque() for provider in BOTH}
        self.recorded: dict[Provider, deque[int]] = {provider: deque(maxlen=32) for provider in BOTH}
        self.tracks: dict[Provider, _Track] = {provider: _Track() for provider in BOTH}
        self.pairs: deque[_Pair] = deque()
        self.outputs: deque[tuple[float, str]] = deque()
        self.last_output = ""
        self.changes = 0
        self.second: _Second | None = None
        self.rows: deque[dict[str, float]] = deque(maxlen=LONGEST_SESSION_S)
        self.joint_sum_mm = np.zeros(21)
        self.joint_count = 0


class Comparison:
    """Gathers joined results; safe to feed from one thread and to read from another."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._lock = threading.Lock()
        self._memory = _Memory()

    def reset(self) -> None:
        """Forgets the window and the session."""
        with self._lock:
            self._memory = _Memory()

    def record(self, joined: JoinedResult) -> None:
        """Takes what the paths said about one frame; late ones count for their path and the comparison alone."""
        time_s = joined.frame.capture_time_ns / 1e9
        with self._lock:
            if self._memory.started_s is None:
                self._memory.started_s = time_s
            second = self._second_of(time_s)
            for provider, result in joined.results.items():
                if self._is_new(provider, joined):
                    sample = self._sample(provider, result, joined.results.get("ik"), time_s)
                    self._memory.samples[provider].append(sample)
                    second.samples[provider].append(sample)
            if len(joined.results) == 2:
                self._compare(joined, second, time_s)
            if not joined.late:
                self._count_output(joined, second, time_s)
            self._forget(time_s)

    def numbers(self) -> ComparisonNumbers:
        """The last seconds."""
        with self._lock:
            since = self._memory.now_s - WINDOW_S
            pairs = [pair for pair in self._memory.pairs if pair.time_s >= since]
            outputs = [name for time_s, name in self._memory.outputs if time_s >= since]
            paths = {provider: self._path_numbers(provider, since) for provider in BOTH}
            changes = self._memory.changes
        joints = np.array([pair.joints_mm for pair in pairs]) if pairs else np.empty((0, 21))
        means = [pair.mean_mm for pair in pairs]
        return ComparisonNumbers(
            paths=paths,
            disagreement_mm=_percentile(means, 50),
            disagreement_p95_mm=_percentile(means, 95),
            placement_mm=_percentile([pair.placement_mm for pair in pairs], 50),
            joints_mm=np.median(joints, 0) if pairs else _NO_JOINTS,
            compared=len(pairs),
            output_shares={provider: outputs.count(provider) / max(len(outputs), 1) for provider in BOTH},
            changes=changes,
        )

    def series(self) -> Series:
        """The curves of the last :data:`SERIES_S` seconds."""
        with self._lock:
            now = self._memory.now_s
            samples = {provider: list(self._memory.samples[provider]) for provider in BOTH}
            pairs, outputs = list(self._memory.pairs), list(self._memory.outputs)
        confidence, work = {}, {}
        for provider, path in samples.items():
            times = np.array([sample.time_s - now for sample in path])
            confidence[provider] = (times, np.array([sample.confidence for sample in path], float))
            work[provider] = (times, np.array([sample.work_ms for sample in path], float))
        value = {"network": 1.0, "ik": 0.0, "": math.nan}
        return Series(
            confidence,
            work,
            (np.array([p.time_s - now for p in pairs]), np.array([p.mean_mm for p in pairs], float)),
            (np.array([time_s - now for time_s, _ in outputs]), np.array([value[name] for _, name in outputs], float)),
        )

    def rows(self) -> list[dict[str, float]]:
        """The session, one row per second; the running second is the last."""
        with self._lock:
            return [*self._memory.rows, *([self._memory.second.row()] if self._memory.second is not None else [])]

    def session_joints_mm(self) -> Float[np.ndarray, "21"]:
        """Mean disagreement of each joint over the session."""
        with self._lock:
            return (
                self._memory.joint_sum_mm / self._memory.joint_count if self._memory.joint_count else _NO_JOINTS.copy()
            )

    def _second_of(self, time_s: float) -> _Second:
        assert self._memory.started_s is not None
        index = int(time_s - self._memory.started_s)
        if self._memory.second is None or index > self._memory.second.index:
            if self._memory.second is not None:
                self._memory.rows.append(self._memory.second.row())
            self._memory.second = _Second(index)
        return self._memory.second

    def _is_new(self, provider: Provider, joined: JoinedResult) -> bool:
        """A late frame brings the other path's result along, which was counted before."""
        recorded = self._memory.recorded[provider]
        if joined.frame.capture_time_ns in recorded:
            return False
        recorded.append(joined.frame.capture_time_ns)
        return True

    def _sample(self, provider: Provider, result: PathResult, ik: PathResult | None, time_s: float) -> _Sample:
        state = result.states[0] if result.states else None
        return _Sample(
            time_s=time_s,
            work_ms=result.timings_ms.get("total", sum(result.timings_ms.values())),
            has_hand=state is not None,
            confidence=math.nan if state is None else state.confidence,
            reprojection_px=math.nan if state is None or ik is None else _reprojection_px(state, ik),
            jitter_mm=self._jitter(provider, state, time_s),
        )

    def _jitter(self, provider: Provider, state: HandState | None, time_s: float) -> float:
        track = self._memory.tracks[provider]
        if state is None or not 0.0 < time_s - track.time_s < _LONGEST_STEP_S:
            track.joints.clear()
        track.time_s = time_s
        if state is None:
            return math.nan
        track.joints.append(np.asarray(state.joints_m - state.joints_m[0], np.float64))
        return jitter_mm(np.array(track.joints))

    def _compare(self, joined: JoinedResult, second: _Second, time_s: float) -> None:
        for network, ik in pair_hands(joined.results["network"].states, joined.results["ik"].states):
            if network is None or ik is None:
                continue
            apart = (network.joints_m - network.joints_m[0]) - (ik.joints_m - ik.joints_m[0])
            joints = np.linalg.norm(np.asarray(apart, np.float64), axis=1) * _MM_PER_M
            placement = float(np.linalg.norm(network.joints_m[0] - ik.joints_m[0])) * _MM_PER_M
            pair = _Pair(time_s, joints, float(joints.mean()), placement)
            self._memory.pairs.append(pair)
            second.pairs.append(pair)
            self._memory.joint_sum_mm += joints
            self._memory.joint_count += 1

    def _count_output(self, joined: JoinedResult, second: _Second, time_s: float) -> None:
        name = "" if joined.output is None else joined.output.provider
        self._memory.outputs.append((time_s, name))
        second.outputs.append(name)
        if name and self._memory.last_output and name != self._memory.last_output:
            self._memory.changes += 1
            second.changes += 1
        self._memory.last_output = name or self._memory.last_output

    def _forget(self, time_s: float) -> None:
        self._memory.now_s = max(self._memory.now_s, time_s)
        since = self._memory.now_s - SERIES_S
        for samples in self._memory.samples.values():
            while samples and samples[0].time_s < since:
                samples.popleft()
        while self._memory.pairs and self._memory.pairs[0].time_s < since:
            self._memory.pairs.popleft()
        while self._memory.outputs and self._memory.outputs[0][0] < since:
            self._memory.outputs.popleft()

    def _path_numbers(self, provider: Provider, since_s: float) -> PathNumbers:
        samples = [sample for sample in self._memory.samples[provider] if sample.time_s >= since_s]
        if not samples:
            return PathNumbers()
        span_s = samples[-1].time_s - samples[0].time_s
        return PathNumbers(
            frames_per_second=(len(samples) - 1) / span_s if span_s > 0.0 else math.nan,
            work_ms=_percentile([sample.work_ms for sample in samples], 50),
            confidence=_mean(sample.confidence for sample in samples),
            reprojection_px=_percentile([sample.reprojection_px for sample in samples], 50),
            jitter_mm=_mean(sample.jitter_mm for sample in samples),
            hand_share=sum(sample.has_hand for sample in samples) / len(samples),
        )


def _reprojection_px(state: HandState, ik: PathResult) -> float:
    """To the nearest set of landmarks, if any lies on this hand."""
    joints_px = project(np.asarray(state.joints_m, np.float64), ik.frame.intrinsics)
    gaps = [float(np.linalg.norm(joints_px - seen.landmarks_px, axis=1).mean()) for seen in ik.observations]
    size = float(np.ptp(joints_px, axis=0).max())
    gap = min(gaps, default=math.nan)
    return gap if gap < size else math.nan


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _percentile(values: Iterable[float], percent: float) -> float:
    """Linear between neighbours, as NumPy's; on some hundred numbers ten times as fast."""
    ordered = sorted(value for value in values if math.isfinite(value))
    if not ordered:
        return math.nan
    place = (len(ordered) - 1) * percent / 100.0
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
