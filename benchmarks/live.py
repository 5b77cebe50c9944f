"""The real window with both paths at camera speed: frames per second, captured to painted, lag of the window's thread.

    xvfb-run -a python -m benchmarks.live
    xvfb-run -a python -m benchmarks.live --rates 30 --seconds 30 --view combined --profile

The demo clip is played from its file at 30 and at 60 frames per second. "Captured" is the moment the decoded frame
enters the pipeline, "painted" the moment both views of a path's pane have painted it; the frames that go by while the
engines load are left out. The lag is how late a 10 ms timer of the window's thread fires.
"""

# ruff: noqa: E402 - the process is prepared before OpenCV and Qt are imported
from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import sys
import time
from pathlib import Path
from typing import Any

from app.environment import prepare_process

prepare_process()

import numpy as np
from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QSurfaceFormat
from PyQt6.QtWidgets import QApplication

from app.machine import describe_machine
from app.pipeline.paths.path_factories import chosen_paths
from app.sources.choose import SourceOptions, choose_source
from app.sources.demo import DEMO_CLIP
from app.ui.extensions import install_extensions
from app.ui.views.opengl_support import opengl_format
from app.ui.window.main_window import MainWindow
from app.ui.window_options import WindowOptions
from benchmarks.demo_window import wait, wait_for_hands
from hand.embedded import load_embedded_model

VIEWS = ("side by side", "combined", "network", "ik", "output")
LAG_TIMER_MS = 10
WARM_UP_S = 4.0
TARGETS = {30: {"rate": 29.5, "p50_ms": 20.0, "p95_ms": 30.0, "lag_p95_ms": 8.0}, 60: {"rate": 50.0}}


class LagMeter:
    """How late a timer of the window's thread fires."""

    def __init__(self) -> None:
        self.lags_ms: list[float] = []
        self._last_s = time.perf_counter()
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self._fire)
        self.timer.start(LAG_TIMER_MS)

    def _fire(self) -> None:
        now = time.perf_counter()
        self.lags_ms.append(max(0.0, (now - self._last_s) * 1e3 - LAG_TIMER_MS))
        self._last_s = now


def measure(rate: float, options: argparse.Namespace) -> dict[str, Any]:
    """One run of the window."""
    model = load_embedded_model()
    source_options = SourceOptions(frames_per_second=rate, loop=True)
    window = MainWindow(
        WindowOptions(
            chosen=choose_source(options.source, source_options),
            model=model,
            paths=chosen_paths(options.method, options.network, model, 1, warn=print),
            view=options.view,
            renderer=options.renderer,
            theme="dark",
        ),
        install_extensions,
    )
    window.resize(*options.size)
    window.show()
    if options.disagreement:
        window.show_disagreement(True)
    window.show_overlay_mesh(options.overlay == "mesh")
    wait_for_hands(window)
    wait(WARM_UP_S)
    profile = cProfile.Profile() if options.profile else None
    meter, busy_s, wall_s = LagMeter(), time.process_time(), time.perf_counter()
    window.presenter.measure_anew()
    if profile is not None:
        profile.enable()
    wait(options.seconds)
    if profile is not None:
        profile.disable()
    busy_s, wall_s = time.process_time() - busy_s, time.perf_counter() - wall_s
    numbers = window.comparison.numbers()
    result: dict[str, Any] = {
        "source_rate": rate,
        "paths": {},
        "gui_lag_ms": {"p50": _percentile(meter.lags_ms, 50), "p95": _percentile(meter.lags_ms, 95)},
        "cores_busy": round(busy_s / wall_s, 2),
        "renderer": window.mesh.renderer_name,
    }
    for path_id in window.pipeline.path_ids:
        summary = window.statistics(path_id).summary()
        result["paths"][path_id] = {
            "frames_per_second": round((summary.frames) / wall_s, 2),
            "latency_p50_ms": round(summary.latency_p50_ms, 1),
            "latency_p95_ms": round(summary.latency_p95_ms, 1),
            "stages_ms": {k: round(v, 1) for k, v in window.statistics(path_id).stage_medians_ms().items()},
            "work_ms": round(numbers.paths[path_id].work_ms, 2),
            "drops": window.presenter.drops(path_id),
        }
    meter.timer.stop()
    window.close()
    window.deleteLater()
    QApplication.processEvents()
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return result


def report(result: dict[str, Any]) -> None:
    """Prints a run beside its targets."""
    rate = result["source_rate"]
    print(f"\n{rate:.0f} frames/s from the source; 3D view {result['renderer']}; {result['cores_busy']} cores busy")
    print("| path | frames/s | captured to painted p50 / p95, ms | work, ms | dropped |\n|---|---|---|---|---|")
    for path_id, path in result["paths"].items():
        latency = f"{path['latency_p50_ms']} / {path['latency_p95_ms']}"
        print(f"| {path_id} | {path['frames_per_second']} | {latency} | {path['work_ms']} | {path['drops']} |")
    for path_id, path in result["paths"].items():
        print(f"{path_id}, stages in ms: " + ", ".join(f"{name} {value}" for name, value in path["stages_ms"].items()))
    print(f"lag of the window's thread p50 / p95: {result['gui_lag_ms']['p50']} / {result['gui_lag_ms']['p95']} ms")
    targets = TARGETS.get(round(rate), {})
    for path_id, path in result["paths"].items():
        _print_result(f"{path_id} frames/s", path["frames_per_second"], targets.get("rate"), more_is_better=True)
        _print_result(f"{path_id} p50, ms", path["latency_p50_ms"], targets.get("p50_ms"))
        _print_result(f"{path_id} p95, ms", path["latency_p95_ms"], targets.get("p95_ms"))
    _print_result("lag p95, ms", result["gui_lag_ms"]["p95"], targets.get("lag_p95_ms"))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[30.0, 60.0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--source", default=str(DEMO_CLIP), help="a video (default: the demo clip's file)")
    parser.add_argument("--method", choices=("both", "network", "ik"), default="both")
    parser.add_argument("--network", type=Path)
    parser.add_argument("--view", choices=VIEWS, default="side by side")
    parser.add_argument("--renderer", choices=("auto", "opengl", "software"), default="auto")
    parser.add_argument("--overlay", choices=("skeleton", "mesh"), default="skeleton")
    parser.add_argument("--disagreement", action="store_true", help="colour the meshes")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720))
    parser.add_argument("--profile", action="store_true", help="profile the window's thread")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    QSurfaceFormat.setDefaultFormat(opengl_format())
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"load before the start: {load:.1f}; window {options.size[0]} x {options.size[1]}, view {options.view}")
    results = [measure(rate, options) for rate in options.rates]
    for result in results:
        report(result)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "runs": results}, indent=2) + "\n", encoding="utf-8")


def _print_result(name: str, got: float, wanted: float | None, *, more_is_better: bool = False) -> None:
    if wanted is not None:
        met = got >= wanted if more_is_better else got <= wanted
        print(f"  {'met   ' if met else 'MISSED'} {name}: {got} (target {wanted:g})")


def _percentile(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 2) if values else float("nan")


if __name__ == "__main__":
    main()
