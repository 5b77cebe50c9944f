"""The hand layer in torch: a batch of poses and shapes to vertices and 21 joints, differentiable, on any device.

Formulas: SMPL (Loper et al. 2015, eq. 2-6), as used by MANO (Romero et al. 2017, eq. 1-3), as in ``hand.layer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand.errors import ConfigError
from hand.joints import FROM_MANO_WITH_TIPS, MANO_PARENTS, TIP_VERTICES
from hand.model import HandModel
from hand.torch_rotations import matrix_from_axis_angle

# joints of equal depth are posed together: 1, 4, 7, 10, 13, then their children
_DEPTHS = ((1, 4, 7, 10, 13), (2, 5, 8, 11, 14), (3, 6, 9, 12, 15))
# position of MANO's joints 1..15 in the order in which the depths produce them
_TREE_ORDER = tuple(np.argsort([joint for depth in _DEPTHS for joint in depth]).tolist())


class HandMesh(NamedTuple):
    """A batch of posed hands.

    Attributes:
        vertices_m: mesh vertices.
        joints_m: 21 joints in the common order; the tips are mesh vertices.
        joint_rotations: orientation of each of the 16 MANO joints in the frame of the vertices.
    """

    vertices_m: Float[Tensor, "batch V 3"]
    joints_m: Float[Tensor, "batch 21 3"]
    joint_rotations: Float[Tensor, "batch 16 3 3"]


class TorchHandLayer(nn.Module):
    """Poses a hand model.

    The model's arrays are buffers that are *not* saved with a checkpoint: they follow ``.to(device)``, but a user's
    MANO file never ends up inside a network's weights.
    """

    template: Tensor
    shape_directions: Tensor
    pose_directions: Tensor
    weights: Tensor
    template_joints: Tensor
    shape_joints: Tensor
    tips: Tensor
    faces: Tensor

    def __init__(
        self, model: HandModel, *, dtype: torch.dtype = torch.float32, tips: str | Sequence[int] | None = None
    ) -> None:
        """Prepares the buffers.

        Args:
            model: the hand.
            dtype: torch.float32 for training, torch.float64 where exactness matters.
            tips: finger-tip vertices, thumb to pinky, or a key of ``hand.joints.TIP_VERTICES``; None takes the model's.

        Raises:
            ConfigError: tips that the mesh does not have.
        """
        super().__init__()
        self.model = model
        tip_vertices = (
            model.tip_vertices if tips is None else TIP_VERTICES.get(tips, ()) if isinstance(tips, str) else tips
        )
        if len(tip_vertices) != 5 or not all(0 <= tip < model.vertex_count for tip in tip_vertices):
            raise ConfigError(
                f"Finger tips should be five of the {model.vertex_count} vertices of {model.name}, or one of "
                f"{', '.join(TIP_VERTICES)} for MANO's mesh, got {tips!r}."
            )
        count = model.vertex_count
        regressor = model.joint_regressor.astype(np.float64)
        template = model.v_template_m.astype(np.float64)
        shape_directions = model.shape_directions_m.astype(np.float64)
        arrays = {
            "template": template,
            "shape_directions": shape_directions.reshape(count * 3, 10).T,
            "pose_directions": model.pose_directions_m.reshape(count * 3, 135).T,
            "weights": model.skinning_weights,
            # joints are linear in the shape, so that the regressor need not run in every call
            "template_joints": regressor @ template,
            "shape_joints": np.einsum("jv,vck->jck", regressor, shape_directions).reshape(48, 10).T,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.tensor(np.ascontiguousarray(array), dtype=dtype), persistent=False)
        self.register_buffer("tips", torch.tensor([int(tip) for tip in tip_vertices]), persistent=False)
        self.register_buffer("faces", torch.tensor(np.asarray(model.faces, np.int64)), persistent=False)

    def forward(
        self,
        rotations: Float[Tensor, "batch 16 3 3"],
        shape: Float[Tensor, "batch 10"],
        translation_m: Float[Tensor, "batch 3"] | None = None,
    ) -> HandMesh:
        """Poses the hand from local rotation matrices.

        Args:
            rotations: global rotation, then 15 joints in MANO order, absolute (mean pose already added).
            shape: shape coefficients.
            translation_m: added after the hand was turned about its own root joint.
        """
        batch = rotations.shape[0]
        count = len(self.template)  # not left to reshape, which cannot infer it for a batch of no hands
        rest = self.template + (shape @ self.shape_directions).reshape(batch, count, 3)
        rest_joints = self.template_joints + (shape @ self.shape_joints).reshape(batch, 16, 3)
        world, joints = _pose_joints(rotations, rest_joints)

        features = (rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)).reshape(batch, 135)
        posed = rest + (features @ self.pose_directions).reshape(batch, count, 3)
        shifts = joints - (world @ rest_joints[..., None]).squeeze(-1)
        transforms = torch.cat([world, shifts[..., None]], -1).reshape(batch, 16, 12)
        blend = (self.weights @ transforms).reshape(batch, count, 3, 4)
        vertices = (blend[..., :3] @ posed[..., None]).squeeze(-1) + blend[..., 3]

        joints_21 = torch.cat([joints, vertices[:, self.tips]], 1)[:, list(FROM_MANO_WITH_TIPS)]
        if translation_m is not None:
            vertices = vertices + translation_m[:, None]
            joints_21 = joints_21 + translation_m[:, None]
        return HandMesh(vertices, joints_21, world)

    def from_axis_angle(
        self,
        pose_rad: Float[Tensor, "batch 48"],
        shape: Float[Tensor, "batch 10"],
        translation_m: Float[Tensor, "batch 3"] | None = None,
    ) -> HandMesh:
        """Poses the hand from 16 axis-angle triples; see :meth:`forward`."""
        return self(matrix_from_axis_angle(pose_rad.reshape(-1, 16, 3)), shape, translation_m)


def _pose_joints(
    rotations: Float[Tensor, "batch 16 3 3"], rest_joints: Float[Tensor, "batch 16 3"]
) -> tuple[Float[Tensor, "batch 16 3 3"], Float[Tensor, "batch 16 3"]]:
    """Forward kinematics, one tree depth at a time; nothing is written in place, for the gradient's sake."""
    worlds, positions = [rotations[:, :1]], [rest_joints[:, :1]]
    for depth in _DEPTHS:
        bones = rest_joints[:, depth] - rest_joints[:, [MANO_PARENTS[joint] for joint in depth]]
        positions.append(positions[-1] + (worlds[-1] @ bones[..., None]).squeeze(-1))
        worlds.append(worlds[-1] @ rotations[:, depth])
    order = [0, *(1 + place for place in _TREE_ORDER)]
    return torch.cat(worlds, 1)[:, order], torch.cat(positions, 1)[:, order]
