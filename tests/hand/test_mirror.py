"""Mirroring of rotations, pixels, faces and hand models."""

from __future__ import annotations

import numpy as np

from hand.mirror import (
    mirror_axis_angle,
    mirror_faces,
    mirror_pixels,
    mirror_points,
    mirror_pose,
    other_side,
)
from hand.pose_space import canonical_pose
from hand.rotations import matrix_from_axis_angle
from tests.hand.toy_model import random_pose, toy_model


def test_a_mirrored_rotation_is_the_conjugate_by_the_mirror() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    mirror = np.diag([-1.0, 1.0, 1.0])
    expected = mirror @ matrix_from_axis_angle(vectors) @ mirror
    np.testing.assert_allclose(matrix_from_axis_angle(mirror_axis_angle(vectors)), expected, atol=1e-15)


def test_mirroring_twice_is_the_identity() -> None:
    points, pose = np.random.default_rng(1).normal(size=(21, 3)), random_pose(2)
    np.testing.assert_array_equal(mirror_points(mirror_points(points)), points)
    np.testing.assert_array_equal(mirror_pose(mirror_pose(pose)), pose)
    np.testing.assert_allclose(mirror_pixels(mirror_pixels(points[:, :2], 640), 640), points[:, :2], atol=1e-12)
    faces = np.arange(12).reshape(4, 3)
    np.testing.assert_array_equal(mirror_faces(mirror_faces(faces)), faces)
    model = toy_model(300)
    twice = model.mirrored().mirrored()
    for key, array in model._arrays().items():
        np.testing.assert_array_equal(twice._arrays()[key], array, err_msg=key)
    assert twice.digest == model.digest
    assert twice.side == "right"


def test_mirror_pixels_agrees_with_a_flipped_picture() -> None:
    image = np.zeros((4, 10, 3), np.uint8)
    image[2, 3] = 255
    x, y = mirror_pixels(np.array([[3.0, 2.0]]), 10)[0]
    assert (image[:, ::-1][int(y), int(x)] == 255).all()


def test_mirroring_a_model_changes_its_side_and_digest() -> None:
    assert other_side("left") == "right"
    assert other_side("right") == "left"
    model = toy_model(300)
    assert model.mirrored().side == "left"
    assert model.mirrored().digest != model.digest


def test_mirrored_faces_keep_outward_normals() -> None:
    """A tetrahedron's signed volume keeps its sign because the winding is reversed with the mirroring."""
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])

    def volume(points: np.ndarray, triangles: np.ndarray) -> float:
        a, b, c = (points[triangles[:, k]] for k in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)

    assert volume(vertices, faces) > 0
    assert volume(mirror_points(vertices), mirror_faces(faces)) == volume(vertices, faces)
    assert volume(mirror_points(vertices), faces) < 0


def test_relative_poses_and_pca_mirror_with_the_model() -> None:
    model = toy_model(300)
    raw = np.random.default_rng(3).normal(size=9)
    right = canonical_pose(model, raw, flat_hand_mean=False, pca_components=6)
    mirrored_raw = np.concatenate([mirror_axis_angle(raw[:3]), raw[3:]])
    left = canonical_pose(model.mirrored(), mirrored_raw, flat_hand_mean=False, pca_components=6)
    np.testing.assert_allclose(left, mirror_pose(right), atol=1e-12)
