"""Detects that a camera was moved since the calibration: pixels of a joint no longer meet, or hands change size.

A camera that turns about the direction in which the other one stands keeps its epipolar lines; what it spoils is depth,
and with it the size of the hand.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from jaxtyping import Float

from app.two_views.calibration import PairCalibration
from app.two_views.evidence import ViewTrack
from app.two_views.triangulation import Sightings, triangulate

WINDOW_FRAMES: Final = 45
"""Frames with the hand in both views that a verdict is based on: one odd frame moves nothing."""

GROWN: Final = 2.5
"""The epipolar error is this many times that of the calibration."""

LEAST_ERROR_PX: Final = 3.0
"""An epipolar error below this is not significant at 640 pixels of width."""

RESIZED: Final = 0.12
"""The palm is longer or shorter than at the calibration by this share."""


class PairState(Enum):
    """State of the two cameras."""

    OFF = "off"
    OPENING = "opening"
    SECOND_MISSING = "second missing"
    UNCALIBRATED = "uncalibrated"
    CALIBRATING = "calibrating"
    MOVED = "moved"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class MovementMetrics:
    """What the verdict is based on.

    Attributes:
        epipolar_px: median over the window.
        epipolar_before_px: at the calibration.
        palm_share: length of the palm over that at the calibration.
    """

    epipolar_px: float
    epipolar_before_px: float
    palm_share: float


class MovementCheck:
    """Monitors a calibrated pair of cameras."""

    def __init__(self, calibration: PairCalibration) -> None:
        self._calibration = calibration
        self._errors: deque[float] = deque(maxlen=WINDOW_FRAMES)
        self._palms: deque[float] = deque(maxlen=WINDOW_FRAMES)

    def add(self, first_px: Float[np.ndarray, "21 2"], second_px: Float[np.ndarray, "21 2"]) -> None:
        """Adds one moment with a path's hand in both views.

        Args:
            first_px: joints in the first view.
            second_px: joints in the second view.
        """
        pair = self._calibration.pair
        self._errors.append(float(np.median(np.abs(pair.epipolar_errors_px(first_px, second_px)))))
        ends = [0, 9]
        sigma = np.full((1, 2), 10.0)
        made = triangulate(
            pair, [Sightings(v, pixels[ends][None], sigma) for v, pixels in enumerate((first_px, second_px))]
        )
        self._palms.append(float(np.linalg.norm(made.joints_m[0, 0] - made.joints_m[0, 1])))

    def add_track(self, first: ViewTrack, second: ViewTrack) -> None:
        """Adds all moments with the hand of the most exact path in both views.

        Args:
            first: the hand in the first view.
            second: the hand in the second view at the same moments.
        """
        path = self._calibration.noise.best_path
        if path not in first.joints_px or path not in second.joints_px:
            return
        for first_px, second_px in zip(first.joints_px[path], second.joints_px[path], strict=True):
            if np.isfinite(first_px).all() and np.isfinite(second_px).all():
                self.add(first_px, second_px)

    @property
    def metrics(self) -> MovementMetrics | None:
        """Over the last frames; None while there are too few."""
        if len(self._errors) < WINDOW_FRAMES:
            return None
        palm = float(np.nanmedian(self._palms)) if np.isfinite(self._palms).any() else float("nan")
        return MovementMetrics(
            float(np.median(self._errors)), self._calibration.epipolar_px, palm / self._calibration.palm_m
        )

    @property
    def state(self) -> PairState:
        """GOOD or MOVED."""
        found = self.metrics
        if found is None:
            return PairState.GOOD
        limit = max(GROWN * found.epipolar_before_px, LEAST_ERROR_PX * self._calibration.pair.first.width_px / 640.0)
        apart = found.epipolar_px > limit
        resized = not abs(found.palm_share - 1.0) <= RESIZED
        return PairState.MOVED if apart or resized else PairState.GOOD

    def describe(self) -> str:
        """One sentence for people."""
        found = self.metrics
        if found is None:
            return "The two cameras are watched; show the hand to both."
        if self.state is PairState.GOOD:
            return f"The two views agree to {found.epipolar_px:.1f} px, as when they were calibrated."
        return (
            f"A camera was moved, or another person's hand is shown: the views agree to {found.epipolar_px:.1f} px "
            f"({found.epipolar_before_px:.1f} when they were calibrated) and the palm is {found.palm_share:.0%} as "
            "long as then; calibrate the two cameras again."
        )
