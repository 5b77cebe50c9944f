"""The mean of several predictions against closed forms and SciPy, and the crops that they are made in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hand.crop import SquareCrop
from hand.rotations import chordal_mean, matrix_from_axis_angle
from inference.runtime import CropPrediction
from inference.test_time_augmentation import TURNS_AND_SCALES, mean_prediction, predict_augmented


def prediction(rng: np.random.Generator, sigma_px: float = 2.0) -> CropPrediction:
    return CropPrediction(
        rotations=matrix_from_axis_angle(rng.normal(0.0, 0.4, (16, 3))),
        shape=rng.normal(size=10),
        root_m=rng.normal(size=3),
        joints_px=rng.normal(100.0, 20.0, (21, 2)),
        sigma_px=np.full(21, sigma_px),
        presence=float(rng.random()),
        right=float(rng.random()),
        confidence=float(rng.random()),
    )


def test_mean_rotation_is_scipys() -> None:
    rotations = matrix_from_axis_angle(np.random.default_rng(0).normal(0.0, 0.7, (7, 16, 3)))
    mean = chordal_mean(rotations)
    for joint in range(16):
        expected = Rotation.from_matrix(rotations[:, joint]).mean().as_matrix()
        np.testing.assert_allclose(mean[joint], expected, atol=1e-9)


def test_mean_of_equal_predictions_is_that_prediction() -> None:
    one = prediction(np.random.default_rng(1))
    mean = mean_prediction([one, one, one])
    for name in ("rotations", "shape", "root_m", "joints_px", "sigma_px", "presence", "right", "confidence"):
        np.testing.assert_allclose(getattr(mean, name), getattr(one, name), atol=1e-12)


def test_joints_are_weighted_by_inverse_variance() -> None:
    rng = np.random.default_rng(2)
    exact, vague = prediction(rng, sigma_px=1.0), prediction(rng, sigma_px=2.0)
    mean = mean_prediction([exact, vague])
    np.testing.assert_allclose(mean.joints_px, 0.8 * exact.joints_px + 0.2 * vague.joints_px)
    # half way between both variances' inverses: 1 and 1 / 4
    np.testing.assert_allclose(mean.sigma_px, np.sqrt(1.6))
    np.testing.assert_allclose(mean.shape, (exact.shape + vague.shape) / 2.0)


def test_independent_errors_of_the_crops_are_averaged_away() -> None:
    rng = np.random.default_rng(3)
    true = prediction(rng)
    crops: list[SquareCrop] = []

    def predict(crop: SquareCrop) -> CropPrediction:
        crops.append(crop)
        return CropPrediction(
            matrix_from_axis_angle(rng.normal(0.0, 0.1, (16, 3))) @ true.rotations,
            true.shape,
            true.root_m,
            true.joints_px + rng.normal(0.0, 2.0, (21, 2)),
            true.sigma_px,
            true.presence,
            true.right,
            true.confidence,
        )

    mean = predict_augmented(predict, SquareCrop(320.0, 240.0, 100.0, 0.3, flipped=True))
    assert [(round(crop.angle_rad - 0.3, 6), crop.size_px / 100.0) for crop in crops] == [
        (turn, pytest.approx(scale)) for turn, scale in TURNS_AND_SCALES
    ]
    assert all(crop.flipped and (crop.center_x_px, crop.center_y_px) == (320.0, 240.0) for crop in crops)
    expected_px = 2.0 / np.sqrt(len(crops))
    assert np.sqrt(np.square(mean.joints_px - true.joints_px).mean()) == pytest.approx(expected_px, rel=0.3)
