"""What a frame costs in the window: processor time of everything a shown frame takes, over that of a hand finder alone.

    xvfb-run -a python -m benchmarks.frame_cost --reference-python ../mediapipe/bin/python
    xvfb-run -a python -m benchmarks.frame_cost --slowdown 3

The real window runs both paths side by side at 1280 x 720 with the software 3D view, on the demo clip and, where
``../shared/real`` lies beside the repository, on a clip of a real hand. Its processor time a frame is compared with
that of MediaPipe 0.10.21 alone on the same clip, measured by turns in another process: ``--reference-python`` or
HANDLIVE_REFERENCE_PYTHON names an interpreter that has it. Without one the ratio is that to the product's own finder.

A busy machine shows fewer frames than the source has. So each thread's time is divided by the frames it worked on: a
path's by the path's, the capture's by the captured ones, that of the plots, which are drawn so often a second, by the
frames of the source. Where the machine keeps up, all these are the same number.

With ``--slowdown`` every stage takes so many times its processor time, and what counts is how late each path's hand is
on the screen, over the path's own work: the time by the clock from a frame to the path's hands, smoothing included and
drawing not. The network's landmarks are the finder's, so that its work includes the wait for them, as it would include
reading them. The path's own timers stand beside it; they end before some of the slowed stages do.
"""

# ruff: noqa: E402 - the process is prepared before OpenCV and Qt are imported
from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from app.environment import prepare_process

prepare_process()

import numpy as np
from PyQt6.QtWidgets import QApplication

import app.pipeline.paths.network_pose as network_hand
from app.machine import describe_machine
from app.pipeline.metrics.comparison_numbers import WINDOW_S
from app.pipeline.output_selector import OutputChooser
from app.pipeline.paths.network_path import NetworkPath
from app.pipeline.paths.network_pose import NetworkPoser
from app.pipeline.paths.path_factories import chosen_paths
from app.pipeline.paths.smoothing import SmoothedPath, Smoothing
from app.pipeline.result_synchronizer import ResultSynchronizer
from app.rendering.hand_mesh import HandMeshBuilder
from app.rendering.mesh_picture import MeshPainter
from app.rendering.pane_renderer import ScreenPainter
from app.sources.choose import SourceOptions, choose_source
from app.sources.demo import DEMO_CLIP
from app.sources.video import VideoSource
from app.ui.extensions import install_extensions
from app.ui.views.picture_view import PictureView
from app.ui.views.software_mesh_view import SoftwareMeshView
from app.ui.views.wipe_view import WipeView
from app.ui.widgets.plots import SmallPlot
from app.ui.window.main_window import MainWindow
from app.ui.window.metrics_refresh import MetricsRefresher
from app.ui.window.result_presenter import ResultPresenter
from app.ui.window_options import WindowOptions
from benchmarks.clip_pictures import clip_pictures
from benchmarks.demo_window import wait, wait_for_hands
from benchmarks.finder import Peer
from benchmarks.stage_clock import StageClock, thread_times_ms
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.types import Frame, PathId, PathResult
from ik_baseline.detector import HandDetector
from ik_baseline.tracker import IkTracker
from inference.runtime import NetworkRuntime

REFERENCE_PYTHON_VARIABLE = "HANDLIVE_REFERENCE_PYTHON"
REAL_CLIPS = Path(__file__).resolve().parents[1].parent / "shared" / "real" / "clips"
REAL_CLIP = "desk_one_hand_1280x720_30fps.mp4"
SIZE_PX = (1280, 720)
REFERENCE_FRAMES = 60
WARM_UP_FRAMES = 20
WARM_UP_S = 3.0
PAUSE_S = 0.5
WANTED_RATIO = 2.5
LEAST_SHARE_SHOWN = 0.5
WANTED_P50, WANTED_P95 = 1.5, 2.5
_COUNTS_OF_THREAD = {"path-network": "network", "path-ik": "ik", "capture": "captured", "engines": "captured"}
"""Whose frames a thread's time is divided by: its path's, those that were captured, or else the mean of both paths'."""

_COUNTS_OF_STAGE = {
    "capture": "captured",
    "finder": "ik",
    "solver": "ik",
    "network": "network",
    "network path": "network",
    "refinement": "network",
    "plots": "second",
}
"""The same for stages; plots are drawn so often a second, which is shared by as many frames as the source has."""

_closed_windows: list[MainWindow] = []
"""Kept until the program ends: a window that is taken apart while another one runs can take that one down."""

_VIEWS = ("side by side", "combined", "network", "ik", "output")


def wrap_stages(clock: StageClock) -> None:
    """Measures the product's stages; what a stage calls of another one counts for that one."""
    clock.wrap(VideoSource, "read", "capture")
    clock.wrap(HandDetector, "detect", "finder")
    clock.wrap(IkTracker, "process", "solver")
    clock.wrap(NetworkPath, "process", "network path")
    clock.wrap(NetworkRuntime, "encode", "network")
    clock.wrap(NetworkRuntime, "predict", "network")
    clock.wrap(NetworkPoser, "pose", "refinement")
    clock.wrap(network_hand, "refine_pose", "refinement")
    clock.wrap(SmoothedPath, "process", "smoothing", holds_lock=True)
    for owner, names in ((HandLayer, ("__call__", "from_matrices")), (HandMeshBuilder, ("smooth", "assemble"))):
        for name in names:
            clock.wrap(owner, name, "mesh")
    for name in ("paint", "draw"):
        clock.wrap(MeshPainter, name, "mesh")
    for owner, name in ((ScreenPainter, "prepare"), (ScreenPainter, "compose"), (OutputChooser, "choose")):
        clock.wrap(owner, name, "composition")
    clock.wrap(ResultSynchronizer, "add", "composition", holds_lock=True)
    for view in (PictureView, WipeView, SoftwareMeshView):
        if "paintEvent" in vars(view):
            clock.wrap(view, "paintEvent", "painting", holds_lock=True)
    clock.wrap(ResultPresenter, "pull", "painting", holds_lock=True)
    clock.wrap(MetricsRefresher, "refresh", "plots", holds_lock=True)
    clock.wrap(SmallPlot, "paintEvent", "plots", holds_lock=True)


class PathWork:
    """By the clock, how long each path takes from a frame to its hands, all of its slowed stages included."""

    def __init__(self) -> None:
        """Measures from now on; made after :func:`wrap_stages`."""
        self._lock = threading.Lock()
        self._spent_ms: dict[PathId, list[float]] = {}
        process = SmoothedPath.process

        def measured(path: SmoothedPath, frame: Frame) -> PathResult:
            started_ns = time.perf_counter_ns()
            result = process(path, frame)
            with self._lock:
                self._spent_ms.setdefault(result.path_id, []).append((time.perf_counter_ns() - started_ns) / 1e6)
            return result

        SmoothedPath.process = measured  # type: ignore[method-assign]

    def reset(self) -> None:
        """Forgets what was measured so far."""
        with self._lock:
            self._spent_ms.clear()

    def median_ms(self, path_id: PathId) -> float:
        """Of the frames since the last reset."""
        with self._lock:
            return statistics.median(self._spent_ms.get(path_id, [math.nan]))


class Alone:
    """Hand finders alone on the frames of a clip, each following one hand."""

    def __init__(self, reference_python: str, clip: Path) -> None:
        """Starts them and gives them some frames to find the hand in.

        Args:
            reference_python: interpreter with MediaPipe 0.10.21; empty leaves it out.
            clip: a video.
        """
        detector = HandDetector(1)
        detect = getattr(HandDetector.detect, "__wrapped__", HandDetector.detect)  # without the clock around it

        def own_ms(image_rgb: np.ndarray) -> float:
            started_ns = time.thread_time_ns()
            detect(detector, image_rgb)
            return (time.thread_time_ns() - started_ns) / 1e6

        self._finders: dict[str, Callable[[np.ndarray], float]] = {"own finder": own_ms}
        self._peer = Peer(reference_python, "solutions", 1, False) if reference_python else None
        if self._peer is not None:
            peer = self._peer
            self._finders["MediaPipe 0.10.21"] = lambda image_rgb: peer(image_rgb)[1]
        self._frames = chain.from_iterable(clip_pictures(clip) for _ in count())
        self.frame_ms(WARM_UP_FRAMES)

    def frame_ms(self, frames: int = REFERENCE_FRAMES) -> dict[str, float]:
        """Processor time of a frame now, by finder: the mean over some frames that each gets in turn."""
        spent_ms = dict.fromkeys(self._finders, 0.0)
        for image_rgb in islice(self._frames, frames):
            for name, find_ms in self._finders.items():
                spent_ms[name] += find_ms(image_rgb)
        return {name: spent / frames for name, spent in spent_ms.items()}

    def close(self) -> None:
        """Ends the other process."""
        if self._peer is not None:
            self._peer.close()


def measure(clip: Path, clock: StageClock, work: PathWork, options: argparse.Namespace) -> dict[str, Any]:
    """Runs the window on a clip, by turns with the finders alone."""
    finders = Alone(options.reference_python, clip)
    model = load_embedded_model()
    smoothing = Smoothing()
    window = MainWindow(
        WindowOptions(
            chosen=choose_source(str(clip), SourceOptions(frames_per_second=options.rate, loop=True)),
            model=model,
            paths=chosen_paths("both", options.network, model, 1, smoothing=smoothing, warn=print),
            smoothing=smoothing,
            view=options.view,
            renderer="software",
            theme="dark",
        ),
        install_extensions,
    )
    window.resize(*SIZE_PX)
    window.show()
    wait_for_hands(window)
    wait(WARM_UP_S)
    rounds: list[dict[str, Any]] = []
    for _ in range(options.rounds):
        window.pipeline.playback.pause(True)
        wait(PAUSE_S)
        alone = finders.frame_ms()
        window.pipeline.playback.pause(False)
        wait(PAUSE_S)
        window.presenter.measure_anew()
        work.reset()
        stages, threads, calls, busy_s = clock.spent_ms(), thread_times_ms(), clock.calls(), time.process_time()
        started_s = time.perf_counter()
        wait(options.seconds)
        wall_s, busy_ms = time.perf_counter() - started_s, (time.process_time() - busy_s) * 1e3
        summaries = {path_id: window.statistics(path_id).summary() for path_id in window.pipeline.path_ids}
        numbers = window.comparison.numbers()
        shown = {path_id: float(summary.frames) for path_id, summary in summaries.items()}
        shown["both"] = statistics.fmean(shown.values())
        shown["captured"] = float(clock.calls()["capture"] - calls["capture"])
        shown["second"] = wall_s * options.rate
        stages_ms = {
            name: _per_frame(value - stages.get(name, 0.0), _COUNTS_OF_STAGE.get(name, "both"), shown)
            for name, value in clock.spent_ms().items()
        }
        threads_ms = {
            name: _per_frame(value - threads.get(name, 0.0), _COUNTS_OF_THREAD.get(name, "both"), shown)
            for name, value in thread_times_ms().items()
        }
        # of the window's thread, plots are drawn so often a second and everything else so often a frame
        plots_ms = clock.spent_ms()["plots"] - stages.get("plots", 0.0)
        threads_ms["GUI"] += stages_ms["plots"] - _per_frame(plots_ms, "both", shown)
        frame_ms = sum(threads_ms.values())
        rounds.append(
            {
                "alone_ms": alone,
                "frame_ms": frame_ms,
                "ratio": {name: frame_ms / value for name, value in alone.items()},
                "cores_busy": busy_ms / wall_s / 1e3,
                "busy_ms_a_shown_frame": busy_ms / shown["both"],
                "stages_ms": stages_ms,
                "threads_ms": threads_ms,
                "compared_share": numbers.compared
                / (WINDOW_S * max(p.frames_per_second for p in numbers.paths.values())),
                "paths": {
                    path_id: {
                        "frames_per_second": summary.frames / wall_s,
                        "work_ms": work.median_ms(path_id),
                        "own_timer_ms": window.statistics(path_id).stage_medians_ms().get("total", math.nan),
                        "p50_ms": summary.latency_p50_ms,
                        "p95_ms": summary.latency_p95_ms,
                    }
                    for path_id, summary in summaries.items()
                },
            }
        )
    window.close()
    _closed_windows.append(window)
    finders.close()
    return {"clip": clip.name, "rounds": rounds}


def report(result: dict[str, Any], slowdown: float, rate: float) -> None:
    """Prints medians over the rounds."""
    rounds = result["rounds"]
    print(f"\n{result['clip']}: {_median(rounds, 'frame_ms'):.1f} ms of processor time a frame", end="")
    print(
        f" ({_median(rounds, 'busy_ms_a_shown_frame'):.1f} a shown one), {_median(rounds, 'cores_busy'):.2f} cores busy"
    )
    shown_rate = statistics.median(min(p["frames_per_second"] for p in one["paths"].values()) for one in rounds)
    if shown_rate < LEAST_SHARE_SHOWN * rate:
        print(
            f"  only {shown_rate:.1f} of {rate:g} frames/s were shown: what has a rate of its own weighs too much here"
        )
    for name in rounds[0]["alone_ms"]:
        ratio = statistics.median(one["ratio"][name] for one in rounds)
        alone = statistics.median(one["alone_ms"][name] for one in rounds)
        judged = ""
        if name.startswith("MediaPipe") and slowdown == 1.0:
            judged = f" ({'met' if ratio <= WANTED_RATIO else 'MISSED'}, wanted at most {WANTED_RATIO:g})"
        print(f"  over {name} alone ({alone:.1f} ms): {ratio:.2f}{judged}")
    for kind in ("threads_ms", "stages_ms"):
        names = sorted({name for one in rounds for name in one[kind]})
        values = {name: statistics.median(one[kind].get(name, 0.0) for one in rounds) for name in names}
        shown = sorted(values.items(), key=lambda pair: -pair[1])
        print(f"  by {kind.removesuffix('s_ms')}, ms: " + ", ".join(f"{n} {v:.2f}" for n, v in shown if v >= 0.005))
    print(
        "  | path | shown/s | work, ms | captured to painted p50 / p95, ms | over its work | over its own timer |\n"
        "  |---|---|---|---|---|---|"
    )
    for path_id in rounds[0]["paths"]:
        paths = [one["paths"][path_id] for one in rounds]
        shown, work, timer, p50, p95 = (
            statistics.median(path[name] for path in paths)
            for name in ("frames_per_second", "work_ms", "own_timer_ms", "p50_ms", "p95_ms")
        )
        print(
            f"  | {path_id} | {shown:.1f} | {work:.1f} | {p50:.1f} / {p95:.1f} "
            f"| {p50 / work:.2f} / {p95 / work:.2f} | {p50 / timer:.2f} / {p95 / timer:.2f} of {timer:.1f} |"
        )
        if slowdown > 1.0:
            met = p50 / work <= WANTED_P50 and p95 / work <= WANTED_P95
            print(f"    {'met' if met else 'MISSED'}, wanted at most {WANTED_P50:g} / {WANTED_P95:g}")
    print(f"  frames on which both paths are compared: {_median(rounds, 'compared_share'):.0%} of the faster path's")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference-python", default=os.environ.get(REFERENCE_PYTHON_VARIABLE, ""))
    parser.add_argument("--clips", type=Path, nargs="+", help="videos (default: the demo clip, and one of a real hand)")
    parser.add_argument("--rate", type=float, default=30.0, help="frames per second of the source")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slowdown", type=float, default=1.0)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--view", choices=_VIEWS, default="side by side")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    clips = options.clips or [clip for clip in (DEMO_CLIP, REAL_CLIPS / REAL_CLIP) if clip.is_file()]
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}")
    print(f"window {SIZE_PX[0]} x {SIZE_PX[1]}, {options.view}, software 3D view, source at {options.rate:g} frames/s")
    if options.slowdown != 1.0:
        print(f"every stage takes {options.slowdown:g} times its processor time")
    if not options.reference_python:
        print("no interpreter with MediaPipe 0.10.21 was named (--reference-python), so it is not compared with")
    clock = StageClock(options.slowdown)
    wrap_stages(clock)
    work = PathWork()
    results = []
    for clip in clips:
        results.append(measure(clip, clock, work, options))
        report(results[-1], options.slowdown, options.rate)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "clips": results}, indent=2) + "\n", encoding="utf-8")


def _per_frame(spent_ms: float, counts: str, shown: dict[str, float]) -> float:
    return spent_ms / max(shown[counts], 1.0)


def _median(rounds: list[dict[str, Any]], name: str) -> float:
    return float(statistics.median(one[name] for one in rounds))


if __name__ == "__main__":
    main()
