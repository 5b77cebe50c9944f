"""Networks that hurt whoever runs them."""

from __future__ import annotations

import shutil
from pathlib import Path

from assets import ASSETS_DIR

SHIPPED = ASSETS_DIR / "network"


def hostile_network(folder: Path, kind: str) -> Path:
    """The shipped network, with something added that computes for ever, takes all memory, or is no number."""
    import onnx

    shutil.copytree(SHIPPED, folder)
    model = onnx.load(str(folder / "network.onnx"))
    helper, number = onnx.helper, onnx.TensorProto
    if kind == "loop":
        body = helper.make_graph(
            [helper.make_node("Identity", ["going"], ["goes"]), helper.make_node("Identity", ["x"], ["y"])],
            "body",
            [
                helper.make_tensor_value_info("turn", number.INT64, []),
                helper.make_tensor_value_info("going", number.BOOL, []),
                helper.make_tensor_value_info("x", number.FLOAT, []),
            ],
            [
                helper.make_tensor_value_info("goes", number.BOOL, []),
                helper.make_tensor_value_info("y", number.FLOAT, []),
            ],
        )
        nodes = [
            helper.make_node("Constant", [], ["for_ever"], value=helper.make_tensor("a", number.INT64, [], [1 << 62])),
            helper.make_node("Constant", [], ["go"], value=helper.make_tensor("b", number.BOOL, [], [True])),
            helper.make_node("Constant", [], ["zero"], value=helper.make_tensor("c", number.FLOAT, [], [0.0])),
            helper.make_node("Loop", ["for_ever", "go", "zero"], ["added"], body=body),
        ]
    elif kind == "memory":
        size = helper.make_tensor("a", number.INT64, [1], [3 << 30])
        nodes = [
            helper.make_node("Constant", [], ["size"], value=size),
            helper.make_node("ConstantOfShape", ["size"], ["huge"], value=helper.make_tensor("b", 1, [1], [0.0])),
            helper.make_node("ReduceMax", ["huge"], ["added"], keepdims=0),
        ]
    else:
        none = helper.make_tensor("a", number.FLOAT, [], [float("nan")])
        nodes = [helper.make_node("Constant", [], ["added"], value=none)]
    (last,) = (node for node in model.graph.node if "presence_logit" in node.output)
    last.output[list(last.output).index("presence_logit")] = "presence_before"
    model.graph.node.extend([*nodes, helper.make_node("Add", ["presence_before", "added"], ["presence_logit"])])
    onnx.save(model, str(folder / "network.onnx"))
    return folder
