"""--method and --network on the command line, and prediction without importing torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.arguments import parse
from app.command_line import _paths, run
from app.pipeline.paths.path_factories import chosen_paths
from app.sources.demo import DEMO_CLIP
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def network_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that always predicts a hand and is untrained otherwise."""
    torch = pytest.importorskip("torch")
    from trainer.export import ExportFacts, export_network
    from trainer.networks.building import build_network
    from trainer.networks.hand_network import NetworkConfig

    model = load_embedded_model()
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, 32), model)
    torch.nn.init.zeros_(network.crop_logits.weight)
    with torch.no_grad():
        network.crop_logits.bias[:] = torch.tensor([3.0, 3.0])
    folder = tmp_path_factory.mktemp("network")
    facts = ExportFacts("test", model.name, model.digest, 1.6, {"offset": 0.0, "slope": 1.0}, {})
    export_network(network, facts, folder)
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """The first frame of the demo clip."""
    clip = cv2.VideoCapture(str(DEMO_CLIP))
    ok, image = clip.read()
    clip.release()
    assert ok
    path = tmp_path / "hand.png"
    cv2.imwrite(str(path), image)
    return path


def test_both_methods_predict_without_torch(network_dir: Path, picture: Path, tmp_path: Path) -> None:
    output = tmp_path / "pred.json"
    code = (
        "import sys\nfrom app.environment import prepare_process\nprepare_process()\n"
        "from app.command_line import run\ncode = run(sys.argv[1:])\n"
        "assert not {'torch', 'onnx', 'PyQt6'} & set(sys.modules)\nsys.exit(code)\n"
    )
    arguments = ["predict", "--input", str(picture), "--method", "both", "--network", str(network_dir)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--output", str(output)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(output.read_text())["images"]
    by_method = {hand["method"]: hand for hand in image["hands"]}
    assert set(by_method) == {"ik", "network", "fused"}
    camera = Intrinsics.from_fov(image["width"], image["height"])
    middle = {method: project(np.array(hand["joints_m"]), camera).mean(0) for method, hand in by_method.items()}
    # the pose of an untrained network is arbitrary, but its crops lie on the hand
    size = np.ptp(np.array(by_method["ik"]["joints_px"]), axis=0).max()
    assert np.linalg.norm(middle["ik"] - middle["network"]) < 0.8 * size
    assert by_method["ik"]["side"] == by_method["network"]["side"]


def test_folder_without_a_network_is_refused(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "pred.json"
    for start in (["predict", "--input", str(picture), "--output", str(output)], ["--headless", "--source", "demo"]):
        assert run([*start, "--method", "network", "--network", str(tmp_path)]) == 2
        assert "There is no trained network at" in capsys.readouterr().err
    assert not output.exists()


def test_method_selects_the_paths_and_both_falls_back_to_ik_without_a_network(
    network_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model, warnings = load_embedded_model(), []  # type: ignore[var-annotated]
    for method, wanted in (("ik", ["ik"]), ("network", ["network"]), ("both", ["network", "ik"])):
        paths = chosen_paths(method, network_dir, model, 1, warn=warnings.append)  # type: ignore[arg-type]
        assert list(paths) == wanted
    assert warnings == []
    monkeypatch.setattr("app.pipeline.paths.path_factories.SHIPPED_NETWORK_DIR", tmp_path)
    assert list(chosen_paths("both", None, model, 1, warn=warnings.append)) == ["ik"]
    assert warnings == ["No trained network is installed, so --method both runs ik alone."]


def test_both_paths_run_by_default(network_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pipeline.paths.path_factories.SHIPPED_NETWORK_DIR", network_dir)
    model = load_embedded_model()
    assert list(_paths(parse([]), model, window=True)) == ["network", "ik"]
    assert list(_paths(parse(["--headless"]), model)) == ["network", "ik"]
    assert list(_paths(parse(["--method", "network"]), model, window=True)) == ["network"]
