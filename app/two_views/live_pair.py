"""Two live views of one hand: collected, calibrated from the hand's movement, checked and evaluated while they run.

:class:`LivePair` has no thread of its own: both views' results are put into it from their listeners' threads, and
:meth:`LivePair.step` is called again and again by one worker (``app.two_views.live_two_views``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from app.pipeline.result_synchronizer import JoinedResult
from app.two_views.analysis import TwoViewResult
from app.two_views.calibration import KnownLength, PairCalibration, average_length, calibrate_pair
from app.two_views.calibration_store import save_pair, saved_pair
from app.two_views.evidence import ViewTrack
from app.two_views.live_evaluation import LiveEvaluation
from app.two_views.live_view import KEPT_S, LiveView
from app.two_views.movement_check import PairState
from app.two_views.movement_progress import movement_progress
from app.two_views.path_errors import Measure, PathComparison, PathErrors, compare_paths
from app.two_views.report import write_report
from app.two_views.time_pairing import FILE_SEARCH_S, LIVE_SEARCH_S, estimate_skew, paired
from app.two_views.triangulation import triangulate
from app.two_views.truth import sightings
from app.two_views.view_recording import ViewRecording
from hand.camera import project
from hand.errors import ConfigError
from hand.types import Frame

logger = logging.getLogger(__name__)

SKEW_EVERY_S: Final = 10.0
"""Interval at which the offset of the two clocks is measured again."""

PICTURE_EVERY_S: Final = 2.0
"""How often a pair of pictures is kept for the report."""

MORE_AFTER_REFUSAL_S: Final = 8.0
"""A calibration that failed is tried again so much later, with what was seen meanwhile."""

COLLECTED_S: Final = 60.0
"""Movement that is older is no longer calibrated from: a camera may have been moved since."""

_DRAWN_S: Final = 0.5
_FEWEST_DRAWN: Final = 15

UNRELATED_AFTER_S: Final = 30.0
"""Two videos in which a hand was seen for so long without a common movement are said not to match."""

CLOCKS_SENTENCE: Final = "Finding how far apart the two videos' clocks are; the hand has to move in both."
UNRELATED_SENTENCE: Final = (
    f"The hand does not move alike in the two videos at any shift of up to {FILE_SEARCH_S:g} s; play two recordings of "
    "one take, both at the same speed."
)
ONE_VIEW_SENTENCE: Final = "Waiting for pictures of both cameras."
JUDGING_SENTENCE: Final = "Calibrated; show the hand to both cameras."


@dataclass(frozen=True, slots=True, eq=False)
class PairReading:
    """State of two live views for people; immutable.

    Attributes:
        state: of the pair.
        sentence: the same for people.
        share: of the movement that a calibration needs, 0 to 1.
        calibration: of the two cameras; None before it.
        expected_mm: of a triangulated joint over the last minutes, median; NaN where none is known.
        errors: of each path and the output in each view.
        comparisons: which path is better, by :attr:`LivePair.measure`.
        now_s: the moment up to which was measured, on the first view's clock.
    """

    state: PairState = PairState.OFF
    sentence: str = ""
    share: float = 0.0
    calibration: PairCalibration | None = None
    expected_mm: float = float("nan")
    errors: tuple[PathErrors, ...] = ()
    comparisons: tuple[PathComparison, ...] = ()
    now_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class PairFrame:
    """One moment in both views.

    Attributes:
        frames: the pictures, not mirrored.
        joints_px: the hand in each: the triangulated one where the cameras are calibrated, else that of the most
            certain path; None where there is none.
        measured: it is the triangulated one.
    """

    frames: tuple[Frame | None, Frame | None] = (None, None)
    joints_px: tuple[Float[np.ndarray, "21 2"] | None, Float[np.ndarray, "21 2"] | None] = (None, None)
    measured: bool = False


@dataclass(slots=True, eq=False)
class _Progress:
    """What one calibration and its evaluation hold so far; replaced as a whole where a view restarts."""

    calibration: PairCalibration | None = None
    calibrated_here: bool = False
    looked_up: bool = False
    late_s: float | None = None
    late_found_s: float = -np.inf
    refused: str = ""
    refused_at_s: float = -np.inf
    evaluation: LiveEvaluation | None = None
    picture_s: float = -np.inf


class LivePair:
    """The state of two views.

    Attributes:
        measure: by which paths are compared.
        length: gives a new calibration its scale; the average hand's where it is None.
    """

    def __init__(self, length: KnownLength | None = None, folder: Path | None = None) -> None:
        """Starts empty.

        Args:
            length: gives a new calibration its scale.
            folder: where calibrations are kept; the user's data folder when left out.
        """
        self.length = length
        self.measure: Measure = "aligned_mm"
        self._folder = folder
        self._views = (LiveView(), LiveView())
        self._lock = threading.Lock()
        self._restarted = False
        self._recalibrate = False
        self._now = _Progress()

    def add(self, view: int, joined: JoinedResult) -> tuple[JoinedResult, bool]:
        """Takes the paths' results for a frame of a view; from any thread.

        Args:
            view: 0 for the first camera, 1 for the second.
            joined: in the order of the frames.

        Returns:
            The same about the picture as the camera gave it, and whether the view restarted with it.
        """
        if joined.late:
            return joined, False
        given, restarted = self._views[view].add(joined)
        if restarted:
            self._views[1 - view].forget()
            with self._lock:
                self._restarted = True
        return given, restarted

    def recalibrate(self) -> None:
        """Drops the calibration, and collects a new movement from now on."""
        for view in self._views:
            view.forget()
        with self._lock:
            self._recalibrate = True

    def step(self, report: Callable[[PairReading], None] = lambda _reading: None) -> PairReading:
        """Continues as far as the collected frames allow; takes seconds where it calibrates.

        Args:
            report: called before a step that takes long.
        """
        with self._lock:
            restarted, wanted = self._restarted or self._recalibrate, self._recalibrate
            self._restarted = self._recalibrate = False
        if restarted:
            self._now = _Progress(looked_up=wanted)
        first, second = (view.last for view in self._views)
        if first is None or second is None:
            return PairReading(PairState.UNCALIBRATED, ONE_VIEW_SENTENCE)
        if not self._now.looked_up:
            self._look_up(first, second)
        return self._collect(first, second, report) if self._now.calibration is None else self._evaluate(first, second)

    def frame(self) -> PairFrame:
        """The newest moment that both views have seen, with the hand in it."""
        first, second = (view.last for view in self._views)
        if first is None or second is None:
            return PairFrame((first, second), (self._seen(0, first), self._seen(1, second)))
        now = self._now
        late_s = now.late_s or 0.0
        time_s = min(first.capture_time_ns / 1e9, second.capture_time_ns / 1e9 - late_s)
        frames = (self._views[0].frame_near(time_s), self._views[1].frame_near(time_s + late_s))
        seen = (self._seen(0, frames[0]), self._seen(1, frames[1]))
        moved = now.evaluation is not None and now.evaluation.check.state is PairState.MOVED
        if now.calibration is None or now.late_s is None or moved:
            return PairFrame(frames, seen)
        one = self._views[0].track(time_s - _DRAWN_S)
        other = self._views[1].track(time_s - _DRAWN_S + late_s)
        until_now = np.flatnonzero(one.times_s <= time_s + 1e-6)
        if not len(until_now) or len(other) < 2:
            return PairFrame(frames)
        pair = now.calibration.pair
        moment = paired(one.part(until_now[-1:]), other, late_s)
        joints = triangulate(pair, sightings(pair, *moment, now.calibration.noise)).joints_m[0]
        if np.isfinite(joints).all(-1).sum() < _FEWEST_DRAWN:
            return PairFrame(frames)
        drawn = (project(joints, pair.first), project(pair.to_second(joints), pair.second))
        return PairFrame(frames, drawn, measured=True)

    def result(self) -> tuple[TwoViewResult, tuple[ViewRecording, ViewRecording]]:
        """Everything that was evaluated, as the analysis of two recorded views gives it.

        Raises:
            ConfigError: nothing was evaluated yet.
        """
        now = self._now
        evaluation = now.evaluation
        truth = evaluation.truth if evaluation is not None else None
        errors = evaluation.errors if evaluation is not None else ()
        if evaluation is None or truth is None or not errors:
            raise ConfigError("Nothing was measured yet; show the hand to both calibrated cameras first.")
        # the report counts from the first moment that was measured, and not from when the machine was started
        begin_s = float(truth.times_s[0])
        recordings = tuple(_counted_from(view.recording(), begin_s) for view in self._views)
        one, other = paired(recordings[0].track, recordings[1].track, evaluation.calibration.late_s)
        counted = tuple(replace(of_one, times_s=of_one.times_s - begin_s) for of_one in errors)
        result = TwoViewResult(
            calibration=evaluation.calibration,
            calibrated_here=now.calibrated_here,
            state=evaluation.check.state,
            state_sentence=evaluation.check.describe(),
            first=one,
            second=other,
            truth=replace(truth, times_s=truth.times_s - begin_s),
            errors=counted,
            comparisons=tuple(compare_paths(list(counted), "aligned_mm")),
        )
        return result, (recordings[0], recordings[1])

    def write_report(self, folder: Path) -> list[Path]:
        """Writes the report about everything that was evaluated; see :func:`app.two_views.report.write_report`.

        Raises:
            ConfigError: nothing was evaluated yet, or the folder cannot be written.
        """
        return write_report(*self.result(), folder)

    @property
    def calibration(self) -> PairCalibration | None:
        """Of the two cameras, with how much later the second clock is; None before both are known."""
        now = self._now
        if now.calibration is None or now.late_s is None:
            return None
        return replace(now.calibration, late_s=now.late_s)

    def _look_up(self, first: Frame, second: Frame) -> None:
        self._now.looked_up = True
        sizes = tuple((frame.intrinsics.width_px, frame.intrinsics.height_px) for frame in (first, second))
        self._now.calibration = saved_pair(first.source_id, second.source_id, (sizes[0], sizes[1]), self._folder)

    def _find_late(self, first: Frame, second: Frame, now_s: float) -> None:
        """How much later the second clock is, from the hand's movement."""
        now = self._now
        live = first.live and second.live
        if now_s - now.late_found_s < SKEW_EVERY_S and now.late_s is not None:
            return
        skew = estimate_skew(*self._lately(), LIVE_SEARCH_S if live else FILE_SEARCH_S)
        if skew.credible:
            now.late_s, now.late_found_s = skew.late_s, now_s
        elif live and now.late_s is None:
            now.late_s = 0.0 if now.calibration is None else now.calibration.late_s

    def _clocks_sentence(self) -> str:
        seen_s = [float(np.ptp(track.times_s)) if len(track) else 0.0 for track in self._lately()]
        return UNRELATED_SENTENCE if min(seen_s) > UNRELATED_AFTER_S else CLOCKS_SENTENCE

    def _lately(self) -> tuple[ViewTrack, ViewTrack]:
        """Both views' tracks of the movement that calibrates them."""
        since_s = [0.0 if view.last is None else view.last.capture_time_ns / 1e9 - COLLECTED_S for view in self._views]
        return self._views[0].track(since_s[0]), self._views[1].track(since_s[1])

    def _collect(self, first: Frame, second: Frame, report: Callable[[PairReading], None]) -> PairReading:
        now, now_s = self._now, first.capture_time_ns / 1e9
        self._find_late(first, second, now_s)
        if now.late_s is None:
            return PairReading(PairState.UNCALIBRATED, self._clocks_sentence())
        one, other = paired(*self._lately(), now.late_s)
        movement = movement_progress(one, other)
        if not movement.enough or now_s - now.refused_at_s < MORE_AFTER_REFUSAL_S:
            return PairReading(PairState.UNCALIBRATED, now.refused or movement.describe(), movement.share)
        report(PairReading(PairState.CALIBRATING, "Calibrating the two cameras from the hand.", 1.0))
        length = self.length or average_length()
        try:
            found = calibrate_pair(one, other, first.intrinsics, second.intrinsics, length, late_s=now.late_s)
        except ConfigError as error:
            now.refused, now.refused_at_s = str(error), now_s
            return PairReading(PairState.UNCALIBRATED, now.refused, movement.share)
        now.calibration, now.calibrated_here = found, True
        try:
            save_pair(first.source_id, second.source_id, found, self._folder)
        except ConfigError as error:
            logger.warning("%s", error)  # it holds for this run all the same
        return self._evaluate(first, second)

    def _evaluate(self, first: Frame, second: Frame) -> PairReading:
        now = self._now
        assert now.calibration is not None
        self._find_late(first, second, first.capture_time_ns / 1e9)
        if now.late_s is None:
            return PairReading(PairState.CALIBRATING, self._clocks_sentence(), calibration=now.calibration)
        if now.evaluation is None:
            now.evaluation = LiveEvaluation(now.calibration, KEPT_S)
        evaluation = now.evaluation
        evaluation.calibration = replace(now.calibration, late_s=now.late_s)
        since_s = evaluation.wanted_since_s
        evaluation.advance(self._views[0].track(since_s), self._views[1].track(since_s + now.late_s))
        self._keep_pictures(evaluation, now)
        truth, errors = evaluation.truth, evaluation.errors
        state = evaluation.check.state
        moved = evaluation.check.describe() if state is PairState.MOVED else ""
        if truth is None or not errors:
            return PairReading(state, moved or JUDGING_SENTENCE, calibration=now.calibration)
        known = truth.expected_m[np.isfinite(truth.expected_m)]
        return PairReading(
            state=state,
            sentence=moved or now.calibration.describe(),
            calibration=now.calibration,
            expected_mm=float(np.median(known)) * 1000.0 if len(known) else float("nan"),
            errors=errors,
            comparisons=() if moved else tuple(compare_paths(list(errors), self.measure)),
            now_s=evaluation.until_s,
        )

    def _keep_pictures(self, evaluation: LiveEvaluation, now: _Progress) -> None:
        if evaluation.until_s - now.picture_s < PICTURE_EVERY_S:
            return
        first = self._views[0].frame_near(evaluation.until_s)
        second = self._views[1].frame_near(evaluation.until_s + evaluation.calibration.late_s)
        if first is not None and second is not None:
            now.picture_s = evaluation.until_s
            self._views[0].keep_picture(first)
            self._views[1].keep_picture(second)

    def _seen(self, view: int, frame: Frame | None) -> Float[np.ndarray, "21 2"] | None:
        """The hand of the most certain path in a frame."""
        if frame is None:
            return None
        time_s = frame.capture_time_ns / 1e9
        track = self._views[view].track(time_s - 1e-6)
        if not len(track) or track.times_s[0] > time_s + 1e-6:
            return None
        path = max(track.confidence, key=lambda name: float(track.confidence[name][0]))
        joints = track.joints_px[path][0]
        return joints if np.isfinite(joints).all() else None


def _counted_from(recording: ViewRecording, begin_s: float) -> ViewRecording:
    """A view on a clock that begins at another moment."""
    return replace(
        recording,
        track=replace(recording.track, times_s=recording.track.times_s - begin_s),
        pictures={time_s - begin_s: picture for time_s, picture in recording.pictures.items()},
    )
