"""Square crops: transformed labels land on the same picture content."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from hand.crop import (
    MIDDLE_KNUCKLE,
    SquareCrop,
    crop_around,
    crop_around_hand,
    crop_picture,
    invert_affine,
    transform_points,
    upright_angle_rad,
)

CROPS = [
    SquareCrop(320.0, 240.0, 200.0),
    SquareCrop(300.3, 250.7, 150.0, angle_rad=0.6),
    SquareCrop(310.0, 230.0, 180.0, angle_rad=-1.9, flipped=True),
    SquareCrop(330.0, 236.0, 400.0, angle_rad=3.0),
    SquareCrop(315.0, 245.0, 90.0, flipped=True),
]


def _picture_with_dots(dots: np.ndarray, radius: float) -> np.ndarray:
    """Soft dots in red, green and blue on black, at exact places."""
    rows, columns = np.mgrid[:480, :640]
    image = np.zeros((480, 640, 3))
    for channel, (x, y) in enumerate(dots):
        image[..., channel] = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return image.round().astype(np.uint8)


def _centres(image: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    weights = image.astype(float)
    sums = weights.sum((0, 1))
    return np.stack(
        [(weights * columns[..., None]).sum((0, 1)) / sums, (weights * rows[..., None]).sum((0, 1)) / sums], 1
    )


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("output", [64, 128, 256])
def test_labels_land_on_the_content(crop: SquareCrop, output: int) -> None:
    dots = np.array([[320.0, 240.0], [330.4, 225.2], [305.7, 251.9]])
    image = _picture_with_dots(dots, radius=4.0)
    image.flags.writeable = False  # frames are read-only
    cut = crop_picture(image, crop, output)
    assert cut.shape == (output, output, 3)
    # eight-bit rounding and OpenCV's 1/32 pixel sampling grid allow a few hundredths of a pixel
    np.testing.assert_allclose(_centres(cut), transform_points(dots, crop.matrix(output)), atol=0.06)


def test_the_square_maps_onto_the_whole_crop() -> None:
    """Its corners lie at the outer edges of the corner pixels: -0.5 and N - 0.5."""
    crop = SquareCrop(100.0, 80.0, 60.0)
    corners = np.array([[70.0, 50.0], [130.0, 50.0], [70.0, 110.0], [130.0, 110.0]])
    expected = np.array([[-0.5, -0.5], [119.5, -0.5], [-0.5, 119.5], [119.5, 119.5]])
    np.testing.assert_allclose(transform_points(corners, crop.matrix(120)), expected, atol=1e-12)


def test_crop_of_the_whole_picture_equals_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    whole = SquareCrop(31.5, 31.5, 64.0)
    np.testing.assert_array_equal(crop_picture(image, whole, 64), image)
    flipped = SquareCrop(31.5, 31.5, 64.0, flipped=True)
    np.testing.assert_array_equal(crop_picture(image, flipped, 64), image[:, ::-1])


def test_positive_angle_turns_the_crop_clockwise() -> None:
    """A crop turned by 90 degrees has its own x axis pointing down the picture."""
    crop = SquareCrop(50.0, 50.0, 20.0, angle_rad=np.pi / 2)
    below = transform_points(np.array([[50.0, 55.0]]), crop.matrix(20))
    np.testing.assert_allclose(below, [[9.5 + 5.0, 9.5]], atol=1e-12)


_numbers = st.floats(-500, 500)


@settings(max_examples=60, deadline=None)
@given(_numbers, _numbers, st.floats(1, 2000), st.floats(-7, 7), st.booleans())
def test_inverse_affine_round_trips_points(x: float, y: float, size: float, angle: float, flipped: bool) -> None:
    matrix = SquareCrop(x, y, size, angle, flipped).matrix(224)
    points = np.random.default_rng(0).uniform(-300, 900, (20, 2))
    np.testing.assert_allclose(
        transform_points(transform_points(points, matrix), invert_affine(matrix)), points, atol=1e-8
    )
    # the map is a similarity; only a flip reverses its orientation
    assert np.sign(np.linalg.det(matrix[:, :2])) == (-1 if flipped else 1)


def test_crop_around_frames_the_points() -> None:
    points = np.array([[100.0, 50.0], [140.0, 130.0], [120.0, 90.0]])
    crop = crop_around(points, 1.5, angle_rad=0.1, flipped=True)
    assert (crop.center_x_px, crop.center_y_px, crop.size_px) == (120.0, 90.0, 120.0)
    assert (crop.angle_rad, crop.flipped) == (0.1, True)
    assert crop_around(points[:1], 1.5).size_px == 1.0


def test_shrinking_does_not_alias() -> None:
    """A checkerboard of single pixels must become grey, not a moire of black and white."""
    board = np.indices((480, 640)).sum(0) % 2 * 255
    image = np.repeat(board[..., None], 3, 2).astype(np.uint8)
    crop = SquareCrop(320.0, 240.0, 400.0, angle_rad=0.2)
    cut = crop_picture(image, crop, 100).astype(float)
    assert cut.std() < 6
    assert cut.mean() == pytest.approx(127.5, abs=3)
    plain = cv2.warpAffine(image, crop.matrix(100), (100, 100), flags=cv2.INTER_LINEAR).astype(float)
    assert plain.std() > 3 * cut.std(), "plain sampling does alias here"


@pytest.mark.parametrize("factor", [1.5, 2.7, 2.8, 3.5, 4.8, 4.9, 7.0])
def test_downscaling_matches_one_gaussian_with_and_without_halving(factor: float) -> None:
    """SciPy's Gaussian and bilinear samples of the whole picture, in floating point."""
    rough = np.random.default_rng(0).uniform(0.0, 255.0, (480, 640, 3))
    image = gaussian_filter(rough, (2.0, 2.0, 0.0))
    image = np.clip(128.0 + 6.0 * (image - image.mean()), 0.0, 255.0).astype(np.uint8)
    crop = SquareCrop(317.3, 243.8, 48 * factor, angle_rad=0.4)
    sigma = (factor - 1.0) / 2.0
    blurred = gaussian_filter(image.astype(float), (sigma, sigma, 0.0))
    grid = np.stack(np.meshgrid(np.arange(48.0), np.arange(48.0)), -1)
    x, y = np.moveaxis(transform_points(grid, invert_affine(crop.matrix(48))), -1, 0)
    wanted = np.stack([map_coordinates(blurred[..., k], [y, x], order=1) for k in range(3)], -1)
    cut = crop_picture(image, crop, 48).astype(float)
    # an offset of half a pixel would give an error several times as large
    assert np.abs(cut - wanted).mean() < 0.05 * wanted.std()
    assert np.abs((cut - wanted).mean()) < 0.5


@pytest.mark.parametrize("center", [(-500.0, 240.0), (320.0, 5000.0), (0.0, 0.0), (639.0, 479.0)])
@pytest.mark.parametrize("size", [10.0, 1000.0])
def test_crop_is_black_outside_the_picture(center: tuple[float, float], size: float) -> None:
    image = np.full((480, 640, 3), 200, np.uint8)
    crop = SquareCrop(*center, size)
    cut = crop_picture(image, crop, 50)
    grid = np.stack(np.meshgrid(np.arange(50.0), np.arange(50.0)), -1)
    places = transform_points(grid, invert_affine(crop.matrix(50)))
    margin = 2 * size / 50 + 1
    inside = ((places > margin) & (places < np.array([639.0, 479.0]) - margin)).all(-1)
    outside = ((places < -margin) | (places > np.array([639.0, 479.0]) + margin)).any(-1)
    assert (cut[inside] == 200).all()
    assert (cut[outside] == 0).all()


def _joints(turn_rad: float) -> np.ndarray:
    """Some hand, turned clockwise (y is down) about its wrist."""
    joints = np.random.default_rng(2).uniform(-60.0, 60.0, (21, 2))
    joints[0], joints[MIDDLE_KNUCKLE] = (0.0, 0.0), (0.0, -80.0)
    cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
    return joints @ np.array([[cosine, sine], [-sine, cosine]]) + (300.0, 220.0)


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("turn_rad", [0.0, 0.7, -2.0, 3.0])
def test_upright_crop_is_independent_of_the_hand_rotation(turn_rad: float, flipped: bool) -> None:
    joints = _joints(turn_rad)
    assert upright_angle_rad(joints) == pytest.approx(turn_rad)
    crop = replace(crop_around_hand(joints, 1.6, upright=True), flipped=flipped)
    shown = transform_points(joints, crop.matrix(224))
    straight = _joints(0.0)
    level = replace(crop_around_hand(straight, 1.6, upright=False), flipped=flipped)
    wanted = transform_points(straight, level.matrix(224))
    np.testing.assert_allclose(shown, wanted, atol=1e-9)
    assert shown[MIDDLE_KNUCKLE, 0] == pytest.approx(shown[0, 0])
    assert shown[MIDDLE_KNUCKLE, 1] < shown[0, 1]


def test_crop_without_upright_is_the_bounding_square_of_the_joints() -> None:
    joints = _joints(0.9)
    assert crop_around_hand(joints, 1.6, upright=False) == crop_around(joints, 1.6)
