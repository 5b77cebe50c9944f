"""What recording costs the live paths: the demo clip at 30 frames a second through both, without and with a recorder.

python -m benchmarks.recording [--seconds 12] [--methods ik network] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from app.machine import describe_machine
from app.pipeline.live import LivePipeline
from app.pipeline.output_selector import OutputChooser
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, ik_path_factory, network_path_factory
from app.pipeline.result_synchronizer import JoinedResult
from app.recording.recorder import SessionRecorder
from app.sources.base import Picture, SourceFacts
from app.sources.demo import DEMO_CLIP
from benchmarks.clip_pictures import clip_pictures
from hand.embedded import load_embedded_model
from hand.recording_reader import open_recording
from hand.types import PathId

WARM_UP_S = 4.0


class LoopedClip:
    """The demo clip for ever, decoded beforehand, at 30 frames a second."""

    name = "demo clip, looped"

    def __init__(self) -> None:
        self._pictures, self._next = list(clip_pictures(DEMO_CLIP)), 0

    def open(self) -> SourceFacts:
        """Ready at once."""
        return SourceFacts(self.name, "video", 640, 480, 30.0)

    def read(self) -> Picture:
        """The next picture, there and back so that the hand never jumps."""
        count = len(self._pictures)
        place = self._next % (2 * count)
        self._next += 1
        picture = self._pictures[min(place, 2 * count - 1 - place)]
        return Picture(picture.copy(), time.monotonic_ns())

    def close(self) -> None:
        """Nothing to give back."""

    def may_be_back(self) -> bool:
        """It never goes."""
        return True


def run(paths: dict[PathId, PathFactory], seconds: float, folder: Path | None) -> None:
    """Runs once and prints its figures; records into a folder if there is one."""
    model = load_embedded_model()
    pipeline: LivePipeline[None, None] = LivePipeline(
        paths, lambda result: None, lambda: None, output=OutputChooser(model)
    )
    latencies: dict[PathId, list[float]] = {path_id: [] for path_id in paths}
    recorder: list[SessionRecorder] = []
    begin_s = [float("inf")]

    def joined(result: JoinedResult) -> None:
        now_ns = time.monotonic_ns()
        if recorder:
            recorder[0].offer_result(result.frame, result.results)
        if time.monotonic() >= begin_s[0]:
            for path_id in result.results:
                latencies[path_id].append((now_ns - result.frame.arrival_time_ns) / 1e6)

    pipeline.add_listener("benchmark", joined)
    pipeline.add_frame_listener("benchmark", lambda frame: recorder[0].offer_frame(frame) if recorder else None)
    pipeline.start()
    pipeline.show(LoopedClip())  # type: ignore[arg-type]
    time.sleep(WARM_UP_S)
    if folder is not None:
        recorder.append(SessionRecorder(folder, model, min_free_bytes=0))
    begin_s[0] = time.monotonic()
    time.sleep(seconds)
    begin_s[0] = float("inf")
    state = recorder[0].stop() if recorder else None
    pipeline.close()
    words = [
        f"{path_id} {len(values) / seconds:5.1f} results/s, latency median {np.median(values):5.1f} ms, "
        f"p95 {np.percentile(values, 95):5.1f} ms"
        for path_id, values in latencies.items()
        if values
    ]
    print(f"{'with' if state else 'without'} recorder: {'; '.join(words)}")
    if state is not None and folder is not None:
        recording = open_recording(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(
            f"  recorded {state.frames / seconds:.1f} frames/s, {state.dropped} dropped, {state.with_hands} with hand, "
            f"{size / seconds / 1e6:.1f} MB/s, complete: {recording.complete}, {len(recording.frames)} readable"
        )


def main() -> None:
    """Prints both runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--methods", nargs="+", choices=("ik", "network"), default=["ik", "network"])
    parser.add_argument("--folder", type=Path, help="records here; a temporary folder when left out")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    model = load_embedded_model()
    made: dict[PathId, PathFactory] = {
        "ik": ik_path_factory(model, 1),
        "network": network_path_factory(SHIPPED_NETWORK_DIR, model, 1),
    }
    paths: dict[PathId, PathFactory] = {name: made[name] for name in options.methods}
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(2):
            run(paths, options.seconds, None)
            run(paths, options.seconds, (options.folder or Path(scratch)) / f"run{number}")


if __name__ == "__main__":
    main()
