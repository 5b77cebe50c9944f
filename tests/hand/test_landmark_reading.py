"""Landmark readings: independent of the square they were read in, and converted to a network's crop coordinates."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hand.crop import SquareCrop, transform_points
from hand.crop_camera import mirrored_crop
from hand.landmark_reading import (
    CROP_NUMBERS,
    LARGEST_LOGIT,
    WORLD_SCALE,
    LandmarkReading,
    reading_in_square,
)

CROP = SquareCrop(310.0, 205.0, 180.0, 0.4)
WIDTH_PX = 640


def some_reading() -> LandmarkReading:
    rng = np.random.default_rng(3)
    points = np.array([310.0, 205.0]) + rng.normal(0.0, 40.0, (21, 2))
    return LandmarkReading(points, rng.normal(0.0, 20.0, 21), rng.normal(0.0, 0.04, (21, 3)), 0.98, 0.9)


def joints_of(vector: np.ndarray) -> np.ndarray:
    return vector[:-2].reshape(21, 6)


def test_crop_vector_holds_crop_coordinates_that_the_crops_own_matrix_gives() -> None:
    reading = some_reading()
    vector = reading.in_crop(CROP)
    crop_px = transform_points(reading.points_px, CROP.matrix(128))
    assert vector.shape == (CROP_NUMBERS,)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(joints_of(vector)[:, :2], (crop_px + 0.5) * 2.0 / 128.0 - 1.0, atol=1e-5)
    np.testing.assert_allclose(joints_of(vector)[:, 2], reading.relative_depth_px / 90.0, atol=1e-5)


def test_world_landmarks_rotate_with_the_crop() -> None:
    reading = replace(some_reading(), world_m=np.tile([0.1, 0.0, 0.03], (21, 1)))
    quarter = replace(CROP, angle_rad=math.pi / 2.0)
    # the crop's own x axis points down in the picture, so that what points right there points up in the crop
    expected = np.array([0.0, -0.1, 0.03]) * WORLD_SCALE
    np.testing.assert_allclose(joints_of(reading.in_crop(quarter))[:, 3:], np.tile(expected, (21, 1)), atol=1e-6)


def test_flipped_crop_is_the_crop_of_the_mirrored_picture() -> None:
    reading = some_reading()
    flipped = replace(CROP, flipped=True)
    mirror = np.array([-1.0, 1.0, 1.0])
    mirrored = replace(
        reading,
        points_px=reading.points_px * mirror[:2] + (WIDTH_PX - 1.0, 0.0),
        world_m=reading.world_m * mirror,
        rightness=1.0 - reading.rightness,
    )
    of_mirror = mirrored.in_crop(mirrored_crop(flipped, WIDTH_PX))
    np.testing.assert_allclose(reading.in_crop(flipped), of_mirror, atol=1e-4)
    assert reading.in_crop(CROP)[-1] == pytest.approx(math.log(9.0), abs=1e-5)
    assert reading.in_crop(flipped)[-1] == pytest.approx(-math.log(9.0), abs=1e-5)


def test_logits_of_certain_readings_are_clamped() -> None:
    sure = replace(some_reading(), presence=1.0, rightness=0.0)
    assert sure.in_crop(CROP)[-2:].tolist() == pytest.approx([LARGEST_LOGIT, -LARGEST_LOGIT])


@pytest.mark.parametrize("flipped", [False, True])
def test_reading_made_in_the_crop_round_trips(flipped: bool) -> None:
    rng = np.random.default_rng(7)
    square = replace(CROP, flipped=flipped)
    landmarks, world = rng.uniform(0.0, 224.0, (21, 3)), rng.normal(0.0, 0.04, (21, 3))
    vector = reading_in_square(landmarks, world, 0.7, 0.8, square, 224).in_crop(square)
    expected = np.concatenate([landmarks * 2.0 / 224.0 - [1.0, 1.0, 0.0], world * WORLD_SCALE], 1)
    np.testing.assert_allclose(joints_of(vector), expected, atol=2e-6)
    np.testing.assert_allclose(vector[-2:], [math.log(0.7 / 0.3), math.log(4.0)], atol=1e-5)


def test_reading_is_independent_of_the_square() -> None:
    """A network that found every point exactly would give the same reading in any square."""
    rng = np.random.default_rng(11)
    points, world = np.array([300.0, 200.0]) + rng.normal(0.0, 30.0, (21, 2)), rng.normal(0.0, 0.04, (21, 3))
    readings = []
    for square in (CROP, SquareCrop(290.0, 220.0, 260.0, -1.1, flipped=True)):
        matrix = square.matrix(224)
        seen = transform_points(points, matrix) + 0.5
        turn = matrix[:, :2] * (square.size_px / 224.0)
        axes = np.concatenate([world[:, :2] @ turn.T, world[:, 2:]], 1)
        depth = np.full((21, 1), 12.0 * 224.0 / square.size_px)
        rightness = 0.2 if square.flipped else 0.8
        readings.append(reading_in_square(np.hstack([seen, depth]), axes, 0.9, rightness, square, 224))
    np.testing.assert_allclose(readings[0].in_crop(CROP), readings[1].in_crop(CROP), atol=1e-5)
