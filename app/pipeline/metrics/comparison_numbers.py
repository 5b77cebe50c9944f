"""Numbers and curves of :class:`app.pipeline.metrics.comparison.Comparison` over the last seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.types import HandOrigin, PathId

WINDOW_S = 5.0
"""What the numbers look back."""

SERIES_S = 20.0
"""What the plots look back."""


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
        output: the output on its own; its work is that of the fusion alone.
        from_output_mm: median distance of each path's joints from those of the fused hand.
        output_shares: share of frames in which each path, or the fused hand, was the output.
        changes: how often the output changed in the whole session.
    """

    paths: Mapping[PathId, PathNumbers]
    disagreement_mm: float
    disagreement_p95_mm: float
    placement_mm: float
    joints_mm: Float[np.ndarray, "21"]
    compared: int
    output: PathNumbers
    from_output_mm: Mapping[PathId, Float[np.ndarray, "21"]]
    output_shares: Mapping[HandOrigin, float]
    changes: int


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What plots show: times in seconds (0 is now, the past is negative) and values, by name.

    Attributes:
        confidence: of each path.
        work_ms: of each path.
        disagreement_mm: of both.
        output: path that was the output, 1 network, 0.5 fused, 0 IK, NaN none.
    """

    confidence: Mapping[PathId, tuple[np.ndarray, np.ndarray]]
    work_ms: Mapping[PathId, tuple[np.ndarray, np.ndarray]]
    disagreement_mm: tuple[np.ndarray, np.ndarray]
    output: tuple[np.ndarray, np.ndarray]
