"""``main_v2.py two-views``: two cameras or two videos of one take, calibrated from the hand, and the paths' errors."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from app.end_signals import print_line
from app.networks.device import DeviceChoice
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputMode
from app.pipeline.paths.calibrated_ik_path import SubjectCalibrationOptions
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.paths.path_factories import chosen_paths
from app.sources.choose import SourceOptions, choose_source
from app.two_views.analysis import TwoViewResult, analyse
from app.two_views.calibration import PairCalibration
from app.two_views.calibration_store import save_pair, saved_pair
from app.two_views.known_length import known_length
from app.two_views.movement_check import PairState
from app.two_views.report import summary, write_report
from app.two_views.truth_labels import label_take
from app.two_views.view_recording import ViewInput, ViewRecording, record_views
from hand.errors import ConfigError
from hand.model import HandModel
from hand.types import PathId

DEFAULT_REPORT_DIR: Final = Path("reports") / "two_views"


def run_two_views(options: argparse.Namespace, model: HandModel) -> None:
    """Runs the command.

    Args:
        options: as parsed; ``network``, ``device``, ``finder``, ``fov``, ``intrinsics`` and ``rotate`` are the
            program's own.
        model: of the paths.

    Raises:
        HandliveError: a source, the calibration or the report cannot be used; with what to do.
    """
    source_options = SourceOptions(options.size, options.fps)
    if options.source is None:
        raise ConfigError("two-views needs two sources; add --source with the first camera, address or video.")
    chosen = [choose_source(text, source_options) for text in (options.source, options.second)]
    lenses = (IntrinsicsChoice(options.intrinsics, options.fov), IntrinsicsChoice(None, options.second_fov))
    live = any(one.is_camera or one.is_live for one in chosen)
    take = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    sessions = [None if options.record is None else options.record / f"{take}-{name}" for name in ("first", "second")]
    mode = options.output_mode or OutputMode.FUSED
    inputs = [
        ViewInput(
            one.source,
            _paths(options, model, live=live),
            lens,
            quarter_turns=options.rotate // 90,
            output_mode=mode,
            session=session,
            take=take,
        )
        for one, lens, session in zip(chosen, lenses, sessions, strict=True)
    ]
    print_line(f"Watching {chosen[0].source.name} and {chosen[1].source.name}.", error=True)
    views = record_views((inputs[0], inputs[1]), model, live=live, seconds=options.seconds)
    for view in views:
        if view.sentence:
            print_line(view.sentence, error=True)
    known = None if options.recalibrate else _saved(views, options.pairs)
    length = known_length(
        model,
        palm_length_mm=options.palm_length_mm,
        palm_width_mm=options.palm_width_mm,
        calibration=options.calibration,
    )
    result = analyse(*views, known, length, lambda stage: print_line(f"{stage.capitalize()}.", error=True))
    folder = options.report or DEFAULT_REPORT_DIR
    # the files first: writing to a closed pipe may end the program
    calibration_file = None
    if result.calibrated_here:
        calibration_file = save_pair(views[0].facts.name, views[1].facts.name, result.calibration, options.pairs)
    write_report(result, views, folder)
    recorded = ""
    if sessions[0] is not None and sessions[1] is not None:
        starts = [view.track.times_s[0] if live else 0.0 for view in views]
        late_s = result.calibration.late_s + starts[0] - starts[1]
        counts, shape_sentence = label_take(
            sessions[0], sessions[1], model, result.calibration, late_s, live=live, hand_file=options.calibration
        )
        recorded = (
            f"Recorded {sessions[0]} and {sessions[1]}, with {counts[0]} and {counts[1]} labels from the truth of two "
            f"views. {shape_sentence}"
        ).rstrip()
    _print_result(result, calibration_file, folder, recorded)


def _print_result(result: TwoViewResult, calibration_file: Path | None, folder: Path, recorded: str) -> None:
    """Prints the figures, and where everything was written."""
    for line in summary(result):
        print_line(line)
    if calibration_file is not None:
        print_line(f"The calibration of the two cameras is kept in {calibration_file}.")
    if result.state is PairState.MOVED and not result.calibrated_here:
        print_line("The figures above are from a calibration that no longer holds; add --recalibrate.", error=True)
    print_line(f"Report in {folder}.")
    if recorded:
        print_line(recorded)


def _paths(options: argparse.Namespace, model: HandModel, *, live: bool) -> dict[PathId, PathFactory]:
    device: DeviceChoice = options.device or "cpu"
    return chosen_paths(
        "both",
        options.network,
        model,
        1,
        every_frame=not live,
        finder=options.finder,
        calibration=SubjectCalibrationOptions(False, options.calibration),
        device=device,
        warn=partial(print_line, error=True),
    )


def _saved(views: tuple[ViewRecording, ViewRecording], folder: Path | None) -> PairCalibration | None:
    one, other = (view.intrinsics for view in views)
    sizes = ((one.width_px, one.height_px), (other.width_px, other.height_px))
    return saved_pair(views[0].facts.name, views[1].facts.name, sizes, folder)
