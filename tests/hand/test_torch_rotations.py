"""The torch rotations: the values of the NumPy functions, and finite, correct gradients at every angle."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch

import hand.rotations as reference
from hand import torch_rotations

ANGLES = [0.0, 1e-12, 1e-7, 1e-4, 0.0099, 0.0101, 0.5, 2.0, np.pi - 1e-4, np.pi - 1e-9, np.pi]


def _vectors() -> np.ndarray:
    axes = np.random.default_rng(0).normal(size=(6, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    axes = np.concatenate([axes, np.eye(3), -np.eye(3)])
    return np.concatenate([axes * angle for angle in ANGLES])


def test_values_agree_with_the_numpy_functions() -> None:
    vectors = _vectors()
    matrices = reference.matrix_from_axis_angle(vectors)
    np.testing.assert_allclose(torch_rotations.matrix_from_axis_angle(torch.tensor(vectors)), matrices, atol=1e-14)
    sixd = np.random.default_rng(1).normal(size=(20, 6))
    np.testing.assert_allclose(
        torch_rotations.matrix_from_sixd(torch.tensor(sixd)), reference.matrix_from_sixd(sixd), atol=1e-13
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_everywhere(dtype: torch.dtype) -> None:
    vectors = torch.tensor(_vectors(), dtype=dtype, requires_grad=True)
    matrices = torch_rotations.matrix_from_axis_angle(vectors)
    weights = torch.tensor(np.random.default_rng(2).normal(size=(3, 3)), dtype=dtype)
    (matrices * weights).sum().backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.0099, 0.0101, 1.0, 3.0, np.pi - 1e-5, np.pi])
def test_axis_angle_gradients_are_right(angle: float) -> None:
    vector = torch.tensor([[0.6, -0.48, 0.64]], dtype=torch.float64) * angle
    assert torch.autograd.gradcheck(torch_rotations.matrix_from_axis_angle, (vector.requires_grad_(),), atol=1e-7)


def test_sixd_gradients_are_right() -> None:
    sixd = torch.tensor(np.random.default_rng(3).normal(size=(5, 6)), requires_grad=True)
    assert torch.autograd.gradcheck(torch_rotations.matrix_from_sixd, (sixd,))


def test_the_gradient_at_zero_is_the_generator_of_rotation() -> None:
    jacobian = torch.autograd.functional.jacobian(
        torch_rotations.matrix_from_axis_angle, torch.zeros(3, dtype=torch.float64)
    )
    generator_x = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(jacobian[..., 0], generator_x)


def test_a_vanishing_sixd_vector_gives_no_nan() -> None:
    sixd = torch.zeros(2, 6, requires_grad=True)
    matrix = torch_rotations.matrix_from_sixd(sixd)
    matrix.sum().backward()
    assert torch.isfinite(matrix).all()
    assert sixd.grad is not None
    assert torch.isfinite(sixd.grad).all()
