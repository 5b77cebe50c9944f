"""Rewrites PRelu as two depthwise 1 x 1 convolutions around a Relu, which ONNX Runtime computes faster on processors.

PRelu(x) = max(x, 0) + a min(x, 0) = (1 - a) max(x, 0) + a x, with one slope a for each channel. ONNX Runtime fuses and
vectorises convolutions and Relu, while its PRelu broadcasts the slope element by element: the palm search takes 1.7
times as long with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def rewrite_prelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model in which every PRelu with constant slopes [C, 1, 1] is rewritten; outputs agree to rounding."""
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    graph = rewritten.graph
    stored = {initializer.name: initializer for initializer in graph.initializer}
    cast_from = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    nodes: list[onnx.NodeProto] = []
    replaced: set[str] = set()
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        source, slope_name = node.input
        replaced.add(slope_name)
        slopes = numpy_helper.to_array(stored[cast_from.get(slope_name, slope_name)]).astype(np.float32).ravel()
        nodes += _around_relu(graph, source, node.output[0], slopes)
    unused = replaced | {cast_from.get(name, name) for name in replaced}
    del graph.node[:]
    graph.node.extend(node for node in nodes if not (node.op_type == "Cast" and node.output[0] in replaced))
    kept = [initializer for initializer in graph.initializer if initializer.name not in unused]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(rewritten)
    return rewritten


def _around_relu(graph: onnx.GraphProto, source: str, output: str, slopes: np.ndarray) -> list[onnx.NodeProto]:
    channels = len(slopes)
    attributes: dict[str, Any] = {"group": channels, "kernel_shape": [1, 1]}
    for name, values in (("positive", 1.0 - slopes), ("both", slopes)):
        array = values.astype(np.float32).reshape(channels, 1, 1, 1)
        graph.initializer.append(numpy_helper.from_array(array, f"{output}_{name}"))
    return [
        helper.make_node("Relu", [source], [f"{output}_relu"]),
        helper.make_node("Conv", [f"{output}_relu", f"{output}_positive"], [f"{output}_part"], **attributes),
        helper.make_node("Conv", [source, f"{output}_both"], [f"{output}_line"], **attributes),
        helper.make_node("Add", [f"{output}_line", f"{output}_part"], [output]),
    ]
