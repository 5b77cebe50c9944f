"""Calibration of the user's own hand: its shape is solved over many frames, then held, saved, and used with cameras.

A hand does not change from frame to frame, so its shape is never solved live: one picture cannot tell a short finger
from a bent one. It is calibrated once, on request, and belongs to the user before the camera; files show other people,
so they use the average hand.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float

from hand.errors import ConfigError
from hand.model import HandModel
from hand.types import Frame, PathResult
from ik_baseline.calibration import HandCalibrator
from ik_baseline.landmark_correction import photograph_correction
from ik_baseline.person import HandCalibration, calibration_file
from ik_baseline.solver import IkSolver

logger = logging.getLogger(__name__)

LEAST_CONFIDENCE = 0.6
"""Frames the solver doubts teach nothing about the hand."""

FRAMES_TO_LEARN = 60
"""Different frames that make a calibration: some ten seconds of opening, closing and turning the hand."""


class _Tracker(Protocol):
    """The part of ``ik_baseline.tracker.IkTracker`` that is used."""

    @property
    def solver(self) -> IkSolver: ...

    def process(self, frame: Frame) -> PathResult: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SubjectCalibrationOptions:
    """Options of the calibration.

    Attributes:
        learn: calibrate now, with the current source.
        file: its place; the user's data folder when left out.
        frames: number of different frames.
    """

    learn: bool = False
    file: Path | None = None
    frames: int = FRAMES_TO_LEARN


class CalibratedIkPath:
    """MediaPipe + IK with the user's own hand on cameras, and the average hand on everything else."""

    def __init__(self, tracker: _Tracker, model: HandModel, options: SubjectCalibrationOptions) -> None:
        """Reads the saved calibration, if there is one.

        Args:
            tracker: finds and solves hands.
            model: the hand model that the tracker poses.
            options: whether to calibrate again, and the place of the file.
        """
        self._tracker = tracker
        self._file = options.file or calibration_file()
        self._average = tracker.solver.calibration
        self._own = saved_calibration(model, self._file)
        measured = self._own is not None and self._own.views > 1
        learn = options.learn and not measured
        self._calibrator = HandCalibrator(model, wanted_frames=options.frames) if learn else None
        self._learned_here = False
        self._message = ""
        if options.learn and measured:
            # one view would replace a measured shape by a rougher one
            self._message = (
                f"Two cameras measured your hand; to calibrate it with one camera, delete {self._file} first."
            )

    def process(self, frame: Frame) -> PathResult:
        """The path's result for one frame; its message reports the calibration's progress."""
        self._hold(self._own if (frame.live or self._learned_here) and self._own else self._average)
        result = self._tracker.process(frame)
        if self._calibrator is not None:
            self._learn(self._calibrator, result)
        return replace(result, message=self._message) if self._message else result

    def reset(self) -> None:
        """Stops following hands; the calibration of the user's hand stays."""
        self._tracker.reset()

    def close(self) -> None:
        """Frees the detector."""
        self._tracker.close()

    def _hold(self, calibration: HandCalibration) -> None:
        if self._tracker.solver.calibration is not calibration:
            self._tracker.solver.calibration = calibration
            self._tracker.reset()

    def _learn(self, calibrator: HandCalibrator, result: PathResult) -> None:
        for state, observation in zip(result.states[:1], result.observations, strict=False):
            if state.confidence >= LEAST_CONFIDENCE:
                # the calibrated hand has to be the one that is solved
                calibrator.add(photograph_correction(observation, result.frame.intrinsics), result.frame.intrinsics)
        self._message = f"Learning your hand: {calibrator.progress:.0%} – open, close and turn it slowly."  # noqa: RUF001
        if calibrator.progress < 1.0:
            return
        self._own, self._learned_here, self._calibrator = calibrator.solve(), True, None
        try:
            self._message = f"Your hand is learned and kept in {self._own.save(self._file)}."
        except ConfigError as error:
            self._message = f"Your hand is learned for this run only. {error}"


def measured_own_shape(model: HandModel, file: Path | None = None) -> Float[np.ndarray, "10"] | None:
    """Shape of the user's hand where two cameras have measured it; one view determines it too roughly for a network.

    Args:
        model: that the shape belongs to.
        file: of the calibration; the user's own when left out.
    """
    saved = saved_calibration(model, file)
    return saved.shape if saved is not None and saved.views > 1 else None


def saved_calibration(model: HandModel, file: Path | None = None) -> HandCalibration | None:
    """Reads the saved calibration, if it is usable; a damaged one must not prevent hands from being shown.

    Args:
        model: the hand model that is posed.
        file: of the calibration; the user's own when left out.
    """
    file = file or calibration_file()
    if not file.exists():
        return None
    try:
        return HandCalibration.load(model, file)
    except ConfigError as error:
        logger.warning("%s", error)
        return None
