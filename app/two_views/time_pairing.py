"""Frames of two cameras paired by time: how much later one clock is, and which moments both cameras saw.

Two cameras of one machine differ by their latencies, some hundredths of a second; two files by when each recording was
started. The hand is in both views at once, so its speed over time tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from app.two_views.camera_pair import CameraPair
from app.two_views.evidence import PATHS, ViewTrack

LIVE_SEARCH_S: Final = 0.4
"""Cameras of one machine are at most so far apart."""

FILE_SEARCH_S: Final = 20.0
"""Two recordings of one take may have been started so far apart."""

SHARPEST_STEP_S: Final = 0.004
"""How finely the clocks are compared."""

LEAST_CORRELATION: Final = 0.35
"""Below this the two views' speeds do not show the same movement."""

_GRID_S: Final = 0.02
_LEAST_OVERLAP_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Skew:
    """How far two clocks are apart.

    Attributes:
        late_s: a moment at t on the first view's clock is at t + late_s on the second's.
        correlation: of the two speeds at that shift, -1 to 1.
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
    """The shift at which the hand's speed in both pictures correlates most (normalised cross-correlation).

    Args:
        first: of the first view.
        second: of the second view, on its own clock.
        search_s: largest shift to either side.
    """
    one, other = _speed(first), _speed(second)
    if one is None or other is None:
        return Skew(0.0, 0.0)
    (start_one, speed_one), (start_other, speed_other) = one, other
    reach = int(search_s / _GRID_S)
    offset = start_other - start_one
    best, scores = Skew(0.0, -1.0), {}
    for steps in range(-reach, reach + 1):
        # the sample i of the first is at the same moment as sample i + steps - offset / grid of the second
        shift = steps - round(offset / _GRID_S)
        a = speed_one[max(0, -shift) : len(speed_other) - shift if shift >= 0 else None]
        b = speed_other[max(0, shift) :]
        length = min(len(a), len(b))
        both = np.isfinite(a[:length]) & np.isfinite(b[:length])
        if both.sum() * _GRID_S < _LEAST_OVERLAP_S:
            continue
        x, y = a[:length][both], b[:length][both]
        spread = x.std() * y.std()
        score = float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0.0 else 0.0
        scores[steps] = score
        if score > best.correlation:
            best = Skew((shift + round(offset / _GRID_S)) * _GRID_S, score)
    steps = round(best.late_s / _GRID_S)
    before, after = scores.get(steps - 1), scores.get(steps + 1)
    if before is None or after is None:
        return best
    # the peak of the parabola through the best three
    bend = before - 2.0 * best.correlation + after
    finer = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return Skew(best.late_s + float(np.clip(finer, -0.5, 0.5)) * _GRID_S, best.correlation)


def sharpen_skew(pair: CameraPair, first: ViewTrack, second: ViewTrack, late_s: float, search_s: float = 0.06) -> float:
    """The shift near a known one at which the two views agree best about a calibrated pair of cameras.

    Args:
        pair: the cameras.
        first: of the first view.
        second: of the second view, on its own clock.
        late_s: about how much later the second clock is.
        search_s: how far to look to either side.
    """
    tolerance = pairing_tolerance_s(first, second)
    shifts = late_s + np.arange(-search_s, search_s + 1e-9, SHARPEST_STEP_S)
    errors = []
    for shift in shifts:
        there = second.at_times(first.times_s + shift, tolerance)
        apart = [
            np.abs(pair.epipolar_errors_px(first.joints_px[path], there.joints_px[path])).ravel()
            for path in PATHS
            if path in first.joints_px and path in there.joints_px
        ]
        flat = np.concatenate(apart)
        errors.append(
            float(np.nanmean(np.minimum(flat, np.nanquantile(flat, 0.9)))) if np.isfinite(flat).any() else np.inf
        )
    best = int(np.argmin(errors))
    if 0 < best < len(shifts) - 1:
        before, here, after = errors[best - 1 : best + 2]
        bend = before - 2.0 * here + after
        if bend > 0.0:
            return float(shifts[best] + np.clip(0.5 * (before - after) / bend, -0.5, 0.5) * SHARPEST_STEP_S)
    return float(shifts[best])


def _speed(track: ViewTrack) -> tuple[float, Float[np.ndarray, " G"]] | None:
    """Mean speed of the joints over the hand's size on an even grid of time, its start, NaN where no hand is."""
    best = max(track.joints_px.values(), key=lambda pixels: np.isfinite(pixels[:, 0, 0]).sum(), default=None)
    if best is None or len(track) < 10:
        return None
    times = track.times_s
    step = np.diff(times)
    size = np.ptp(best, axis=1).max(-1)
    moved = np.linalg.norm(np.diff(best, axis=0), axis=-1).mean(-1) / np.maximum(step, 1e-6)
    speed = moved / np.maximum(np.nanmedian(size), 1.0)
    usual = float(np.median(step))
    speed = np.where(step <= 2.5 * usual, np.minimum(speed, 8.0), np.nan)
    middle = (times[1:] + times[:-1]) / 2.0
    start = float(np.floor(middle[0] / _GRID_S) * _GRID_S)
    grid = np.arange(start, middle[-1], _GRID_S)
    known = np.isfinite(speed)
    if known.sum() < 10:
        return None
    even = np.interp(grid, middle[known], speed[known])
    # nothing is made up where the hand was gone
    nearest = np.abs(grid[:, None] - middle[known][None]).min(1) if len(grid) < 20000 else np.zeros(len(grid))
    even[nearest > 2.5 * usual] = np.nan
    width = max(1, round(0.06 / _GRID_S))
    kernel = np.ones(2 * width + 1) / (2 * width + 1)
    return start, np.convolve(even, kernel, "same")
