"""How often the network takes one finger for another in clips, and for how long, against the finder's landmarks.

    python -m benchmarks.swapped_tips [--network DIR] CLIP [CLIP ...]

A finger tip is swapped where it lies nearer to another finger's tip, as the finder places it, than to its own, by more
than an eighth of the hand. Both follow the hand through the clip; frames in which either finds none are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, network_path_factory
from benchmarks.clip_pictures import clip_pictures
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.landmark_distance import landmark_distance
from hand.types import Frame
from ik_baseline.detector import HandDetector

TIPS = (4, 8, 12, 16, 20)
MARGIN = 1.0 / 8.0
SAME_HAND = 0.6
"""Hands that lie farther apart than this share of their size are not the same one."""


def main() -> None:
    """Prints frames with swapped tips, and the longest run of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swapped_tips")
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR, metavar="DIR")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for clip in options.clips:
        swapped, fps, distances = compare(clip, options.network)
        longest = max((len(run) for run in "".join("x" if one else " " for one in swapped).split()), default=0)
        print(
            f"{clip.name}: {int(np.sum(swapped))} of {len(swapped)} frames, the longest run {longest / fps:.2f} s; "
            f"2D median {np.median(distances):.4f}"
        )


def compare(clip: Path, folder: Path) -> tuple[list[bool], float, list[float]]:
    """Whether any tip is swapped in each frame, the clip's frames a second, and the distance of the two in each frame.

    Args:
        clip: a video.
        folder: of the network.
    """
    path = network_path_factory(folder, load_embedded_model(), 1)()
    swapped: list[bool] = []
    distances: list[float] = []
    pictures = tqdm(clip_pictures(clip), desc=clip.stem, unit="frame", leave=False)
    with HandDetector(1) as detector:
        for number, image in enumerate(pictures):
            frame = Frame(number, 0, image, Intrinsics.from_fov(image.shape[1], image.shape[0]), clip.stem)
            theirs, ours = detector.detect(image), path.process(frame).observations
            if theirs and ours:
                distance = landmark_distance(ours[0].landmarks_px, theirs[0].landmarks_px)
                if distance < SAME_HAND:
                    swapped.append(bool(swapped_tips(ours[0].landmarks_px, theirs[0].landmarks_px).any()))
                    distances.append(distance)
    path.close()
    return swapped, float(cv2.VideoCapture(str(clip)).get(cv2.CAP_PROP_FPS)) or 30.0, distances


def swapped_tips(ours_px: Float[np.ndarray, "21 2"], theirs_px: Float[np.ndarray, "21 2"]) -> Bool[np.ndarray, "5"]:
    """Which of our tips lie nearer to another of theirs than to their own, by more than the margin."""
    gaps = np.linalg.norm(ours_px[list(TIPS)][:, None] - theirs_px[list(TIPS)][None], axis=2)
    own = np.diagonal(gaps).copy()
    np.fill_diagonal(gaps, np.inf)
    size = float(np.ptp(theirs_px, axis=0).max())
    return np.asarray(own - gaps.min(1) > MARGIN * size)


if __name__ == "__main__":
    main()
