"""Depthwise convolutions with faster gradients on processors.

oneDNN, which convolves for PyTorch on processors, falls back on plain loops for two gradients of depthwise
convolutions (PyTorch 2.14, Xeon with AMX, 64 maps of 672 x 8 x 8):

* by the weights of 5 x 5 kernels: 26 ms in float32, 104 in bfloat16, where a 3 x 3 kernel takes 2. But the gradient of
  one weight of a kernel depends on one shift of the input alone, so a 5 x 5 gradient can be put together of four 3 x 3
  ones that overlap.
* by the input, in bfloat16 and with a stride: 167 ms. In float32 it takes 3, both conversions included.

Together these were a third of a training step of EfficientNet.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

_KERNEL, _PART = 5, 3
_OFFSETS: Final = (0, 2)
"""Where the 3 x 3 parts of a 5 x 5 kernel begin, along each axis; the middle row and column are computed twice."""


class DepthwiseConv2d(nn.Conv2d):
    """One filter per channel: ``nn.Conv2d`` with as many groups as channels, and the same result."""

    def forward(self, features: Tensor) -> Tensor:
        learns_on_processor = torch.is_grad_enabled() and features.device.type == "cpu" and self.weight.requires_grad
        is_slow = self.kernel_size == (_KERNEL, _KERNEL) or self.stride[0] > 1
        if is_slow and self.bias is None and learns_on_processor:
            result: Tensor = _FastGradients.apply(features, self.weight, self.stride[0], self.padding[0])
            return result
        return super().forward(features)


class _FastGradients(torch.autograd.Function):
    """A depthwise convolution with equal strides and paddings along both axes."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(features, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        features, weight = ctx.saved_tensors
        by_features = None
        if ctx.needs_input_grad[0]:
            exact = torch.float32 if ctx.stride > 1 else upstream.dtype
            by_features = _gradient(
                False, upstream.to(exact), features.to(exact), weight.to(exact), ctx.stride, ctx.padding
            ).to(features.dtype)
        features, kernels = features.to(upstream.dtype), weight.to(upstream.dtype)
        if weight.shape[-1] == _KERNEL:
            by_weight = _gradient_of_large_kernels(upstream, features, kernels, ctx.stride, ctx.padding)
        else:
            by_weight = _gradient(True, upstream, features, kernels, ctx.stride, ctx.padding)
        return by_features, by_weight.to(weight.dtype), None, None


def _gradient_of_large_kernels(upstream: Tensor, features: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """The gradient by the weights of 5 x 5 kernels, put together of 3 x 3 parts."""
    padded = functional.pad(features, (padding,) * 4)
    height, width = ((size - 1) * stride + _PART for size in upstream.shape[2:])
    rows = []
    for top in _OFFSETS:
        row = []
        for left in _OFFSETS:
            seen = padded[:, :, top : top + height, left : left + width].contiguous(memory_format=torch.channels_last)
            part = weight[:, :, top : top + _PART, left : left + _PART]
            row.append(_gradient(True, upstream, seen, part, stride, 0))
        rows.append(torch.cat([row[0], row[1][..., 1:]], 3))
    return torch.cat([rows[0], rows[1][:, :, 1:]], 2)


def _gradient(of_weight: bool, upstream: Tensor, features: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """PyTorch's own gradient of a depthwise convolution, by its weight or else by its features."""
    geometry = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight)
    wanted = [not of_weight, of_weight, False]
    gradients = torch.ops.aten.convolution_backward(upstream, features, weight, None, *geometry, wanted)
    result: Tensor = gradients[int(of_weight)]
    return result
