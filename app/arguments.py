"""The command line: its commands and options."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from app.motion.save import check_motion_file
from app.optional_parts.parts import PARTS
from app.outputs.address import StreamAddress, parse_stream_address
from app.pipeline.output_reason import OutputMode
from app.pipeline.paths.smoothing import DEFAULT_STRENGTH
from hand.camera import DEFAULT_LONGER_SIDE_FOV_DEG
from hand.errors import ConfigError
from ik_baseline.augmented_detector import AUGMENTATIONS
from ik_baseline.finder_choice import FINDER_KINDS

METHODS: Final = ("ik", "network", "both", "fused")

_DESCRIPTION = "A moving 3D hand in MANO format from a webcam, a video or pictures."
_EPILOG = (
    "Without options the first camera opens in a window; where there is no camera the demo clip plays, and where "
    "there is no display the run is headless. 'predict --help' explains predictions for pictures."
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``main_v2.py``; :func:`parse` uses it."""
    parser = argparse.ArgumentParser(prog="main_v2.py", description=_DESCRIPTION, epilog=_EPILOG)
    parser.set_defaults(hands=1, finder="built-in")  # here and not at the option, which commands add as well
    _add_source_options(parser)
    _add_method_options(parser)
    _add_output_option(parser)
    _add_hand_options(parser)
    _add_own_hand_options(parser)
    _add_smoothing_option(parser)
    _add_program_options(parser)
    _add_window_options(parser)
    _add_headless_options(parser)
    commands = parser.add_subparsers(dest="command", metavar="predict | board | calibrate-camera | two-views | install")
    # an option shared with the program has no default in a command, which would override the value given before it
    predict = commands.add_parser(
        "predict",
        argument_default=argparse.SUPPRESS,
        help="write the hands of pictures into a JSON file",
        description="Writes the hands of every picture into a JSON file.",
    )
    _add_predict_options(predict)
    board = commands.add_parser(
        "board",
        help="write the board that cameras are calibrated with, to be printed",
        description="Writes the board that cameras are calibrated with: an A4 page as PDF or PNG, at true scale.",
    )
    board.add_argument("--output", type=Path, required=True, metavar="FILE", help="a .pdf or .png file")
    lens = commands.add_parser(
        "calibrate-camera",
        argument_default=argparse.SUPPRESS,
        help="find a camera's intrinsics from pictures of the printed board",
        description="Finds a camera's intrinsics from the printed board: show it everywhere in the picture, leaning to "
        "all sides. They are kept under the camera's name and used from then on.",
    )
    _add_lens_options(lens)
    two_views = commands.add_parser(
        "two-views",
        argument_default=argparse.SUPPRESS,
        help="measure both paths against a second camera, or a second video of the same take",
        description="Calibrates two cameras from a hand that moves before both, triangulates its joints, and prints "
        "the distance of each path from them in millimetres. The calibration is kept for the two cameras.",
    )
    _add_two_view_options(two_views)
    install = commands.add_parser(
        "install",
        help="install an optional part: for training, for Open3D, for MediaPipe's own package",
        description="Installs an optional part into the Python that runs this program. Without a name it lists the "
        "parts and what each costs.",
    )
    install.add_argument("part", nargs="?", choices=tuple(PARTS), help="its name")
    return parser


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line.

    Args:
        arguments: without the program's name; None takes the process's own.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.intrinsics is not None and options.fov is not None:  # one before the command and one behind it
        parser.error("argument --intrinsics: not allowed with argument --fov")
    options.stream = [replace(address, origins=tuple(options.stream_origin)) for address in options.stream]
    return options


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("source")
    group.add_argument(
        "--source",
        metavar="X",
        help="a camera's number or name, a video, a picture, a folder of pictures, an address (http, https or rtsp: a "
        "phone's camera app or an IP camera), or 'demo' (default: first camera)",
    )
    group.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="show the mirror image (default: for cameras in the window only)",
    )
    group.add_argument(
        "--size", type=_size, metavar="WxH", help="picture size to request from a camera (default: 640x480)"
    )
    group.add_argument("--fps", type=_positive, metavar="N", help="rate to request from a camera, or to play a file at")
    group.add_argument(
        "--rotate",
        type=int,
        choices=(0, 90, 180, 270),
        default=0,
        metavar="DEG",
        help="turn pictures clockwise by 90, 180 or 270 degrees, before they are mirrored",
    )
    group.add_argument("--loop", action="store_true", help="start a file again at its end")
    group.add_argument("--subfolders", action="store_true", help="read the pictures of a folder's subfolders too")


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("method")
    group.add_argument(
        "--method",
        choices=METHODS,
        help="what finds the hand: MediaPipe + inverse kinematics, the trained network, both, or both for the fused "
        "hand alone (default: both)",
    )
    group.add_argument(
        "--network", type=Path, metavar="DIR", help="folder of an exported network (default: the shipped one)"
    )
    group.add_argument(
        "--finder",
        choices=FINDER_KINDS,
        help="what finds hands in the picture: ours, or the installed mediapipe package (default: built-in)",
    )
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        help="what the network runs on (default: in the window a graphics card where there is one, else the processor)",
    )


def _add_output_option(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output",
        dest="output_mode",
        type=_output_mode,
        metavar="|".join(mode.value for mode in OutputMode),
        help="which hand is shown as the output, streamed and saved: fused from both paths, the network's with "
        "MediaPipe + IK as fallback, or one path's alone (default: fused, in the window as it was the last time)",
    )


def _add_hand_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("hand and camera")
    group.add_argument("--hands", type=int, choices=(1, 2), help="how many hands to track (default: 1)")
    group.add_argument(
        "--hand-model", type=Path, metavar="FILE", help="a MANO .pkl or .npz instead of the embedded hand model"
    )
    exclusive = group.add_mutually_exclusive_group()
    exclusive.add_argument("--intrinsics", metavar="FX,FY,CX,CY", help="of the camera, in pixels of its pictures")
    exclusive.add_argument(
        "--fov",
        type=float,
        metavar="DEG",
        help=f"field of view along the picture's longer side (default: {DEFAULT_LONGER_SIDE_FOV_DEG:g})",
    )


def _add_own_hand_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("your own hand")
    group.add_argument(
        "--calibrate",
        action="store_true",
        help="learn the shape of your hand while you open, close and turn it; cameras use it from then on",
    )
    group.add_argument(
        "--calibration", type=Path, metavar="FILE", help="where it is kept (default: your user data folder)"
    )


def _add_smoothing_option(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("movement")
    group.add_argument(
        "--smoothing",
        type=_share,
        metavar="0..1",
        help="how strongly jitter is filtered out of both paths; 0 is off "
        f"(default: {DEFAULT_STRENGTH:g}, in the window as it was the last time)",
    )


def _add_program_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for other programs")
    group.add_argument(
        "--stream",
        action="append",
        type=_stream,
        default=[],
        metavar="KIND:[HOST:]PORT",
        help="send the hand live as JSON in datagrams (udp:9000), as OSC (osc:9001) or to WebSocket clients (ws:8765); "
        "',mesh' adds the vertices, ',rate=N' limits it; may be given several times (docs/streaming.md)",
    )
    group.add_argument(
        "--stream-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let web pages of this origin read a ws stream, such as https://example.org, or null for local files and "
        "Electron; pages of this machine always may (may be given several times)",
    )
    _add_motion_option(group, "without a window: save the whole run's")


def _add_motion_option(parser: argparse.ArgumentParser | argparse._ArgumentGroup, what: str) -> None:
    parser.add_argument(
        "--save-motion",
        type=_motion_file,
        metavar="FILE",
        help=f"{what} motion as arrays (.npz), skeleton (.bvh) or animated mesh (.glb)",
    )


def _add_window_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("window")
    group.add_argument(
        "--theme",
        choices=("system", "dark", "light"),
        help="colours (default: those of the last time, at first those of the desktop)",
    )
    group.add_argument(
        "--renderer",
        choices=("auto", "opengl", "software"),
        default="auto",
        help="what draws the mesh (default: OpenGL where a graphics card does it, software elsewhere)",
    )
    group.add_argument("--window-size", type=_size, metavar="WxH", help="size of the window")
    group.add_argument("--screenshot", type=Path, metavar="FILE", help="save the window as a picture, then close")


def _add_headless_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("without a window")
    group.add_argument("--headless", action="store_true", help="run without a window and write a report")
    group.add_argument("--report", type=Path, metavar="DIR", help="where the report goes (default: reports/latest)")
    group.add_argument("--realtime", action="store_true", help="play files at their own rate, dropping frames")
    group.add_argument(
        "--frames", type=_count, metavar="N", help="stop after N frames; with --screenshot: save after N frames"
    )


def _add_lens_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", metavar="X", help="a camera, or a video or folder of pictures taken with it")
    parser.add_argument(
        "--size", type=_size, metavar="WxH", help="picture size to request from a camera (default: 640x480)"
    )
    parser.add_argument(
        "--camera", default=None, metavar="NAME", help="name of the camera, needed for pictures and videos"
    )


def _add_two_view_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", metavar="A", help="first camera, address or video")
    parser.add_argument("--second", metavar="B", required=True, help="second camera, address or video of the same take")
    parser.add_argument(
        "--seconds", type=_positive, default=30.0, metavar="N", help="how long cameras are watched (default: 30)"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--palm-length-mm",
        type=_positive,
        default=None,
        metavar="MM",
        help="from the crease of the wrist to the middle finger's knuckle, which gives the scale (default: the "
        "calibrated hand's, else the average hand's)",
    )
    length.add_argument(
        "--palm-width-mm",
        type=_positive,
        default=None,
        metavar="MM",
        help="from the index finger's knuckle to the little finger's, instead",
    )
    parser.add_argument("--second-fov", type=float, default=None, metavar="DEG", help="of the second camera")
    parser.add_argument(
        "--recalibrate", action="store_true", default=False, help="calibrate from this take, whatever was kept"
    )
    parser.add_argument(
        "--record",
        type=Path,
        default=None,
        metavar="DIR",
        help="record the take as two sessions into this folder, with labels from both views, to teach the network with",
    )
    parser.add_argument(
        "--pairs", type=Path, default=None, metavar="DIR", help="where calibrations are kept (default: the user's data)"
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="where the report goes (default: reports/two_views)")
    parser.add_argument("--headless", action="store_true", help="accepted for scripts: this command has no window")
    _add_method_options(parser)
    _add_hand_options(parser)


def _add_predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input", type=Path, required=True, metavar="FILE_OR_DIR", help="a picture or a folder of them"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    parser.add_argument(
        "--subfolders", action="store_true", default=argparse.SUPPRESS, help="read a folder's subfolders too"
    )
    _add_motion_option(parser, "save the pictures, as 30 a second, as a")
    parser.add_argument(
        "--looks",
        type=int,
        choices=range(1, len(AUGMENTATIONS) + 1),
        default=1,
        metavar=f"1..{len(AUGMENTATIONS)}",
        help="number of turned and mirrored copies of each picture that MediaPipe runs on; more give better hands, and "
        "a confidence that falls where they disagree (default: 1)",
    )
    _add_method_options(parser)
    _add_hand_options(parser)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"a strength is a number from 0 to 1, not {text!r}")
    return value


def _output_mode(text: str) -> OutputMode:
    try:
        return OutputMode(text)
    except ValueError:
        names = ", ".join(mode.value for mode in OutputMode)
        raise argparse.ArgumentTypeError(f"an output is one of {names}, not {text!r}") from None


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,5})[xX](\d{2,5})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"a size is two numbers such as 1280x720, not {text!r}")
    return int(match[1]), int(match[2])


def _motion_file(text: str) -> Path:
    try:
        return check_motion_file(Path(text))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _stream(text: str) -> StreamAddress:
    try:
        return parse_stream_address(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1000.0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, at most 1000, not {text!r}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a number of frames is a whole number from 1, not {text!r}")
    return int(text)
