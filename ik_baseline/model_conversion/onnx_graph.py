"""Writes a TFLite graph as ONNX, operator by operator.

Tensors of four axes are NHWC in TFLite and NCHW here. Weights keep the file's precision: float16 ones are stored so and
cast when the model is loaded, which ONNX Runtime does once. Outputs keep TFLite's shapes and order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hand.errors import DataError
from ik_baseline.model_conversion.tflite_graph import Operator, TfliteGraph

OPSET: Final = 17
IR_VERSION: Final = 8

_NHWC_TO_NCHW: Final = (0, 3, 1, 2)
_NCHW_AXIS: Final = {0: 0, 1: 2, 2: 3, 3: 1}
"""Where an axis of an NHWC tensor lies in the NCHW one."""


def to_onnx(graph: TfliteGraph, input_name: str, output_names: Sequence[str]) -> onnx.ModelProto:
    """Converts a graph with one picture as input.

    Args:
        graph: as read by :func:`~ik_baseline.model_conversion.tflite_graph.read_tflite`.
        input_name: name of the input, [1, 3, height, width].
        output_names: names of the outputs, in the graph's order.

    Raises:
        DataError: the graph has an operator, an activation or an option that is not supported.
    """
    return _Writer(graph).write(input_name, output_names)


class _Writer:
    """Collects nodes and initializers while the graph is walked."""

    def __init__(self, graph: TfliteGraph) -> None:
        self._graph = graph
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._channels_last = {
            number for number in range(len(graph.shapes)) if len(graph.shapes[number]) != 4
        }  # grows: tensors that already have TFLite's own axis order
        self._writers: dict[str, Callable[[Operator], None]] = {
            "CONV_2D": self._convolution,
            "DEPTHWISE_CONV_2D": self._convolution,
            "PRELU": self._prelu,
            "ADD": self._add,
            "MAX_POOL_2D": self._max_pool,
            "PAD": self._pad,
            "RESIZE_BILINEAR": self._resize,
            "RESHAPE": self._reshape,
            "CONCATENATION": self._concatenate,
            "MEAN": self._mean,
            "FULLY_CONNECTED": self._fully_connected,
            "RELU": self._relu,
            "DEPTH_TO_SPACE": self._depth_to_space,
            "LOGISTIC": self._logistic,
        }

    def write(self, input_name: str, output_names: Sequence[str]) -> onnx.ModelProto:
        for operator in self._graph.operators:
            if operator.name not in self._writers:
                raise DataError(f"The TFLite operator {operator.name} is not known here.")
            self._writers[operator.name](operator)
        number = self._graph.inputs[0]
        self._rename(_name(number), input_name)
        for output, name in zip(self._graph.outputs, output_names, strict=True):
            self._rename(_name(output), name)
        batch, height, width, channels = self._graph.shapes[number]
        proto = helper.make_graph(
            self._nodes,
            "hand_finder",
            [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, channels, height, width])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, self._output_shape(output))
                for output, name in zip(self._graph.outputs, output_names, strict=True)
            ],
            list(self._initializers.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(proto, opset_imports=opsets, ir_version=IR_VERSION, producer_name="handlive")
        onnx.checker.check_model(model)
        return model

    def _output_shape(self, number: int) -> list[int]:
        shape = self._graph.shapes[number]
        return list(shape) if number in self._channels_last else [shape[axis] for axis in _NHWC_TO_NCHW]

    def _rename(self, before: str, after: str) -> None:
        for node in self._nodes:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == before:
                        names[place] = after

    # ---- helpers ----

    def _constant(self, number: int) -> np.ndarray:
        if number not in self._graph.constants:
            raise DataError(f"Tensor {number} was expected to be a constant of the model and is computed.")
        return self._graph.constants[number]

    def _store(self, name: str, values: np.ndarray) -> str:
        """Adds an initializer once; float16 ones are followed by a cast."""
        if name not in self._initializers and f"{name}_half" not in self._initializers:
            values = np.ascontiguousarray(values)
            if values.dtype == np.float16:
                self._initializers[f"{name}_half"] = numpy_helper.from_array(values, f"{name}_half")
                self._nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
            else:
                self._initializers[name] = numpy_helper.from_array(values, name)
        return name

    def _emit(self, kind: str, inputs: Sequence[str], operator: Operator, **attributes: Any) -> None:
        """One node, followed by the activation that TFLite fuses into it."""
        output, activation = _name(operator.output), str(operator.attributes.get("activation", "NONE"))
        if activation == "NONE":
            self._nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
            return
        self._nodes.append(helper.make_node(kind, list(inputs), [f"{output}_linear"], **attributes))
        if activation == "RELU":
            self._nodes.append(helper.make_node("Relu", [f"{output}_linear"], [output]))
        elif activation == "RELU6":
            limits = [self._store("zero", np.array(0.0, np.float32)), self._store("six", np.array(6.0, np.float32))]
            self._nodes.append(helper.make_node("Clip", [f"{output}_linear", *limits], [output]))
        else:
            raise DataError(f"The TFLite activation {activation} is not known here.")

    def _padding(
        self, operator: Operator, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
    ) -> list[int]:
        """TFLite's SAME: the output has ceil(size / stride) elements, and an odd pad has its larger half at the end."""
        if operator.attributes["padding"] == "VALID":
            return [0, 0, 0, 0]
        sizes = self._graph.shapes[operator.inputs[0]][1:3]
        before, after = [], []
        for size, length, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
            reach = (length - 1) * dilation + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after

    # ---- operators ----

    def _convolution(self, operator: Operator) -> None:
        weights = self._constant(operator.inputs[1])
        depthwise = operator.name == "DEPTHWISE_CONV_2D"
        # [out, h, w, in] and, for depthwise ones, [1, h, w, out]; ONNX needs [out, in / groups, h, w]
        weights = weights.transpose((3, 0, 1, 2) if depthwise else _NHWC_TO_NCHW)
        kernel = weights.shape[2:]
        strides = [int(operator.attributes["stride_h"]), int(operator.attributes["stride_w"])]
        dilations = [int(operator.attributes["dilation_h"]), int(operator.attributes["dilation_w"])]
        inputs = [_name(operator.inputs[0]), self._store(f"{_name(operator.output)}_weights", weights)]
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            inputs.append(self._store(f"{_name(operator.output)}_bias", self._constant(operator.inputs[2])))
        self._emit(
            "Conv",
            inputs,
            operator,
            kernel_shape=list(kernel),
            strides=strides,
            dilations=dilations,
            group=self._graph.shapes[operator.inputs[0]][3] if depthwise else 1,
            pads=self._padding(operator, kernel, strides, dilations),
        )

    def _prelu(self, operator: Operator) -> None:
        slopes = self._constant(operator.inputs[1]).reshape(-1, 1, 1)
        self._emit(
            "PRelu", [_name(operator.inputs[0]), self._store(f"{_name(operator.output)}_slopes", slopes)], operator
        )

    def _add(self, operator: Operator) -> None:
        self._emit("Add", [_name(number) for number in operator.inputs], operator)

    def _max_pool(self, operator: Operator) -> None:
        kernel = [int(operator.attributes["filter_h"]), int(operator.attributes["filter_w"])]
        strides = [int(operator.attributes["stride_h"]), int(operator.attributes["stride_w"])]
        pads = self._padding(operator, kernel, strides, [1, 1])
        self._emit("MaxPool", [_name(operator.inputs[0])], operator, kernel_shape=kernel, strides=strides, pads=pads)

    def _pad(self, operator: Operator) -> None:
        pads = self._constant(operator.inputs[1])[list(_NHWC_TO_NCHW)].astype(np.int64)
        stored = self._store(f"{_name(operator.output)}_pads", np.concatenate([pads[:, 0], pads[:, 1]]))
        self._emit("Pad", [_name(operator.inputs[0]), stored], operator, mode="constant")

    def _resize(self, operator: Operator) -> None:
        height, width = (int(size) for size in self._constant(operator.inputs[1]))
        batch, _, _, channels = self._graph.shapes[operator.inputs[0]]
        sizes = self._store(f"{_name(operator.output)}_sizes", np.array([batch, channels, height, width], np.int64))
        if operator.attributes["align_corners"]:
            rule = "align_corners"
        else:
            rule = "half_pixel" if operator.attributes["half_pixel_centers"] else "asymmetric"
        inputs = [_name(operator.inputs[0]), "", "", sizes]
        self._emit("Resize", inputs, operator, mode="linear", coordinate_transformation_mode=rule)

    def _reshape(self, operator: Operator) -> None:
        source = self._in_tflite_order(operator.inputs[0])
        shape = self._store(f"{_name(operator.output)}_shape", np.array(self._graph.shapes[operator.output], np.int64))
        self._channels_last.add(operator.output)
        self._emit("Reshape", [source, shape], operator)

    def _concatenate(self, operator: Operator) -> None:
        axis = int(operator.attributes["axis"])
        if operator.inputs[0] in self._channels_last:
            self._channels_last.add(operator.output)
        else:
            axis = _NCHW_AXIS[axis % 4]
        self._emit("Concat", [_name(number) for number in operator.inputs], operator, axis=axis)

    def _mean(self, operator: Operator) -> None:
        axes = sorted(self._constant(operator.inputs[1]).ravel().tolist())
        if axes != [1, 2]:
            raise DataError(f"The mean over the axes {axes} is not known here; over height and width it is.")
        self._emit(
            "ReduceMean",
            [_name(operator.inputs[0])],
            operator,
            axes=[2, 3],
            keepdims=int(operator.attributes["keep_dims"]),
        )

    def _fully_connected(self, operator: Operator) -> None:
        flat = f"{_name(operator.output)}_flat"
        self._nodes.append(helper.make_node("Flatten", [self._in_tflite_order(operator.inputs[0])], [flat], axis=1))
        inputs = [flat, self._store(f"{_name(operator.output)}_weights", self._constant(operator.inputs[1]))]
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            inputs.append(self._store(f"{_name(operator.output)}_bias", self._constant(operator.inputs[2]).ravel()))
        self._emit("Gemm", inputs, operator, transB=1)

    def _relu(self, operator: Operator) -> None:
        self._emit("Relu", [_name(operator.inputs[0])], operator)

    def _depth_to_space(self, operator: Operator) -> None:
        size = int(operator.attributes["block_size"])
        self._emit("DepthToSpace", [_name(operator.inputs[0])], operator, blocksize=size, mode="DCR")

    def _logistic(self, operator: Operator) -> None:
        self._emit("Sigmoid", [_name(operator.inputs[0])], operator)

    def _in_tflite_order(self, number: int) -> str:
        """The name of a tensor with TFLite's own order of axes, which flattening and reshaping rely on."""
        if number in self._channels_last:
            return _name(number)
        turned = f"{_name(number)}_nhwc"
        if not any(turned in node.output for node in self._nodes):
            self._nodes.append(helper.make_node("Transpose", [_name(number)], [turned], perm=[0, 2, 3, 1]))
        return turned


def _name(number: int) -> str:
    return f"tensor_{number}"
