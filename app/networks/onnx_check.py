"""Operators and files that an ONNX file refers to; only the message fields that can name these are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from hand.errors import CheckpointError
from inference.onnx_messages import Fields, onnx_model_class

_EXTERNAL: Final = 1
"""TensorProto.DataLocation of numbers that are kept in another file."""

LARGEST_ONNX_BYTES: Final = 512 << 20

_KNOWN_DOMAINS: Final = frozenset({"", "ai.onnx"})
_REPEATING: Final = frozenset({"Loop", "Scan", "SequenceMap"})
"""Control flow: a loop may run for ever on the one picture that its maker chose. The exporter writes none."""

_FIELDS: Final[Fields] = {
    "Model": (("graph", 7, "Graph"), ("training", 20, "Training*"), ("functions", 25, "Function*")),
    "Training": (("initialization", 1, "Graph"), ("algorithm", 2, "Graph")),
    "Graph": (("node", 1, "Node*"), ("initializer", 5, "Tensor*"), ("sparse_initializer", 15, "SparseTensor*")),
    "Function": (("node", 7, "Node*"), ("attribute", 11, "Attribute*")),
    "Node": (("op_type", 4, "string"), ("attribute", 5, "Attribute*"), ("domain", 7, "string")),
    "Attribute": (
        ("t", 5, "Tensor"),
        ("g", 6, "Graph"),
        ("tensors", 10, "Tensor*"),
        ("graphs", 11, "Graph*"),
        ("sparse_tensor", 22, "SparseTensor"),
        ("sparse_tensors", 23, "SparseTensor*"),
    ),
    "SparseTensor": (("values", 1, "Tensor"), ("indices", 2, "Tensor")),
    "Tensor": (("external_data", 13, "bytes*"), ("data_location", 14, "int32")),
}

_MODEL: Final = onnx_model_class(_FIELDS)


@dataclass(frozen=True, slots=True)
class OnnxDemands:
    """References of a model, in all of its graphs.

    Attributes:
        domains: of its operators.
        operators: their names.
        is_split: it keeps numbers in other files.
    """

    domains: frozenset[str]
    operators: frozenset[str]
    is_split: bool


def onnx_demands(path: Path) -> OnnxDemands:
    """The references of a model.

    Args:
        path: an ONNX file.

    Raises:
        ValueError: it is not one.
        OSError: it cannot be read.
    """
    model = _MODEL()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as problem:
        raise ValueError(str(problem)) from None
    if not model.HasField("graph"):
        raise ValueError("it holds no graph")
    domains, operators, is_split = set[str](), set[str](), False
    waiting: list[Message] = [model]
    while waiting:
        message: Any = waiting.pop()
        kind = message.DESCRIPTOR.name
        if kind == "Node":
            domains.add(message.domain)
            operators.add(message.op_type)
        elif kind == "Tensor":
            is_split |= message.data_location == _EXTERNAL or len(message.external_data) > 0
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += [value] if isinstance(value, Message) else value
    return OnnxDemands(frozenset(domains), frozenset(operators), is_split)


def refuse_unsafe_onnx(path: Path, holder: str) -> None:
    """Rejects a model that refers to other files, or has a computing time that does not follow from its size.

    Args:
        path: an ONNX file.
        holder: what it is part of, for people.

    Raises:
        CheckpointError: it is no model, needs custom operators, refers to files beside it, which could be any file of
            this computer, or repeats parts of itself by its own numbers.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LARGEST_ONNX_BYTES:
        raise CheckpointError(
            f"{path.name} in {holder} is too large ({path.stat().st_size >> 20} MiB, at most "
            f"{LARGEST_ONNX_BYTES >> 20}); do not use it."
        )
    try:
        demands = onnx_demands(path)
    except ValueError as problem:
        raise CheckpointError(f"{path.name} in {holder} is damaged ({problem}); request it again.") from None
    for domain in sorted(demands.domains - _KNOWN_DOMAINS):
        raise CheckpointError(f"{path.name} in {holder} needs operators of {domain[:40]!r}; do not use it.")
    if demands.is_split:
        raise CheckpointError(f"{path.name} in {holder} refers to other files, which a shared network may not.")
    for operator in sorted(demands.operators & _REPEATING):
        raise CheckpointError(
            f"{path.name} in {holder} repeats parts of itself ({operator}), which no hand network does; do not use it."
        )
