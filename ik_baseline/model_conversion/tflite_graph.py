"""Reads a TFLite file into plain dataclasses: operators in order, tensor shapes, constants as arrays.

Constants are followed through ``DEQUANTIZE`` (float16 weights) and ``DENSIFY`` (sparse weights), so that neither
operator is left in what is returned. The schema is TensorFlow Lite's ``schema.fbs``, in the classes of the ``tflite``
package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hand.errors import DataError

Attribute = int | float | bool | str

_TYPES: Final = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_OPTIONS: Final = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "ADD": "AddOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "CONCATENATION": "ConcatenationOptions",
    "MEAN": "ReducerOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
}
_FIELDS: Final = {
    "stride_h": "StrideH",
    "stride_w": "StrideW",
    "dilation_h": "DilationHFactor",
    "dilation_w": "DilationWFactor",
    "filter_h": "FilterHeight",
    "filter_w": "FilterWidth",
    "padding": "Padding",
    "activation": "FusedActivationFunction",
    "align_corners": "AlignCorners",
    "half_pixel_centers": "HalfPixelCenters",
    "axis": "Axis",
    "keep_dims": "KeepDims",
    "block_size": "BlockSize",
}


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a graph.

    Attributes:
        name: TFLite's name, such as ``CONV_2D``.
        inputs: tensor numbers; -1 for an optional one that is absent.
        output: tensor number.
        attributes: its options by the names of the schema; ``padding`` is "SAME" or "VALID", ``activation`` "NONE",
            "RELU", "RELU6" and so on.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True, eq=False)
class TfliteGraph:
    """The one subgraph of a model.

    Attributes:
        operators: in the order in which they are run.
        shapes: of every tensor, NHWC where there are four axes.
        constants: values of constant tensors in the file's own precision.
        inputs: tensor numbers.
        outputs: tensor numbers.
    """

    operators: tuple[Operator, ...]
    shapes: tuple[tuple[int, ...], ...]
    constants: Mapping[int, np.ndarray]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(content: bytes) -> TfliteGraph:
    """Reads a model.

    Args:
        content: of the ``.tflite`` file.

    Raises:
        DataError: it is no TFLite file, or has several subgraphs, or constants of an unsupported kind.
    """
    import tflite

    if content[4:8] != b"TFL3":
        raise DataError("This is no TFLite model: its file identifier is not TFL3.")
    model = tflite.Model.GetRootAsModel(content, 0)
    if model.SubgraphsLength() != 1:
        raise DataError(f"A TFLite model should have 1 subgraph, this one has {model.SubgraphsLength()}.")
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(number) for number in range(graph.TensorsLength())]
    shapes = tuple(_shape(tensor) for tensor in tensors)
    constants = {
        number: values for number, tensor in enumerate(tensors) if (values := _constant(model, tensor)) is not None
    }
    names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
    operators = []
    for number in range(graph.OperatorsLength()):
        raw = graph.Operators(number)
        code = model.OperatorCodes(raw.OpcodeIndex())
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = tuple(int(tensor) for tensor in raw.InputsAsNumpy())
        output = int(raw.OutputsAsNumpy()[0])
        if name in ("DEQUANTIZE", "DENSIFY"):
            if inputs[0] not in constants:
                raise DataError(f"{name} of a tensor that is no constant is not known here.")
            constants[output] = constants[inputs[0]]
            continue
        operators.append(Operator(name, inputs, output, _attributes(tflite, name, raw)))
    return TfliteGraph(
        tuple(operators),
        shapes,
        constants,
        tuple(int(tensor) for tensor in graph.InputsAsNumpy()),
        tuple(int(tensor) for tensor in graph.OutputsAsNumpy()),
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()


def _constant(model: Any, tensor: Any) -> np.ndarray | None:
    buffer = model.Buffers(tensor.Buffer())
    if buffer.DataLength() == 0:
        return None
    if tensor.Type() not in _TYPES:
        raise DataError(f"A constant of TFLite's type {tensor.Type()} is not known here; float and integer ones are.")
    values = np.frombuffer(buffer.DataAsNumpy().tobytes(), _TYPES[tensor.Type()])
    sparsity = tensor.Sparsity()
    return values.reshape(_shape(tensor)) if sparsity is None else _dense(values, _shape(tensor), sparsity)


def _dense(values: np.ndarray, shape: tuple[int, ...], sparsity: Any) -> np.ndarray:
    """A sparse constant written out in full.

    The format is that of TACO, as ``SparsityParameters`` in the schema describes it: each axis is either dense, or
    lists for every position of the axes before it the indices that are present.
    """
    order = sparsity.TraversalOrderAsNumpy().tolist()
    if order != list(range(len(shape))):
        raise DataError(
            f"Sparse constants in blocks or another axis order than {list(range(len(shape)))} are not known here."
        )
    places: list[tuple[int, ...]] = [()]
    for axis, size in enumerate(shape):
        metadata = sparsity.DimMetadata(axis)
        if metadata.Format() == 0:
            places = [(*place, index) for place in places for index in range(size)]
            continue
        segments, indices = _index_vector(metadata, "ArraySegments"), _index_vector(metadata, "ArrayIndices")
        places = [
            (*place, int(index))
            for number, place in enumerate(places)
            for index in indices[segments[number] : segments[number + 1]]
        ]
    dense = np.zeros(shape, values.dtype)
    dense[tuple(np.array(places).T)] = values
    return dense


def _index_vector(metadata: Any, name: str) -> np.ndarray:
    """One of the three kinds of index vectors of a sparse axis: int32, uint16 or uint8."""
    import tflite

    kind = getattr(metadata, f"{name}Type")()
    reader = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}[kind]()
    table = getattr(metadata, name)()
    reader.Init(table.Bytes, table.Pos)
    return np.asarray(reader.ValuesAsNumpy())


def _attributes(tflite: Any, name: str, raw: Any) -> dict[str, Attribute]:
    table = raw.BuiltinOptions()
    if name not in _OPTIONS or table is None:
        return {}
    options = getattr(tflite, _OPTIONS[name])()
    options.Init(table.Bytes, table.Pos)
    found: dict[str, Attribute] = {
        field: getattr(options, getter)() for field, getter in _FIELDS.items() if hasattr(options, getter)
    }
    if "padding" in found:
        found["padding"] = "VALID" if found["padding"] == 1 else "SAME"
    if "activation" in found:
        activations = {
            code: word for word, code in vars(tflite.ActivationFunctionType).items() if isinstance(code, int)
        }
        found["activation"] = activations[options.FusedActivationFunction()]
    return found
