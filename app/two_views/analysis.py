"""From two recorded views to the triangulated hand and each path's errors against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.lens_calibration.board import SQUARE_MM
from app.two_views.board_calibration import boards_in_both, pair_from_boards
from app.two_views.calibration import KnownLength, PairCalibration, assess_pair, calibrate_pair
from app.two_views.evidence import OUTPUT, PATHS, ViewTrack
from app.two_views.movement_check import MovementCheck, PairState
from app.two_views.path_errors import PathComparison, PathErrors, compare_paths, measure_path
from app.two_views.time_pairing import FILE_SEARCH_S, LIVE_SEARCH_S, estimate_skew, paired
from app.two_views.truth import Truth, measure_truth
from app.two_views.view_recording import ViewRecording
from hand.errors import ConfigError

BOARD_LENGTH: Final = KnownLength((0, 9), SQUARE_MM / 1e3, "the printed board", 0.01)
"""A printer is true to a percent."""


@dataclass(frozen=True, slots=True, eq=False)
class TwoViewResult:
    """Result of the analysis of two views of one take.

    Attributes:
        calibration: of the two cameras, and how much later the second's clock is.
        calibrated_here: it was solved from this very take.
        state: whether a camera was moved since the calibration.
        state_sentence: the same for people.
        first: the first view's hand.
        second: the second view's hand at the same moments.
        truth: the triangulated hand.
        errors: of each path and the output in each view.
        comparisons: which path is better, by the aligned error.
    """

    calibration: PairCalibration
    calibrated_here: bool
    state: PairState
    state_sentence: str
    first: ViewTrack
    second: ViewTrack
    truth: Truth
    errors: tuple[PathErrors, ...]
    comparisons: tuple[PathComparison, ...]


def skew_of(first: ViewRecording, second: ViewRecording, otherwise_s: float = 0.0) -> float:
    """Offset of the second view's clock, from the hands' movement.

    Args:
        first: of the first camera.
        second: of the second camera.
        otherwise_s: offset for two cameras on one clock when the hand hardly moves.

    Raises:
        ConfigError: the two views do not show the same movement.
    """
    live = first.facts.live and second.facts.live
    return skew_of_tracks(
        first.track, second.track, LIVE_SEARCH_S if live else FILE_SEARCH_S, otherwise_s if live else None
    )


def skew_of_tracks(first: ViewTrack, second: ViewTrack, search_s: float, otherwise_s: float | None) -> float:
    """Offset of the second view's clock.

    Args:
        first: of the first view.
        second: of the second view, on its own clock.
        search_s: largest shift to either side.
        otherwise_s: offset where the movement does not determine it; None makes that an error.

    Raises:
        ConfigError: the two views do not show the same movement.
    """
    skew = estimate_skew(first, second, search_s)
    if skew.credible:
        return skew.late_s
    if otherwise_s is not None:
        return otherwise_s
    raise ConfigError(
        f"The two videos do not show the same movement of a hand at any shift of up to {search_s:g} s (correlation of "
        f"the motion {skew.correlation:.2f}); use two recordings of one take."
    )


def calibrate_views(first: ViewRecording, second: ViewRecording, length: KnownLength | None) -> PairCalibration:
    """Calibrates two cameras from what they recorded, with the shift of their clocks.

    Where both views show the printed board in several pictures, it gives the cameras and their scale; else the hand.

    Args:
        first: of the first camera.
        second: of the second camera.
        length: gives the scale; the average hand's when left out.

    Raises:
        ConfigError: the views do not show one hand moving, or too little of it.
    """
    late_s = skew_of(first, second)
    one, other = paired(first.track, second.track, late_s)
    by_board = pair_from_boards(boards_in_both(first, second, late_s), first.intrinsics, second.intrinsics)
    if by_board is not None:
        return replace(assess_pair(by_board, one, other, BOARD_LENGTH), late_s=late_s)
    return calibrate_pair(one, other, first.intrinsics, second.intrinsics, length, late_s=late_s)


def analyse(
    first: ViewRecording,
    second: ViewRecording,
    known: PairCalibration | None,
    length: KnownLength | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> TwoViewResult:
    """Calibrates where that is still to be done, triangulates, and evaluates.

    Args:
        first: of the first camera.
        second: of the second camera.
        known: calibration of the two cameras; solved from this take when left out.
        length: gives a new calibration its scale.
        progress: called with the present step.

    Raises:
        ConfigError: the cameras cannot be calibrated, or the views share no moment.
    """
    if known is None:
        progress("calibrating the two cameras from the hand")
        calibration = calibrate_views(first, second, length)
    else:
        calibration = replace(known, late_s=skew_of(first, second, known.late_s))
    one, other = paired(first.track, second.track, calibration.late_s)
    progress("triangulating")
    check = MovementCheck(calibration)
    check.add_track(one, other)
    truth = measure_truth(calibration, one, other)
    if not np.isfinite(truth.joints_m).any():
        raise ConfigError("The two views never show the hand at the same time; check that both see it.")
    progress("measuring the paths")
    errors = []
    for view, (track, intrinsics) in enumerate(zip((one, other), calibration.pair.intrinsics, strict=True)):
        for name in (*PATHS, OUTPUT):
            if name in track.joints_m and np.isfinite(track.joints_m[name]).any():
                errors.append(measure_path(truth, track, name, view, intrinsics))
    measured = tuple(one for one in errors if len(one.times_s))
    return TwoViewResult(
        calibration=calibration,
        calibrated_here=known is None,
        state=check.state,
        state_sentence=check.describe(),
        first=one,
        second=other,
        truth=truth,
        errors=measured,
        comparisons=tuple(compare_paths(list(measured), "aligned_mm")),
    )
