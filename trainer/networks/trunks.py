"""Trunks: torchvision's image networks cut open so that their feature maps can be used.

Each gives three feature maps, from a fine one (1/8 of the input) for where things are to a coarse one (1/32) for what
the whole hand does.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch
import torchvision
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

from hand.errors import ConfigError
from trainer.networks.efficientnet_lite import efficientnet_lite0

WEIGHT_FILES: Final = {
    "resnet18": "ResNet18_Weights",
    "resnet34": "ResNet34_Weights",
    "resnet50": "ResNet50_Weights",
    "resnet101": "ResNet101_Weights",
    "mobilenet_v3_large": "MobileNet_V3_Large_Weights",
    "mobilenet_v3_small": "MobileNet_V3_Small_Weights",
    "efficientnet_b0": "EfficientNet_B0_Weights",
    "vit_b_16": "ViT_B_16_Weights",
}
"""Trunks on offer, of torchvision, with its enumeration of their ImageNet weights."""


class ViTShape(NamedTuple):
    """What makes one vision transformer differ from another."""

    patch_px: int
    layers: int
    heads: int
    width: int


VITS: Final = {
    "vit_tiny_8": ViTShape(8, 12, 3, 192),
    "vit_tiny_16": ViTShape(16, 12, 3, 192),
    "vit_small_16": ViTShape(16, 12, 6, 384),
    "vit_b_16": ViTShape(16, 12, 12, 768),
}
"""Vision transformers: B is Dosovitskiy et al. 2020's, tiny and small are table 1 of Touvron et al. 2021 (DeiT).

Tiny has 5.5 million parameters, small 22, B 86. Patches of 8 px suit small crops: of 64 px, those of 16 make 16 tokens.
"""

TRUNKS: Final = (*dict.fromkeys((*WEIGHT_FILES, *VITS)), "efficientnet_lite0")
"""Names of all trunks."""


class Trunk(nn.Module):
    """The hand network's interface to a trunk: feature maps at 1/8, 1/16 and 1/32, and their numbers of channels."""

    channels: tuple[int, int, int]


class ResNetTrunk(Trunk):
    """ResNet-18, -34, -50 or -101 (He et al. 2015)."""

    def __init__(self, name: str, weights: object | None) -> None:
        super().__init__()
        net = getattr(torchvision.models, name)(weights=weights)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2)
        self.middle, self.deep = net.layer3, net.layer4
        widest = net.fc.in_features
        self.channels = (widest // 4, widest // 2, widest)

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor, Tensor]:
        """Fine, middle and coarse feature maps."""
        fine = self.stem(image)
        middle = self.middle(fine)
        return fine, middle, self.deep(middle)


class SequentialTrunk(Trunk):
    """MobileNetV3 (Howard et al. 2019) and EfficientNet (Tan and Le 2019): sequences of blocks, cut where they halve.

    So is EfficientNet-Lite0.
    """

    def __init__(self, blocks: nn.Sequential, usual_momentum: bool) -> None:
        super().__init__()
        fine_end, middle_end = (_last_block_at_stride(blocks, stride) + 1 for stride in (8, 16))
        self.stem, self.middle, self.deep = blocks[:fine_end], blocks[fine_end:middle_end], blocks[middle_end:]
        if usual_momentum:
            _use_usual_momentum(self)
        with torch.no_grad():
            fine, middle, coarse = self.eval()(torch.zeros(1, 3, 64, 64))
        self.train()
        self.channels = (fine.shape[1], middle.shape[1], coarse.shape[1])

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor, Tensor]:
        """Fine, middle and coarse feature maps."""
        fine = self.stem(image)
        middle = self.middle(fine)
        return fine, middle, self.deep(middle)


class ViTTrunk(Trunk):
    """Vision transformer (Dosovitskiy et al. 2020): its patch tokens, a third, two thirds and all of the way."""

    def __init__(self, shape: ViTShape, weights: Any | None, input_px: int) -> None:
        super().__init__()
        patch, layers, heads, width = shape
        net = VisionTransformer(input_px, patch, layers, heads, width, mlp_dim=4 * width)
        if weights is not None:
            # the weights contain positions in a picture of 224 px; these are stretched to this one's
            net.load_state_dict(interpolate_embeddings(input_px, patch, weights.get_state_dict(progress=False)))
        self.patches = net.conv_proj
        self.class_token, self.position = net.class_token, net.encoder.pos_embedding
        third = layers // 3
        blocks = net.encoder.layers
        self.early, self.middle, self.late = blocks[:third], blocks[third : 2 * third], blocks[2 * third :]
        self.norm = net.encoder.ln
        self.channels = (width,) * 3

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor, Tensor]:
        """Patch tokens as maps, upsampled twice by the caller for a finer grid."""
        patches = self.patches(image)
        batch, channels, height, width = patches.shape
        tokens = torch.cat([self.class_token.expand(batch, -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        early = self.early(tokens + self.position)
        middle = self.middle(early)
        late = self.norm(self.late(middle))

        def as_map(tokens: Tensor) -> Tensor:
            return tokens[:, 1:].transpose(1, 2).reshape(batch, channels, height, width)

        return as_map(early), as_map(middle), as_map(late)


def build_trunk(name: str, input_px: int, pretrained: bool) -> Trunk:
    """Makes a trunk by its torchvision name.

    Args:
        name: one of :data:`TRUNKS`.
        input_px: side of the input picture.
        pretrained: take torchvision's ImageNet weights.

    Raises:
        ConfigError: unknown name, or the weights are neither on disk nor to be had.
    """
    if name == "efficientnet_lite0":
        return SequentialTrunk(nn.Sequential(*efficientnet_lite0(pretrained)), usual_momentum=False)
    if name not in TRUNKS:
        raise ConfigError(f"There is no trunk called {name!r}; choose one of {', '.join(TRUNKS)}.")
    if pretrained and name not in WEIGHT_FILES:
        raise ConfigError(
            f"There are no published ImageNet weights of {name}; set pretrained: false, or take vit_b_16."
        )
    weights = getattr(torchvision.models, WEIGHT_FILES[name]).DEFAULT if pretrained else None
    try:
        if name.startswith("resnet"):
            return ResNetTrunk(name, weights)
        if name in VITS:
            return ViTTrunk(VITS[name], weights, input_px)
        blocks = getattr(torchvision.models, name)(weights=weights).features
        return SequentialTrunk(blocks, usual_momentum=not pretrained)
    except OSError as problem:  # URLError included: torchvision fetches the file when it is not in its cache
        raise ConfigError(
            f"ImageNet weights of {name} could not be had ({problem}); "
            "set pretrained: false, or start from a network of this program with start_from."
        ) from None


def _last_block_at_stride(blocks: nn.Sequential, stride: int) -> int:
    """Index of the last block with an output of 1/stride of the input's side."""
    size, last = 64, 0
    probe = torch.zeros(1, 3, size, size)
    blocks.eval()
    with torch.no_grad():
        for index, block in enumerate(blocks):
            probe = block(probe)
            if probe.shape[-1] >= size // stride:
                last = index
    blocks.train()
    return last


def _use_usual_momentum(trunk: nn.Module) -> None:
    """Torchvision's MobileNetV3 keeps running statistics with momentum 0.01, far too slow from scratch."""
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
