"""MediaPipe's hand-landmark network in PyTorch: a trunk that was taught with millions of real hands, and its read-out.

The layers are EfficientNet-Lite's (Tan and Le 2019, Liu 2020) with a narrower stem and 1,152 channels at the end, batch
normalisation folded into the convolutions (Zhang et al. 2020, "MediaPipe Hands"; weights under Apache 2.0). Reads the
ONNX file of ``assets/hand_finder``; 331 million multiplications at 224 px, 2.7 million parameters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand.errors import ConfigError
from inference.landmark_reader import LANDMARK_FILE
from trainer.networks.efficientnet_lite import InvertedResidual, same_padding

POOLED: Final = 1152
"""Channels that are pooled before the read-out."""

_STEM: Final = 24
_BLOCKS: Final = (
    # expansion, kernel, stride, channels; read off the published graph
    (1, 3, 1, 16),
    (4, 3, 2, 24),
    (6, 3, 1, 24),
    (6, 5, 2, 40),
    (6, 5, 1, 40),
    (6, 3, 2, 80),
    (6, 3, 1, 80),
    (6, 3, 1, 80),
    (6, 5, 1, 112),
    (6, 5, 1, 112),
    (6, 5, 1, 112),
    (6, 5, 2, 192),
    (6, 5, 1, 192),
    (6, 5, 1, 192),
    (6, 5, 1, 192),
)
_FINE_END: Final = 5
_MIDDLE_END: Final = 11
"""Blocks before these numbers have strides up to 8 and up to 16."""


class LandmarkReadOut(NamedTuple):
    """The published network's outputs for one crop.

    Attributes:
        pooled: features of the whole crop.
        image: x, y (pixels of the 224 px crop) and relative depth of the 21 landmarks.
        world_m: 21 landmarks in metres about the hand's middle, crop axes.
        presence_logit: whether the crop shows a hand.
        side_logit: which side it is; its sign is the published network's own.
    """

    pooled: Float[Tensor, "B 1152"]
    image: Float[Tensor, "B 63"]
    world_m: Float[Tensor, "B 63"]
    presence_logit: Float[Tensor, "B 1"]
    side_logit: Float[Tensor, "B 1"]


class HandLandmarkNetwork(nn.Module):
    """The published network, with its feature maps within reach."""

    def __init__(self) -> None:
        """Builds the layers with random weights; :func:`load_published` fills them."""
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(*_convolution(3, _STEM, 3, stride=2), nn.ReLU6(inplace=True))]
        channels = _STEM
        for expansion, kernel, stride, width in _BLOCKS:
            blocks.append(InvertedResidual(channels, width, expansion, kernel, stride, _convolution))
            channels = width
        self.fine = nn.Sequential(*blocks[: _FINE_END + 1])
        self.middle = nn.Sequential(*blocks[_FINE_END + 1 : _MIDDLE_END + 1])
        self.deep = nn.Sequential(
            *blocks[_MIDDLE_END + 1 :],
            *_convolution(channels, POOLED, 1),
            nn.ReLU6(inplace=True),
            *_convolution(POOLED, POOLED, 3, groups=POOLED),
            nn.ReLU6(inplace=True),
        )
        self.side, self.presence = nn.Linear(POOLED, 1), nn.Linear(POOLED, 1)
        self.image, self.world = nn.Linear(POOLED, 63), nn.Linear(POOLED, 63)

    def maps(self, image: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, Tensor, Tensor]:
        """Feature maps at 1/8, 1/16 and 1/32 of a crop with values from 0 to 1."""
        fine = self.fine(image)
        middle = self.middle(fine)
        return fine, middle, self.deep(middle)

    def forward(self, image: Float[Tensor, "B 3 224 224"]) -> LandmarkReadOut:
        """The read-out of crops with values from 0 to 1."""
        pooled = self.maps(image)[2].mean((2, 3))
        return LandmarkReadOut(pooled, self.image(pooled), self.world(pooled), self.presence(pooled), self.side(pooled))


def load_published(network: HandLandmarkNetwork, file: Path = LANDMARK_FILE) -> None:
    """Fills the network with the published weights.

    Convolutions are taken in the order of the file's graph; the four read-outs by the output that they feed: image
    landmarks, presence, side, world landmarks.

    Args:
        network: changed in place.
        file: an ONNX file of the published graph, weights in single or half precision.

    Raises:
        ConfigError: the file or the package that reads it is missing, or it holds another network.
    """
    try:
        import onnx

        graph = onnx.load(str(file)).graph
    except (ImportError, OSError) as problem:
        raise ConfigError(
            f"The hand-landmark network {file} could not be read ({problem}); it comes with the program, and the "
            "training extra (`pip install .[train]`) brings what reads it."
        ) from None
    constants = {one.name: np.asarray(onnx.numpy_helper.to_array(one), np.float32) for one in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}

    def constant(name: str) -> Tensor:
        while name not in constants and name in maker:
            name = maker[name].input[0]  # weights in half precision pass through a cast
        return torch.from_numpy(constants[name].copy())

    try:
        taken = [[constant(name) for name in node.input[1:3]] for node in graph.node if node.op_type == "Conv"]
        own = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        pairs: list[tuple[nn.Conv2d | nn.Linear, list[Tensor]]] = list(zip(own, taken, strict=True))
        read_outs = (network.image, network.presence, network.side, network.world)
        for layer, output in zip(read_outs, graph.output, strict=True):
            node = maker[output.name]
            while node.op_type != "Gemm":
                node = maker[node.input[0]]
            pairs.append((layer, [constant(name) for name in node.input[1:3]]))
        with torch.no_grad():
            for module, (weight, bias) in pairs:
                if module.weight.shape != weight.shape:
                    raise ValueError(f"{tuple(weight.shape)} where {tuple(module.weight.shape)} was expected")
                module.weight.copy_(weight)
                assert module.bias is not None
                module.bias.copy_(bias)
    except (KeyError, ValueError) as problem:
        raise ConfigError(f"{file} is not the published hand-landmark network ({problem}); install it again.") from None


def _convolution(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution with the batch normalisation folded into it."""
    layers, padding = same_padding(kernel, stride)
    return [*layers, nn.Conv2d(inside, outside, kernel, stride, padding, groups=groups)]
