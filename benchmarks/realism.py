"""Does a hand detector that was trained on photographs find the rendered hands?

MediaPipe runs on rendered 640 x 480 frames one by one (still mode, threshold 0.5), half of them mirrored. A hand
counts as found when its landmarks lie on average within 0.35 of the hand's box of the true joints; the detector's
landmarks are not the model's joints, so a few hundredths remain even for a perfect answer. The demo clip is followed as
a video.

    python -m benchmarks.realism --count 200
    python -m benchmarks.realism --demo-only
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from app.machine import describe_machine
from benchmarks.clip_pictures import clip_pictures
from hand.embedded import load_embedded_model
from ik_baseline.detector import HandDetector
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.sample import SyntheticSample, mirror_sample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import SceneSettings

DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo"
FOUND_WITHIN = 0.35

ALONE = SceneSettings(held_share=0.0, front_share=0.0, second_share=0.0)
ROWS = (
    ("open, palm", replace(ALONE, pose="open", view="palm"), 0.99),
    ("open, back", replace(ALONE, pose="open", view="back"), 0.99),
    ("closed, palm", replace(ALONE, pose="closed", view="palm"), None),
    ("closed, back", replace(ALONE, pose="closed", view="back"), None),
    ("natural, palm", replace(ALONE, pose="natural", view="palm"), None),
    ("natural, any natural view", replace(ALONE, pose="natural", view="natural"), 0.88),
    ("natural, with distractors", SceneSettings(held_share=0.5, front_share=0.25, second_share=0.5), None),
)
"""What is shown, and the smallest share of pictures in which the hand must be found.

The hand is alone, except in the last row: there most hold something, have something in front of them, or another hand
beside them, which hides parts of the hand and gives the detector a second one to find.
"""

CLUTTERED = ("natural, dead leaves behind", replace(ALONE, pose="natural", view="natural"), None)
"""The same before the clutter that training also uses; it hides hands on purpose, so it measures realism poorly."""


def error_over_box(landmarks_px: Float[np.ndarray, "21 2"], joints_px: Float[np.ndarray, "21 2"]) -> float:
    """Mean distance over the longer side of the true joints' box."""
    return float(np.linalg.norm(landmarks_px - joints_px, axis=1).mean() / np.ptp(joints_px, axis=0).max())


def detection_error(detector: HandDetector, sample: SyntheticSample) -> tuple[float, bool] | None:
    """Error of the nearest hand the detector finds and whether it names the right side; None when it finds none."""
    found = [
        (error_over_box(hand.landmarks_px, sample.joints_px), hand.side == sample.side)
        for hand in detector.detect(sample.image_rgb)
    ]
    best = min(found, default=None)
    return best if best is not None and best[0] < FOUND_WITHIN else None


def measure_frames(count: int, seed: int) -> bool:
    """Prints one line per row; returns whether every target was reached."""
    model = load_embedded_model()
    rooms = SceneRenderer(model, seed, levels=2, backgrounds=BackgroundPool(seed, clutter_share=0.0))
    clutter = SceneRenderer(model, seed, levels=2, backgrounds=BackgroundPool(seed, clutter_share=1.0))
    print(f"{'pictures':28s} {'found':>7s} {'target':>7s} {'error/box':>10s} {'median':>7s} {'side right':>10s}")
    reached = True
    with HandDetector(max_hands=2, still=True) as detector:
        for row, (name, settings, wanted) in enumerate((*ROWS, CLUTTERED)):
            renderer = rooms if row < len(ROWS) else clutter
            seen = []
            for index in range(count):
                sample = renderer.frame(row * 1_000_000 + index, settings=settings)
                seen.append(detection_error(detector, mirror_sample(sample) if index % 2 else sample))
            hits = [result for result in seen if result is not None]
            errors = np.array([error for error, _ in hits]) if hits else np.array([np.nan])
            share = len(hits) / count
            reached &= wanted is None or share >= wanted
            sides = np.mean([side for _, side in hits]) if hits else np.nan
            print(
                f"{name:28s} {share:7.3f} {'' if wanted is None else f'{wanted:.2f}':>7s} "
                f"{errors.mean():10.4f} {np.median(errors):7.4f} {sides:10.3f}"
            )
    return reached


def measure_demo() -> None:
    """Follows the hand through the demo clip."""
    truth = np.load(DEMO / "demo_truth.npz")
    errors, sides, frames = [], 0, 0
    with HandDetector(max_hands=1) as detector:
        for picture in clip_pictures(DEMO / "demo.mp4"):
            hands = detector.detect(picture)
            if hands:
                error = error_over_box(hands[0].landmarks_px, truth["joints_px"][frames])
                if error < FOUND_WITHIN:
                    errors.append(error)
                    sides += hands[0].side == str(truth["side"])
            frames += 1
    print(
        f"demo clip: found in {len(errors)} of {frames} frames, side right in {sides}, "
        f"error over box mean {np.mean(errors):.4f}, worst {np.max(errors):.4f}"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Show rendered hands to MediaPipe.")
    parser.add_argument("--count", type=int, default=100, help="pictures per row")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--demo-only", action="store_true", help="only follow the hand in the demo clip")
    arguments = parser.parse_args()
    machine = describe_machine()
    print(f"{machine['processor']}, Python {machine['python']}")
    if not arguments.demo_only:
        print("targets reached" if measure_frames(arguments.count, arguments.seed) else "A TARGET WAS MISSED")
    measure_demo()


if __name__ == "__main__":
    main()
