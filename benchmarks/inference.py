"""What one hand costs the network path on one CPU thread, beside the hand-landmark network, torch and a ResNet-50.

Run ``python -m benchmarks.inference``, with ``--network DIR`` for another network than the shipped one. Where
there is none, the network of configs/shipped.yaml is timed untrained: weights cost no time. Beside a finder that has
read a hand's landmarks in the same frame, the path is given them; alone it reads them itself. It should cost at most
1.6 times what MediaPipe's hand-landmark network does alone.
"""

from __future__ import annotations

import os

# before NumPy and torch start their thread pools: a live hand has one core, and its neighbours need the others
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import onnxruntime
import torch

from app.machine import describe_machine
from app.pipeline.paths.network_pose import NetworkHand, NetworkPoser, RefitState
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from benchmarks.times_in_turns import CALLS_PER_TURN, ROUNDS, times_in_turns_ms
from hand.camera import Intrinsics
from hand.crop import SquareCrop
from hand.embedded import load_embedded_model
from inference.landmark_reader import LANDMARK_FILE, LANDMARK_PX, LandmarkReader
from inference.runtime import (
    INPUT_NAME,
    METADATA_FILE,
    OUTPUT_NAMES,
    WEIGHTS_FILE,
    NetworkRuntime,
    grey_inputs,
    load_network,
    open_session,
)
from trainer.export import ExportFacts, export_network
from trainer.networks.building import build_network, trained_network
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.recipe.config import exported_layout, read_config

RECIPE = Path(__file__).resolve().parent.parent / "configs" / "shipped.yaml"

_LIVE_TARGET = 1.6
_LIVE = "live: crop, network, pose, mesh"
_ALONE = "the same, reading landmarks"
_LANDMARKS = "landmark network, ONNX Runtime"


def main() -> None:
    """Prints medians and ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference")
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR, metavar="DIR")
    folder: Path = parser.parse_args().network
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        if not (folder / METADATA_FILE).is_file():
            print(f"no network in {folder}: the one of {RECIPE.name}, untrained, is timed in its place")
            folder = _exported(read_config(RECIPE).network, Path(scratch) / "network")
        runtime = load_network(folder)
        config = exported_layout(folder)
        peer_config = NetworkConfig("resnet50", config.head, config.seen_px, config.width, config.layers)
        peer = load_network(_exported(peer_config, Path(scratch) / "peer"))
        weights = folder / WEIGHTS_FILE
        model = load_embedded_model()
        network = trained_network(config, model, weights).eval() if weights.is_file() else _network(config)
    peer_network = _network(peer_config)

    shapes = network.input_shapes()
    tensors = {name: 128.0 + 50.0 * torch.randn(1, *shape) for name, shape in shapes.items()}
    inputs = grey_inputs(runtime.metadata)
    session, names = open_session(folder, runtime.metadata), runtime.metadata.get("outputs", OUTPUT_NAMES)
    peer_array = tensors[INPUT_NAME].numpy()
    peer_tensor = tensors[INPUT_NAME]
    paths: dict[str, Callable[[], object]] = {
        _LIVE: _live_hand(runtime, runtime.takes_landmarks),
        _ALONE: _live_hand(runtime, False),
        "network, ONNX Runtime": lambda: session.run(names, inputs),
        "network, torch eager": lambda: network(*tensors.values()),
        _LANDMARKS: _landmark_network(),
        "ResNet-50, ONNX Runtime": lambda: peer.outputs(peer_array),
        "ResNet-50, torch eager": lambda: peer_network(peer_tensor),
    }
    with torch.inference_mode():
        medians = {name: median(times) for name, times in times_in_turns_ms(paths).items()}
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, one used; {config.trunk} + {config.head} head, ", end="")
    print(f"{config.input_px} px; median of {ROUNDS * CALLS_PER_TURN} calls, in turns of {CALLS_PER_TURN}:")
    for name, value in medians.items():
        print(f"  {name:32s} {value:7.2f} ms   {value / medians['network, ONNX Runtime']:5.2f} x the network")
    ratio, alone = (medians[name] / medians[_LANDMARKS] for name in (_LIVE, _ALONE))
    verdict = "met" if ratio <= _LIVE_TARGET else "MISSED"
    print(f"live: {ratio:.2f} x the landmark network, target of {_LIVE_TARGET:g}: {verdict}; alone {alone:.2f} x")


def _live_hand(runtime: NetworkRuntime, landmarks_given: bool) -> Callable[[], object]:
    """Everything that a followed hand costs in a frame of 640 x 480."""
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    camera, crop = Intrinsics.from_fov(640, 480), SquareCrop(300.0, 220.0, 260.0)
    poser = NetworkPoser(load_embedded_model(), runtime.hand_model_digest)
    reading = LandmarkReader().read(image, crop) if landmarks_given else None

    def run() -> object:
        prediction = runtime.predict(image, crop, camera, reading)
        return poser.pose(NetworkHand(0, "right", prediction, crop), prediction.joints_px, camera, RefitState())

    return run


def _landmark_network() -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(LANDMARK_FILE), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random((1, 3, LANDMARK_PX, LANDMARK_PX), np.float32)
    return lambda: session.run(None, {session.get_inputs()[0].name: image})


def _network(config: NetworkConfig) -> HandNetwork:
    return build_network(config, load_embedded_model()).eval()


def _exported(config: NetworkConfig, folder: Path) -> Path:
    model = load_embedded_model()
    facts = ExportFacts("untrained", model.name, model.digest, 1.6, {"offset": 0.0, "slope": 1.0}, {})
    export_network(_network(config), facts, folder)
    return folder


if __name__ == "__main__":
    main()
