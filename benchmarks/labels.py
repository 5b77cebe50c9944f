"""Labels computed over a whole session against MediaPipe + IK's live results, on rendered sessions of a known hand.

    python -m benchmarks.labels [--sessions 6] [--frames 240] [--first-seed 1]

Each session is another person (shape, skin), light, camera noise and movement, none of them among those that the
landmark correction was learned from (their seeds begin at 1000). The pictures go through MediaPipe itself, live IK and
the shipped network as a camera's would, are recorded, and the recording is labelled. Both labels are compared with the
truth on the same frames; then on the frames that the pass keeps, against the live labels of all frames.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.labelling.session_labeller import label_session
from app.machine import describe_machine
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, network_path_factory
from hand.embedded import load_embedded_model
from hand.errors import HandliveError
from hand.metrics import jitter_mm, mpjpe_mm, pa_error_mm
from hand.model import HandModel
from hand.recording import RecordedHand, SessionInfo, recorded_hand
from hand.recording_writer import RecordingWriter
from hand.session_labels import read_session_labels
from hand.types import Frame
from ik_baseline.tracker import IkTracker
from trainer.synthetic.moving_hand import FRAMES_PER_SECOND, MovingHand


def record(folder: Path, model: HandModel, seed: int, frames: int) -> None:
    """Renders a session and records both paths' results, with the ground truth beside them."""
    hand = MovingHand(model, seed, frames)
    info = SessionInfo(f"rendered, seed {seed}", hand.intrinsics, False, model.name, model.digest)
    try:
        network = network_path_factory(SHIPPED_NETWORK_DIR, model, 1)()
    except HandliveError as error:
        print(f"  without the network: {error}")
        network = None
    with IkTracker(model) as tracker, RecordingWriter(folder, info, min_free_bytes=0) as writer:
        for index, sample in enumerate(hand):
            time_ns = index * 1_000_000_000 // FRAMES_PER_SECOND
            frame = Frame(index, time_ns, sample.image_rgb, hand.intrinsics, info.source_id)
            truth = RecordedHand(
                "right", "truth", 1.0, sample.pose_rad, np.asarray(sample.shape), sample.translation_m, sample.joints_m
            )
            found = [tracker.process(frame)] + ([network.process(frame)] if network else [])
            hands = [
                recorded_hand(state, observation)
                for result in found
                for state, observation in zip(result.states, result.observations, strict=True)
            ]
            writer.add(frame, [truth, *hands])
    if network:
        network.close()


@dataclass
class Errors:
    """Mean errors in millimetres: aligned, and relative to the wrist."""

    aligned_mm: float
    root_mm: float

    def __str__(self) -> str:
        return f"{self.aligned_mm:6.2f} {self.root_mm:6.2f}"


def errors(joints: np.ndarray, truth: np.ndarray) -> Errors:
    """Of joints (N, 21, 3) in metres."""
    if not len(joints):
        return Errors(float("nan"), float("nan"))
    return Errors(pa_error_mm(joints, truth), mpjpe_mm(joints, truth))


def measure(folder: Path) -> list[Errors | float]:
    """Live, offline, kept and rejected errors of a labelled session."""
    session = read_session_labels(folder)
    live, offline, truth, kept, weight = [], [], [], [], []
    for label in session.labels:
        by_provider = {hand.origin: hand for hand in label.frame.hands}
        if "ik" in by_provider:
            live.append(by_provider["ik"].joints_m)
            offline.append(label.hand.joints_m)
            truth.append(by_provider["truth"].joints_m)
            kept.append(label.status != "rejected")
            weight.append(label.weight)
    live_m, offline_m, truth_m = (np.array(joints, float) for joints in (live, offline, truth))
    keep = np.array(kept)
    light = keep & (np.array(weight) < np.median(np.array(weight)[keep]))
    return [
        errors(live_m, truth_m), errors(offline_m, truth_m), errors(offline_m[keep], truth_m[keep]),
        errors(offline_m[~keep], truth_m[~keep]), errors(offline_m[light], truth_m[light]), float(keep.mean()),
        jitter_mm(live_m - live_m[:, :1]), jitter_mm(offline_m - offline_m[:, :1]),
    ]  # fmt: skip


def main() -> None:
    """Prints everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder to keep the sessions in, to measure again")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, load {os.getloadavg()[0]:.1f}")
    print("errors in mm: aligned (PA), and relative to the wrist; jitter is the second difference")
    print("seed | live IK       | offline       | ratio PA root | kept   | offline, kept | rejected      | light half")
    model, ratios, rows = load_embedded_model(), [], []
    with tempfile.TemporaryDirectory() as scratch:
        home = options.keep or Path(scratch)
        for seed in range(options.first_seed, options.first_seed + options.sessions):
            folder = home / f"seed{seed}"
            if not folder.is_dir():
                record(folder, model, seed, options.frames)
            started = time.perf_counter()
            label_session(folder, model)
            spent = time.perf_counter() - started
            live, offline, kept, rejected, light, share, live_jitter, jitter = measure(folder)
            ratio = (offline.aligned_mm / live.aligned_mm, offline.root_mm / live.root_mm)
            ratios.append(ratio)
            rows.append((live.aligned_mm, live.root_mm, kept.aligned_mm, kept.root_mm))
            print(
                f"{seed:4d} | {live} | {offline} | {ratio[0]:.3f} {ratio[1]:.3f}   | {share:6.1%} | {kept} "
                f"| {rejected} | {light} | jitter {live_jitter:.2f} -> {jitter:.2f}, {spent:.1f} s",
                flush=True,
            )
    pa, root = np.array(ratios).T
    print(f"offline over live, same frames: PA {pa.mean():.3f} ({pa.min():.3f} to {pa.max():.3f}), "
          f"relative to the wrist {root.mean():.3f} ({root.min():.3f} to {root.max():.3f})")  # fmt: skip
    table = np.array(rows)
    print(f"kept offline labels over all live ones: PA {(table[:, 2] / table[:, 0]).mean():.3f}, "
          f"relative to the wrist {(table[:, 3] / table[:, 1]).mean():.3f}; target: at most 0.8")  # fmt: skip


if __name__ == "__main__":
    main()
