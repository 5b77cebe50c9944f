"""Rotations against SciPy, especially near zero and half a turn, where naive formulas lose precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hand.rotations import (
    axis_angle_from_matrix,
    axis_angle_from_quaternion,
    geodesic_rad,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    matrix_from_sixd,
    quaternion_from_axis_angle,
    quaternion_from_matrix,
    sixd_from_matrix,
)

ANGLES = [0.0, 1e-300, 1e-16, 1e-9, 1e-5, 0.99e-4, 1.01e-4, 1e-3, 0.1, 1.0, 3.0, np.pi - 1e-3, np.pi - 1e-7, np.pi]
_component = st.floats(-1.0, 1.0, allow_nan=False)
_axes = st.tuples(_component, _component, _component).filter(lambda axis: np.linalg.norm(axis) > 1e-3)


def _scipy_quaternion(rotation: Rotation) -> np.ndarray:
    quaternion = rotation.as_quat()[..., [3, 0, 1, 2]]
    return np.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def _same_up_to_sign(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.minimum(np.abs(one - other).max(), np.abs(one + other).max()))


@settings(max_examples=200, deadline=None)
@given(_axes, st.one_of(st.sampled_from(ANGLES), st.floats(0.0, np.pi)))
def test_every_form_agrees_with_scipy(axis: tuple[float, float, float], angle: float) -> None:
    vector = np.array(axis) / np.linalg.norm(axis) * angle
    expected = Rotation.from_rotvec(vector)
    matrix = matrix_from_axis_angle(vector)
    np.testing.assert_allclose(matrix, expected.as_matrix(), atol=1e-15 * 8, rtol=0)
    assert _same_up_to_sign(quaternion_from_axis_angle(vector), _scipy_quaternion(expected)) < 1e-14
    assert _same_up_to_sign(quaternion_from_matrix(matrix), _scipy_quaternion(expected)) < 1e-14
    np.testing.assert_allclose(matrix_from_quaternion(quaternion_from_axis_angle(vector)), matrix, atol=1e-14)
    np.testing.assert_allclose(matrix_from_sixd(sixd_from_matrix(matrix)), matrix, atol=1e-14)
    back = axis_angle_from_matrix(matrix)
    # at a half turn both signs of the axis are the same rotation
    error = _same_up_to_sign(back, vector) if angle > np.pi - 1e-6 else np.abs(back - vector).max()
    assert error < 1e-12


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (-1, 2, 0), (1e-6, 1, -1e-6), (-3, 1, 2)])
def test_round_trip_is_exact_near_zero_and_near_pi(axis: tuple[float, float, float], angle: float) -> None:
    vector = np.array(axis, float) / np.linalg.norm(axis) * angle
    back = axis_angle_from_matrix(matrix_from_axis_angle(vector))
    error = _same_up_to_sign(back, vector) if angle > np.pi - 1e-6 else np.abs(back - vector).max()
    assert error < 1e-12
    assert np.linalg.norm(back) <= np.pi + 1e-15


def test_vectors_longer_than_pi_come_back_as_the_same_rotation() -> None:
    vector = np.array([[4.0, 0.0, 0.0], [0.0, -7.0, 1.0]])
    matrix = matrix_from_axis_angle(vector)
    np.testing.assert_allclose(matrix, Rotation.from_rotvec(vector).as_matrix(), atol=1e-14)
    np.testing.assert_allclose(matrix_from_axis_angle(axis_angle_from_matrix(matrix)), matrix, atol=1e-14)


def test_batches_and_single_precision() -> None:
    vector = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    matrix = matrix_from_axis_angle(vector)
    assert matrix.shape == (4, 5, 3, 3)
    for result in (
        matrix,
        quaternion_from_matrix(matrix),
        quaternion_from_axis_angle(vector),
        axis_angle_from_matrix(matrix),
        sixd_from_matrix(matrix),
        matrix_from_sixd(sixd_from_matrix(matrix)),
    ):
        assert result.dtype == np.float32
    np.testing.assert_allclose(matrix[2, 3], matrix_from_axis_angle(vector[2, 3]), atol=1e-6)
    np.testing.assert_allclose(
        matrix @ np.swapaxes(matrix, -1, -2), np.broadcast_to(np.eye(3), matrix.shape), atol=1e-6
    )


def test_sixd_is_the_first_two_columns_and_scale_and_skew_are_removed() -> None:
    matrix = Rotation.random(10, random_state=0).as_matrix()
    np.testing.assert_array_equal(sixd_from_matrix(matrix)[:, :3], matrix[:, :, 0])
    np.testing.assert_array_equal(sixd_from_matrix(matrix)[:, 3:], matrix[:, :, 1])
    skewed = np.concatenate([3.0 * matrix[:, :, 0], 0.5 * matrix[:, :, 1] + 0.7 * matrix[:, :, 0]], -1)
    np.testing.assert_allclose(matrix_from_sixd(skewed), matrix, atol=1e-14)


def test_geodesic_angle_is_scipys_magnitude() -> None:
    one, other = Rotation.random(50, random_state=1), Rotation.random(50, random_state=2)
    np.testing.assert_allclose(
        geodesic_rad(one.as_matrix(), other.as_matrix()), (one.inv() * other).magnitude(), atol=1e-13
    )
    tiny = matrix_from_axis_angle(np.array([0.0, 1e-11, 0.0]))
    assert geodesic_rad(np.eye(3), tiny) == pytest.approx(1e-11, rel=1e-6)


def test_quaternion_sign_does_not_matter() -> None:
    quaternion = np.array([0.5, -0.5, 0.5, 0.5])
    np.testing.assert_allclose(axis_angle_from_quaternion(quaternion), axis_angle_from_quaternion(-quaternion))
