"""From the command line to a window, a headless run or a prediction; every error is one sentence and exit code 2."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

from app.arguments import parse
from app.display_check import why_no_window
from app.end_signals import interrupted_by_end_signals, print_line
from app.headless import HeadlessRun, run_headless
from app.lens_calibration.board import write_board
from app.lens_calibration.command import calibrate_camera, describe_solution
from app.motion.recorder import MotionRecorder
from app.motion.save import save_motion
from app.networks.library import NetworkLibrary
from app.networks.live_network import LiveNetwork
from app.optional_parts.command import install_part, list_parts
from app.outputs.address import StreamAddress
from app.outputs.sink import SinkState
from app.outputs.streams import open_streams
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputMode
from app.pipeline.paths.calibrated_ik_path import SubjectCalibrationOptions
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, chosen_paths
from app.pipeline.paths.smoothing import DEFAULT_STRENGTH, Smoothing
from app.predict import PICTURES_PER_SECOND, PredictionRun, predict
from app.settings import Settings, load_settings
from app.sources.choose import ChosenSource, SourceOptions, UnusableSource, choose_source
from app.two_views.command import run_two_views
from app.user_dirs import settings_file
from hand.embedded import load_embedded_model, load_model
from hand.errors import HandliveError, SourceError
from hand.model import HandModel
from hand.types import PathId

logger = logging.getLogger(__name__)

EXIT_OK, EXIT_REFUSED, EXIT_STOPPED = 0, 2, 130

_EXIT_OF_RUN = {"complete": EXIT_OK, "incomplete": EXIT_OK, "stopped": EXIT_STOPPED, "broken": EXIT_REFUSED}

_DEFAULT_REPORT_DIR = Path("reports") / "latest"


def run(arguments: list[str] | None = None) -> int:
    """Runs the program.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    logging.basicConfig(level=logging.WARNING, format="handlive: %(message)s")
    options = parse(arguments)
    with interrupted_by_end_signals():
        return _run_command(options)


def _run_command(options: argparse.Namespace) -> int:
    """Runs the command; an error that the user can correct becomes one sentence."""
    try:
        if options.command == "predict":
            return _predict(options)
        if options.command == "board":
            print_line(f"The board is in {write_board(options.output)}; print it at 100 %.")
            return EXIT_OK
        if options.command == "calibrate-camera":
            return _calibrate_camera(options)
        if options.command == "two-views":
            return _two_views(options)
        if options.command == "install":
            return _install(options)
        if options.headless:
            return _headless(options)
        reason = why_no_window()
        if reason:
            print_line(f"{reason}, so this run is headless.", error=True)
            return _headless(options)
        return _window(options)
    except (HandliveError, OSError) as error:
        print_line(f"handlive: {error}", error=True)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_STOPPED


def _model_or_embedded(path: Path | None) -> tuple[HandModel, str]:
    """The hand model of a window: the embedded one where the file cannot be used, with a sentence about that."""
    try:
        return load_model(path), ""
    except HandliveError as error:
        note = f"{error} The embedded hand is shown meanwhile."
        logger.warning(note)
        return load_embedded_model(), note


def _lens(options: argparse.Namespace) -> IntrinsicsChoice:
    return IntrinsicsChoice(options.intrinsics, options.fov)


def _smoothing(options: argparse.Namespace, kept: float = DEFAULT_STRENGTH) -> Smoothing:
    """The filter behind the paths; options that are not given keep their saved values."""
    return Smoothing(kept if options.smoothing is None else options.smoothing)


def _paths(
    options: argparse.Namespace,
    model: HandModel,
    *,
    still: bool = False,
    window: bool = False,
    every_frame: bool = False,
    smoothing: Smoothing | None = None,
    live_network: LiveNetwork | None = None,
) -> dict[PathId, PathFactory]:
    return chosen_paths(
        options.method or "both",
        options.network,
        model,
        options.hands,
        still=still,
        tolerant=window,
        every_frame=every_frame,
        looks=options.looks if still else 1,
        finder=options.finder,
        calibration=None if still else SubjectCalibrationOptions(options.calibrate, options.calibration),
        smoothing=smoothing,
        live_network=live_network,
        device=options.device or "cpu",
        warn=partial(print_line, error=True),
    )


def _predict(options: argparse.Namespace) -> int:
    lens, model = _lens(options), load_model(options.hand_model)
    paths = _paths(options, model, still=True)
    recorder = MotionRecorder(model)
    listener = recorder.take if options.save_motion else None
    content = predict(
        PredictionRun(
            options.input,
            options.output,
            paths,
            model,
            lens,
            listener=listener,
            output_mode=options.output_mode or OutputMode.FUSED,
            fused_only=options.method == "fused",
            subfolders=options.subfolders,
        )
    )
    # the file first: writing to a closed pipe may end the program
    motion = _save_motion(recorder, options.save_motion, PICTURES_PER_SECOND)
    hands = sum(len(image["hands"]) for image in content["images"])
    print_line(f"{hands} hands in {len(content['images'])} pictures ({lens.describe()}) written to {options.output}.")
    if motion:
        print_line(motion)
    return EXIT_OK


def _headless(options: argparse.Namespace) -> int:
    lens, model = _lens(options), load_model(options.hand_model)
    chosen = choose_source(
        options.source, SourceOptions(options.size, options.fps, loop=options.loop, subfolders=options.subfolders)
    )
    if chosen.note:
        print_line(chosen.note, error=True)
    report_dir = options.report or _DEFAULT_REPORT_DIR
    smoothing = _smoothing(options)
    realtime = options.realtime or chosen.is_camera or chosen.is_live
    recorder = MotionRecorder(model)
    listeners = {"motion": recorder.take} if options.save_motion else {}
    problems: list[str] = []

    def warn(sentence: str) -> None:
        problems.append(sentence)
        print_line(sentence, error=True)

    with open_streams(options.stream, model) as streams:
        if options.stream:
            listeners["streams"] = streams.publish
        report = run_headless(
            HeadlessRun(
                source=chosen.source,
                paths=_paths(options, model, every_frame=not realtime, smoothing=smoothing),
                model=model,
                report_dir=report_dir,
                frames=options.frames,
                realtime=realtime,
                mirror=bool(options.mirror),
                quarter_turns=options.rotate // 90,
                lens=lens,
                notes=(chosen.note,) if chosen.note else (),
                listeners=listeners,
                warn=warn,
                output_mode=options.output_mode or OutputMode.FUSED,
                smoothing=smoothing,
            )
        )
        lost = [sentence for address, state in streams.states() if (sentence := _lost_messages(address, state))]
    motion = _save_motion(recorder, options.save_motion, report["source"]["frames_per_second"])
    for note in [*report["notes"], *lost]:
        if note != chosen.note and note not in problems:
            print_line(note, error=True)
    found = ", ".join(f"{name}: hands in {path['detections']}" for name, path in report["paths"].items())
    place = "no report" if problems else f"report in {report_dir}"
    print_line(f"Headless run of {report['source']['name']}: {report['frames']} frames, {found}; {place}.")
    if motion:
        print_line(motion)
    code = _EXIT_OF_RUN[report["end"]]
    return EXIT_REFUSED if problems and code == EXIT_OK else code


def _two_views(options: argparse.Namespace) -> int:
    run_two_views(options, load_model(options.hand_model))
    return EXIT_OK


def _install(options: argparse.Namespace) -> int:
    if options.part is None:
        list_parts()
    else:
        install_part(options.part)
    return EXIT_OK


def _calibrate_camera(options: argparse.Namespace) -> int:
    chosen = choose_source(options.source, SourceOptions(options.size))
    if options.source is None and not chosen.is_camera:
        raise SourceError(
            "No camera was found to be calibrated; plug one in, or give --source with a video or folder of pictures "
            "taken with it."
        )
    if not chosen.is_camera and options.camera is None:
        raise SourceError(
            "Pictures and videos do not name their camera; add --camera with its name, as the window shows it."
        )
    print_line(f"Watching {chosen.source.name} for the board.", error=True)
    result = calibrate_camera(chosen.source, partial(print_line, error=True), camera=options.camera)
    print_line(f"{result.camera}: {describe_solution(result.solution)}; kept in {result.file}.")
    return EXIT_OK


def _save_motion(recorder: MotionRecorder, file: Path | None, frames_per_second: float) -> str:
    """Writes the motion if it was requested, and prints its place."""
    if file is None:
        return ""
    written = save_motion(recorder.motion(frames_per_second), file)
    return f"Motion written to {' and '.join(str(path) for path in written)}."


def _lost_messages(address: StreamAddress, state: SinkState) -> str:
    if not state.failed:
        return ""
    total = state.sent + state.failed
    return f"{state.failed} of {total} datagrams of {address.describe()} could not be sent ({state.failure})."


def _window(options: argparse.Namespace) -> int:
    # imported here: a headless run needs no Qt and must work where its libraries are missing
    from app.ui.application import run_window
    from app.ui.window_options import WindowOptions

    source_options = SourceOptions(
        options.size, options.fps, loop=options.loop, hold=True, subfolders=options.subfolders
    )
    try:
        chosen = choose_source(options.source, source_options)
    except SourceError as error:
        chosen = ChosenSource(UnusableSource(options.source, str(error)))
    model, note = _model_or_embedded(options.hand_model)
    kept = Settings() if options.screenshot else load_settings(settings_file()).settings
    lens, smoothing = _lens(options), _smoothing(options, kept.smoothing)
    chosen_before = None if options.network else NetworkLibrary(SHIPPED_NETWORK_DIR).last_live()
    live_network = LiveNetwork(options.network or chosen_before or SHIPPED_NETWORK_DIR, options.device or "auto")
    return run_window(
        WindowOptions(
            chosen=chosen,
            source_options=source_options,
            paths=_paths(options, model, window=True, smoothing=smoothing, live_network=live_network),
            smoothing=smoothing,
            live_network=live_network,
            model=model,
            hand_model_file=None if note else options.hand_model,
            hand_calibration=options.calibration,
            opening_note=note,
            streams=tuple(options.stream),
            lens=lens,
            mirror=options.mirror,
            quarter_turns=options.rotate // 90,
            # options that are not given keep their saved values
            theme=options.theme or kept.theme,
            view=kept.view,
            output_mode=options.output_mode or OutputMode(kept.output),
            settings_file=None if options.screenshot else settings_file(),
            renderer=options.renderer,
            size=options.window_size,
            frames=options.frames,
            screenshot=options.screenshot,
        )
    )
