"""Learns MediaPipe's errors on rendered hands of a known pose, and prints the effect of the correction.

    python -m benchmarks.landmark_correction --cache observed.npz            # learns and measures
    python -m benchmarks.landmark_correction --cache observed.npz --write    # and makes the shipped file
    python -m benchmarks.landmark_correction --cache new.npz --shipped       # measures the shipped file on new sessions

Each rendered session is another person in another light; sessions with an odd seed turn the hand much further. Every
fifth session is left out of learning and measured on; what is written is learned from all of them. The cache can be
gone on with.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.landmark_offsets import BONE_OF_LANDMARK, measured_offsets_m
from hand.layer import HandLayer
from hand.metrics import aligned, distances
from ik_baseline.detector import HandDetector
from ik_baseline.landmark_correction import LandmarkCorrection, gaussian_kernel, measured_correction, normalized
from trainer.synthetic.moving_hand import MovingHand, MovingHandSettings

FIRST_SEED, FIRST_NEW_SEED = 1000, 3000
FRAMES = range(5, 600, 20)
WIDE = MovingHandSettings(yaw_deg=100.0, tilt_deg=45.0, cover=(0.28, 0.7))
CENTERS = 1000
WIDTH = 1.5
RIDGE = 0.1
WRONG_HAND = 0.6
"""What is further off than this share of the hand's box, or of the palm, is another thing."""


def observe(seed: int) -> list[np.ndarray]:
    """Rows of one session: seed, camera (fx cx cy), landmarks 42, world 63, where the landmarks should be 63."""
    model = load_embedded_model()
    layer, offsets = HandLayer(model, np.float64), measured_offsets_m()
    hand = MovingHand(model, seed, FRAMES.stop, settings=WIDE if seed % 2 else None)
    rows = []
    with HandDetector(1, still=True) as detector:
        for index in FRAMES:
            sample = hand.frame(index)
            joints_px = project(sample.joints_m.astype(float), sample.intrinsics)
            for seen in detector.detect(sample.image_rgb):
                gap = np.linalg.norm(seen.landmarks_px - joints_px, axis=1).mean() / np.ptp(joints_px, axis=0).max()
                if seen.side != "right" or gap > WRONG_HAND:
                    continue
                truth = layer(sample.pose_rad.astype(float), sample.shape, sample.translation_m)
                bones = truth.joint_rotations[list(BONE_OF_LANDMARK)]
                wanted = truth.joints_m + np.einsum("kij,kj->ki", bones, offsets)
                camera = sample.intrinsics
                row = ([seed], [camera.fx_px, camera.cx_px, camera.cy_px], seen.landmarks_px.ravel())
                rows.append(np.concatenate([*row, seen.world_landmarks_m.ravel(), wanted.ravel()]))
    return rows


def gathered(cache: Path, seeds: Sequence[int]) -> np.ndarray:
    """Rows of these sessions, from the cache as far as they are there."""
    rows = list(np.load(cache)["rows"]) if cache.is_file() else []
    done = {int(row[0]) for row in rows}
    for seed in seeds:
        if seed not in done:
            rows.extend(observe(seed))
            np.savez_compressed(cache, rows=np.array(rows))
            print(f"session {seed}: {len(rows)} observations", flush=True)
    table = np.array(rows)
    return table[np.isin(table[:, 0], list(seeds))]


def example(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of an observation, and by how much it is wrong."""
    camera = Intrinsics(row[1], row[1], row[2], row[3], 640, 480)
    pixels, world, wanted = row[4:46].reshape(21, 2), row[46:109].reshape(21, 3), row[109:].reshape(21, 3)
    seen = normalized(world, pixels, camera)
    form = (wanted - wanted.mean(0)) / np.linalg.norm(wanted[9] - wanted[0]) @ seen.palm
    picture = (project(wanted, camera) - pixels) / seen.box_px
    return seen.features, np.concatenate([(form - seen.form).ravel(), picture.ravel()])


def learn(features: np.ndarray, errors: np.ndarray) -> LandmarkCorrection:
    """Ridge regression on a Gaussian kernel about some of the observations."""
    chosen = np.random.default_rng(0).permutation(len(features))[:CENTERS]
    centers, mean = features[chosen], errors.mean(0)
    near = gaussian_kernel(features, centers, WIDTH)
    among = gaussian_kernel(centers, centers, WIDTH)
    matrix = near.T @ near + RIDGE * among + 1e-6 * np.eye(len(centers))
    return LandmarkCorrection(centers, np.linalg.solve(matrix, near.T @ (errors - mean)), mean, WIDTH)


def print_effect(correction: LandmarkCorrection, rows: np.ndarray, features: np.ndarray, errors: np.ndarray) -> None:
    """Prints the errors of observations before and after a correction that was not learned from them."""
    wanted = rows[:, 109:].reshape(-1, 21, 3)
    change = gaussian_kernel(features, correction.centers, correction.width) @ correction.weights + correction.mean
    form = features[:, :63].reshape(-1, 21, 3)
    print(f"measured on {len(rows)} observations of {len(np.unique(rows[:, 0]))} sessions")
    for name, share in (("MediaPipe's world landmarks", 0.0), ("half corrected", 0.5), ("corrected", 1.0)):
        moved = form + share * change[:, :63].reshape(-1, 21, 3)
        print(f"  {name:28s} PA error {distances(aligned(moved, wanted), wanted).mean() * 1e3:6.2f} mm")
    gaps = errors[:, 63:].reshape(-1, 21, 2)
    left = np.linalg.norm(gaps - change[:, 63:].reshape(-1, 21, 2), axis=-1).mean()
    print(f"  in the picture, over the box: {np.linalg.norm(gaps, axis=-1).mean():.4f}, corrected {left:.4f}")


def main() -> None:
    """Collects, fits, measures, and writes on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="observations, made where they are missing")
    parser.add_argument("--sessions", type=int, help="rendered sessions (default: 110, with --shipped 12)")
    parser.add_argument(
        "--shipped", action="store_true", help="measure the shipped file on sessions it was not made of"
    )
    parser.add_argument("--write", action="store_true", help="write ik_baseline/landmark_correction.npz")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    first, count = (
        (FIRST_NEW_SEED, options.sessions or 12) if options.shipped else (FIRST_SEED, options.sessions or 110)
    )
    rows = gathered(options.cache, range(first, first + count))
    features, errors = (np.array(part) for part in zip(*(example(row) for row in rows), strict=True))
    right = np.linalg.norm(errors[:, :63].reshape(-1, 21, 3), axis=-1).mean(1) < WRONG_HAND
    rows, features, errors = rows[right], features[right], errors[right]
    if options.shipped:
        print_effect(measured_correction(), rows, features, errors)
        return
    held_out = rows[:, 0] % 5 == 0
    correction = learn(features[~held_out], errors[~held_out])
    print_effect(correction, rows[held_out], features[held_out], errors[held_out])
    if options.write:
        learn(features, errors).save()
        print("ik_baseline/landmark_correction.npz is written.")


if __name__ == "__main__":
    main()
