"""Rotations in torch: batched and differentiable, with finite gradients at every angle, zero and pi included.

The counterpart of ``hand.rotations`` for what networks and layers need (same conventions: matrices act on column
vectors, the 6D form is the first two columns). Where a formula divides by an angle, the division is replaced *before*
it happens (``torch.where`` on its input): replacing only its result would leave 0 * inf = NaN in the gradient.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_SMALL_ANGLE_SQUARED = 1e-4
"""Below this squared angle Taylor series are used; their first missing term is under 1e-15 relative."""


def matrix_from_axis_angle(axis_angle_rad: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices from axis-angle vectors (Rodrigues' formula)."""
    squared = axis_angle_rad.square().sum(-1)
    small = squared < _SMALL_ANGLE_SQUARED
    angle = torch.where(small, torch.ones_like(squared), squared).sqrt()
    sine_series = 1.0 - squared / 6.0 * (1.0 - squared / 20.0 * (1.0 - squared / 42.0 * (1.0 - squared / 72.0)))
    cosine_series = 0.5 - squared / 24.0 * (1.0 - squared / 30.0 * (1.0 - squared / 56.0 * (1.0 - squared / 90.0)))
    sine_ratio = torch.where(small, sine_series, angle.sin() / angle)
    # 1 - cos a = 2 sin^2(a / 2), which loses no digits for small angles
    cosine_ratio = torch.where(small, cosine_series, 2.0 * ((0.5 * angle).sin() / angle).square())
    x, y, z = axis_angle_rad.unbind(-1)
    entries = [
        1.0 - cosine_ratio * (y * y + z * z),
        cosine_ratio * x * y - sine_ratio * z,
        cosine_ratio * x * z + sine_ratio * y,
        cosine_ratio * x * y + sine_ratio * z,
        1.0 - cosine_ratio * (x * x + z * z),
        cosine_ratio * y * z - sine_ratio * x,
        cosine_ratio * x * z - sine_ratio * y,
        cosine_ratio * y * z + sine_ratio * x,
        1.0 - cosine_ratio * (x * x + y * y),
    ]
    return torch.stack(entries, -1).reshape(*axis_angle_rad.shape[:-1], 3, 3)


def matrix_from_sixd(sixd: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices from 6D vectors by Gram-Schmidt (Zhou et al. 2019, eq. 14-15).

    A vanishing half, or parallel halves, have no rotation; they give a finite matrix that is not one.
    """
    first, second = sixd[..., :3], sixd[..., 3:]
    x = _unit(first)
    y = _unit(second - (x * second).sum(-1, keepdim=True) * x)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def _unit(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    return vector / vector.square().sum(-1, keepdim=True).clamp_min(1e-16).sqrt()
