"""The known-answer proof: a network that cannot learn a few pictures by heart has a mistake in it, not too little data.

Conventions that contradict each other (a joint order, a frame, a crop that was turned without its label) leave an
error that no amount of training removes; here it has nowhere to hide. The pictures go through the loop, the loss, the
averaged weights and the figures that every training uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.utils.data import Dataset

from hand.embedded import load_embedded_model
from hand.torch_layer import TorchHandLayer
from trainer.evaluation.predictions import predict_crops, prediction_metrics
from trainer.networks.building import build_network
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.runs.events import EventLog
from trainer.samples.labelled_crop import LabelledCrop
from trainer.training.loop import Run, fit
from trainer.training.losses import ManoLoss

PA_TARGET_MM: Final = 1.0
ROOT_RELATIVE_TARGET_MM: Final = 2.0
REPORTS: Final = 16

FAMILIES: Final = {
    "resnet-mlp": NetworkConfig("resnet18", "mlp"),
    "handformer": NetworkConfig("resnet18", "transformer"),
    "vit": NetworkConfig("vit_tiny_16", "mlp"),
    "mobilenet": NetworkConfig("mobilenet_v3_large", "transformer"),
    "efficientnet-lite": NetworkConfig("efficientnet_lite0", "transformer"),
}
"""One network of every family, the smallest of its kind: the proof is about how parts fit, not about how many."""


class ByHeart(Dataset[LabelledCrop]):
    """The same few crops over and over."""

    def __init__(self, crops: Sequence[LabelledCrop]) -> None:
        self.crops = crops

    def __getitem__(self, index: int) -> LabelledCrop:
        """Crop ``index`` of the endless repetition."""
        return self.crops[index % len(self.crops)]


def learned(values: dict[str, float]) -> bool:
    """Whether the network has memorised the crops."""
    return values["pa_mpjpe_mm"] < PA_TARGET_MM and values["mpjpe_mm"] < ROOT_RELATIVE_TARGET_MM


def overfit(
    network: NetworkConfig,
    crops: Sequence[LabelledCrop],
    folder: Path,
    *,
    steps: int,
    learning_rate: float = 1e-3,
    accelerator: str = "cpu",
    report: Callable[[dict[str, float]], None] = lambda values: None,
) -> dict[str, float]:
    """Trains on a few crops, all of them in every batch, until they are known or the steps are done.

    Args:
        network: what is to learn them.
        crops: of the network's input size.
        folder: empty; the run is written there.
        steps: optimiser steps at most.
        learning_rate: its peak.
        accelerator: Fabric's word.
        report: gets the figures :data:`REPORTS` times on the way, with "step" among them.

    Returns:
        The last figures of the averaged network on the crops it learned.
    """
    config = FitConfig(
        name="overfit",
        steps=steps,
        batch=len(crops),
        learning_rate=learning_rate,
        weight_decay=0.0,
        warmup_steps=min(50, steps // 10 + 1),
        ema_decay=0.97,
        evaluate_every=max(1, steps // REPORTS),
        log_every=max(1, steps // REPORTS),
        tensorboard=False,
        accelerator=accelerator,
        network=network,
    )
    torch.manual_seed(config.seed)
    model = load_embedded_model()
    fabric = Fabric(accelerator=accelerator, devices=1)
    layer = TorchHandLayer(model).to(fabric.device)
    latest: dict[str, float] = {}

    def evaluate(average: nn.Module) -> dict[str, float]:
        latest.update(prediction_metrics(predict_crops(average, layer, crops)))
        latest["step"] = min(latest.get("step", 0.0) + config.evaluate_every, config.steps)
        report(dict(latest))
        return {name: value for name, value in latest.items() if name != "step"} | {"score": latest["mpjpe_mm"]}

    run = Run(
        config,
        folder,
        build_network(network, model),
        ManoLoss(layer),
        ByHeart(crops),
        evaluate,
        should_stop=lambda: bool(latest) and learned(latest),
    )
    events = EventLog(folder / "events.jsonl")
    try:
        fit(run, events, fabric)
    finally:
        events.close()
    return latest
