"""External data and custom operators are found in every place of an ONNX file that can hold them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.networks.onnx_check import onnx_demands
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR


def test_shipped_network_needs_no_external_data_and_no_custom_operators() -> None:
    demands = onnx_demands(SHIPPED_NETWORK_DIR / "network.onnx")
    assert (demands.domains, demands.is_split) == (frozenset({""}), False)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x3a\xff\xff\xff\xff\x0f", b"PK\x03\x04" + bytes(40)])
def test_file_that_is_not_an_onnx_model_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "network.onnx"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"\S"):
        onnx_demands(file)


def _add_initializer(onnx: Any, model: Any, tensor: Any, _node: Any) -> None:
    model.graph.initializer.append(tensor)


def _add_sparse(onnx: Any, model: Any, tensor: Any, _node: Any) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(tensor)


def _add_attribute(onnx: Any, model: Any, tensor: Any, _node: Any) -> None:
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("value", tensor))


def _add_listed_attribute(onnx: Any, model: Any, tensor: Any, _node: Any) -> None:
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("values", [tensor]))


def _add_subgraph(onnx: Any, model: Any, tensor: Any, node: Any) -> None:
    graph = onnx.helper.make_graph([node], "branch", [], [], [tensor])
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("then_branch", graph))


def _add_listed_subgraph(onnx: Any, model: Any, tensor: Any, node: Any) -> None:
    graph = onnx.helper.make_graph([node], "branch", [], [], [tensor])
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("branches", [graph]))


def _add_function(onnx: Any, model: Any, tensor: Any, node: Any) -> None:
    function = model.functions.add(name="f", domain="local")
    function.node.append(node)
    function.node[0].attribute.append(onnx.helper.make_attribute("value", tensor))


def _add_training(onnx: Any, model: Any, tensor: Any, node: Any) -> None:
    algorithm = model.training_info.add().algorithm
    algorithm.initializer.append(tensor)
    algorithm.node.append(node)


HOLDING_TENSORS = [
    _add_initializer, _add_sparse, _add_attribute, _add_listed_attribute, _add_subgraph, _add_listed_subgraph,
    _add_function, _add_training,
]  # fmt: skip
HOLDING_NODES = [_add_subgraph, _add_listed_subgraph, _add_function, _add_training]


@pytest.mark.parametrize("add", HOLDING_TENSORS)
@pytest.mark.parametrize("is_marked", [True, False])
def test_external_data_is_found_in_every_place(tmp_path: Path, add: Callable[..., None], is_marked: bool) -> None:
    onnx, model, tensor, node = _parts()
    add(onnx, model, tensor, node)
    assert _demands_of(_written(model, tmp_path)) == (frozenset({""}), False)
    onnx, model, tensor, node = _parts()
    onnx.external_data_helper.set_external_data(tensor, "../../elsewhere")
    tensor.ClearField("raw_data")
    if not is_marked:
        tensor.ClearField("data_location")
    add(onnx, model, tensor, node)
    assert _demands_of(_written(model, tmp_path)) == (frozenset({""}), True)


@pytest.mark.parametrize("add", HOLDING_NODES)
def test_custom_operators_are_found_in_every_place(tmp_path: Path, add: Callable[..., None]) -> None:
    onnx, model, tensor, node = _parts()
    node.domain = "com.evil"
    add(onnx, model, tensor, node)
    assert _demands_of(_written(model, tmp_path)) == (frozenset({"", "com.evil"}), False)


def _demands_of(file: Path) -> tuple[frozenset[str], bool]:
    demands = onnx_demands(file)
    return demands.domains, demands.is_split


def _parts() -> tuple[Any, Any, Any, Any]:
    """The onnx package, a model of one node, a tensor and a node to add to it."""
    onnx = pytest.importorskip("onnx", reason="the training part (onnx) is not installed")
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", [value], [value]))
    tensor = helper.make_tensor("numbers", onnx.TensorProto.FLOAT, [1], bytes(4), raw=True)
    return onnx, model, tensor, helper.make_node("Relu", ["a"], ["b"])


def _written(model: Any, folder: Path) -> Path:
    file = folder / "network.onnx"
    file.write_bytes(model.SerializeToString())
    return file
