"""The adapter to MediaPipe on rendered and real pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from ik_cases import make_case

from hand.errors import DetectorError
from hand.mirror import mirror_pixels
from ik_baseline.detector import HandDetector, merge_duplicates
from ik_baseline.solver import IkSolver

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "assets" / "demo"


def demo_picture(number: int) -> np.ndarray:
    """One frame of the demo clip, RGB."""
    capture = cv2.VideoCapture(str(DEMO / "demo.mp4"))
    try:
        for _ in range(number + 1):
            good, picture = capture.read()
            assert good
    finally:
        capture.release()
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def test_a_rendered_right_hand_is_right_where_it_is_and_left_in_the_mirror() -> None:
    picture = demo_picture(40)
    truth_px = np.load(DEMO / "demo_truth.npz")["joints_px"][40]
    box = np.ptp(truth_px, axis=0).max()
    with HandDetector(still=True) as detector:
        (seen,) = detector.detect(picture)
        (in_mirror,) = detector.detect(np.ascontiguousarray(picture[:, ::-1]))
        assert detector.detect(np.full((120, 160, 3), 90, np.uint8)) == ()
    assert (seen.side, in_mirror.side) == ("right", "left")
    assert seen.score > 0.8
    assert np.linalg.norm(seen.landmarks_px - truth_px, axis=1).mean() < 0.08 * box
    mirrored_px = mirror_pixels(in_mirror.landmarks_px, picture.shape[1])
    assert np.linalg.norm(mirrored_px - seen.landmarks_px, axis=1).mean() < 0.05 * box
    assert np.linalg.norm(seen.world_landmarks_m[9] - seen.world_landmarks_m[0]) == pytest.approx(0.085, abs=0.035)
    # camera axes: y grows downwards in both, and this hand points up
    assert seen.world_landmarks_m[12, 1] < seen.world_landmarks_m[0, 1]
    assert not seen.crop.flipped
    assert in_mirror.crop.flipped


def test_real_pictures_agree_with_their_mirror_images(shared_real: Path) -> None:
    paths = sorted((shared_real / "laptop_hands").glob("*.jpg"))[100::200]
    sides = []
    with HandDetector(still=True) as detector:
        for path in paths:
            picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            found = [detector.detect(view) for view in (picture, np.ascontiguousarray(picture[:, ::-1]))]
            if all(found):
                sides.append((found[0][0].side, found[1][0].side))
    assert len(sides) >= 3
    assert all(seen != in_mirror for seen, in_mirror in sides)


def test_one_hand_found_twice_is_one_hand(solver: IkSolver) -> None:
    seen = make_case(solver, np.random.default_rng(0)).observation
    again = replace(seen, side="left", score=0.6, landmarks_px=seen.landmarks_px + 3.0)
    elsewhere = replace(seen, score=0.7, landmarks_px=seen.landmarks_px + np.array([200.0, 0.0]))
    assert merge_duplicates([again, elsewhere, seen]) == (seen, elsewhere)


def test_closing_frees_the_threads() -> None:
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("needs Linux's /proc to count native threads")
    HandDetector().close()
    before = len(list(tasks.iterdir()))
    for _ in range(3):
        detector = HandDetector()
        detector.close()
        detector.close()
    assert len(list(tasks.iterdir())) <= before
    with pytest.raises(DetectorError, match="closed"):
        detector.detect(np.zeros((48, 64, 3), np.uint8))


def test_wrong_settings_and_a_missing_library_are_one_sentence() -> None:
    with pytest.raises(DetectorError, match="1 or 2 hands, got 3"):
        HandDetector(3)
    program = (
        "import sys; sys.modules['mediapipe'] = None\n"
        "from hand.errors import DetectorError\n"
        "from ik_baseline.detector import HandDetector\n"
        "try:\n    HandDetector()\n"
        "except DetectorError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=True
    )
    assert "could not be started" in done.stdout
    assert len(done.stdout.strip().splitlines()) == 1


def test_nothing_of_mediapipe_reaches_the_terminal() -> None:
    program = (
        "import sys, cv2\n"
        "from ik_baseline.detector import HandDetector\n"
        "assert 'mediapipe' not in sys.modules\n"
        "capture = cv2.VideoCapture(sys.argv[1]); picture = capture.read()[1][:, :, ::-1]; capture.release()\n"
        "with HandDetector() as detector:\n    print(len(detector.detect(picture)))\n"
        "print('kept', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(DEMO / "demo.mp4")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
    assert done.stderr.strip() == "kept"
