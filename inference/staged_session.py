"""Runs a network in two stages: the part that needs the picture alone, then the part that also needs landmarks.

A network that takes landmarks beside its picture need not wait for them: most of its graph, the trunk, depends on the
picture alone. The graph is cut where the landmarks enter, so that the trunk runs while another network still reads
them, and what is left afterwards takes a tenth of the time. Both halves are cut from the one file when it is loaded;
together they compute what the whole computes, one crop at a time: sizes that are known beforehand spare the engine
working them out anew for every crop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from inference.onnx_messages import onnx_model_class

Features = Mapping[str, np.ndarray]
"""What the first stage hands on to the second, by the names of the graph's values."""

Open = Callable[[bytes], Any]
"""Makes an ``onnxruntime.InferenceSession`` for single crops of a serialized model."""

_MODEL: Final[Any] = onnx_model_class(
    {
        "Model": (("graph", 7, "Graph"),),
        "Graph": (
            ("node", 1, "Node*"),
            ("initializer", 5, "Tensor*"),
            ("input", 11, "Value*"),
            ("output", 12, "Value*"),
            ("value_info", 13, "Value*"),
        ),
        "Node": (("input", 1, "string*"), ("output", 2, "string*"), ("attribute", 5, "Attribute*")),
        "Attribute": (("g", 6, "Graph"), ("graphs", 11, "Graph*")),
        "Tensor": (("name", 8, "string"),),
        "Value": (("name", 1, "string"), ("type", 2, "Type")),
        "Type": (("tensor_type", 1, "TensorType"),),
        "TensorType": (("elem_type", 1, "int32"), ("shape", 2, "Shape")),
        "Shape": (("dim", 1, "Dimension*"),),
        "Dimension": (("dim_value", 1, "int64"), ("dim_param", 2, "string")),
    }
)

_ELEMENT_TYPES: Final = {"tensor(float)": 1, "tensor(int64)": 7, "tensor(bool)": 9}
"""ONNX Runtime's names of the types that values between the stages may have, as TensorProto.DataType."""


class StagedSession:
    """Both stages of a network; also a :class:`inference.runtime.Session` for callers that have all inputs at once."""

    def __init__(self, model: bytes, late_input: str, open_session: Open) -> None:
        """Cuts the graph and loads both halves.

        Args:
            model: a serialized ONNX model.
            late_input: the input that the first stage does without.
            open_session: loads one half.

        Raises:
            ValueError: the graph cannot be cut there.
        """
        whole = _MODEL()
        whole.ParseFromString(model)
        self._late_input = late_input
        self._features = _values_between(whole.graph, late_input)
        early_inputs = [value for value in whole.graph.input if value.name != late_input]
        first = _part(whole, early_inputs, [_value(name) for name in self._features])
        self._first = open_session(first)
        late_inputs = [value for value in whole.graph.input if value.name == late_input]
        handed_on = [_value(given.name, given.type, given.shape) for given in self._first.get_outputs()]
        self._second = open_session(_part(whole, [*late_inputs, *handed_on], whole.graph.output))

    def encode(self, inputs: Mapping[str, np.ndarray]) -> Features:
        """Runs the first stage.

        Args:
            inputs: all but the late one, of one crop.
        """
        return dict(zip(self._features, self._first.run(self._features, inputs), strict=True))

    def conclude(self, output_names: Sequence[str], features: Features, late: np.ndarray) -> Sequence[np.ndarray]:
        """Runs the second stage.

        Args:
            output_names: the outputs to compute.
            features: result of :meth:`encode`.
            late: the late input.
        """
        outputs: Sequence[np.ndarray] = self._second.run(output_names, {self._late_input: late, **features})
        return outputs

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        """Both stages, as ``onnxruntime.InferenceSession.run`` does it; a batch goes through crop by crop."""
        crops = []
        for row in range(len(inputs[self._late_input])):
            one = {name: value[row : row + 1] for name, value in inputs.items()}
            late = one.pop(self._late_input)
            crops.append(self.conclude(output_names, self.encode(one), late))
        return [np.concatenate(parts) for parts in zip(*crops, strict=True)]


def _values_between(graph: Any, late_input: str) -> list[str]:
    """The values that depend on early inputs alone and are needed together with the late one.

    Raises:
        ValueError: there is no such input, or no such values, or nodes hold graphs of their own.
    """
    if any(attribute.graphs or attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        raise ValueError("a graph with branches is not cut")
    late = {late_input}
    early = {value.name for value in graph.input} - late
    between: dict[str, None] = {}  # in the order of the graph
    for node in graph.node:  # ONNX requires sorted nodes: the inputs of a node are computed before it
        if late.intersection(node.input):
            late.update(node.output)
            between.update(dict.fromkeys(name for name in node.input if name in early))
        elif early.intersection(node.input):
            early.update(node.output)
    between.update(dict.fromkeys(value.name for value in graph.output if value.name in early))
    if len(late) == 1 or not between:
        raise ValueError(f"the graph has nothing to compute before {late_input}")
    return list(between)


def _part(whole: Any, inputs: Iterable[Any], outputs: Iterable[Any]) -> bytes:
    """The model that makes some values of others, with what it needs of the whole."""
    given, wanted = list(inputs), list(outputs)
    known = {value.name for value in given}
    needed = {value.name for value in wanted} - known
    nodes = []
    for node in reversed(whole.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(name for name in node.input if name not in known)
    part = _MODEL()
    part.CopyFrom(whole)
    for kept, values in (
        (part.graph.node, nodes[::-1]),
        (part.graph.initializer, [tensor for tensor in whole.graph.initializer if tensor.name in needed]),
        (part.graph.input, given),
        (part.graph.output, wanted),
        (part.graph.value_info, []),  # descriptions of values that may be gone
    ):
        del kept[:]
        kept.extend(values)
    serialized: bytes = part.SerializeToString()
    return serialized


def _value(name: str, element: str = "", shape: Sequence[int | str | None] = ()) -> Any:
    """The declaration of a value; without a type the engine infers it.

    Raises:
        ValueError: values of this type are not handed on.
    """
    value = _MODEL().graph.value_info.add(name=name)
    if element:
        if element not in _ELEMENT_TYPES:
            raise ValueError(f"values of type {element} are not handed on between stages")
        value.type.tensor_type.elem_type = _ELEMENT_TYPES[element]
        for length in shape:
            size = {"dim_value": length} if isinstance(length, int) else {"dim_param": length or ""}
            value.type.tensor_type.shape.dim.add(**size)
    return value
