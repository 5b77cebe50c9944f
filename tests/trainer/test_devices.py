"""The device on which networks are measured: all CPU cores or CUDA, with the same figures."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import torch
from crops import stick_hand

from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from trainer.evaluate import measure
from trainer.evaluation.devices import DEVICE_NAMES, device_of, measuring_device
from trainer.evaluation.held_out import empty_crops
from trainer.networks.building import build_network
from trainer.networks.hand_network import NetworkConfig


@pytest.fixture(autouse=True)
def restored_thread_count() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_processor_is_used_with_all_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert measuring_device("cpu") == torch.device("cpu")
    assert torch.get_num_threads() == 3


def test_cuda_is_used_when_available_and_refused_when_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [measuring_device(name).type for name in DEVICE_NAMES] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert measuring_device("auto").type == "cpu"
    with pytest.raises(ConfigError, match="torch finds no CUDA card here; give --device cpu"):
        measuring_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_cuda_measures_the_same_figures_as_the_cpu() -> None:
    crops = {"stick": [stick_hand(index) for index in range(8)]}
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, 32), load_embedded_model()).eval()
    here, _ = measure(network, crops, empty_crops(64, 4))
    there, _ = measure(network.to("cuda"), crops, empty_crops(64, 4))
    assert device_of(network).type == "cuda"
    for name, value in here["stick"]["figures"].items():
        assert there["stick"]["figures"][name] == pytest.approx(value, rel=2e-2, abs=1e-3)
