"""How long the review of 20,000 frames takes to follow: opening, scrolling the filmstrip, stepping, deciding.

    xvfb-run -a python -m benchmarks.review [--frames 20000]

The session is the demo clip over and over, 640 x 480, each frame a file of its own. "Painted" is the moment the
filmstrip, or the whole window, has painted the request; every page that is scrolled to was never shown before, so
all of its thumbnails are read from the disk's cache and shrunk. The page before counts as peer: it is cached.
Beside the clock stands the processor's time, which is the same however busy the machine is.
"""

# ruff: noqa: E402 - the process is prepared before OpenCV and Qt are imported
from __future__ import annotations

from app.environment import prepare_process

prepare_process()

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from app.machine import describe_machine
from app.palette import DARK
from app.review.session_review import open_review
from app.sources.demo import DEMO_CLIP
from app.ui.review.review_window import ReviewWindow
from benchmarks.clip_pictures import clip_pictures
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.recording import FRAMES_FOLDER, LABELS_FILE, RecordedHand, SessionInfo
from hand.recording_writer import RecordingWriter
from hand.types import Frame

DIFFERENT = 100
"""Frames of the clip; the session is made of links to their pictures."""


def make_session(folder: Path, frames: int) -> Path:
    """A session of so many frames with a live hand each."""
    model = load_embedded_model()
    camera = Intrinsics.from_fov(640, 480)
    rng = np.random.default_rng(0)
    with RecordingWriter(folder, SessionInfo("demo", camera, False, model.name, model.digest)) as writer:
        for index, picture in enumerate(islice(clip_pictures(DEMO_CLIP), DIFFERENT)):
            numbers = rng.normal(0.0, 0.3, 48), np.zeros(10), np.zeros(3), rng.normal((0.0, 0.0, 0.5), 0.05, (21, 3))
            hand = RecordedHand("right", "ik", 0.9, *(array.astype(np.float32) for array in numbers))
            writer.add(Frame(index, index * 33_000_000, picture, camera, "demo"), [hand])
    lines = [json.loads(line) for line in (folder / LABELS_FILE).read_text(encoding="utf-8").splitlines()]
    with (folder / LABELS_FILE).open("a", encoding="utf-8") as file:
        for index in range(DIFFERENT, frames):
            file.write(json.dumps(lines[index % DIFFERENT] | {"frame": index, "sequence": index}) + "\n")
            pictures = folder / FRAMES_FOLDER
            (pictures / f"{index:08d}.jpg").hardlink_to(pictures / f"{index % DIFFERENT:08d}.jpg")
    return folder


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds on the clock, and of the processor."""
    started, worked = time.perf_counter(), time.process_time()
    act()
    return (time.perf_counter() - started) * 1e3, (time.process_time() - worked) * 1e3


def print_times(what: str, values_ms: list[tuple[float, float]]) -> None:
    """Prints median and 95th percentile on the clock, and the median of the processor."""
    clock, processor = np.array(values_ms).T
    print(
        f"{what:48s} median {np.median(clock):6.1f} ms, p95 {np.percentile(clock, 95):6.1f} ms, "
        f"processor {np.median(processor):5.1f} ms"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000)
    options = parser.parse_args()
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores; {options.frames} frames")
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_session(Path(scratch) / "session", options.frames)
        model = load_embedded_model()
        windows: list[ReviewWindow] = []

        def opened() -> None:
            windows.append(ReviewWindow(open_review(folder, model), model, DARK))
            windows[0].show()
            QTest.qWaitForWindowExposed(windows[0])  # nothing is painted before
            windows[0].repaint()

        clock, processor = timed(opened)
        print(f"opened and painted in {clock / 1e3:.1f} s, {processor / 1e3:.1f} s of the processor")
        window = windows[0]
        measure(window)
        window.close()


def measure(window: ReviewWindow) -> None:
    """Scrolls and steps through a window that is shown."""
    strip = window.strip
    bar, viewport = strip.horizontalScrollBar(), strip.viewport()
    assert bar is not None
    assert viewport is not None
    page = bar.pageStep()
    new, seen = [], []
    for number in range(97):
        # jumps over the whole session, none of them back to what was seen
        place = (number * 7919 % 97) * (bar.maximum() // 97)
        new.append(timed(lambda place=place: (bar.setValue(place), viewport.repaint())))  # type: ignore[misc]
        bar.setValue(max(place - page, 0))
        viewport.repaint()
        seen.append(timed(lambda place=place: (bar.setValue(place), viewport.repaint())))  # type: ignore[misc]
    print_times("a page of the filmstrip that was never shown", new)
    print_times("a page of the filmstrip that was shown", seen)
    window.go_to(1000)

    def stepped(by: int) -> None:
        window.step(by)
        viewport.repaint()
        window.repaint()

    print_times("one frame on (arrow key), all painted", [timed(lambda: stepped(1)) for _ in range(100)])
    print_times("thirty frames on (page key), all painted", [timed(lambda: stepped(30)) for _ in range(100)])

    def decided() -> None:
        window.decide("rejected")
        viewport.repaint()
        window.repaint()

    print_times("a frame rejected (X), all painted", [timed(decided) for _ in range(50)])


if __name__ == "__main__":
    main()
