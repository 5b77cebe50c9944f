"""Corrected readings of renderings: the true reading, and errors that shrink towards it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
from torch.utils.data import Dataset

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.landmark_offsets import BONE_OF_LANDMARK, measured_offsets_m
from hand.landmark_reading import CROP_NUMBERS, LandmarkReading
from hand.layer import HandLayer
from hand.rotations import axis_angle_from_matrix
from inference.runtime import whole_square
from trainer.recipe.config import FitConfig
from trainer.recipe.sources import RenderedSource
from trainer.samples.labelled_crop import LabelledCrop
from trainer.samples.landmark_domain_gap import (
    LEAST_DEPTH_ERROR,
    LEAST_ERROR,
    CorrectedReadings,
    corrected_reading,
    true_reading,
)
from trainer.samples.rendered import RenderedCrops
from trainer.training.mixture import build_samples, fresh_stream

SIDE_PX = 64


@pytest.fixture(scope="module")
def crops() -> list[LabelledCrop]:
    stream = RenderedCrops(SIDE_PX, 3, only_right_hands=True)
    rng = np.random.default_rng(0)
    return [replace(stream[k], landmarks=rng.normal(0.0, 1.0, CROP_NUMBERS).astype(np.float32)) for k in range(3)]


def joints_of(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector, np.float64)[:-2].reshape(21, 6)


def test_true_reading_equals_a_reading_without_errors(crops: list[LabelledCrop]) -> None:
    """Against the reading's own conversion, from the hand model posed anew."""
    layer = HandLayer(load_embedded_model(), np.float64)
    for crop in crops:
        pose = axis_angle_from_matrix(crop.rotations.astype(np.float64)).reshape(48)
        posed = layer(pose, crop.shape)
        np.testing.assert_allclose(posed.joints_m - posed.joints_m[0], crop.joints_m, atol=1e-5)
        offsets_m = np.einsum("kij,kj->ki", posed.joint_rotations[BONE_OF_LANDMARK], measured_offsets_m())
        places_m = crop.joints_m + offsets_m + crop.root_m
        focal_px, middle_px = crop.focal * SIDE_PX / 2.0, (SIDE_PX - 1) / 2.0
        camera = Intrinsics(focal_px, focal_px, middle_px, middle_px, SIDE_PX, SIDE_PX)
        depth_px = focal_px * (places_m[:, 2] / places_m[0, 2] - 1.0)
        exact = LandmarkReading(project(places_m, camera), depth_px, places_m - places_m.mean(0), 0.99, 0.99)
        vector = exact.in_crop(whole_square(SIDE_PX))
        np.testing.assert_allclose(true_reading(crop, np.zeros(3)), joints_of(vector), atol=2e-4)


def test_errors_keep_their_direction_and_shrink(crops: list[LabelledCrop]) -> None:
    for crop in crops:
        before = joints_of(crop.landmarks)
        truth = true_reading(crop, before[:, 3:].mean(0))
        np.testing.assert_allclose(corrected_reading(crop, 1.0), crop.landmarks, atol=1e-5)
        after = joints_of(corrected_reading(crop, 0.0))
        np.testing.assert_allclose(after[:, :2] - truth[:, :2], LEAST_ERROR * (before - truth)[:, :2], atol=1e-5)
        np.testing.assert_allclose(after[:, 2:] - truth[:, 2:], LEAST_DEPTH_ERROR * (before - truth)[:, 2:], atol=1e-5)


def test_only_right_hands_with_a_pose_are_corrected(crops: list[LabelledCrop]) -> None:
    kept = (replace(crops[0], present=0.0), replace(crops[0], right=0.0), replace(crops[0], pose_weight=0.0))

    class Stream(Dataset[LabelledCrop]):
        def __getitem__(self, index: int) -> LabelledCrop:
            return (crops[0], *kept)[index % 4]

    every, none = CorrectedReadings(Stream(), 1.0, 5), CorrectedReadings(Stream(), 0.0, 5)
    assert not np.array_equal(every[0].landmarks, crops[0].landmarks)
    np.testing.assert_array_equal(every[0].landmarks, CorrectedReadings(Stream(), 1.0, 5)[0].landmarks)
    assert not np.array_equal(every[0].landmarks, every[4].landmarks)
    for index, crop in enumerate(kept, 1):
        assert every[index] is crop
    assert none[0] is crops[0]
    half = CorrectedReadings(Stream(), 0.5, 5)
    assert 0.35 < np.mean([half[4 * k] is crops[0] for k in range(200)]) < 0.65


def test_a_recipe_without_stored_readings_is_refused(tmp_path: Path) -> None:
    source = RenderedSource(kind="rendered", corrected_readings=0.5)
    with pytest.raises(ConfigError, match="corrected_readings of the recipe plain needs crops with readings"):
        build_samples(FitConfig(name="plain", sources=(source,)))
    stored = FitConfig(name="stored", sources=(replace(source, features=str(tmp_path)),), stored_as="pictures")
    assert isinstance(fresh_stream(stored.sources[0], stored), RenderedCrops)
