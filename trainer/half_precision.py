"""Weights in two bytes each: rounded once, before a network is measured, so that what is measured is what ships."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

LARGE: Final = 1024
"""Tensors with fewer numbers stay as they are: biases and statistics save nothing, and want their digits."""


def round_to_half(network: nn.Module) -> None:
    """Rounds the large weights of a network to half precision, in place; their type stays single."""
    with torch.no_grad():
        for value in network.parameters():
            if is_large(value):
                value.copy_(value.half())


def is_large(value: Tensor) -> bool:
    """Whether a tensor is one of those that are rounded."""
    return value.dtype == torch.float32 and value.numel() >= LARGE


def store_in_half(file: Path) -> None:
    """Stores those large weights of an ONNX file in half precision that lose nothing by it; engines widen them again.

    Args:
        file: rewritten in place.
    """
    import onnx

    model = onnx.load(str(file))
    graph = model.graph
    casts = []
    for index, constant in enumerate(graph.initializer):
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype != np.float32 or array.size < LARGE:
            continue
        half = array.astype(np.float16)
        if (half.astype(np.float32) == array).all():
            name = constant.name
            graph.initializer[index].CopyFrom(onnx.numpy_helper.from_array(half, name + "_half"))
            casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(file))
