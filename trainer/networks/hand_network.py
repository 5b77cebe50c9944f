"""The hand network: a trunk, heat maps for the joints, and a pose head that looks where the joints are.

Plain regression from a pooled feature hardly learns from scratch on this task; heat maps do. So the 2D joints come
from heat maps (soft-argmax: Sun et al. 2018, "Integral Human Pose Regression"), and the same heat maps pool one
feature vector per joint for the pose head, in the spirit of MobRecon's pose pooling (Chen et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand.errors import ConfigError
from hand.torch_rotations import matrix_from_sixd
from trainer.networks.output import NetworkOutput
from trainer.networks.trunks import build_trunk

JOINTS = 21
GRID = 32
"""Side of the heat maps; finer than the fine feature map, because soft-argmax is only as exact as its cells."""

TYPICAL_SCALE = 8.0
"""Crop coordinates per metre of a 0.19 m hand that fills two thirds of its crop: where the camera head starts."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything needed to build a network again.

    Attributes:
        trunk: name of the trunk, one of ``trainer.networks.trunks.TRUNKS``.
        head: "mlp" (2048 -> 512 style) or "transformer" (HandFormer style: joint tokens attend to each other).
        input_px: side of the crop: 32, 64, 128 or 256, so that heat maps and features share their cells.
        width: channels of the joint features.
        layers: encoder layers of the transformer head.
        pretrained: start the trunk from ImageNet weights.
    """

    trunk: str = "mobilenet_v3_large"
    head: Literal["mlp", "transformer"] = "transformer"
    input_px: int = 128
    width: int = 128
    layers: int = 2
    pretrained: bool = False


class HandNetwork(nn.Module):
    """Crop in, :class:`NetworkOutput` out."""

    mean_rotations_6d: Tensor
    pixel_mean: Tensor
    pixel_std: Tensor
    cell_centres: Tensor

    def __init__(self, config: NetworkConfig, mean_rotations_6d: Float[Tensor, "16 6"]) -> None:
        """Builds the layers.

        Args:
            config: which trunk and head.
            mean_rotations_6d: the pose that the pose head predicts a residual on.

        Raises:
            ConfigError: the size of the crop or the trunk is not on offer.
        """
        super().__init__()
        if config.input_px % 32 or GRID % (config.input_px // 8):
            raise ConfigError(f"input_px should be 32, 64, 128 or 256, got {config.input_px}; change the recipe.")
        self.config = config
        self.trunk = build_trunk(config.trunk, config.input_px, config.pretrained)
        fine, middle, coarse = self.trunk.channels
        width = config.width
        self.lateral = nn.Conv2d(fine, width, 1)
        self.between = nn.Conv2d(middle, width, 1)
        self.top = nn.Conv2d(coarse, width, 1)
        self.merge = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, groups=8, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.to_heat_maps = nn.Conv2d(width, JOINTS, 1)
        head = TransformerHead if config.head == "transformer" else MlpHead
        self.pose_head = head(width, coarse, config.layers)
        self.joint_log_sigma = nn.Linear(width, 1)
        self.crop_logits = nn.Linear(coarse, 2)
        self.register_buffer("mean_rotations_6d", mean_rotations_6d.reshape(96).clone())
        # ImageNet's statistics, so that pretrained trunks see what they were trained on
        self.register_buffer("pixel_mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1))
        self.register_buffer("pixel_std", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1))
        self.register_buffer("cell_centres", torch.linspace(-1 + 1 / GRID, 1 - 1 / GRID, GRID))

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> NetworkOutput:
        """Predicts.

        Args:
            image: RGB crops, 0 to 255, hands shown as right hands.
        """
        fine, middle, coarse = self.trunk((image - self.pixel_mean) / self.pixel_std)
        features = self._joint_features(fine, middle, coarse)
        scores = functional.interpolate(self.to_heat_maps(features), size=(GRID, GRID), mode="bilinear")
        joints, pooled = self._read_heat_maps(scores, features)
        overview = coarse.mean((2, 3))
        numbers = self.pose_head(pooled, joints, overview)
        rotations = matrix_from_sixd((self.mean_rotations_6d + numbers[:, :96]).reshape(-1, 16, 6))
        scale = TYPICAL_SCALE * torch.exp(numbers[:, 106:107].clamp(-3.0, 3.0))
        logits = self.crop_logits(overview)
        return NetworkOutput(
            rotations=rotations,
            shape=numbers[:, 96:106],
            camera=torch.cat([scale, numbers[:, 107:109]], 1),
            joints_crop=joints,
            log_sigma=self.joint_log_sigma(pooled)[..., 0].clamp(-6.0, 1.0),
            heat_maps=scores,
            features=features,
            presence_logit=logits[:, 0],
            right_logit=logits[:, 1],
        )

    def _joint_features(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Float[Tensor, "B C g g"]:
        """Fine detail and coarse meaning on one grid (a feature pyramid: Lin et al. 2017)."""
        size = self.config.input_px // 8
        raised = _resized(self.top(coarse), int(middle.shape[-1])) + self.between(middle)
        merged: Tensor = self.merge(_resized(raised, size) + _resized(self.lateral(fine), size))
        return merged

    def _read_heat_maps(
        self, scores: Float[Tensor, "B 21 G G"], features: Float[Tensor, "B C g g"]
    ) -> tuple[Float[Tensor, "B 21 2"], Float[Tensor, "B 21 C"]]:
        """Soft-argmax positions, and the features under each heat map."""
        share = scores.flatten(2).softmax(-1).reshape(-1, JOINTS, GRID, GRID)
        x = (share.sum(2) * self.cell_centres).sum(-1)
        y = (share.sum(3) * self.cell_centres).sum(-1)
        size = features.shape[-1]
        # GRID is a whole multiple of the feature grid, so pooling the shares keeps them shares
        coarse_share = functional.avg_pool2d(share, GRID // size) * (GRID // size) ** 2
        pooled = coarse_share.flatten(2) @ features.flatten(2).transpose(1, 2)
        return torch.stack([x, y], -1), pooled


class TransformerHead(nn.Module):
    """One token per joint and one for the whole picture attend to each other; each MANO joint reads its own tokens."""

    def __init__(self, width: int, coarse_channels: int, layers: int) -> None:
        super().__init__()
        self.place = nn.Linear(2, width)
        self.name = nn.Parameter(torch.randn(JOINTS + 1, width) * 0.02)
        self.overview = nn.Linear(coarse_channels, width)
        layer = nn.TransformerEncoderLayer(
            width, nhead=4, dim_feedforward=2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.numbers = nn.Linear((JOINTS + 1) * width, 109)
        _start_near_zero(self.numbers)

    def forward(self, pooled: Tensor, joints: Tensor, overview: Tensor) -> Float[Tensor, "B 109"]:
        """96 rotation residuals, 10 shape numbers, log scale and two offsets of the camera."""
        tokens = torch.cat([self.overview(overview)[:, None], pooled + self.place(joints)], 1) + self.name
        numbers: Tensor = self.numbers(self.norm(self.encoder(tokens)).flatten(1))
        return numbers


class MlpHead(nn.Module):
    """Two plain layers over everything at once (the 2048 -> 512 -> pose, shape head of the early regressors)."""

    def __init__(self, width: int, coarse_channels: int, layers: int) -> None:
        super().__init__()
        del layers
        self.squeeze = nn.Linear(width, 32)
        self.hidden = nn.Sequential(nn.Linear(coarse_channels + JOINTS * 34, 512), nn.ReLU(inplace=True))
        self.numbers = nn.Linear(512, 109)
        _start_near_zero(self.numbers)

    def forward(self, pooled: Tensor, joints: Tensor, overview: Tensor) -> Float[Tensor, "B 109"]:
        """96 rotation residuals, 10 shape numbers, log scale and two offsets of the camera."""
        everything = torch.cat([overview, self.squeeze(pooled).flatten(1), joints.flatten(1)], 1)
        numbers: Tensor = self.numbers(self.hidden(everything))
        return numbers


def _resized(features: Tensor, size: int) -> Tensor:
    if features.shape[-1] == size:
        return features
    return functional.interpolate(features, size=(size, size), mode="bilinear")


def _start_near_zero(layer: nn.Linear) -> None:
    """The first prediction is the mean pose, the mean shape and the typical camera."""
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)
