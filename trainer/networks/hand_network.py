"""The hand network: a trunk, heat maps for the joints, and a pose head that pools features at the joints.

Plain regression from a pooled feature hardly trains from scratch on this task; heat maps do. So the 2D joints come
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
from hand.landmark_reading import CROP_NUMBERS, JOINT_NUMBERS, LARGEST_LOGIT, WORLD_SCALE
from hand.torch_rotations import matrix_from_sixd
from inference.landmark_reader import LANDMARK_PX
from inference.runtime import INPUT_NAME, LANDMARKS_NAME
from trainer.networks.hand_landmark import HandLandmarkNetwork
from trainer.networks.output import NetworkOutput
from trainer.networks.trunks import build_trunk

JOINTS = 21
GRID = 32
"""Side of the heat maps; finer than the fine feature map, because soft-argmax is only as exact as its cells."""

LOG_SIGMA_RANGE = (-6.0, 1.0)
"""Smallest and largest log of an expected 2D error, in crop coordinates."""

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
        trunk_px: the trunk's input is the crop reduced to this side; 0 for the crop as it is.
        landmarks: the hand-landmark network (``trainer.networks.hand_landmark``) reads the crop beside the trunk, and
            the pose head reads both; the crop then has its 224 px.
        upright: crops are turned so that the hand stands upright in them.
        blind_to: for ablations: the head receives nothing of the trunk or of the landmark network.
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
    blind_to: Literal["nothing", "trunk", "landmarks"] = "nothing"

    @property
    def seen_px(self) -> int:
        """Side of the trunk's input."""
        return self.trunk_px or self.input_px


class Percept(NamedTuple):
    """Everything that the pose head reads: vectors, no maps.

    While trunk and landmark network stay as they are, a crop's percept does too, so that heads can be taught from
    stored ones (``trainer.features``), at a hundredth of the cost.

    Attributes:
        pooled: features under the heat map of each joint.
        joints: 2D joints by the heat maps, crop coordinates.
        overview: features of the whole crop.
        landmarks: what the landmark network read (:data:`hand.landmark_reading.CROP_NUMBERS` numbers, described there);
            empty without that network.
    """

    pooled: Float[Tensor, "B 21 C"]
    joints: Float[Tensor, "B 21 2"]
    overview: Float[Tensor, "B D"]
    landmarks: Float[Tensor, "B L"]

    def flat(self) -> Float[Tensor, "B F"]:
        """One vector a crop."""
        return torch.cat([part.flatten(1) for part in self], 1)


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
                f"landmarks: true needs input_px: {LANDMARK_PX} and head: transformer, got {config.input_px} and "
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
            self.landmark_logits = nn.Linear(CROP_NUMBERS, 2)
            self.certainty = CertaintyHead(width, coarse)
            nn.init.zeros_(self.landmark_logits.weight)
            nn.init.zeros_(self.landmark_logits.bias)
        if config.trunk_px:
            self.register_buffer("reduction", reduction_matrix(config.input_px, config.trunk_px), persistent=False)
        self.register_buffer("mean_rotations_6d", mean_rotations_6d.reshape(96).clone())
        # ImageNet's statistics, so that pretrained trunks see what they were trained on
        self.register_buffer("pixel_mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1))
        self.register_buffer("pixel_std", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1))
        self.register_buffer("cell_centres", torch.linspace(-1 + 1 / GRID, 1 - 1 / GRID, GRID))

    def forward(
        self, image: Float[Tensor, "B 3 S S"] | Float[Tensor, "B F"], landmarks: Float[Tensor, "B L"] | None = None
    ) -> NetworkOutput:
        """Predicts.

        Args:
            image: RGB crops, 0 to 255, hands shown as right hands; or what :meth:`perceive` once made of them, flat.
            landmarks: crop vectors of what a landmark network read (``hand.landmark_reading``); the crops then have the
                side of the trunk's input. Without, the network's own landmark network reads the crops, which have the
                side of its input.
        """
        if image.dim() == 2:
            nothing = image.new_zeros(len(image), JOINTS, 0, 0)
            return self._answer(self._percept(image), nothing, nothing)
        return self._answer(*self._perceive(image, landmarks))

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what a crop comes as where landmarks are read elsewhere, by the names of an exported network."""
        shapes: dict[str, tuple[int, ...]] = {INPUT_NAME: (3, self.config.seen_px, self.config.seen_px)}
        if self.config.landmarks:
            return shapes | {LANDMARKS_NAME: (CROP_NUMBERS,)}
        return {INPUT_NAME: (3, self.config.input_px, self.config.input_px)}

    def perceive(self, image: Float[Tensor, "B 3 S S"], landmarks: Float[Tensor, "B L"] | None = None) -> Percept:
        """What the pose head reads of crops; arguments as :meth:`forward`'s."""
        return self._perceive(image, landmarks)[0]

    def _perceive(self, image: Tensor, landmarks: Tensor | None) -> tuple[Percept, Tensor, Tensor]:
        """Also the heat maps and the features under them."""
        seen = image
        if landmarks is None:
            landmarks = self._read_landmarks(image)
            if self.config.trunk_px:
                seen = self.reduction @ image @ self.reduction.T
        features, coarse = self._joint_features(seen)
        scores = functional.interpolate(self.to_heat_maps(features), size=(GRID, GRID), mode="bilinear")
        joints, pooled = self._read_heat_maps(scores, features)
        return Percept(pooled, joints, coarse.mean((2, 3)), landmarks), scores, features

    def _percept(self, flat: Float[Tensor, "B F"]) -> Percept:
        width = JOINTS * self.config.width
        rest = CROP_NUMBERS if self.config.landmarks else 0
        sizes = [width, 2 * JOINTS, flat.shape[1] - width - 2 * JOINTS - rest, rest]
        pooled, joints, overview, landmarks = torch.split(flat, sizes, 1)
        return Percept(
            pooled.reshape(-1, JOINTS, self.config.width), joints.reshape(-1, JOINTS, 2), overview, landmarks
        )

    def _read_landmarks(self, image: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B L"]:
        if not self.config.landmarks:
            return image.new_zeros(len(image), 0)
        read = self.landmarks(image / 255.0)
        places = read.image.reshape(-1, JOINTS, 3) * (2.0 / LANDMARK_PX) - image.new_tensor([1.0, 1.0, 0.0])
        each = torch.cat([places, read.world_m.reshape(-1, JOINTS, 3) * WORLD_SCALE], 2)
        logits = torch.cat([read.presence_logit, read.side_logit], 1).clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        return torch.cat([each.flatten(1), logits], 1)

    def _answer(self, percept: Percept, scores: Tensor, features: Tensor) -> NetworkOutput:
        percept = _blinded(percept, self.config.blind_to)
        pooled, joints, overview, landmarks = percept
        log_sigma, logits = self.joint_log_sigma(pooled)[..., 0], self.crop_logits(overview)
        if self.config.landmarks:
            assert isinstance(self.pose_head, LandmarkHead)
            fused = self.pose_head.fused(percept)
            numbers, joints = fused.numbers, fused.joints
            log_sigma = (log_sigma + fused.doubt).clamp(*LOG_SIGMA_RANGE)
            logits = logits + self.landmark_logits(landmarks)
            certainty = self.certainty(fused, percept, log_sigma)
        else:
            numbers = self.pose_head(pooled, joints, overview)
            log_sigma = log_sigma.clamp(*LOG_SIGMA_RANGE)
            certainty = certainty_of_sigma(log_sigma)
        rotations = matrix_from_sixd((self.mean_rotations_6d + numbers[:, :96]).reshape(-1, 16, 6))
        scale = TYPICAL_SCALE * torch.exp(numbers[:, 106:107].clamp(-3.0, 3.0))
        return NetworkOutput(
            rotations=rotations,
            shape=numbers[:, 96:106],
            camera=torch.cat([scale, numbers[:, 107:109]], 1),
            joints_crop=joints,
            log_sigma=log_sigma,
            heat_maps=scores,
            features=features,
            presence_logit=logits[:, 0],
            right_logit=logits[:, 1],
            certainty=certainty,
        )

    def joint_features(self, seen: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B C g g"]:
        """What the heat maps and the pose head are read from, for a network that is to see the same.

        Args:
            seen: RGB crops, 0 to 255, of the side of the trunk's input.
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


class Fused(NamedTuple):
    """Joint output of heat maps and landmarks.

    Attributes:
        numbers: of the pose, as :class:`TransformerHead` gives them.
        joints: 2D joints, crop coordinates.
        doubt: to be added to the log of their expected errors.
        encoded: tokens of the whole crop and of each joint.
    """

    numbers: Float[Tensor, "B 109"]
    joints: Float[Tensor, "B 21 2"]
    doubt: Float[Tensor, "B 21"]
    encoded: Float[Tensor, "B 22 C"]


class LandmarkHead(TransformerHead):
    """The same tokens with the landmark network's reading, one more for the reading as a whole, and two plain layers.

    The new layers' outputs begin at zero: the head begins as the one that it continues, with a small disturbance.
    """

    def __init__(self, width: int, coarse_channels: int, layers: int) -> None:
        super().__init__(width, coarse_channels, layers)
        self.seen = nn.Linear(JOINT_NUMBERS + 2, width)
        self.look = nn.Linear(CROP_NUMBERS, width)
        last = nn.Linear(512, 109 + 4 * JOINTS)
        self.direct = nn.Sequential(nn.Linear(CROP_NUMBERS, 512), nn.ReLU(inplace=True), last)
        self.places = nn.Linear(width, 4)
        nn.init.normal_(self.seen.weight, std=0.02)
        nn.init.zeros_(self.seen.bias)
        for layer in (last, self.places):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def fused(self, percept: Percept) -> Fused:
        """Both estimates together.

        Each 2D joint lies between the place by the heat maps and the place by the landmark network, and somewhat beside
        it, because the two mean not quite the same points of a hand.
        """
        pooled, joints, overview, landmarks = percept
        each = landmarks[:, :-2].reshape(-1, JOINTS, JOINT_NUMBERS)
        gap = each[..., :2] - joints
        own = pooled + self.place(joints) + self.seen(torch.cat([each, gap], 2))
        tokens = torch.cat([self.overview(overview)[:, None], own], 1) + self.name
        encoded = self.norm(self.encoder(torch.cat([tokens, self.look(landmarks)[:, None]], 1)))[:, :-1]
        direct = self.direct(landmarks)
        numbers = self.numbers(encoded.flatten(1)) + direct[:, :109]
        places = self.places(encoded[:, 1:]) + direct[:, 109:].reshape(-1, JOINTS, 4)
        share = torch.sigmoid(places[..., :1])
        return Fused(numbers, joints + share * gap + 0.1 * places[..., 1:3], places[..., 3], encoded)


class CertaintyHead(nn.Module):
    """Certainty that the 2D joints are good, from the input and output of the pose head; it changes neither.

    The expected errors describe how exact joints are. Whether one finger was taken for another shows elsewhere: in how
    far the two estimates are apart, in poses and places that do not go together.
    """

    def __init__(self, width: int, coarse_channels: int) -> None:
        super().__init__()
        read = 2 * width + 3 * JOINTS + coarse_channels + CROP_NUMBERS + 109
        self.layers = nn.Sequential(
            nn.LayerNorm(read), nn.Linear(read, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(self, fused: Fused, percept: Percept, log_sigma: Float[Tensor, "B 21"]) -> Float[Tensor, "B"]:
        """Log of the odds, as far as the network's own training goes.

        Args:
            fused: output of the pose head.
            percept: what it read.
            log_sigma: expected 2D errors.
        """
        places = percept.landmarks[:, :-2].reshape(-1, JOINTS, JOINT_NUMBERS)[..., :2]
        # lengths by squares: a length has no gradient at 0, and nothing is to flow back anyway
        between = (places - percept.joints).square().sum(2).sqrt()
        moved = (places - fused.joints).square().sum(2).sqrt()
        parts = (fused.encoded.mean(1), fused.encoded.amax(1), log_sigma, between, moved, percept.overview)
        read = torch.cat([*parts, percept.landmarks, fused.numbers], 1).detach()
        logit: Tensor = self.layers(read)
        return logit[:, 0]


def _blinded(percept: Percept, blind_to: str) -> Percept:
    """A percept without the trunk's or the landmark network's part; what is left is the joints' places alone."""
    if blind_to == "landmarks":
        blank = torch.zeros_like(percept.landmarks[:, :-2]).reshape(-1, JOINTS, JOINT_NUMBERS)
        blank = torch.cat([percept.joints, blank[..., 2:]], 2).flatten(1)
        return percept._replace(landmarks=torch.cat([blank, torch.zeros_like(percept.landmarks[:, -2:])], 1))
    if blind_to == "trunk":
        places = percept.landmarks[:, :-2].reshape(-1, JOINTS, JOINT_NUMBERS)[..., :2]
        return Percept(torch.zeros_like(percept.pooled), places, torch.zeros_like(percept.overview), percept.landmarks)
    return percept


def certainty_of_sigma(log_sigma: Float[Tensor, "B 21"]) -> Float[Tensor, "B"]:
    """The certainty of networks without a head for it: joints are the better, the smaller their expected error."""
    return -log_sigma.exp().mean(1).log()


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
    """Takes rows of pixels to fewer of them as :func:`hand.crop.crop_picture` does: a Gaussian, then bilinear samples.

    Args:
        before: pixels of a row.
        after: pixels that it is to have.
    """
    factor = before / after
    kernel = torch.ones(1, dtype=torch.float64)
    if factor > 1.1:
        sigma = (factor - 1.0) / 2.0
        reach = int(round(6.0 * sigma + 1.0) | 1) // 2  # OpenCV's size for pixels of one byte
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma).square())
    reach = len(kernel) // 2
    blur = torch.zeros(before, before, dtype=torch.float64)
    for offset, weight in zip(range(-reach, reach + 1), kernel / kernel.sum(), strict=True):
        place = (torch.arange(before) + offset).abs()
        place = torch.where(place < before, place, 2 * (before - 1) - place)  # mirrored at the edge pixel
        blur[torch.arange(before), place] += weight
    centres = (torch.arange(after, dtype=torch.float64) + 0.5) * factor - 0.5
    distance = (torch.arange(before, dtype=torch.float64)[None] - centres[:, None]).abs()
    return ((1.0 - distance).clamp(min=0.0) @ blur).float()


def _resized(features: Tensor, size: int) -> Tensor:
    if features.shape[-1] == size:
        return features
    return functional.interpolate(features, size=(size, size), mode="bilinear")


def _start_near_zero(layer: nn.Linear) -> None:
    """The first prediction is the mean pose, the mean shape and the typical camera."""
    nn.init.normal_(layer.weight, std=1e-3)
    nn.init.zeros_(layer.bias)
