"""How our hand finder compares with MediaPipe 0.10.21 and with its current release: agreement, and processor time.

    python -m benchmarks.finder --reference-python ../old/bin/python --tasks-python ../current/bin/python

Every frame goes to all finders in turn, decoded once, so that they get the same pixels in the same minute. The peers
live in throw-away environments: ``pip install mediapipe==0.10.21`` (Python 3.9 to 3.12) and ``pip install mediapipe``.
A peer that is not named is left out, which is printed. Clips: the demo clip, and those of ../shared/real where they
are; still pictures from there, too. ``--noise`` measures instead how far MediaPipe 0.10.21 moves when one grey level of
noise is added to the pictures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.machine import describe_machine
from assets import ASSETS_DIR
from benchmarks.clip_pictures import clip_pictures
from hand.crop import crop_around
from hand.landmark_distance import landmark_distance
from hand.types import HandObservation
from ik_baseline.detector import CROP_EXPANSION, SECOND_HAND_INTERVAL, HandDetector, merge_duplicates
from ik_baseline.mediapipe_tasks import TASK_FILE

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
DEMO_CLIP = ASSETS_DIR / "demo" / "demo.mp4"
PEER = Path(__file__).with_name("finder_peer.py")

SAME_HAND = 0.5
"""Hands whose landmarks are nearer than this share of their size are compared with each other."""

Finder = Callable[[np.ndarray], tuple[Sequence[HandObservation], float]]
"""A picture in; hands, and milliseconds of processor time."""


@dataclass
class Agreement:
    """Two finders on the same pictures."""

    frames: int = 0
    same_count: int = 0
    sides: int = 0
    distances: list[float] | None = None
    ratios: list[float] | None = None

    def take(self, ours: Sequence[HandObservation], theirs: Sequence[HandObservation], ratio: float) -> None:
        """Adds one picture."""
        self.distances, self.ratios = self.distances or [], self.ratios or []
        self.frames += 1
        self.same_count += len(ours) == len(theirs)
        self.ratios.append(ratio)
        for hand in theirs:
            if not ours:
                continue
            nearest = min(ours, key=lambda other: landmark_distance(other.landmarks_px, hand.landmarks_px))
            distance = landmark_distance(nearest.landmarks_px, hand.landmarks_px)
            if distance < SAME_HAND:
                self.distances.append(distance)
                self.sides += nearest.side == hand.side


class Peer:
    """MediaPipe in its own interpreter."""

    def __init__(self, python: str, kind: str, hands: int, still: bool) -> None:
        command = [python, str(PEER), kind, str(hands), "still" if still else "video", str(TASK_FILE)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.start_s: float = self._answer()["start_s"]

    def __call__(self, image_rgb: np.ndarray) -> tuple[Sequence[HandObservation], float]:
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d %d\n" % image_rgb.shape[:2] + image_rgb.tobytes())
        self._process.stdin.flush()
        answer = self._answer()
        hands = []
        for points, right, score in answer["hands"]:
            landmarks_px = np.array(points)
            crop = crop_around(landmarks_px, CROP_EXPANSION)
            hands.append(HandObservation("right" if right else "left", score, landmarks_px, np.zeros((21, 3)), crop))
        return merge_duplicates(hands), answer["cpu_ms"]

    def close(self) -> None:
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(map(str, self._process.args))} ended without an answer.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def own(detector: HandDetector) -> Finder:
    """Our finder, with its processor time."""

    def find(image_rgb: np.ndarray) -> tuple[Sequence[HandObservation], float]:
        busy_s = time.process_time()
        hands = detector.detect(image_rgb)
        return hands, (time.process_time() - busy_s) * 1e3

    return find


def pictures(folder: Path) -> Iterator[np.ndarray]:
    """All JPEG files of a folder, RGB."""
    for path in sorted(folder.glob("*.jpg")):
        yield cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def compare(
    title: str, frames: Iterator[np.ndarray], hands: int, interval: int, still: bool, peers: dict[str, tuple[str, str]]
) -> None:
    """Prints a row for each peer."""
    started_s = time.perf_counter()
    detector = HandDetector(hands, still=still, second_hand_interval=interval)
    start_s = time.perf_counter() - started_s
    ours = own(detector)
    others = {name: Peer(python, kind, hands, still) for name, (python, kind) in peers.items()}
    agreements = {name: Agreement() for name in peers}
    for image_rgb in frames:
        found, cpu_ms = ours(image_rgb)
        for name, peer in others.items():
            theirs, their_ms = peer(image_rgb)
            agreements[name].take(found, theirs, cpu_ms / their_ms)
    for name, peer in others.items():
        agreement = agreements[name]
        distances, ratios = agreement.distances or [float("nan")], agreement.ratios or [float("nan")]
        print(
            f"| {title} | {name} | {agreement.same_count} of {agreement.frames} "
            f"| {agreement.sides} of {len(distances)} | {statistics.median(distances):.5f} "
            f"| {float(np.percentile(distances, 95)):.4f} | {statistics.median(ratios):.2f} "
            f"| {start_s:.2f} / {peer.start_s:.2f} |",
            flush=True,
        )
        peer.close()
    detector.close()


def noise(python: str, clips: Sequence[Path]) -> None:
    """Prints how far MediaPipe 0.10.21 moves when the pictures get one grey level of noise."""
    for clip in clips:
        plain, noisy = Peer(python, "solutions", 1, False), Peer(python, "solutions", 1, False)
        rng = np.random.default_rng(0)
        agreement = Agreement()
        for image_rgb in clip_pictures(clip):
            grain = rng.integers(-1, 2, image_rgb.shape)
            changed = np.clip(image_rgb + grain, 0, 255).astype(np.uint8)
            agreement.take(plain(image_rgb)[0], noisy(changed)[0], 1.0)
        plain.close()
        noisy.close()
        distances = agreement.distances or [float("nan")]
        same = f"{agreement.same_count} of {agreement.frames}"
        print(f"| {clip.stem} | {same} | {statistics.median(distances):.5f} | {np.percentile(distances, 95):.4f} |")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference-python", help="interpreter of an environment with mediapipe 0.10.21")
    parser.add_argument("--tasks-python", help="interpreter of an environment with a current mediapipe")
    parser.add_argument("--clips", type=Path, nargs="+", help="other videos, and no still pictures")
    parser.add_argument("--noise", action="store_true", help="MediaPipe 0.10.21 against itself on noisy pictures")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}\n")
    clips = options.clips or [DEMO_CLIP, *sorted((REAL / "clips").glob("*.mp4"))]
    peers: dict[str, tuple[str, str]] = {}
    if options.reference_python:
        peers["mediapipe 0.10.21"] = (options.reference_python, "solutions")
    if options.tasks_python:
        peers["current mediapipe"] = (options.tasks_python, "tasks")
    if not peers:
        print("No interpreter with mediapipe was named (--reference-python, --tasks-python): nothing to compare with.")
        sys.exit(0)
    if options.noise:
        print("| clip | found alike | 2D median | 2D p95 |\n|---|---|---|---|")
        noise(options.reference_python, clips)
        return
    print("2D differences are means over 21 landmarks, over the longer side of their box; time is processor time.\n")
    print("| pictures | finder | as many hands | same side | 2D median | 2D p95 | our time over theirs | start, s |")
    print("|---|---|---|---|---|---|---|---|")
    for clip in clips:
        compare(f"{clip.stem}, one hand", clip_pictures(clip), 1, 1, False, peers)
    for clip in clips:
        title = f"{clip.stem}, two requested, second sought every {SECOND_HAND_INTERVAL} frames"
        compare(title, clip_pictures(clip), 2, SECOND_HAND_INTERVAL, False, peers)
    if not options.clips and (REAL / "laptop_hands").is_dir():
        compare("laptop_hands, still, two requested", pictures(REAL / "laptop_hands"), 2, 1, True, peers)


if __name__ == "__main__":
    main()
