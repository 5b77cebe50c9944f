"""The overfitting check on a small scale: a network memorises a few drawn hands."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

from crops import stick_hand

from trainer.networks.hand_network import NetworkConfig
from trainer.overfit import FAMILIES, PA_TARGET_MM, learned, overfit

# batch statistics of four crops differ too much from their running average; this trunk has none
NETWORK = NetworkConfig("vit_tiny_16", "mlp", 64, width=32)
CROPS = [stick_hand(index) for index in range(4)]


@pytest.mark.slow
def test_network_overfits_a_few_hands(tmp_path: Path) -> None:
    curve: list[float] = []
    values = overfit(NETWORK, CROPS, tmp_path, steps=180, report=lambda values: curve.append(values["pa_mpjpe_mm"]))
    assert learned(values), values
    assert curve[0] > 5.0 * PA_TARGET_MM


def test_every_head_and_every_kind_of_trunk_is_among_the_families() -> None:
    assert {config.head for config in FAMILIES.values()} == {"mlp", "transformer"}
    trunks = {config.trunk.partition("_")[0] for config in FAMILIES.values()}
    assert trunks == {"resnet18", "vit", "mobilenet", "efficientnet"}
