"""The hand layer with manopth's calling convention, for code that was written against it.

manopth (https://github.com/hassony2/manopth) is the layer that most of the field's older code calls. It takes pose and
shape tensors and returns vertices and joints in *millimetres*, joints in the common order. Only the convention is
reproduced here, from its documentation; the mathematics is ``hand.torch_layer``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.joints import TIP_VERTICES
from hand.mano_files import load_hand_model
from hand.mirror import Side
from hand.model import HandModel
from hand.torch_layer import TorchHandLayer
from hand.torch_rotations import matrix_from_axis_angle, matrix_from_sixd

_MILLIMETRES_PER_METRE = 1000.0


class ManoLayer(nn.Module):
    """A hand layer that is called as ``vertices_mm, joints_mm = layer(th_pose_coeffs, th_betas, th_trans)``."""

    def __init__(
        self,
        center_idx: int | None = None,
        flat_hand_mean: bool = True,
        ncomps: int = 6,
        side: Side = "right",
        mano_root: str | Path | None = None,
        use_pca: bool = True,
        root_rot_mode: str = "axisang",
        joint_rot_mode: str = "axisang",
        *,
        model: HandModel | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Prepares the layer; the first eight arguments are manopth's, in its order and with its defaults.

        Args:
            center_idx: joint (common order) that becomes the origin when no translation is given.
            flat_hand_mean: True when zero pose coefficients mean the flat hand, False when they mean MANO's mean pose.
            ncomps: how many PCA coefficients the pose has; without ``use_pca`` it has 45 numbers.
            side: which hand.
            mano_root: folder with MANO_RIGHT.pkl and MANO_LEFT.pkl; None takes the embedded hand.
            use_pca: pose coefficients are PCA coefficients.
            root_rot_mode: the global rotation as "axisang" (3 numbers) or "rot6d" (6 numbers, the first two columns).
            joint_rot_mode: without ``use_pca``: "axisang", or "rotmat" for ``th_pose_coeffs`` as 16 rotation matrices.
            model: a model instead of a file.
            dtype: of the arrays.

        Raises:
            ConfigError: an option that is not one of those above.
            ModelFileError: the MANO file is missing or not usable.
        """
        super().__init__()
        if root_rot_mode not in ("axisang", "rot6d") or joint_rot_mode not in ("axisang", "rotmat"):
            raise ConfigError(
                "root_rot_mode should be axisang or rot6d and joint_rot_mode axisang or rotmat, got "
                f"{root_rot_mode!r} and {joint_rot_mode!r}."
            )
        if use_pca and not 1 <= ncomps <= 45:
            raise ConfigError(f"ncomps should be 1 to 45, got {ncomps}.")
        model = model if model is not None else _load(side, mano_root)
        if model.side != side:
            raise ConfigError(f"The model {model.name} is a {model.side} hand, but side is {side!r}.")
        tips = "manopth-left" if side == "left" else "manopth"
        # manopth's tips are vertices of MANO's own mesh; another mesh keeps the tips it came with
        self.layer = TorchHandLayer(
            model, dtype=dtype, tips=TIP_VERTICES[tips] if model.vertex_count == 778 else model.tip_vertices
        )
        self.center_idx = center_idx
        self.side = side
        self.use_pca = use_pca
        self.ncomps = ncomps if use_pca else 45
        self.rot = 3 if root_rot_mode == "axisang" else 6
        self.joint_rot_mode = joint_rot_mode
        mean = torch.tensor(model.mean_pose_rad.copy(), dtype=dtype)
        self.register_buffer("_mean", torch.zeros_like(mean) if flat_hand_mean else mean, persistent=False)
        components = torch.tensor(model.pose_components[: self.ncomps].copy(), dtype=dtype)
        self.register_buffer("_components", components, persistent=False)

    _mean: Tensor
    _components: Tensor

    @property
    def th_faces(self) -> Tensor:
        """Triangles of the mesh."""
        return self.layer.faces

    def forward(
        self,
        th_pose_coeffs: Shaped[Tensor, "batch ..."],
        th_betas: Float[Tensor, "..."] | None = None,
        th_trans: Float[Tensor, "..."] | None = None,
    ) -> tuple[Float[Tensor, "batch V 3"], Float[Tensor, "batch 21 3"]]:
        """Poses the hand.

        Args:
            th_pose_coeffs: (B, 3 or 6 + coefficients), or (B, 16, 3, 3) with ``joint_rot_mode="rotmat"``.
            th_betas: (B, 10) or (1, 10) shape coefficients; None or a single number is the mean shape.
            th_trans: (B, 3) translation in metres; None or all zeros centres on ``center_idx`` instead, if that is set.

        Returns:
            Vertices and 21 joints in millimetres.

        Raises:
            ConfigError: a pose tensor that does not fit the options.
        """
        rotations = self._rotations(th_pose_coeffs)
        batch = rotations.shape[0]
        if th_betas is None or th_betas.numel() == 1:
            th_betas = rotations.new_zeros(1, 10)
        mesh = self.layer(rotations, th_betas.expand(batch, 10))
        vertices, joints = mesh.vertices_m, mesh.joints_m
        if th_trans is not None and bool(th_trans.any()):
            shift = th_trans.expand(batch, 3)[:, None]
            vertices, joints = vertices + shift, joints + shift
        elif self.center_idx is not None:
            center = joints[:, self.center_idx, None]
            vertices, joints = vertices - center, joints - center
        return vertices * _MILLIMETRES_PER_METRE, joints * _MILLIMETRES_PER_METRE

    def _rotations(self, pose: Tensor) -> Float[Tensor, "batch 16 3 3"]:
        if self.joint_rot_mode == "rotmat" and not self.use_pca:
            if pose.ndim != 4 or pose.shape[1:] != (16, 3, 3):
                raise ConfigError(f"Rotation matrices should have shape (batch, 16, 3, 3), got {tuple(pose.shape)}.")
            return pose
        wanted = self.rot + self.ncomps
        if pose.ndim != 2 or pose.shape[1] < wanted:
            raise ConfigError(f"Pose coefficients should have shape (batch, {wanted}), got {tuple(pose.shape)}.")
        fingers = pose[:, self.rot : wanted]
        if self.use_pca:
            fingers = fingers @ self._components
        root = pose[:, : self.rot]
        root_matrix = matrix_from_axis_angle(root) if self.rot == 3 else matrix_from_sixd(root)
        return torch.cat([root_matrix[:, None], matrix_from_axis_angle((self._mean + fingers).reshape(-1, 15, 3))], 1)


def _load(side: Side, mano_root: str | Path | None) -> HandModel:
    if mano_root is None:
        return load_embedded_model(side)
    return load_hand_model(Path(mano_root) / f"MANO_{side.upper()}.pkl", tips="manopth")
