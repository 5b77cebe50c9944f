"""TFLite to ONNX, operator by operator and as whole models, against LiteRT, the reference interpreter."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

tflite = pytest.importorskip("tflite", reason="the TFLite schema (package tflite) is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")
litert = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="the reference interpreter (ai-edge-litert) is not here"
)

from tflite_files import Step, Tensor, tflite_file  # noqa: E402

from assets import ASSETS_DIR  # noqa: E402
from hand.errors import DataError  # noqa: E402
from ik_baseline.model_conversion import __main__ as conversion  # noqa: E402
from ik_baseline.model_conversion.onnx_graph import to_onnx  # noqa: E402
from ik_baseline.model_conversion.prelu import rewrite_prelu  # noqa: E402
from ik_baseline.model_conversion.tflite_graph import read_tflite  # noqa: E402

RNG = np.random.default_rng(0)
PICTURE = Tensor((1, 9, 8, 4))
SAME, VALID = 0, 1
CONV = {"Padding": SAME, "StrideW": 1, "StrideH": 1, "DilationWFactor": 1, "DilationHFactor": 1}


def random(*shape: int, half: bool = False) -> Tensor:
    return Tensor.of(RNG.normal(size=shape).astype(np.float16 if half else np.float32))


def integers(*values: int) -> Tensor:
    return Tensor.of(np.array(values, np.int32))


def convolution(kernel: int, stride: int, padding: int, activation: int, *, half: bool = False) -> bytes:
    """A convolution to six channels, with weights behind DEQUANTIZE where they are halves."""
    size = tuple(-(-length // stride) if padding == SAME else (length - kernel) // stride + 1 for length in (9, 8))
    tensors = [PICTURE, random(6, kernel, kernel, 4, half=half), random(6), Tensor((1, *size, 6))]
    options = {**CONV, "Padding": padding, "StrideW": stride, "StrideH": stride, "FusedActivationFunction": activation}
    steps = [Step("CONV_2D", [0, 1, 2], 3, ("Conv2DOptions", options))]
    if half:
        tensors.append(Tensor((6, kernel, kernel, 4)))
        steps = [Step("DEQUANTIZE", [1], 4), Step("CONV_2D", [0, 4, 2], 3, ("Conv2DOptions", options))]
    return tflite_file(tensors, steps, [0], [3])


def sparse_convolution() -> bytes:
    weights = RNG.normal(size=(6, 1, 1, 4)).astype(np.float32) * (RNG.random((6, 1, 1, 4)) < 0.4)
    tensors = [
        PICTURE,
        Tensor.of(weights.astype(np.float32), sparse=True),
        Tensor((6, 1, 1, 4)),
        random(6),
        Tensor((1, 9, 8, 6)),
    ]
    steps = [Step("DENSIFY", [1], 2), Step("CONV_2D", [0, 2, 3], 4, ("Conv2DOptions", CONV))]
    return tflite_file(tensors, steps, [0], [4])


def depthwise(stride: int) -> bytes:
    options = {**CONV, "StrideW": stride, "StrideH": stride, "DepthMultiplier": 1, "FusedActivationFunction": 3}
    tensors = [PICTURE, random(1, 5, 5, 4), random(4), Tensor((1, -(-9 // stride), -(-8 // stride), 4))]
    return tflite_file(
        tensors, [Step("DEPTHWISE_CONV_2D", [0, 1, 2], 3, ("DepthwiseConv2DOptions", options))], [0], [3]
    )


def one(
    name: str, output: tuple[int, ...], *constants: Tensor, options: tuple[str, dict[str, int]] | None = None
) -> bytes:
    """An operator on the picture and constants."""
    tensors = [PICTURE, *constants, Tensor(output)]
    return tflite_file(
        tensors, [Step(name, range(len(tensors) - 1), len(tensors) - 1, options)], [0], [len(tensors) - 1]
    )


def flat_tail() -> bytes:
    """Mean over the picture, a fully connected layer and a logistic: how the landmark model ends."""
    tensors = [PICTURE, integers(1, 2), Tensor((1, 1, 1, 4)), random(3, 4), random(3), Tensor((1, 3)), Tensor((1, 3))]
    steps = [
        Step("MEAN", [0, 1], 2, ("ReducerOptions", {"KeepDims": True})),
        Step("FULLY_CONNECTED", [2, 3, 4], 5, ("FullyConnectedOptions", {})),
        Step("LOGISTIC", [5], 6),
    ]
    return tflite_file(tensors, steps, [0], [6])


def reshaped_and_joined() -> bytes:
    """Two maps laid out as lists and joined: how the palm model ends."""
    tensors = [
        PICTURE,
        integers(1, 144, 2),
        Tensor((1, 144, 2)),
        integers(1, 144, 2),
        Tensor((1, 144, 2)),
        Tensor((1, 288, 2)),
    ]
    steps = [
        Step("RESHAPE", [0, 1], 2),
        Step("RESHAPE", [0, 3], 4),
        Step("CONCATENATION", [2, 4], 5, ("ConcatenationOptions", {"Axis": 1})),
    ]
    return tflite_file(tensors, steps, [0], [5])


MODELS = {
    "CONV_2D same": lambda: convolution(3, 1, SAME, 0),
    "CONV_2D same, stride 2, relu": lambda: convolution(3, 2, SAME, 1),
    "CONV_2D valid, relu6": lambda: convolution(3, 2, VALID, 3),
    "CONV_2D, half weights, DEQUANTIZE": lambda: convolution(1, 1, SAME, 0, half=True),
    "CONV_2D, sparse weights, DENSIFY": sparse_convolution,
    "DEPTHWISE_CONV_2D": lambda: depthwise(1),
    "DEPTHWISE_CONV_2D, stride 2": lambda: depthwise(2),
    "PRELU": lambda: one("PRELU", (1, 9, 8, 4), random(1, 1, 4)),
    "RELU": lambda: one("RELU", (1, 9, 8, 4)),
    "LOGISTIC": lambda: one("LOGISTIC", (1, 9, 8, 4)),
    "ADD": lambda: tflite_file([PICTURE, Tensor((1, 9, 8, 4))], [Step("ADD", [0, 0], 1, ("AddOptions", {}))], [0], [1]),
    "PAD": lambda: one("PAD", (1, 10, 11, 6), Tensor.of(np.array([[0, 0], [0, 1], [1, 2], [0, 2]], np.int32))),
    "MAX_POOL_2D": lambda: one(
        "MAX_POOL_2D",
        (1, 5, 4, 4),
        options=("Pool2DOptions", {"Padding": SAME, "StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2}),
    ),
    "RESIZE_BILINEAR": lambda: one(
        "RESIZE_BILINEAR", (1, 18, 16, 4), integers(18, 16), options=("ResizeBilinearOptions", {})
    ),
    "RESIZE_BILINEAR, half pixels": lambda: one(
        "RESIZE_BILINEAR",
        (1, 18, 16, 4),
        integers(18, 16),
        options=("ResizeBilinearOptions", {"HalfPixelCenters": True}),
    ),
    "RESIZE_BILINEAR, aligned corners": lambda: one(
        "RESIZE_BILINEAR", (1, 17, 15, 4), integers(17, 15), options=("ResizeBilinearOptions", {"AlignCorners": True})
    ),
    "DEPTH_TO_SPACE": lambda: one("DEPTH_TO_SPACE", (1, 18, 16, 1), options=("DepthToSpaceOptions", {"BlockSize": 2})),
    "RESHAPE, CONCATENATION": reshaped_and_joined,
    "MEAN, FULLY_CONNECTED, LOGISTIC": flat_tail,
}


def reference(content: bytes, picture: np.ndarray) -> list[np.ndarray]:
    """Outputs of LiteRT's own kernels, without an accelerating delegate."""
    kernels = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = litert.Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


def run(model: onnx.ModelProto, picture: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: picture.transpose(0, 3, 1, 2)})


@pytest.mark.parametrize("name", MODELS)
def test_converted_operator_agrees_with_the_reference(name: str) -> None:
    content = MODELS[name]()
    picture = RNG.normal(size=PICTURE.shape).astype(np.float32)
    (wanted,) = reference(content, picture)
    model = to_onnx(read_tflite(content), "image", ["result"])
    for variant in (model, rewrite_prelu(model)):
        (found,) = run(variant, picture)
        if wanted.ndim == 4:
            found = found.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(found, wanted, atol=2e-5)
    assert np.ptp(wanted) > 0.02


def test_rewrite_removes_prelu_and_unused_initializers() -> None:
    model = to_onnx(read_tflite(MODELS["PRELU"]()), "image", ["result"])
    rewritten = rewrite_prelu(model)
    assert [node.op_type for node in model.graph.node] == ["PRelu"]
    assert sorted(node.op_type for node in rewritten.graph.node) == ["Add", "Conv", "Conv", "Relu"]
    used = {name for node in rewritten.graph.node for name in node.input}
    assert {initializer.name for initializer in rewritten.graph.initializer} <= used


def test_unsupported_operator_is_named_in_the_error() -> None:
    with pytest.raises(DataError, match="SQUEEZE"):
        to_onnx(read_tflite(one("SQUEEZE", (9, 8, 4))), "image", ["result"])
    with pytest.raises(DataError, match="TANH"):
        to_onnx(read_tflite(convolution(1, 1, SAME, 4)), "image", ["result"])
    with pytest.raises(DataError, match="no TFLite model"):
        read_tflite(b"no such thing")


@pytest.mark.parametrize("member", conversion.TASK_MEMBERS)
def test_shipped_models_equal_the_converted_bundle(member: str) -> None:
    model = conversion.TASK_MEMBERS[member]
    with zipfile.ZipFile(ASSETS_DIR / "hand_finder" / conversion.TASK_FILE) as bundle:
        content = bundle.read(member)
    assert hashlib.sha256(content).hexdigest() == model.sha256
    graph = read_tflite(content)
    picture = RNG.random(graph.shapes[graph.inputs[0]], np.float32)
    wanted = reference(content, picture)
    shipped = onnx.load(ASSETS_DIR / "hand_finder" / model.onnx_file)
    for found, truth in zip(run(shipped, picture), wanted, strict=True):
        np.testing.assert_allclose(found, truth, atol=1e-5 * max(np.abs(truth).max(), 1.0))
    assert onnx.load_from_string(conversion.converted(model, content)) == shipped


def test_wheel_with_unexpected_content_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = tmp_path / "mediapipe.whl"
    wheel.write_bytes(b"no zip")
    assert conversion.main(["--wheel", str(wheel), "--out", str(tmp_path / "out")]) == 2
    assert "is not the wheel of mediapipe==0.10.21" in capsys.readouterr().err
    with zipfile.ZipFile(wheel, "w") as archive:
        for model in conversion.MODELS:
            archive.writestr(model.path, b"changed")
    assert conversion.main(["--wheel", str(wheel), "--out", str(tmp_path / "out")]) == 2
    assert "has the SHA-256" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
