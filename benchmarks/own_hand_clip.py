"""The whole loop on a real clip that is played as the webcam, as far as labels can measure it.

    python -m benchmarks.own_hand_clip [--network DIR] [--recipe quick] [key=value ...]

The desk clip beside the repository (one hand, 21 s) becomes three sessions, one after the other; the network is trained
on the first two and measured on the third, against the labels of the offline pass: there is no ground truth, so this
shows whether the network learned the labels, and not whether they are right.
"""

from __future__ import annotations

import os

# before NumPy and torch start their thread pools
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2

from app.machine import describe_machine
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from benchmarks.own_hand import label, play, teach
from hand.camera import Intrinsics
from hand.recording import RecordedHand
from hand.session_labels import read_session_labels
from hand.types import Frame
from trainer.compare import compare_networks
from trainer.recipe.sources import RecordingSource
from trainer.runs.run_folder import NETWORK_FOLDER

CLIP = Path(__file__).resolve().parents[2] / "shared" / "real" / "clips" / "desk_one_hand_1280x720_30fps.mp4"
SESSIONS = 3
HELD_OUT = ("session_3",)
"""Names of the sessions that nothing is learned from."""

STEP = 2
"""Every second frame is shown, at 640 x 360, as a webcam on a slow machine gives them."""


def frames_of(clip: Path) -> list[Frame]:
    """What the webcam shows."""
    capture = cv2.VideoCapture(str(clip))
    rate, frames = capture.get(cv2.CAP_PROP_FPS), []
    number = 0
    while capture.grab():
        if number % STEP == 0:
            picture = cv2.cvtColor(cv2.resize(capture.retrieve()[1], None, fx=0.5, fy=0.5), cv2.COLOR_BGR2RGB)
            height, width = picture.shape[:2]
            camera = Intrinsics.from_fov(width, height)
            frames.append(Frame(number // STEP, round(number * 1e9 / rate), picture, camera, clip.name))
        number += 1
    capture.release()
    return frames


def main() -> int:
    """Prints the errors before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR, metavar="DIR", help="to start from")
    parser.add_argument("--recipe", default="quick", help="quick, standard or thorough (default: quick)")
    parser.add_argument("--general", type=int, default=400, metavar="N", help="renderings of everybody's hands")
    parser.add_argument(
        "--out", type=Path, default=Path("reports/own_hand_clip"), help="default: reports/own_hand_clip"
    )
    parser.add_argument("set", nargs="*", metavar="key=value", help="values that win over the recipe's")
    options = parser.parse_args()
    if not CLIP.is_file():
        print(f"skipped: the development clip is not at {CLIP}")
        return 0
    cv2.setNumThreads(1)
    sessions: Path = options.out / "sessions"
    frames = frames_of(CLIP)
    length = len(frames) // SESSIONS
    for number in range(SESSIONS):
        folder = sessions / f"session_{number + 1}"
        if not (folder / "COMPLETE").is_file():
            part = frames[number * length : (number + 1) * length]

            def shown(part: list[Frame] = part) -> Iterator[tuple[Frame, list[RecordedHand]]]:
                return ((frame, []) for frame in part)

            play(shown(), folder, options.network)
    label(sessions)
    run: Path = options.out / f"run_{options.recipe}"
    minutes = teach(run, options.network, sessions, HELD_OUT, options.recipe, options.general // 2, options.set)
    held_out = RecordingSource(path=str(sessions), sessions=HELD_OUT, floor=0.05)
    comparison = compare_networks(options.network, run / NETWORK_FOLDER, [held_out], options.general)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{options.recipe} recipe {' '.join(options.set)}: {minutes:.1f} minutes with export and report")
    for folder in sorted(sessions.iterdir()):
        labels = read_session_labels(folder).labels
        kept = sum(found.status != "rejected" for found in labels)
        print(f"{folder.name}: {len(labels)} labels, {kept} kept")
    own, general = comparison.own, comparison.general.change
    print(f"held-out session against its labels, PA-MPJPE: {own.change.before:.2f} -> {own.change.after:.2f} mm")
    print(f"  ({own.change.share:+.1%}, 95 % interval {own.change.low:+.1%} to {own.change.high:+.1%} over "
          f"{own.change.units} blocks of time; {own.change.verdict})")  # fmt: skip
    print(f"the same in the picture: {own.change_2d.share:+.1%}")
    print(f"general renderings: {general.before:.2f} -> {general.after:.2f} mm ({general.share:+.1%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
