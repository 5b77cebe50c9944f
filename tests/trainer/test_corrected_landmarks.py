"""Corrected landmarks of renderings: against the detector's own landmarks and the true ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np

from benchmarks.corrected_landmarks import CorrectedLandmarks, true_landmarks
from benchmarks.fusion_cases import FRAME_SIZE_PX
from hand.camera import project
from hand.embedded import load_embedded_model
from hand.landmark_offsets import measured_offsets_m
from hand.landmark_reading import LandmarkReading
from hand.mirror import mirror_pixels, mirror_points
from ik_baseline.detector import HandDetector
from inference.landmark_reader import LandmarkReader
from trainer.samples.landmark_domain_gap import LEAST_DEPTH_ERROR, LEAST_ERROR
from trainer.synthetic.sample import SyntheticSample, mirror_sample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import FRAME_SETTINGS


@pytest.fixture(scope="module")
def sample() -> SyntheticSample:
    return SceneRenderer(load_embedded_model(), 920_001).frame(0, *FRAME_SIZE_PX, FRAME_SETTINGS)


def test_true_landmarks_lie_beside_the_joints_by_the_measured_offsets(sample: SyntheticSample) -> None:
    truth = true_landmarks(sample)
    from_wrist_m = sample.joints_m - sample.joints_m[0]
    moved_m = np.linalg.norm(truth.world_m - truth.world_m[0] - from_wrist_m, axis=1)
    offsets_m = np.linalg.norm(measured_offsets_m(), axis=1)
    assert (moved_m <= offsets_m + offsets_m[0] + 1e-6).all()
    assert moved_m.max() > 0.002
    box_px = np.ptp(sample.joints_px, axis=0).max()
    assert np.linalg.norm(truth.points_px - sample.joints_px, axis=1).max() < 0.12 * box_px


def test_a_left_hand_is_the_mirror_image(sample: SyntheticSample) -> None:
    right, left = true_landmarks(sample), true_landmarks(mirror_sample(sample))
    width_px = sample.image_rgb.shape[1]
    np.testing.assert_allclose(left.points_px, mirror_pixels(right.points_px, width_px), atol=1e-3)
    np.testing.assert_allclose(left.world_m, mirror_points(right.world_m), atol=1e-6)
    assert (right.rightness > 0.5, left.rightness > 0.5) == (sample.side == "right", sample.side == "left")


def test_errors_shrink_and_other_hands_are_unchanged(sample: SyntheticSample) -> None:
    truth = true_landmarks(sample)
    rng = np.random.default_rng(0)
    noise_px, noise_m = rng.normal(0.0, 3.0, (21, 2)), rng.normal(0.0, 0.01, (21, 3))
    noise_m -= noise_m.mean(0)
    middle_m = np.array([0.01, 0.0, 0.02])
    reading = LandmarkReading(
        truth.points_px + noise_px, truth.relative_depth_px + 5.0, truth.world_m + noise_m + middle_m, 0.7, 0.7
    )
    landmarks = CorrectedLandmarks(0.0)
    assert landmarks.corrected(reading) is reading
    landmarks.show(sample)
    better = landmarks.corrected(reading)
    np.testing.assert_allclose(better.points_px - truth.points_px, LEAST_ERROR * noise_px, atol=1e-9)
    np.testing.assert_allclose(better.relative_depth_px - truth.relative_depth_px, LEAST_DEPTH_ERROR * 5.0)
    np.testing.assert_allclose(better.world_m - truth.world_m - middle_m, LEAST_DEPTH_ERROR * noise_m, atol=1e-9)
    assert better.presence > 0.99
    elsewhere = replace(reading, points_px=reading.points_px + 300.0)
    assert landmarks.corrected(elsewhere) is elsewhere


def test_detector_and_reader_are_corrected_inside_the_context_only(sample: SyntheticSample) -> None:
    methods = HandDetector.detect, LandmarkReader.read
    picture = np.ascontiguousarray(sample.image_rgb)

    def error(points_px: np.ndarray) -> float:
        return float(np.linalg.norm(points_px - true_landmarks(sample).points_px, axis=1).mean())

    with HandDetector(1, still=True) as detector:
        (plain,) = detector.detect(picture)
        with CorrectedLandmarks(0.0) as landmarks:
            landmarks.show(sample)
            (corrected,) = detector.detect(picture)
            read = LandmarkReader().read(picture, corrected.crop)
    assert corrected.reading is not None
    np.testing.assert_array_equal(corrected.landmarks_px, corrected.reading.points_px)
    assert error(corrected.landmarks_px) == pytest.approx(LEAST_ERROR * error(plain.landmarks_px), rel=1e-3)
    assert error(read.points_px) < 0.5 * error(plain.landmarks_px)
    assert methods == (HandDetector.detect, LandmarkReader.read)
    assert project(sample.joints_m, sample.intrinsics) == pytest.approx(sample.joints_px, abs=0.01)
