from __future__ import annotations

import numpy as np
import pytest

from hand.camera import Intrinsics, back_project, project
from hand.crop import SquareCrop, transform_points
from hand.crop_camera import crop_camera, mirrored_crop, translation_from_weak_camera

CAMERA = Intrinsics(600.0, 600.0, 319.5, 239.5, 640, 480)
CROPS = [
    SquareCrop(319.5, 239.5, 200.0),
    SquareCrop(90.0, 400.0, 160.0),
    SquareCrop(600.0, 30.0, 220.0, angle_rad=0.6),
]


@pytest.mark.parametrize("crop", CROPS)
def test_rotation_is_proper_and_puts_the_crop_centre_on_the_optical_axis(crop: SquareCrop) -> None:
    camera = crop_camera(crop, CAMERA)
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1.0)
    centre = back_project(np.array([crop.center_x_px, crop.center_y_px]), np.array(0.5), CAMERA)
    turned = camera.rotation @ centre
    np.testing.assert_allclose(turned[:2], 0.0, atol=1e-12)
    assert turned[2] == pytest.approx(float(np.linalg.norm(centre)))


@pytest.mark.parametrize("crop", CROPS)
def test_focal_and_axes_agree_with_the_crop_matrix_near_the_centre(crop: SquareCrop) -> None:
    """A small step in the crop camera moves the projected point as far in the crop, in the same direction.

    Off the axis a picture stretches points radially, so the crop camera is exact only in its middle and across the
    radius; the bound is that stretch.
    """
    camera = crop_camera(crop, CAMERA)
    stretch = float(np.linalg.norm([(crop.center_x_px - 319.5) / 600, (crop.center_y_px - 239.5) / 600, 1.0]))
    for step in (np.array([1e-4, 0.0, 0.0]), np.array([0.0, 1e-4, 0.0])):
        points = (np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]]) + np.array([np.zeros(3), step])) @ camera.rotation
        cropped = transform_points(project(points, CAMERA), crop.matrix(128)) * (2.0 / 128)
        moved = cropped[1] - cropped[0]
        expected = camera.focal * step[:2] / 0.5
        assert np.linalg.norm(moved - expected) <= (stretch - 1.0 + 1e-3) * np.linalg.norm(expected)


def test_mirroring_crop_and_camera_mirrors_the_rotation() -> None:
    crop = CROPS[2]
    flip = np.diag([-1.0, 1.0, 1.0])
    mirrored = crop_camera(
        SquareCrop(639 - crop.center_x_px, crop.center_y_px, crop.size_px, -crop.angle_rad), CAMERA.mirrored()
    )
    np.testing.assert_allclose(mirrored.rotation, flip @ crop_camera(crop, CAMERA).rotation @ flip, atol=1e-12)


def test_mirrored_crop_cuts_the_same_pixels() -> None:
    crop = CROPS[2]
    flipped = mirrored_crop(crop, 640)
    points = np.random.default_rng(0).uniform(0, 480, (5, 2))
    mirrored_points = np.stack([639 - points[:, 0], points[:, 1]], 1)
    # a flipped crop of the mirrored picture shows what the plain crop of the picture shows
    np.testing.assert_allclose(
        transform_points(mirrored_points, flipped.matrix(128)), transform_points(points, crop.matrix(128)), atol=1e-9
    )
    assert mirrored_crop(flipped, 640) == crop


def test_weak_camera_is_exact_at_the_root() -> None:
    root = np.array([0.03, -0.02, 0.6])
    focal = 7.0
    weak = np.array([focal / root[2], focal * root[0] / root[2], focal * root[1] / root[2]])
    np.testing.assert_allclose(translation_from_weak_camera(weak, focal), root, atol=1e-12)


def test_a_flipped_crop_is_refused() -> None:
    with pytest.raises(ValueError, match="mirror crop and intrinsics first"):
        crop_camera(SquareCrop(1.0, 1.0, 10.0, flipped=True), CAMERA)
