"""Export: the exported file computes what the trained network does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import onnxruntime
import torch
from crops import stick_hand

from assets import ASSETS_DIR
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from inference.runtime import INPUT_NAME, OUTPUT_NAMES, load_network
from trainer.export import ExportFacts, export_network, is_large, round_to_half
from trainer.export import main as export_main
from trainer.networks.building import build_network
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.networks.weights import load_weights, save_weights

ROOT = Path(__file__).resolve().parents[2]
FACTS = ExportFacts("test", "embedded", "digest", 1.6, {"offset": 0.0, "slope": 1.0}, {"rendered_pa_mpjpe_mm": 7.0})


def random_network(trunk: str, head: str) -> HandNetwork:
    """A random network whose predictions differ from crop to crop, so that agreement is significant."""
    torch.manual_seed(4)
    network = build_network(NetworkConfig(trunk, head, 128, width=64), load_embedded_model())  # type: ignore[arg-type]
    torch.nn.init.normal_(network.pose_head.numbers.weight, std=0.5)  # type: ignore[union-attr, arg-type]
    # BatchNorm statistics of real inputs: with the initial ones an untrained trunk gives all crops equal features
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(pictures(16))
    return network


def pictures(count: int, start: int = 0) -> torch.Tensor:
    stack = np.stack([stick_hand(start + index, 128).image for index in range(count)])
    return torch.from_numpy(stack).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize(
    ("trunk", "head"), [("mobilenet_v3_large", "transformer"), ("resnet18", "mlp"), ("vit_tiny_16", "mlp")]
)
def test_onnx_runtime_and_torch_pose_the_same_hand(tmp_path: Path, trunk: str, head: str) -> None:
    """Joints within 0.1 mm, for one crop and for several at once."""
    network = random_network(trunk, head)
    export_network(network, FACTS, tmp_path)
    assert not network.training
    images = pictures(3)
    with torch.no_grad():
        expected = network(images)
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    layer = HandLayer(load_embedded_model(), np.float64)
    posed = []
    for part in (slice(0, 1), slice(0, 3)):
        values = session.run(OUTPUT_NAMES, {INPUT_NAME: images[part].numpy()})
        named = dict(zip(OUTPUT_NAMES, values, strict=True))
        for name, value in named.items():
            np.testing.assert_allclose(value, getattr(expected, name)[part].numpy(), atol=1e-3, rtol=1e-3)
        for index in range(len(values[0])):
            ours = layer.from_matrices(named["rotations"][index].astype(float), named["shape"][index]).joints_m
            truth = layer.from_matrices(
                expected.rotations[index].double().numpy(), expected.shape[index].double().numpy()
            ).joints_m
            assert np.linalg.norm(ours - truth, axis=1).max() < 1e-4
            posed.append(ours)
    # if all crops gave one hand, the agreement would be meaningless
    assert np.linalg.norm(posed[1] - posed[2], axis=1).max() > 5e-3


def test_half_precision_leaves_statistics_as_they_were_measured_with(tmp_path: Path) -> None:
    """Small variances would become zeros, and the weights' file another network than the ONNX file."""
    network = random_network("efficientnet_lite0", "mlp")
    large = 0
    with torch.no_grad():
        for name, value in network.named_buffers():
            if name.endswith("running_var") and is_large(value):
                value.fill_(1e-9)
                large += 1
    assert large, "or this tests nothing"
    round_to_half(network)
    export_network(network, FACTS, tmp_path, half=True)
    stored = load_weights(tmp_path / "network.safetensors")
    for name, value in network.named_buffers():
        assert stored[name].dtype == value.dtype
        torch.testing.assert_close(stored[name], value, rtol=0.0, atol=0.0)


def test_in_half_precision_both_files_hold_the_same_rounded_numbers(tmp_path: Path) -> None:
    network = random_network("mobilenet_v3_large", "transformer")
    export_network(network, FACTS, tmp_path / "whole")
    round_to_half(network)
    export_network(network, FACTS, tmp_path / "half", half=True)
    images = pictures(2)
    with torch.no_grad():
        expected = network(images)
    values_by_name = load_network(tmp_path / "half").outputs(images.numpy())
    for name, value in values_by_name.items():
        np.testing.assert_allclose(value, getattr(expected, name).numpy(), atol=1e-3, rtol=1e-3)
    stored = load_weights(tmp_path / "half" / "network.safetensors")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(stored[name].to(value.dtype), value, rtol=0.0, atol=0.0)
    for file in ("network.onnx", "network.safetensors"):
        whole, half = ((tmp_path / folder / file).stat().st_size for folder in ("whole", "half"))
        assert half < 0.6 * whole


def test_metadata_and_weights_are_exported(tmp_path: Path) -> None:
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, 32), load_embedded_model())
    export_network(network, FACTS, tmp_path)
    runtime = load_network(tmp_path)
    assert (runtime.input_px, runtime.crop_expansion, runtime.hand_model_digest) == (64, 1.6, "digest")
    assert json.loads((tmp_path / "network.json").read_text())["figures"] == {"rendered_pa_mpjpe_mm": 7.0}
    again = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, 32), load_embedded_model())
    again.load_state_dict(load_weights(tmp_path / "network.safetensors"))
    for before, after in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(before, after, rtol=0.0, atol=0.0)
    assert not list(tmp_path.glob("*.part*"))


def test_the_command_measures_calibrates_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(
        # as in a recipe that began with ImageNet: its weights are not needed any more
        "name: tiny\nnetwork: {trunk: mobilenet_v3_small, head: mlp, input_px: 64, width: 32, pretrained: true}\n"
        "held_out: [{kind: photographs, path: missing.json}]\n"
    )
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, 32), load_embedded_model())
    save_weights(tmp_path / "best.safetensors", network.state_dict(), {})
    out = tmp_path / "network"
    arguments = ["--weights", str(tmp_path / "best.safetensors"), "--config", str(recipe), "--out", str(out)]
    export_main([*arguments, "--crops", "12"])
    metadata = json.loads((out / "network.json").read_text())
    assert metadata["hand_model_digest"] == load_embedded_model().digest
    assert metadata["figures"]["rendered_pa_mpjpe_mm"] > 1.0
    assert set(metadata["confidence"]) == {"offset", "slope"}
    assert metadata["network"]["pretrained"] is False
    assert "missing.json should be a prediction file" in capsys.readouterr().err


def test_inference_loads_no_torch(tmp_path: Path) -> None:
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, 32), load_embedded_model())
    export_network(network, FACTS, tmp_path)
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from inference.runtime import load_network\n"
        "from hand.camera import Intrinsics; from hand.crop import SquareCrop\n"
        "runtime = load_network(Path(sys.argv[1]))\n"
        "image = np.full((240, 320, 3), 90, np.uint8)\n"
        "found = runtime.predict(image, SquareCrop(160.0, 120.0, 150.0), Intrinsics.from_fov(320, 240))\n"
        "assert np.isfinite(found.joints_px).all() and found.root_m[2] > 0\n"
        "assert 'torch' not in sys.modules and 'onnx' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


_KILLED = """
import os, signal, sys
from pathlib import Path
import trainer.export
from test_export import FACTS, random_network
network = random_network("resnet18", "mlp")
steps = {"write_onnx_model": 1, "save_weights": 2, "write_text_atomically": 3}
def kill_after(name, act):
    def wrapped(*arguments, **options):
        act(*arguments, **options)
        if name == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
    return wrapped
for name in steps:
    setattr(trainer.export, name, kill_after(name, getattr(trainer.export, name)))
trainer.export.export_network(network, FACTS, Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a process is killed")
@pytest.mark.parametrize("after", ["write_onnx_model", "save_weights", "write_text_atomically"])
def test_killed_export_leaves_the_old_network_intact(tmp_path: Path, after: str) -> None:
    folder = tmp_path / "network"
    shutil.copytree(ASSETS_DIR / "network", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    child = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder), after],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "trainer")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -9, child.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    load_network(folder)


def test_export_replaces_the_network_files_and_keeps_others(tmp_path: Path) -> None:
    folder = tmp_path / "network"
    shutil.copytree(ASSETS_DIR / "network", folder)
    card = (folder / "card.md").read_bytes()
    export_network(random_network("resnet18", "mlp"), FACTS, folder)
    assert json.loads((folder / "network.json").read_text())["name"] == "test"
    assert (folder / "card.md").read_bytes() == card
    assert list(tmp_path.iterdir()) == [folder]
