"""How fast and how well a path runs: frames per second, latency, residual."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.types import PathResult

_NS_PER_MS = 1e6
_NS_PER_S = 1e9
_STALE_NS = 1_500_000_000


@dataclass(frozen=True, slots=True)
class PathSummary:
    """Numbers over the window of :class:`PathStatistics`; NaN where nothing was measured.

    Attributes:
        frames: results so far, over the whole run.
        detections: results with at least one hand, over the whole run.
        hands: hands found, over the whole run.
        frames_per_second: results per second.
        latency_p50_ms: captured to shown, median.
        latency_p95_ms: captured to shown, 95th percentile.
        reprojection_px: median over hands of the mean distance between fitted and observed joints.
        reprojection_p95_px: the same, 95th percentile.
    """

    frames: int
    detections: int
    hands: int
    frames_per_second: float
    latency_p50_ms: float
    latency_p95_ms: float
    reprojection_px: float
    reprojection_p95_px: float


class PathStatistics:
    """Collects numbers of one path. Not shared between threads: it belongs to the one that shows the results."""

    def __init__(self, window: int | None = 150) -> None:
        """Empty.

        Args:
            window: how many results the rolling numbers look back, None for all.
        """
        self._window = window
        self.reset()

    def reset(self) -> None:
        """Forgets everything, as for a new source."""
        self._shown_ns: deque[int] = deque(maxlen=self._window)
        self._latency_ms: deque[float] = deque(maxlen=self._window)
        self._reprojection_px: deque[float] = deque(maxlen=self._window)
        self._stages_ms: dict[str, deque[float]] = {}
        self._frames = self._detections = self._hands = 0

    @property
    def frames(self) -> int:
        """Results so far."""
        return self._frames

    def record(self, result: PathResult, shown_ns: int, since_ns: int | None = None) -> None:
        """Counts one result.

        Args:
            result: of the path.
            shown_ns: ``time.monotonic_ns`` when it was on the screen, or done where there is no screen.
            since_ns: where its latency starts, if not at the capture of its frame.
        """
        self._frames += 1
        self._detections += bool(result.states)
        self._hands += len(result.states)
        self._shown_ns.append(shown_ns)
        since_ns = result.frame.arrival_time_ns if since_ns is None else since_ns
        self._latency_ms.append((shown_ns - since_ns) / _NS_PER_MS)
        self._reprojection_px.extend(
            state.reprojection_px for state in result.states if np.isfinite(state.reprojection_px)
        )
        for stage, milliseconds in result.timings_ms.items():
            self._stages_ms.setdefault(stage, deque(maxlen=self._window)).append(milliseconds)

    def summary(self, now_ns: int | None = None) -> PathSummary:
        """The numbers.

        Args:
            now_ns: the present; where nothing came for a while, there is no rate and no latency any more.
        """
        stale = now_ns is not None and bool(self._shown_ns) and now_ns - self._shown_ns[-1] > _STALE_NS
        return PathSummary(
            frames=self._frames,
            detections=self._detections,
            hands=self._hands,
            frames_per_second=math.nan if stale else self._rate(),
            latency_p50_ms=math.nan if stale else _percentile(self._latency_ms, 50),
            latency_p95_ms=math.nan if stale else _percentile(self._latency_ms, 95),
            reprojection_px=_percentile(self._reprojection_px, 50),
            reprojection_p95_px=_percentile(self._reprojection_px, 95),
        )

    def stage_medians_ms(self) -> dict[str, float]:
        """Median milliseconds of each stage that the path reports."""
        return {stage: _percentile(values, 50) for stage, values in self._stages_ms.items()}

    def _rate(self) -> float:
        if len(self._shown_ns) < 2:
            return float("nan")
        seconds = (self._shown_ns[-1] - self._shown_ns[0]) / _NS_PER_S
        return (len(self._shown_ns) - 1) / seconds if seconds > 0 else float("nan")


def percentile(values: Float[np.ndarray, " N"], percent: float) -> float:
    """Linear between neighbours, as NumPy's, which takes ten times as long on so few; NaN are left out.

    Args:
        values: any number.
        percent: 0 to 100.

    Returns:
        NaN where there is no value.
    """
    ordered = np.sort(values[np.isfinite(values)])
    if not len(ordered):
        return math.nan
    place = (len(ordered) - 1) * percent / 100.0
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


def _percentile(values: deque[float], percent: float) -> float:
    return percentile(np.fromiter(values, float), percent)
