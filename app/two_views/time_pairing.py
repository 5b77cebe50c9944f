"""Frames of two cameras paired by time: the offset of the clocks, and the moments in both views.

Two cameras of one machine differ by their latencies, some hundredths of a second; two files by when each recording
was started. The hand is in both views at once, so its motion over time determines the offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from app.two_views.evidence import PATHS, ViewTrack
from hand.joints import TIP_JOINTS

LIVE_SEARCH_S: Final = 0.4
"""Cameras of one machine are at most so far apart."""

FILE_SEARCH_S: Final = 20.0
"""Two recordings of one take may have been started so far apart."""

LEAST_CORRELATION: Final = 0.35
"""Below this the two views do not show the same movement."""

_GRID_S: Final = 0.02
_SMOOTHED_S: Final = 0.06
_LEAST_OVERLAP_S: Final = 4.0
_LEAST_OVERLAP_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Skew:
    """How far two clocks are apart.

    Attributes:
        late_s: a moment at t on the first view's clock is at t + late_s on the second's.
        correlation: of the two motions at that shift, -1 to 1.
    """

    late_s: float
    correlation: float

    @property
    def credible(self) -> bool:
        """Whether both views show the same movement."""
        return self.correlation >= LEAST_CORRELATION


def pairing_tolerance_s(first: ViewTrack, second: ViewTrack) -> float:
    """How far apart the two frames around a moment may be for the hand to be interpolated between them: 2.5 frames.

    Args:
        first: of the first view.
        second: of the second view.
    """
    steps = [float(np.median(np.diff(track.times_s))) for track in (first, second) if len(track) > 1]
    return 2.5 * max(steps, default=1.0 / 30.0)


def paired(first: ViewTrack, second: ViewTrack, late_s: float) -> tuple[ViewTrack, ViewTrack]:
    """The second view's hand at the moments of the first view's frames; frames of the first without it keep theirs.

    Args:
        first: of the first view.
        second: of the second view, on its own clock.
        late_s: how much later the second clock is.
    """
    there = second.at_times(first.times_s + late_s, pairing_tolerance_s(first, second))
    return first, there


def estimate_skew(first: ViewTrack, second: ViewTrack, search_s: float) -> Skew:
    """The shift at which the hand's motion in both views correlates most (normalised cross-correlation).

    Motion is the speed in the picture, and how far the finger tips are from the wrist and from each other, which
    depends little on the side of the camera.

    Args:
        first: of the first view.
        second: of the second view, on its own clock.
        search_s: largest shift to either side.
    """
    one, other = _motion(first), _motion(second)
    if one is None or other is None:
        return Skew(0.0, 0.0)
    (start_one, motion_one), (start_other, motion_other) = one, other
    # sample i of the first is at the same moment as sample i + steps - apart of the second
    apart = round((start_other - start_one) / _GRID_S)
    reach = int(search_s / _GRID_S)
    least = max(_LEAST_OVERLAP_S, _LEAST_OVERLAP_SHARE * _GRID_S * min(len(motion_one), len(motion_other))) / _GRID_S
    # a short overlap correlates by chance, so that the score is Fisher's: atanh(r) over its standard deviation
    best, best_score, scores = Skew(0.0, -1.0), -np.inf, {}
    for steps in range(-reach, reach + 1):
        shift = steps - apart
        a, b = motion_one[max(0, -shift) :], motion_other[max(0, shift) :]
        length = min(len(a), len(b))
        both = np.isfinite(a[:length]).all(1) & np.isfinite(b[:length]).all(1)
        if both.sum() < least:
            continue
        x, y = a[:length][both], b[:length][both]
        spread = np.maximum(x.std(0) * y.std(0), 1e-12)
        correlation = float((((x - x.mean(0)) * (y - y.mean(0))).mean(0) / spread).mean())
        score = float(np.arctanh(np.clip(correlation, -0.999, 0.999)) * np.sqrt(both.sum()))
        scores[steps] = correlation
        if score > best_score:
            best, best_score = Skew(steps * _GRID_S, correlation), score
    steps = round(best.late_s / _GRID_S)
    before, after = scores.get(steps - 1), scores.get(steps + 1)
    if before is None or after is None:
        return best
    # the peak of the parabola through the best three
    bend = before - 2.0 * best.correlation + after
    finer = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return Skew(best.late_s + float(np.clip(finer, -0.5, 0.5)) * _GRID_S, best.correlation)


def _motion(track: ViewTrack) -> tuple[float, Float[np.ndarray, "G channels"]] | None:
    """Start of an even grid of time and channels of motion on it, NaN where no hand is; None without a hand."""
    seen = {path: np.isfinite(track.joints_px[path][:, 0, 0]) for path in PATHS if path in track.joints_px}
    if not seen or len(track) < 10:
        return None
    path = max(seen, key=lambda name: int(seen[name].sum()))
    known = np.flatnonzero(seen[path])
    if len(known) < 10:
        return None
    times, pixels, joints = track.times_s[known], track.joints_px[path][known], track.joints_m[path][known]
    usual = float(np.median(np.diff(track.times_s)))
    tips = joints[:, list(TIP_JOINTS)]
    palm = np.maximum(np.linalg.norm(joints[:, 9] - joints[:, 0], axis=-1), 1e-3)[:, None]
    reach = np.linalg.norm(tips - joints[:, :1], axis=-1) / palm
    apart = np.linalg.norm(np.diff(tips, axis=1), axis=-1) / palm
    size = max(float(np.median(np.ptp(pixels, axis=1).max(-1))), 1.0)
    moved = np.linalg.norm(np.gradient(pixels, times, axis=0), axis=-1).mean(-1, keepdims=True) / size
    channels = np.concatenate([np.minimum(moved, 8.0), reach, apart], 1)
    start = float(np.floor(times[0] / _GRID_S) * _GRID_S)
    grid = np.arange(start, times[-1], _GRID_S)
    even = np.stack([np.interp(grid, times, channel) for channel in channels.T], 1)
    width = max(1, round(_SMOOTHED_S / _GRID_S))
    kernel = np.ones(2 * width + 1) / (2 * width + 1)
    even = np.stack([np.convolve(channel, kernel, "same") for channel in even.T], 1)
    # nothing is made up where the hand was gone
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    even[times[after] - times[after - 1] > 3.0 * usual] = np.nan
    return start, even
