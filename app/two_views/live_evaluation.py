"""Path errors of two views while they run: each second is triangulated and measured once, and added to those before.

It is made of the same steps as the analysis of two recorded views (``app.two_views.analysis``), over short stretches.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.two_views.calibration import PairCalibration
from app.two_views.evidence import OUTPUT, PATHS, ViewTrack
from app.two_views.movement_check import MovementCheck
from app.two_views.path_errors import PathErrors, joined, measure_path
from app.two_views.time_pairing import paired
from app.two_views.truth import Truth, measure_truth

CONTEXT_S: Final = 1.5
"""Noise and bones are measured over so much of the past beside what is new."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Truth and errors of the frames that one step added."""

    truth: Truth
    errors: tuple[PathErrors, ...]


class LiveEvaluation:
    """Adds up errors of the paths against the triangulated hand."""

    def __init__(self, calibration: PairCalibration, kept_s: float) -> None:
        """Starts empty.

        Args:
            calibration: of the two cameras, with how much later the second clock is.
            kept_s: so much of the past counts.
        """
        self.calibration = calibration
        self.check = MovementCheck(calibration)
        self._kept_s = kept_s
        self._stretches: deque[_Stretch] = deque()
        self._until_s = -np.inf

    @property
    def wanted_since_s(self) -> float:
        """What :meth:`advance` needs of both views, on the first one's clock."""
        return self._until_s - CONTEXT_S

    def advance(self, first: ViewTrack, second: ViewTrack) -> None:
        """Measures what is new in both views.

        Args:
            first: of the first view, from :attr:`wanted_since_s` on.
            second: of the second view, on its own clock, likewise.
        """
        if len(first) < 2 or len(second) < 2:
            return
        # frames behind the second view's last one may still find their partner
        complete = first.times_s <= second.times_s[-1] - self.calibration.late_s
        one, other = paired(first.part(complete), second, self.calibration.late_s)
        new = one.times_s > self._until_s
        if not new.any():
            return
        truth = measure_truth(self.calibration, one, other)
        self.check.add_track(one.part(new), other.part(new))
        part = Truth(truth.times_s[new], truth.joints_m[new], truth.expected_m[new], truth.pair, truth.side)
        errors = tuple(
            measure_path(part, track.part(new), path, view, camera)
            for view, (track, camera) in enumerate(zip((one, other), truth.pair.intrinsics, strict=True))
            for path in (*PATHS, OUTPUT)
            if path in track.joints_m
        )
        self._stretches.append(_Stretch(part, errors))
        self._until_s = float(one.times_s[-1])
        while self._stretches[0].truth.times_s[-1] < self._until_s - self._kept_s:
            self._stretches.popleft()

    @property
    def until_s(self) -> float:
        """The last moment that was measured, on the first view's clock."""
        return self._until_s

    @property
    def truth(self) -> Truth | None:
        """The triangulated hand of all that counts; None before the first stretch."""
        if not self._stretches:
            return None
        parts = [stretch.truth for stretch in self._stretches]
        return replace(
            parts[-1],
            times_s=np.concatenate([part.times_s for part in parts]),
            joints_m=np.concatenate([part.joints_m for part in parts]),
            expected_m=np.concatenate([part.expected_m for part in parts]),
        )

    @property
    def errors(self) -> tuple[PathErrors, ...]:
        """Of each path and the output in each view, where they were measured."""
        pieces: dict[tuple[int, str], list[PathErrors]] = {}
        for stretch in self._stretches:
            for one in stretch.errors:
                pieces.setdefault((one.view, one.path), []).append(one)
        whole = (joined(of_one) for of_one in pieces.values())
        return tuple(one for one in whole if len(one.times_s))
