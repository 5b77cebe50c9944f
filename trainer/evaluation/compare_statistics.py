"""A paired comparison of two networks that accounts for how few independent pieces a recording has.

Neighbouring frames show nearly the same hand, so a thousand frames are not a thousand measurements. What is drawn anew
in the bootstrap (Efron 1979) is therefore whole sessions, or where there are few of them, blocks of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int

Verdict = Literal["better", "worse", "no clear difference"]

FEWEST_UNITS: Final = 6
"""Below this many independent pieces nothing is called clear: the bootstrap's intervals are too narrow there."""

CONFIDENCE: Final = 0.95
_DRAWS: Final = 4000
_BINS: Final = 10
"""Of equal width, for the calibration error."""


@dataclass(frozen=True, slots=True)
class Change:
    """How an error changed between two networks on the same pictures.

    Attributes:
        before: mean error of the first.
        after: mean error of the second.
        share: change of the mean over ``before``; negative is better.
        low: lower end of the interval of ``share``.
        high: upper end.
        units: independent pieces that were drawn from.
        verdict: whether the interval leaves 0 out, and on which side.
    """

    before: float
    after: float
    share: float
    low: float
    high: float
    units: int
    verdict: Verdict


def paired_change(
    before: Float[np.ndarray, " N"], after: Float[np.ndarray, " N"], unit: Int[np.ndarray, " N"], seed: int = 0
) -> Change:
    """Compares two networks' errors on the same pictures.

    Args:
        before: error of the first network on each picture; the mean is above 0.
        after: error of the second.
        unit: which independent piece each picture belongs to.
        seed: of the bootstrap.
    """
    _, place = np.unique(unit, return_inverse=True)
    count = int(place.max()) + 1
    sums = np.stack([np.bincount(place, values, count) for values in (before, after)], 1)
    drawn = np.random.default_rng(seed).integers(count, size=(_DRAWS, count))
    totals = sums[drawn].sum(1)
    shares = totals[:, 1] / np.maximum(totals[:, 0], 1e-12) - 1.0
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = (float(value) for value in np.quantile(shares, (tail, 1.0 - tail)))
    verdict: Verdict = "no clear difference"
    if count >= FEWEST_UNITS and (high < 0.0 or low > 0.0):
        verdict = "better" if high < 0.0 else "worse"
    mean_before, mean_after = float(before.mean()), float(after.mean())
    return Change(mean_before, mean_after, mean_after / max(mean_before, 1e-12) - 1.0, low, high, count, verdict)


def blocks_of_time(
    session: Int[np.ndarray, " N"], time_s: Float[np.ndarray, " N"], block_s: float
) -> Int[np.ndarray, " N"]:
    """A number for each picture that it shares with those of the same session and the same stretch of time.

    Args:
        session: which session each picture is of.
        time_s: when it was taken, on the session's clock.
        block_s: length of a block.
    """
    block = np.floor(time_s / block_s).astype(np.int64)
    _, number = np.unique(np.stack([session, block], 1), axis=0, return_inverse=True)
    return np.asarray(number).reshape(-1)


def calibration_gap(confidence: Float[np.ndarray, " N"], good: Float[np.ndarray, " N"]) -> float:
    """Expected calibration error (Naeini et al. 2015): how far confidence lies from the share that really is good.

    Args:
        confidence: 0 to 1.
        good: 1 where the answer was good, else 0.
    """
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(place, confidence - good, _BINS)
    return float(np.abs(gap).sum() / len(confidence))


def error_jitter_mm(
    error_m: Float[np.ndarray, "N 21 3"], unit: Int[np.ndarray, " N"], time_s: Float[np.ndarray, " N"], gap_s: float
) -> float:
    """Mean second difference of the joints' error from frame to frame: trembling that the hand itself did not do.

    Args:
        error_m: prediction minus label, in the order of time within each unit.
        unit: only frames of one unit are neighbours.
        time_s: when each picture was taken.
        gap_s: frames farther apart are no neighbours.

    Returns:
        Millimetres; NaN where no three frames are neighbours.
    """
    near = (unit[1:] == unit[:-1]) & (np.abs(np.diff(time_s)) <= gap_s)
    triple = near[1:] & near[:-1]
    second = error_m[2:] - 2.0 * error_m[1:-1] + error_m[:-2]
    if not triple.any():
        return float("nan")
    return float(np.linalg.norm(second[triple], axis=-1).mean() * 1000.0)
