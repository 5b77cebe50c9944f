"""Writes small TFLite files of one operator, so that the reader is tested on real files without third-party ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 2}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file: computed where it has no values, sparse where it is marked so."""

    shape: tuple[int, ...]
    values: np.ndarray | None = None
    sparse: bool = False

    @staticmethod
    def of(values: np.ndarray, *, sparse: bool = False) -> Tensor:
        return Tensor(values.shape, values, sparse)


@dataclass(frozen=True)
class Step:
    """One operator: TFLite's name, tensor numbers, and its options as (class, {field: value})."""

    name: str
    inputs: Sequence[int]
    output: int
    options: tuple[str, Mapping[str, Any]] | None = None
    version: int = field(default=1)


def tflite_file(
    tensors: Sequence[Tensor], steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """The content of a file."""
    builder = flatbuffers.Builder(1024)
    contents: list[bytes] = [b""]
    written = []
    for number, tensor in enumerate(tensors):
        place, kind, sparsity = 0, 0, None
        if tensor.values is not None:
            kind = TYPES[tensor.values.dtype]
            values = tensor.values
            if tensor.sparse:
                sparsity, values = _sparsity(builder, values)
            place = len(contents)
            contents.append(np.ascontiguousarray(values).tobytes())
        name = builder.CreateString(f"t{number}")
        shape = _ints(builder, tflite.TensorStartShapeVector, tensor.shape)
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, shape)
        tflite.TensorAddType(builder, kind)
        tflite.TensorAddBuffer(builder, place)
        tflite.TensorAddName(builder, name)
        if sparsity is not None:
            tflite.TensorAddSparsity(builder, sparsity)
        written.append(tflite.TensorEnd(builder))
    codes, operators = [], []
    for number, step in enumerate(steps):
        code = getattr(tflite.BuiltinOperator, step.name)
        tflite.OperatorCodeStart(builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
        tflite.OperatorCodeAddBuiltinCode(builder, code)
        tflite.OperatorCodeAddVersion(builder, step.version)
        codes.append(tflite.OperatorCodeEnd(builder))
        options = None
        if step.options is not None:
            kind_name, fields = step.options
            getattr(tflite, f"{kind_name}Start")(builder)
            for key, value in fields.items():
                getattr(tflite, f"{kind_name}Add{key}")(builder, value)
            options = getattr(tflite, f"{kind_name}End")(builder)
        ins = _ints(builder, tflite.OperatorStartInputsVector, step.inputs)
        outs = _ints(builder, tflite.OperatorStartOutputsVector, [step.output])
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, number)
        tflite.OperatorAddInputs(builder, ins)
        tflite.OperatorAddOutputs(builder, outs)
        if step.options is not None:
            tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, step.options[0]))
            tflite.OperatorAddBuiltinOptions(builder, options)
        operators.append(tflite.OperatorEnd(builder))
    tensor_vector = _offsets(builder, tflite.SubGraphStartTensorsVector, written)
    operator_vector = _offsets(builder, tflite.SubGraphStartOperatorsVector, operators)
    ins = _ints(builder, tflite.SubGraphStartInputsVector, inputs)
    outs = _ints(builder, tflite.SubGraphStartOutputsVector, outputs)
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensor_vector)
    tflite.SubGraphAddInputs(builder, ins)
    tflite.SubGraphAddOutputs(builder, outs)
    tflite.SubGraphAddOperators(builder, operator_vector)
    graph = tflite.SubGraphEnd(builder)
    buffers = []
    for content in contents:
        data = builder.CreateByteVector(content) if content else None
        tflite.BufferStart(builder)
        if data is not None:
            tflite.BufferAddData(builder, data)
        buffers.append(tflite.BufferEnd(builder))
    code_vector = _offsets(builder, tflite.ModelStartOperatorCodesVector, codes)
    graph_vector = _offsets(builder, tflite.ModelStartSubgraphsVector, [graph])
    buffer_vector = _offsets(builder, tflite.ModelStartBuffersVector, buffers)
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, code_vector)
    tflite.ModelAddSubgraphs(builder, graph_vector)
    tflite.ModelAddBuffers(builder, buffer_vector)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _sparsity(builder: flatbuffers.Builder, dense: np.ndarray) -> tuple[int, np.ndarray]:
    """All axes dense but the last, whose present indices are listed (as in MediaPipe's sparse face model)."""
    rows = dense.reshape(-1, dense.shape[-1])
    indices = [np.flatnonzero(row) for row in rows]
    segments = np.concatenate([[0], np.cumsum([len(row) for row in indices])]).astype(np.int32)
    vectors = []
    for values in (segments, np.concatenate(indices).astype(np.int32)):
        data = _ints(builder, tflite.Int32VectorStartValuesVector, values.tolist())
        tflite.Int32VectorStart(builder)
        tflite.Int32VectorAddValues(builder, data)
        vectors.append(tflite.Int32VectorEnd(builder))
    axes = []
    for axis, size in enumerate(dense.shape):
        tflite.DimensionMetadataStart(builder)
        if axis < dense.ndim - 1:
            tflite.DimensionMetadataAddFormat(builder, 0)
            tflite.DimensionMetadataAddDenseSize(builder, size)
        else:
            tflite.DimensionMetadataAddFormat(builder, 1)
            tflite.DimensionMetadataAddArraySegmentsType(builder, 1)
            tflite.DimensionMetadataAddArraySegments(builder, vectors[0])
            tflite.DimensionMetadataAddArrayIndicesType(builder, 1)
            tflite.DimensionMetadataAddArrayIndices(builder, vectors[1])
        axes.append(tflite.DimensionMetadataEnd(builder))
    order = _ints(builder, tflite.SparsityParametersStartTraversalOrderVector, list(range(dense.ndim)))
    metadata = _offsets(builder, tflite.SparsityParametersStartDimMetadataVector, axes)
    tflite.SparsityParametersStart(builder)
    tflite.SparsityParametersAddTraversalOrder(builder, order)
    tflite.SparsityParametersAddDimMetadata(builder, metadata)
    return tflite.SparsityParametersEnd(builder), dense[dense != 0]


def _ints(builder: flatbuffers.Builder, start: Any, values: Sequence[int]) -> int:
    start(builder, len(values))
    for value in reversed(values):
        builder.PrependInt32(int(value))
    return builder.EndVector()


def _offsets(builder: flatbuffers.Builder, start: Any, values: Sequence[int]) -> int:
    start(builder, len(values))
    for value in reversed(values):
        builder.PrependUOffsetTRelative(value)
    return builder.EndVector()
