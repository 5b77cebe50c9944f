"""A network split into two stages computes the outputs of the whole network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from assets import ASSETS_DIR
from hand.camera import Intrinsics
from hand.crop import SquareCrop
from hand.landmark_reading import LandmarkReading
from inference.runtime import INPUT_NAME, LANDMARKS_NAME, ONNX_FILE, load_network
from inference.staged_session import StagedSession

NETWORK = ASSETS_DIR / "network"
CAMERA = Intrinsics.from_fov(640, 480)
CROP = SquareCrop(300.0, 220.0, 260.0, 0.3)


def in_engine(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("batch", [1, 3])
def test_stages_of_the_shipped_network_agree_with_the_whole(batch: int) -> None:
    model = (NETWORK / ONNX_FILE).read_bytes()
    whole, staged = in_engine(model), StagedSession(model, LANDMARKS_NAME, in_engine)
    rng = np.random.default_rng(batch)
    shapes = {given.name: (batch, *given.shape[1:]) for given in whole.get_inputs()}
    inputs = {
        INPUT_NAME: rng.uniform(0.0, 255.0, shapes[INPUT_NAME]).astype(np.float32),
        LANDMARKS_NAME: rng.normal(0.0, 0.3, shapes[LANDMARKS_NAME]).astype(np.float32),
    }
    names = [output.name for output in whole.get_outputs()]
    for actual, expected in zip(staged.run(names, inputs), whole.run(names, inputs), strict=True):
        np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_encoded_features_are_reusable_for_several_readings() -> None:
    model = (NETWORK / ONNX_FILE).read_bytes()
    whole, staged = in_engine(model), StagedSession(model, LANDMARKS_NAME, in_engine)
    rng = np.random.default_rng(0)
    image = rng.uniform(0.0, 255.0, (1, *whole.get_inputs()[0].shape[1:])).astype(np.float32)
    features = staged.encode({INPUT_NAME: image})
    for _ in range(3):
        landmarks = rng.normal(0.0, 0.3, (1, whole.get_inputs()[1].shape[1])).astype(np.float32)
        (actual,) = staged.conclude(["joints_crop"], features, landmarks)
        (expected,) = whole.run(["joints_crop"], {INPUT_NAME: image, LANDMARKS_NAME: landmarks})
        np.testing.assert_allclose(actual, expected, atol=2e-5)


def small_model(folder: Path, *, late_reaches_output: bool = True) -> bytes:
    """y = (image * weight + weight) * late, z = image * weight: a constant of both stages, an output of the first."""
    onnx = pytest.importorskip("onnx", reason="the training part is not installed")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    values = {name: helper.make_tensor_value_info(name, number, ["batch", 2]) for name in ("image", "late", "y", "z")}
    nodes = [
        helper.make_node("Identity", ["weight"], ["same_weight"]),
        helper.make_node("Mul", ["image", "same_weight"], ["z"]),
        helper.make_node("Add", ["z", "same_weight"], ["sum"]),
        helper.make_node("Mul", ["sum", "late"], ["scaled"]) if late_reaches_output else None,
        helper.make_node("Mul", ["scaled" if late_reaches_output else "sum", "same_weight"], ["y"]),
    ]
    graph = helper.make_graph(
        [node for node in nodes if node is not None],
        "small",
        [values["image"], values["late"]],
        [values["y"], values["z"]],
        [helper.make_tensor("weight", number, [2], [2.0, -3.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    serialized: bytes = model.SerializeToString()
    return serialized


def test_constants_of_both_stages_and_outputs_of_the_first_are_kept(tmp_path: Path) -> None:
    staged = StagedSession(small_model(tmp_path), "late", in_engine)
    image, late, weight = np.float32([[1.0, 5.0]]), np.float32([[7.0, 11.0]]), np.float32([2.0, -3.0])
    features = staged.encode({"image": image})
    y, z = staged.conclude(["y", "z"], features, late)
    np.testing.assert_allclose(z, image * weight)
    np.testing.assert_allclose(y, (image * weight + weight) * late * weight)


@pytest.mark.parametrize("late_input", ["image", "nothing of that name"])
def test_a_graph_that_cannot_be_cut_is_refused(tmp_path: Path, late_input: str) -> None:
    with pytest.raises(ValueError, match="nothing to compute before"):
        StagedSession(small_model(tmp_path, late_reaches_output=False), late_input, in_engine)


def test_features_encoded_ahead_are_used_only_for_their_own_picture_and_crop() -> None:
    runtime = load_network(NETWORK)
    rng = np.random.default_rng(1)
    image, other = (rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(2))
    reading = LandmarkReading(
        rng.uniform(200.0, 400.0, (21, 2)), np.zeros(21), rng.normal(0.0, 0.05, (21, 3)), 0.98, 0.99
    )
    seen = runtime.encode(image, CROP)
    assert seen is not None
    for picture, crop in ((image, CROP), (other, CROP), (image, SquareCrop(300.0, 220.0, 200.0))):
        ahead = runtime.predict(picture, crop, CAMERA, reading, seen)
        alone = runtime.predict(picture, crop, CAMERA, reading)
        np.testing.assert_allclose(ahead.joints_px, alone.joints_px, atol=1e-3)
        np.testing.assert_allclose(ahead.rotations, alone.rotations, atol=1e-5)
