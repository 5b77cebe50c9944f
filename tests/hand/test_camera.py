"""The pinhole camera: the pixel convention, round trips, and OpenCV's own projection."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hand.camera import Intrinsics, back_project, project
from hand.errors import IntrinsicsError
from hand.mirror import mirror_pixels, mirror_points

CAMERA = Intrinsics(600.0, 610.0, 310.0, 245.0, 640, 480)


def _points(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform([-0.2, -0.2, 0.3], [0.2, 0.2, 1.0], (50, 3))


def test_projection_agrees_with_opencv() -> None:
    points = _points()
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), CAMERA.matrix(), None)
    np.testing.assert_allclose(project(points, CAMERA), expected[:, 0], atol=1e-9)


def test_back_projection_undoes_projection() -> None:
    points = _points()
    np.testing.assert_allclose(back_project(project(points, CAMERA), points[:, 2], CAMERA), points, atol=1e-14)
    batch = points.reshape(5, 10, 3)
    np.testing.assert_allclose(back_project(project(batch, CAMERA), batch[..., 2], CAMERA), batch, atol=1e-14)


def test_points_behind_the_camera_project_to_nan() -> None:
    pixels = project(np.array([[0.1, 0.1, -0.5], [0.1, 0.1, 0.0], [0.0, 0.0, 0.5]]), CAMERA)
    assert np.isnan(pixels[:2]).all()
    np.testing.assert_allclose(pixels[2], [310.0, 245.0])


def test_field_of_view_spans_the_outer_pixel_edges() -> None:
    """With pixel centres at whole numbers a picture of width W ends at W - 0.5."""
    camera = Intrinsics.from_fov(640, 480, 60.0)
    assert camera.assumed
    edge = np.array([[np.tan(np.radians(30.0)), 0.0, 1.0], [-np.tan(np.radians(30.0)), 0.0, 1.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(project(edge, camera)[:, 0], [639.5, -0.5, 319.5])
    upright = Intrinsics.from_fov(480, 640, 60.0)
    assert upright.fx_px == camera.fx_px


def test_scaled_intrinsics_project_onto_the_resized_picture() -> None:
    """A dot is drawn where a point projects; after cv2.resize it must be found where the scaled camera projects it."""
    point = np.array([[0.05, -0.03, 0.5]])
    image = np.zeros((480, 640), np.float32)
    x, y = project(point, CAMERA)[0]
    rows, columns = np.mgrid[:480, :640]
    image = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2)).astype(np.float32)
    for width, height in ((320, 240), (1280, 960), (640, 240)):
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if width < 640 else cv2.INTER_LINEAR)
        found = np.array([(resized * grid).sum() for grid in np.mgrid[:height, :width][::-1]]) / resized.sum()
        np.testing.assert_allclose(project(point, CAMERA.scaled_to(width, height))[0], found, atol=0.02)


def test_scaling_there_and_back_is_the_identity() -> None:
    back = CAMERA.scaled_to(311, 977).scaled_to(640, 480)
    np.testing.assert_allclose(back.matrix(), CAMERA.matrix())
    assert (back.width_px, back.height_px) == (640, 480)


def test_mirrored_camera_projects_mirrored_points_to_mirrored_pixels() -> None:
    camera = Intrinsics(600.0, 610.0, 300.0, 245.0, 640, 480)
    points = _points()
    np.testing.assert_allclose(
        project(mirror_points(points), camera.mirrored()), mirror_pixels(project(points, camera), 640), atol=1e-9
    )
    assert camera.mirrored().mirrored() == camera


def test_intrinsics_from_text() -> None:
    assert Intrinsics.from_text("600,610, 310,245", 640, 480) == CAMERA
    for text in ("600,610,310", "1,2,3,4,5", "a,b,c,d", "", "600 610 310 245"):
        with pytest.raises(IntrinsicsError, match="four numbers in pixels"):
            Intrinsics.from_text(text, 640, 480)
    for text in ("nan,610,310,245", "600,inf,310,245", "-600,610,310,245", "0,610,310,245"):
        with pytest.raises(IntrinsicsError, match="finite numbers and positive focal lengths"):
            Intrinsics.from_text(text, 640, 480)


def test_invalid_intrinsics_are_refused() -> None:
    with pytest.raises(IntrinsicsError, match="positive picture size"):
        Intrinsics(600.0, 600.0, 320.0, 240.0, 0, 480)
    for angle in (0.0, 180.0, -60.0, float("nan")):
        with pytest.raises(IntrinsicsError, match="between 1 and 179"):
            Intrinsics.from_fov(640, 480, angle)
