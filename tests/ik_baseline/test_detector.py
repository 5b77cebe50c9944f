"""The hand detector on rendered and real pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from demo_clip import DEMO, demo_pictures
from ik_cases import make_case

from hand.errors import DetectorError
from hand.mirror import mirror_pixels
from ik_baseline import detector as detector_module
from ik_baseline.detector import HandDetector, merge_duplicates
from ik_baseline.onnx_session import PictureModel
from ik_baseline.solver import IkSolver


def test_rendered_right_hand_is_located_and_its_mirror_image_is_left() -> None:
    (picture,) = demo_pictures([40])
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


def test_duplicate_detections_are_merged(solver: IkSolver) -> None:
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


def test_invalid_settings_and_a_damaged_model_raise_one_line_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(DetectorError, match="1 or 2 hands, got 3"):
        HandDetector(3)
    monkeypatch.setattr(detector_module, "MODELS_DIR", tmp_path)
    with pytest.raises(DetectorError, match=r"could not load palm_detection\.onnx"):
        HandDetector()
    (tmp_path / "palm_detection.onnx").write_bytes(b"no model")
    with pytest.raises(DetectorError, match="install the program again") as caught:
        HandDetector()
    assert "\n" not in str(caught.value)


class CountingModel:
    """Counts how often a model runs."""

    def __init__(self, model: PictureModel) -> None:
        self.model, self.calls = model, 0
        self.width_px, self.height_px = model.width_px, model.height_px

    def __call__(self, picture_rgb: np.ndarray) -> Sequence[np.ndarray]:
        self.calls += 1
        return self.model(picture_rgb)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, CountingModel]:
    """The models of the detectors that are made in a test, by file."""
    made: dict[str, CountingModel] = {}

    def make(path: Path) -> CountingModel:
        return made.setdefault(path.name, CountingModel(PictureModel(path)))

    monkeypatch.setattr(detector_module, "PictureModel", make)
    return made


def test_palm_detection_runs_only_until_a_hand_is_tracked_or_at_the_interval(models: dict[str, CountingModel]) -> None:
    pictures = demo_pictures(range(40, 53))
    with HandDetector() as one:
        assert all(len(one.detect(picture)) == 1 for picture in pictures)
    palms, landmarks = models["palm_detection.onnx"], models["hand_landmark.onnx"]
    assert (palms.calls, landmarks.calls) == (1, 13)
    palms.calls = 0
    with HandDetector(2, second_hand_interval=6) as two:
        assert all(len(two.detect(picture)) == 1 for picture in pictures)
        assert palms.calls == 3  # frames 0, 6 and 12
        two.reset()
        two.detect(pictures[0])
        assert palms.calls == 4


def test_the_same_pictures_give_the_same_hands() -> None:
    pictures = demo_pictures((0, 20, 21, 22))
    with HandDetector(2) as first, HandDetector(2) as second:
        for detector in (first, second):
            detector.detect(pictures[0])
            detector.reset()
        for picture in pictures:
            hands, again = first.detect(picture), second.detect(picture)
            assert len(hands) == len(again) == 1
            np.testing.assert_array_equal(hands[0].landmarks_px, again[0].landmarks_px)
            np.testing.assert_array_equal(hands[0].world_landmarks_m, again[0].world_landmarks_m)


def test_hint_replaces_palm_detection_and_a_wrong_hint_falls_back_to_it(models: dict[str, CountingModel]) -> None:
    (picture,) = demo_pictures([40])
    truth_px = np.load(DEMO / "demo_truth.npz")["joints_px"][40]
    box = np.ptp(truth_px, axis=0).max()
    with HandDetector(still=True) as detector:
        (seen,) = detector.detect(picture, [truth_px + 3.0])
        assert models["palm_detection.onnx"].calls == 0
        assert np.linalg.norm(seen.landmarks_px - truth_px, axis=1).mean() < 0.08 * box
        # after a wrong hint the whole picture is searched
        (found,) = detector.detect(picture, [truth_px / 8.0])
        assert models["palm_detection.onnx"].calls == 1
        assert np.linalg.norm(found.landmarks_px - truth_px, axis=1).mean() < 0.08 * box
