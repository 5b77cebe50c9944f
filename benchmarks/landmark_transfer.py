"""Does the landmark correction, which was learned on renderings, hold on photographs too?

    python -m benchmarks.landmark_transfer [--cache data/landmark_looks]

There is no truth on photographs, but there are things that a better hand must have. What is measured of MediaPipe's
landmarks as they are, with half of the correction in 3D, with half of all of it, and with the whole of it:

* one person's bones do not change their length: scatter of every finger bone from picture to picture, over the palm's
  size, and over the sum of these bones;
* people differ: the share of a bone's variance that lies between persons. A correction that merely pulled everybody to
  one average hand would lower the scatter and this share with it;
* a finger bends in one plane: distance of its four joints from their common plane, over its length, where it is bent;
* the same picture mirrored and turned shows the same hand: distance of the detections from each other, aligned, over
  the palm's size, and in the picture over the box;
* a hand explains the landmarks: what inverse kinematics leaves in 3D and in the picture, and how many joints it has
  to hold back at their limits. The correction aims at that very hand model, so this alone proves nothing.

It needs the development pictures beside the repository; MediaPipe's detections are kept in the cache.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.machine import describe_machine
from hand.camera import Intrinsics
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.metrics import aligned, distances
from hand.types import HandObservation
from ik_baseline.augmented_detector import AugmentedDetector
from ik_baseline.detector import CROP_EXPANSION, HandDetector
from ik_baseline.landmark_correction import FINGER_BONES, bone_lengths, measured_correction, scatter
from ik_baseline.solver import IkSolver

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
COPIES = 4
CLIP_STEP = 3
LEAST_SCORE = 0.6
PARTS = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (1.0, 1.0))
"""Of the correction that are compared: in 3D, in the picture."""

BENT = 0.12
"""A finger counts as bent when its chord is shorter than its length by this share: a straight one has no plane."""

LEAST_PICTURES = 5
"""Pictures of a person below which no figures are given about the person's bones."""

KNUCKLES = (5, 9, 13, 17)
FINGERS = tuple(tuple(range(start, start + 4)) for start in KNUCKLES)

Correction = Callable[[HandObservation, Intrinsics], HandObservation]


@dataclass(frozen=True, eq=False)
class SeenHand:
    """One hand of one picture.

    Attributes:
        person: whose.
        picture: which.
        camera: of the picture, taken to be the usual one.
        looks: at least one observation.
    """

    person: str
    picture: str
    camera: Intrinsics
    looks: tuple[HandObservation, ...]


def students(folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Person, name and picture of every digit; files are numbered as they were taken, each student from 0 to 9."""
    person, before = 0, 10
    for file in sorted(folder.glob("*.jpg"), key=lambda file: int(file.stem.rsplit("_", 1)[1])):
        digit = int(file.name[0])
        person += digit <= before
        before = digit
        yield f"student {person}", file.name, _picture(file)


def one_man(folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every picture of the laptop's owner."""
    for file in sorted(folder.glob("*.jpg")):
        yield "laptop", file.name, _picture(file)


def clips(folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every third frame of every clip."""
    for clip in sorted(folder.glob("*.mp4")):
        capture = cv2.VideoCapture(str(clip))
        number = 0
        while capture.grab():
            if number % CLIP_STEP == 0:
                yield clip.stem, f"{clip.stem} {number}", cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
            number += 1
        capture.release()


SETS = {"clips": (clips, "clips", 1), "laptop": (one_man, "laptop_hands", 2), "digits": (students, "asl_digits", 1)}


def gather(name: str, cache: Path) -> list[SeenHand]:
    """MediaPipe's detections in a set's pictures, from the cache where it is there."""
    file = cache / f"{name}.npz"
    if not file.is_file():
        pictures, folder, hands = SETS[name]
        detector = AugmentedDetector(HandDetector(hands, still=True), COPIES)
        rows, names = [], []
        for person, picture, image in pictures(REAL / folder):
            for group, looks in enumerate(detector.detections(image)):
                for seen in looks:
                    size = [seen.score, image.shape[1], image.shape[0]]
                    rows.append(np.concatenate([size, seen.landmarks_px.ravel(), seen.world_landmarks_m.ravel()]))
                    names.append((person, picture, str(group), seen.side))
        detector.close()
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, rows=np.array(rows), meta=np.array(names))
    with np.load(file) as content:
        rows, names = content["rows"], content["meta"]
    grouped: dict[tuple[str, str, str], list[tuple[np.ndarray, str]]] = defaultdict(list)
    for row, (person, picture, group, side) in zip(rows, names, strict=True):
        grouped[person, picture, group].append((row, side))
    return [_seen_hand(person, picture, looks) for (person, picture, _), looks in grouped.items()]


def _seen_hand(person: str, picture: str, looks: Sequence[tuple[np.ndarray, str]]) -> SeenHand:
    sides = [side for _, side in looks]
    side = max(sorted(set(sides)), key=sides.count)
    observations = []
    for row, own_side in looks:
        if own_side == side:
            pixels = row[3:45].reshape(21, 2)
            crop = crop_around(pixels, CROP_EXPANSION, flipped=side == "left")
            observations.append(HandObservation(side, float(row[0]), pixels, row[45:].reshape(21, 3), crop))
    width, height = int(looks[0][0][1]), int(looks[0][0][2])
    return SeenHand(person, picture, Intrinsics.from_fov(width, height), tuple(observations))


def _picture(file: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)


def part_of_correction(share: float, picture_share: float) -> Correction:
    """A part of the correction, in 3D and in the picture."""
    whole = measured_correction()
    return lambda seen, camera: whole(seen, camera, form_share=share, picture_share=picture_share)


def palm_m(world: np.ndarray) -> np.ndarray:
    """Mean distance of the four knuckles from the wrist, over the last two axes."""
    return np.linalg.norm(world[..., KNUCKLES, :] - world[..., :1, :], axis=-1).mean(-1)


def over_palm(world: np.ndarray) -> np.ndarray:
    """Lengths of the finger bones over the palm's size, (N, 15)."""
    starts, ends = FINGER_BONES.T
    return np.asarray(np.linalg.norm(world[:, ends] - world[:, starts], axis=-1) / palm_m(world)[:, None])


def between_persons(values: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """Intraclass correlation (Shrout and Fleiss 1979, ICC(1,1)) of every column; 1 when persons alone decide."""
    groups = [values[persons == person] for person in np.unique(persons)]
    groups = [group for group in groups if len(group) >= LEAST_PICTURES]
    count = sum(len(group) for group in groups)
    mean = np.concatenate(groups).mean(0)
    among = sum(len(group) * (group.mean(0) - mean) ** 2 for group in groups) / (len(groups) - 1)
    within = sum(((group - group.mean(0)) ** 2).sum(0) for group in groups) / (count - len(groups))
    size = (count - sum(len(group) ** 2 for group in groups) / count) / (len(groups) - 1)
    return np.asarray((among - within) / (among + (size - 1) * within))


def out_of_plane(world: np.ndarray) -> float:
    """Median distance of a bent finger's joints from its plane, over its length, percent."""
    shares = []
    for finger in FINGERS:
        points = world[:, finger]
        length = np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(1)
        chord = np.linalg.norm(points[:, 3] - points[:, 0], axis=-1)
        bent = points[chord < (1.0 - BENT) * length]
        if len(bent):
            centred = bent - bent.mean(1, keepdims=True)
            least = np.linalg.svd(centred, compute_uv=False)[:, 2] / 2.0  # root mean square over four joints
            shares.append(least / length[chord < (1.0 - BENT) * length])
    return float(np.median(np.concatenate(shares))) * 100.0


@dataclass(frozen=True)
class Figures:
    """Of one set of pictures with one correction; percents but for ``ik_3d_mm``."""

    scatter_palm: float
    scatter_sum: float
    between: float
    plane: float
    looks_3d: float
    looks_2d: float
    ik_3d_mm: float
    ik_2d: float
    pressed: float


def measure(hands: Sequence[SeenHand], correct: Correction, solver: IkSolver) -> Figures:
    """All figures of a set.

    Args:
        hands: of the set.
        correct: applied to every detection.
        solver: of the average hand.
    """
    first = [correct(hand.looks[0], hand.camera) for hand in hands]
    world = np.array([seen.world_landmarks_m for seen in first])
    persons = np.array([hand.person for hand in hands])
    names, counts = np.unique(persons, return_counts=True)
    own = [persons == name for name, count in zip(names, counts, strict=True) if count >= LEAST_PICTURES]
    bones, shares = over_palm(world), bone_lengths(world)
    several = len(names) > 20
    apart_3d, apart_2d = [], []
    for hand in hands:
        if len(hand.looks) < 3:
            continue
        looks = [correct(look, hand.camera) for look in hand.looks]
        forms = np.array([look.world_landmarks_m for look in looks])
        for other in forms[1:]:
            gap = distances(aligned(other[None], forms[:1]), forms[:1]).mean()
            apart_3d.append(gap / palm_m(forms[0]))
        pixels = np.array([look.landmarks_px for look in looks])
        box = np.ptp(pixels[0], axis=0).max()
        apart_2d.extend(np.linalg.norm(pixels[1:] - pixels[0], axis=-1).mean(1) / box)
    solved = [solver.solve(seen, hand.camera) for seen, hand in zip(first, hands, strict=True)]
    boxes = [np.ptp(seen.landmarks_px, axis=0).max() for seen in first]
    return Figures(
        scatter_palm=float(np.mean([scatter(bones[rows]) for rows in own])) * 100.0,
        scatter_sum=float(np.mean([scatter(shares[rows]) for rows in own])) * 100.0,
        between=float(np.mean(between_persons(bones, persons))) * 100.0 if several else float("nan"),
        plane=out_of_plane(world),
        looks_3d=float(np.median(apart_3d)) * 100.0,
        looks_2d=float(np.median(apart_2d)) * 100.0,
        ik_3d_mm=float(np.median([solution.world_residual_m.mean() for solution in solved])) * 1e3,
        ik_2d=float(np.median([s.reprojection_px.mean() / box for s, box in zip(solved, boxes, strict=True)])) * 100.0,
        pressed=float(np.mean([solution.pressed for solution in solved])) * 100.0,
    )


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("data/landmark_looks"), help="default: data/landmark_looks")
    options = parser.parse_args()
    if not REAL.is_dir():
        print(f"skipped: the development pictures are not at {REAL}")
        return 0
    cv2.setNumThreads(1)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores; percent, IK 3D in mm")
    print("set       3D  2D hands | scatter palm   sum between plane | looks 3D   2D | IK 3D    2D pressed")
    solver = IkSolver(load_embedded_model())
    for name in SETS:
        hands = [hand for hand in gather(name, options.cache) if hand.looks[0].score >= LEAST_SCORE]
        for share, in_picture in PARTS:
            f = measure(hands, part_of_correction(share, in_picture), solver)
            print(
                f"{name:8s} {share:.1f} {in_picture:.1f} {len(hands):5d} | {f.scatter_palm:12.2f} {f.scatter_sum:5.2f} "
                f"{f.between:7.1f} {f.plane:5.2f} | {f.looks_3d:8.2f} {f.looks_2d:4.2f} "
                f"| {f.ik_3d_mm:5.2f} {f.ik_2d:5.2f} {f.pressed:5.1f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
