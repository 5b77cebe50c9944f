"""Whether the window stays as it is over a long time: memory, threads and open files while both paths run.

    xvfb-run -a python -m benchmarks.soak                  thirty minutes
    xvfb-run -a python -m benchmarks.soak --minutes 2      a short look

Every few seconds the view changes, so that all panes work; every half minute the source is opened anew. What is
resident swings by some ten megabytes as pictures come and go, so peaks are compared: memory is called flat when the
peak of the last quarter of the time lies less than the limit above that of the second quarter.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from app.environment import prepare_process

if __name__ == "__main__":  # the tests prepare their own process
    prepare_process()

from PyQt6.QtGui import QSurfaceFormat
from PyQt6.QtWidgets import QApplication

from app.machine import describe_machine
from app.pipeline.paths.path_factories import chosen_paths
from app.sources.choose import SourceWishes, choose_source
from app.sources.demo import DEMO_CLIP
from app.ui.extensions import install_extensions
from app.ui.views.opengl_support import opengl_format
from app.ui.window.main_window import MainWindow
from app.ui.window_options import ViewName, WindowOptions
from benchmarks.demo_window import wait, wait_for_hands
from hand.embedded import load_embedded_model

LIMIT_MB = 20.0

_VIEWS: tuple[ViewName, ...] = ("side by side", "combined", "network", "ik", "output")
_REOPEN_EVERY = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment.

    Attributes:
        second: since the start.
        memory_mb: resident.
        threads: of the operating system.
        files: open file descriptors.
        frames: results shown so far.
    """

    second: float
    memory_mb: float
    threads: int
    files: int
    frames: int


def soak(window: MainWindow, seconds: float, every_s: float) -> list[Sample]:
    """Watches a window that runs, while views and sources change.

    Args:
        window: shown, with results coming.
        seconds: how long.
        every_s: between samples.
    """
    shown = {"frames": 0}

    def count() -> None:
        shown["frames"] += 1

    window.result_shown.connect(count)
    samples: list[Sample] = []
    started = time.monotonic()
    while (second := time.monotonic() - started) < seconds:
        samples.append(Sample(second, _memory_mb(), _threads(), _files(), shown["frames"]))
        window.show_view(_VIEWS[len(samples) % len(_VIEWS)])
        if len(samples) % _REOPEN_EVERY == 0:
            window.replay()
        wait(every_s)
    window.result_shown.disconnect(count)
    return samples


def growth_mb(samples: list[Sample]) -> float:
    """Peak of the last quarter less that of the second; the first one fills caches."""
    quarter = len(samples) // 4
    if quarter == 0:
        return float("nan")
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    return max(sample.memory_mb for sample in late) - max(sample.memory_mb for sample in early)


def main() -> int:
    """Watches and prints; 1 when something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
    options = parser.parse_args()
    QSurfaceFormat.setDefaultFormat(opengl_format())
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    model = load_embedded_model()
    window = MainWindow(
        WindowOptions(
            chosen=choose_source(str(DEMO_CLIP), SourceWishes(frames_per_second=30.0, loop=True)),
            model=model,
            paths=chosen_paths("both", None, model, 1, complain=print),
            theme="dark",
        ),
        install_extensions,
    )
    window.resize(1280, 720)
    window.show()
    wait_for_hands(window)
    samples = soak(window, 60.0 * options.minutes, options.every)
    before_close = time.monotonic()
    window.close()
    closed_s = time.monotonic() - before_close
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {options.minutes:g} minutes")
    print("| minute | memory, MB | threads | files | frames shown |\n|---|---|---|---|---|")
    for sample in samples[:: max(1, len(samples) // 15)]:
        print(
            f"| {sample.second / 60.0:.1f} | {sample.memory_mb:.0f} | {sample.threads} | {sample.files} "
            f"| {sample.frames} |"
        )
    growth = growth_mb(samples)
    half = samples[len(samples) // 2 :]
    more_threads = max(sample.threads for sample in half) - half[0].threads
    print(f"memory, peak of the last quarter above that of the second: {growth:+.1f} MB (limit {LIMIT_MB:g})")
    print(f"threads in the second half: at most {more_threads} more than at its start; closed in {closed_s:.2f} s")
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("path-", "capture", "listener"))]
    print(f"threads left behind: {left or 'none'}")
    return int(growth > LIMIT_MB or more_threads > 2 or bool(left))


def _memory_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")  # only Linux says it without a package more
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _threads() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:
        return threading.active_count()


def _files() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return -1


if __name__ == "__main__":
    sys.exit(main())
