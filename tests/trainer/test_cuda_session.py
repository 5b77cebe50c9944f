"""The network on a graphics card agrees with the processor; packing is tested on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch

from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from inference.pipe_protocol import pack, unpack
from inference.runtime import OUTPUT_NAMES, load_network
from trainer.export import ExportFacts, export_network
from trainer.networks.building import build_network
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.serving.cuda_session import CudaSession, load_cuda_network
from trainer.serving.torch_session import packed

SIDE = 64
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card that torch can use")


def small_network() -> HandNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(trunk="mobilenet_v3_small", input_px=SIDE, width=32, layers=1)
    return build_network(config, load_embedded_model()).eval()


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 3, SIDE, SIDE)).astype(np.float32)


def test_packing_round_trips() -> None:
    with torch.inference_mode():
        output = small_network()(torch.from_numpy(crops(2)))
        answers = packed(output).numpy()
    parts = unpack(answers)
    assert tuple(parts) == OUTPUT_NAMES
    np.testing.assert_array_equal(pack(parts), answers)
    for name, part in parts.items():
        np.testing.assert_array_equal(part, getattr(output, name).numpy())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_missing_graphics_card_is_reported() -> None:
    with pytest.raises(CheckpointError, match="no graphics card that torch can use"):
        CudaSession(small_network())


@needs_cuda
@pytest.mark.parametrize("count", [1, 3])
def test_cuda_graph_agrees_with_the_processor(count: int, tmp_path: Path) -> None:
    network = small_network()
    facts = ExportFacts("small", "", load_embedded_model().digest, 1.6, {"offset": 0.0, "slope": 1.0}, {})
    export_network(network, facts, tmp_path)
    on_card, on_processor = load_cuda_network(tmp_path), load_network(tmp_path)
    for _ in range(3):  # the recorded graph is replayed
        images = crops(count)
        here, there = on_card.outputs(images), on_processor.outputs(images)
        for name in OUTPUT_NAMES:
            np.testing.assert_allclose(here[name], there[name], atol=0.02, err_msg=name)
