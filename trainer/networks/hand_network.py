"""The hand network: a trunk, heat maps for the joints, and a pose head that looks where the joints are.

Plain regression from a pooled feature hardly learns from scratch on this task; heat maps do. So the 2D joints come
from heat maps (soft-argmax: Sun et al. 2018, "Integral Human Pose Regression"), and the same heat maps pool one
feature vector per joint for the pose head, in the spirit of MobRecon's pose pooling (Chen et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand.errors import ConfigError
from hand.torch_rotations import matrix_from_sixd
from trainer.networks.hand_landmark import LANDMARK_PX, POOLED, HandLandmarkNetwork
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
        trunk_px: the trunk sees the crop reduced to this side; 0 for the crop as it is.
        landmarks: the hand-landmark network (``trainer.networks.hand_landmark``) reads the crop beside the trunk, and
            the pose head reads both; the crop then has its 224 px.
        upright: crops are turned so that the hand stands upright in them.
    """

    trunk: str = "mobilenet_v3_large"
    head: Literal["mlp", "transformer"] = "transformer"
    input_px: int = 128
    width: int = 128
    layers: int = 2
    pretrained: bool = False
    trunk_px: int = 0
    landmarks: bool = False
    upright: bool = False

    @property
    def seen_px(self) -> int:
        """Side of what the trunk sees."""
        return self.trunk_px or self.input_px


class Percept(NamedTuple):
    """Everything that the pose head reads: vectors, no maps.

    While trunk and landmark network stay as they are, a crop's percept does too, so that heads can be taught from
    stored ones (``trainer.features``), at a hundredth of the cost.

    Attributes:
        pooled: features under the heat map of each joint.
        joints: 2D joints by the heat maps, crop coordinates.
        overview: features of the whole crop.
        landmarks: the landmark network's pooled features, then of each joint x, y, z (crop coordinates) and x, y, z
            (tenths of metres), then the logits of presence and side; empty without that network.
    """

    pooled: Float[Tensor, "B 21 C"]
    joints: Float[Tensor, "B 21 2"]
    overview: Float[Tensor, "B D"]
    landmarks: Float[Tensor, "B L"]

    def flat(self) -> Float[Tensor, "B F"]:
        """One vector a crop."""
        return torch.cat([part.flatten(1) for part in self], 1)


_PER_JOINT = 6
LANDMARK_NUMBERS = POOLED + JOINTS * _PER_JOINT + 2


class HandNetwork(nn.Module):
    """Crop in, :class:`NetworkOutput` out."""

    mean_rotations_6d: Tensor
    pixel_mean: Tensor
    pixel_std: Tensor
    cell_centres: Tensor
    reduction: Tensor

    def __init__(self, config: NetworkConfig, mean_rotations_6d: Float[Tensor, "16 6"]) -> None:
        """Builds the layers.

        Args:
            config: which trunk and head.
            mean_rotations_6d: the pose that the pose head predicts a residual on.

        Raises:
            ConfigError: the size of the crop or the trunk is not on offer.
        """
        super().__init__()
        if config.seen_px % 32 or GRID % (config.seen_px // 8):
            name = "trunk_px" if config.trunk_px else "input_px"
            raise ConfigError(f"{name} should be 32, 64, 128 or 256, got {config.seen_px}; change the recipe.")
        if config.landmarks and (config.input_px != LANDMARK_PX or config.head != "transformer"):
            raise ConfigError(
                f"landmarks: true wants input_px: {LANDMARK_PX} and head: transformer, got {config.input_px} and "
                f"{config.head}; change the recipe."
            )
        self.config = config
        self.trunk = build_trunk(config.trunk, config.seen_px, config.pretrained)
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
        if config.landmarks:
            self.landmarks = HandLandmarkNetwork()
            self.pose_head = LandmarkHead(width, coarse, config.layers)
            self.landmark_logits = nn.Linear(POOLED + 2, 2)
            nn.init.zeros_(self.landmark_logits.weight)
            nn.init.zeros_(self.landmark_logits.bias)
        if config.trunk_px:
            self.register_buffer("reduction", reduction_matrix(config.input_px, config.trunk_px), persistent=False)
        self.register_buffer("mean_rotations_6d", mean_rotations_6d.reshape(96).clone())
        # ImageNet's statistics, so that pretrained trunks see what they were trained on
        self.register_buffer("pixel_mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1))
        self.register_buffer("pixel_std", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1))
        self.register_buffer("cell_centres", torch.linspace(-1 + 1 / GRID, 1 - 1 / GRID, GRID))

    def forward(self, image: Float[Tensor, "B 3 S S"] | Float[Tensor, "B F"]) -> NetworkOutput:
        """Predicts.

        Args:
            image: RGB crops, 0 to 255, hands shown as right hands; or what :meth:`perceive` once made of them, flat.
        """
        if image.dim() == 2:
            nothing = image.new_zeros(len(image), JOINTS, 0, 0)
            return self._answer(self._percept(image), nothing, nothing)
        return self._answer(*self._perceive(image))

    def perceive(self, image: Float[Tensor, "B 3 S S"]) -> Percept:
        """What the pose head reads of crops."""
        return self._perceive(image)[0]

    def _perceive(self, image: Float[Tensor, "B 3 S S"]) -> tuple[Percept, Tensor, Tensor]:
        """Also the heat maps and the features under them."""
        seen = image
        if self.config.trunk_px:
            seen = self.reduction @ image @ self.reduction.T
        features, coarse = self._joint_features(seen)
        scores = functional.interpolate(self.to_heat_maps(features), size=(GRID, GRID), mode="bilinear")
        joints, pooled = self._read_heat_maps(scores, features)
        return Percept(pooled, joints, coarse.mean((2, 3)), self._read_landmarks(image)), scores, features

    def _percept(self, flat: Float[Tensor, "B F"]) -> Percept:
        """A stored percept."""
        width = JOINTS * self.config.width
        rest = LANDMARK_NUMBERS if self.config.landmarks else 0
        sizes = [width, 2 * JOINTS, flat.shape[1] - width - 2 * JOINTS - rest, rest]
        pooled, joints, overview, landmarks = torch.split(flat, sizes, 1)
        return Percept(
            pooled.reshape(-1, JOINTS, self.config.width), joints.reshape(-1, JOINTS, 2), overview, landmarks
        )

    def _read_landmarks(self, image: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B L"]:
        if not self.config.landmarks:
            return image.new_zeros(len(image), 0)
        read = self.landmarks(image / 255.0)
        places = read.image.reshape(-1, JOINTS, 3) * (2.0 / LANDMARK_PX)
        # x and y run from edge to edge, the depth is about the wrist's
        places = places - places.new_tensor([1.0, 1.0, 0.0])
        each = torch.cat([places, read.world_m.reshape(-1, JOINTS, 3) * 10.0], 2)
        return torch.cat([read.pooled, each.flatten(1), read.presence_logit, read.side_logit], 1)

    def _answer(self, percept: Percept, scores: Tensor, features: Tensor) -> NetworkOutput:
        pooled, joints, overview, landmarks = percept
        log_sigma, logits = self.joint_log_sigma(pooled)[..., 0], self.crop_logits(overview)
        if self.config.landmarks:
            assert isinstance(self.pose_head, LandmarkHead)
            numbers, joints, doubt = self.pose_head.fused(percept)
            log_sigma = log_sigma + doubt
            logits = logits + self.landmark_logits(torch.cat([landmarks[:, :POOLED], landmarks[:, -2:]], 1))
        else:
            numbers = self.pose_head(pooled, joints, overview)
        rotations = matrix_from_sixd((self.mean_rotations_6d + numbers[:, :96]).reshape(-1, 16, 6))
        scale = TYPICAL_SCALE * torch.exp(numbers[:, 106:107].clamp(-3.0, 3.0))
        return NetworkOutput(
            rotations=rotations,
            shape=numbers[:, 96:106],
            camera=torch.cat([scale, numbers[:, 107:109]], 1),
            joints_crop=joints,
            log_sigma=log_sigma.clamp(-6.0, 1.0),
            heat_maps=scores,
            features=features,
            presence_logit=logits[:, 0],
            right_logit=logits[:, 1],
        )

    def joint_features(self, seen: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B C g g"]:
        """What the heat maps and the pose head are read from, for a network that is to see the same.

        Args:
            seen: RGB crops, 0 to 255, of the side that the trunk sees.
        """
        return self._joint_features(seen)[0]

    def _joint_features(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Fine detail and coarse meaning on one grid (a feature pyramid: Lin et al. 2017); and the coarse map alone."""
        fine, middle, coarse = self.trunk((seen - self.pixel_mean) / self.pixel_std)
        size = self.config.seen_px // 8
        raised = _resized(self.top(coarse), int(middle.shape[-1])) + self.between(middle)
        return self.merge(_resized(raised, size) + _resized(self.lateral(fine), size)), coarse

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


class LandmarkHead(TransformerHead):
    """The same tokens, told what the landmark network saw, one more of its features, and two plain layers over these.

    What the new layers say begins at nothing: the head begins as the one that it continues, a little disturbed.
    """

    def __init__(self, width: int, coarse_channels: int, layers: int) -> None:
        super().__init__(width, coarse_channels, layers)
        self.seen = nn.Linear(_PER_JOINT + 2, width)
        self.look = nn.Linear(POOLED, width)
        said = nn.Linear(512, 109 + 4 * JOINTS)
        self.direct = nn.Sequential(nn.Linear(POOLED + JOINTS * _PER_JOINT, 512), nn.ReLU(inplace=True), said)
        self.places = nn.Linear(width, 4)
        nn.init.normal_(self.seen.weight, std=0.02)
        nn.init.zeros_(self.seen.bias)
        for layer in (said, self.places):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def fused(self, percept: Percept) -> tuple[Float[Tensor, "B 109"], Float[Tensor, "B 21 2"], Float[Tensor, "B 21"]]:
        """The numbers of the pose, 2D joints, and what is to be added to the log of their expected errors.

        Each 2D joint lies between the place by the heat maps and the place by the landmark network, and somewhat beside
        it, because the two mean not quite the same points of a hand.
        """
        pooled, joints, overview, landmarks = percept
        each = landmarks[:, POOLED:-2].reshape(-1, JOINTS, _PER_JOINT)
        gap = each[..., :2] - joints
        own = pooled + self.place(joints) + self.seen(torch.cat([each, gap], 2))
        tokens = torch.cat([self.overview(overview)[:, None], own], 1) + self.name
        told = self.norm(self.encoder(torch.cat([tokens, self.look(landmarks[:, :POOLED])[:, None]], 1)))
        direct = self.direct(landmarks[:, :-2])
        numbers = self.numbers(told[:, :-1].flatten(1)) + direct[:, :109]
        places = self.places(told[:, 1:-1]) + direct[:, 109:].reshape(-1, JOINTS, 4)
        share = torch.sigmoid(places[..., :1])
        return numbers, joints + share * gap + 0.1 * places[..., 1:3], places[..., 3]


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


def reduction_matrix(before: int, after: int) -> Float[Tensor, "after before"]:
    """Takes rows of pixels to fewer of them without aliasing: each is a triangle's weighted mean (bilinear, widened).

    Args:
        before: pixels of a row.
        after: pixels that it is to have.
    """
    factor = before / after
    centres = (torch.arange(after, dtype=torch.float64) + 0.5) * factor - 0.5
    distance = (torch.arange(before, dtype=torch.float64)[None] - centres[:, None]).abs()
    weights = (1.0 - distance / max(factor, 1.0)).clamp(min=0.0)
    return (weights / weights.sum(1, keepdim=True)).float()


def _resized(features: Tensor, size: int) -> Tensor:
    if features.shape[-1] == size:
        return features
    return functional.interpolate(features, size=(size, size), mode="bilinear")


def _start_near_zero(layer: nn.Linear) -> None:
    """The first prediction is the mean pose, the mean shape and the typical camera."""
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)
