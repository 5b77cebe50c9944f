"""Whether the window stays as it is over a long time: memory, threads and open files while everything runs.

    xvfb-run -a python -m benchmarks.soak --minutes 120    two hours
    xvfb-run -a python -m benchmarks.soak --minutes 2      a short look
    xvfb-run -a python -m benchmarks.soak --no-training         without a run that learns beside it

Both paths run, the output is sent by UDP, OSC and WebSocket, sessions are recorded into a temporary folder, and a
training run learns from a labelled one. Every few seconds the view changes, so that all panes work; every minute
another source is opened: the demo clip, a video of another size, pictures, a video with a damaged middle, one that is
missing. What is resident swings by some ten megabytes as pictures come and go, so peaks are compared: memory is called
flat when the peak of the last quarter of the time lies within two hundredths of that of the second quarter. A frame is
late when it is shown more than a second after it was taken. The load of the machine is printed, because a frame is late
too where the window gets no processor.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.environment import prepare_process

if __name__ == "__main__":  # the tests prepare their own process
    prepare_process()

import cv2

from app.child_process import child_environment, python_command
from app.end_signals import leave_process
from app.jobs.training import TrainingRun, TrainingRuns
from app.machine import describe_machine
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from app.sources.demo import DEMO_CLIP
from app.ui.recording.record_panel import RecordPanel
from app.ui.window.main_window import MainWindow
from app.ui.window.view_switch import VIEW_ORDER
from benchmarks.demo_window import close_measured, make_application, open_window, wait, wait_for_hands
from trainer.runs.run_folder import FineTuneRequest

LIMIT_MB = 20.0
"""Of growth in the short form, where two hundredths are less than what one picture takes."""

GROWTH_SHARE = 0.02
LATE_S = 1.0

_REOPEN_EVERY = 6
_CHANGE_S = 60.0
_STREAMS = ("udp:39000", "osc:39001", "ws:39002,mesh,rate=15")


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment.

    Attributes:
        second: since the start.
        memory_mb: resident.
        threads: of the operating system.
        files: open file descriptors.
        frames: shown so far; a view that shows a frame again does not count.
        late: of them, those shown more than :data:`LATE_S` after they were taken.
        load: processes of the whole machine that wanted to run, averaged over a minute.
    """

    second: float
    memory_mb: float
    threads: int
    files: int
    frames: int
    late: int = 0
    load: float = 0.0


def soak(window: MainWindow, seconds: float, every_s: float, change: Callable[[], None] | None = None) -> list[Sample]:
    """Watches a window that runs, while views and sources change.

    Args:
        window: shown, with results coming.
        seconds: how long.
        every_s: between samples.
        change: called every minute, for another source; the same source is opened anew now and then when None.
    """
    shown = {"frames": 0, "late": 0}
    last_frame_ns = 0
    started = changed_s = time.monotonic()

    def count() -> None:
        nonlocal last_frame_ns
        joined = window.joined
        if joined is None or joined.frame.arrival_time_ns == last_frame_ns:
            return  # another view of a frame that was counted when it came
        last_frame_ns = joined.frame.arrival_time_ns
        shown["frames"] += 1
        late_s = (time.monotonic_ns() - last_frame_ns) / 1e9
        if late_s > LATE_S:
            shown["late"] += 1
            now = time.monotonic()
            print(
                f"minute {(now - started) / 60:.1f}, {now - changed_s:.1f} s after the last change: {late_s:.2f} s late"
            )

    window.result_shown.connect(count)
    samples: list[Sample] = []
    while (second := time.monotonic() - started) < seconds:
        samples.append(Sample(second, _memory_mb(), count_threads(), _files(), shown["frames"], shown["late"], _load()))
        window.show_view(VIEW_ORDER[len(samples) % len(VIEW_ORDER)])
        if change is None and len(samples) % _REOPEN_EVERY == 0:
            window.replay()
        elif change is not None and time.monotonic() - changed_s >= _CHANGE_S:
            change()
            changed_s = time.monotonic()
        wait(every_s)
    window.result_shown.disconnect(count)
    return samples


def growth_mb(samples: list[Sample]) -> float:
    """Peak of the last quarter less that of the second; the first one fills caches."""
    quarter = len(samples) // 4
    if quarter == 0:
        return float("nan")
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    return max(sample.memory_mb for sample in late) - max(sample.memory_mb for sample in early)


class Changes:
    """Another source every time, each recorded into a session of its own."""

    def __init__(self, window: MainWindow, scratch: Path) -> None:
        """Makes the sources.

        Args:
            window: which shows them.
            scratch: an empty folder for sources and sessions.
        """
        self._window = window
        self._panel = window.findChild(RecordPanel)
        if self._panel is not None:
            self._panel.home = scratch / "sessions"
        self._scratch = scratch
        self._sources = itertools.cycle([str(DEMO_CLIP), *map(str, _make_sources(scratch)), str(scratch / "missing")])
        next(self._sources)

    def __call__(self) -> None:
        """Ends the recording, and begins the next one with the next source."""
        if self._panel is not None:
            self._panel.finish()
            # all but the last, which may still be written
            ended = sorted((self._scratch / "sessions").glob("*"), key=lambda path: path.stat().st_mtime)[:-1]
            # two thousand files: on a busy disk their removal would hold up the window's thread, and not the product
            threading.Thread(target=_remove, args=(ended,), name="soak-remove", daemon=True).start()
        self._window.choose(next(self._sources))
        self.record()

    def record(self) -> None:
        """Begins to record."""
        if self._panel is not None:
            self._panel.begin()


def _remove(folders: Sequence[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _make_sources(scratch: Path) -> list[Path]:
    """A video of another size, a folder of pictures, and a video whose middle is damaged."""
    pictures = scratch / "pictures"
    pictures.mkdir(parents=True)
    half, damaged = scratch / "half.avi", scratch / "damaged.avi"
    video = cv2.VideoCapture(str(DEMO_CLIP))
    writer: cv2.VideoWriter | None = None
    for number in range(150):
        ok, bgr = video.read()
        if not ok:
            break
        small = cv2.resize(bgr, (bgr.shape[1] // 4 * 2, bgr.shape[0] // 4 * 2))
        writer = writer or cv2.VideoWriter(str(half), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, small.shape[1::-1])
        writer.write(small)
        if number % 10 == 0:
            cv2.imwrite(str(pictures / f"{number}.jpg"), bgr)
    video.release()
    if writer is not None:
        writer.release()
    data = bytearray(half.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    damaged.write_bytes(data)
    return [half, pictures, damaged]


def _labelled_sessions(scratch: Path) -> Path:
    """Two sessions of the demo clip as a user makes them: imported, then labelled."""
    home = scratch / "labelled"
    for words in (("app.recording", "import", str(DEMO_CLIP), "--home", str(home)), ("app.labelling",)):
        sessions = [str(path.parent) for path in home.glob("*/session.json")]
        subprocess.run(python_command(*words, *sessions), env=child_environment(), check=True, capture_output=True)
    (session,) = (path.parent for path in home.glob("*/session.json"))
    shutil.copytree(session, session.with_name(f"{session.name}_again"))
    return home


def main() -> int:
    """Watches and prints; 1 when something grew, or frames were late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--no-training", action="store_true", help="without a training run beside the window")
    parser.add_argument(
        "--train", type=Path, metavar="RECORDINGS", help="let it learn from these labelled sessions (default: the clip)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="handlive-soak-") as scratch:
        return _run(options, Path(scratch))


def _run(options: argparse.Namespace, scratch: Path) -> int:
    run: TrainingRun | None = None
    if not options.no_training:
        values = {"steps": 10_000_000, "evaluate_every": 500}  # until it is ended
        request = FineTuneRequest(
            str(SHIPPED_NETWORK_DIR), str(options.train or _labelled_sessions(scratch)), values=values
        )
        run = TrainingRuns(scratch / "runs").create(request)
        run.start()
    make_application()
    window = open_window(streams=_STREAMS)
    wait_for_hands(window)
    changes = Changes(window, scratch / "changes")
    changes.record()
    samples = soak(window, 60.0 * options.minutes, options.every, changes)
    if run is not None:
        run.refresh()
        print(f"The training run beside it: {run.phase.value}, step {run.history.step}. {run.history.error}")
        run.kill()
    closed_s, _ = close_measured(window)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {options.minutes:g} minutes")
    print("| minute | memory, MB | threads | files | frames shown | late | load |\n|---|---|---|---|---|---|---|")
    for sample in samples[:: max(1, len(samples) // 15)]:
        print(
            f"| {sample.second / 60.0:.1f} | {sample.memory_mb:.0f} | {sample.threads} | {sample.files} "
            f"| {sample.frames} | {sample.late} | {sample.load:.1f} |"
        )
    growth = growth_mb(samples)
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    # the sources differ in threads and files, so that peaks are compared, as of memory
    more_threads = max(sample.threads for sample in late) - max(sample.threads for sample in early)
    more_files = max(sample.files for sample in late) - max(sample.files for sample in early)
    limit = GROWTH_SHARE * max(sample.memory_mb for sample in early)
    print(f"memory, peak of the last quarter above that of the second: {growth:+.1f} MB (limit {limit:.1f})")
    print(f"the same of threads: {more_threads:+d}, of open files: {more_files:+d}; late frames: {samples[-1].late}")
    print(f"closed in {closed_s:.2f} s")
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("path-", "capture", "listener"))]
    print(f"threads left behind: {left or 'none'}")
    return int(growth > limit or more_threads > 2 or more_files > 2 or samples[-1].late > 0 or bool(left))


def _memory_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return float("nan")  # only Linux says it without a package more
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def count_threads() -> int:
    """Threads of the process, those of libraries too where the system tells of them."""
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
    leave_process(main())  # as the program does
