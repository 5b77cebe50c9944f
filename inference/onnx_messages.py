"""ONNX files as protobuf messages, without the onnx package, which only training needs.

Only the fields of ONNX's messages that are read here are declared. Protobuf keeps all others, so that a message
which is written again loses nothing. The field numbers are those of onnx.proto
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

Fields = Mapping[str, Sequence[tuple[str, int, str]]]
"""Message: its fields as (name, number, type); a star behind the type stands for a list."""


def onnx_model_class(fields: Fields) -> type[Message]:
    """The class of an ONNX model with some of its fields.

    Args:
        fields: what is declared, of ``Model`` and of the messages inside it.
    """
    file = descriptor_pb2.FileDescriptorProto(name="part_of_onnx.proto", package="onnx", syntax="proto2")
    scalars = {
        "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
        "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
        "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    }
    for name, declared in fields.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in declared:
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            kind = kind.removesuffix("*")
            if kind in scalars:
                field.type = scalars[kind]
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".onnx.{kind}"
    pool = descriptor_pool.DescriptorPool()  # of its own: readers declare different fields of the same messages
    pool.Add(file)
    model: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx.Model"))
    return model
