from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from crops import StickHands
from lightning.fabric import Fabric
from torch import Tensor

from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.torch_layer import TorchHandLayer
from trainer.checkpoint import load_training_state
from trainer.config import FitConfig
from trainer.events import EventLog
from trainer.loop import Run, TrainingDivergedError, fit
from trainer.losses import ManoLoss
from trainer.networks.hand_network import HandNetwork, NetworkConfig

CONFIG = FitConfig(
    name="tiny",
    steps=6,
    batch=4,
    warmup_steps=2,
    evaluate_every=3,
    log_every=1,
    accelerator="cpu",
    network=NetworkConfig("mobilenet_v3_small", "mlp", 64, width=32),
)


def tiny_run(folder: Path, stop_after: int | None = None) -> Run:
    torch.manual_seed(0)
    network = HandNetwork(CONFIG.network, torch.tensor([[1.0, 0, 0, 0, 1.0, 0]] * 16))
    steps = iter(range(1, 1000))
    return Run(
        config=CONFIG,
        folder=folder,
        network=network,
        loss=ManoLoss(TorchHandLayer(load_embedded_model())),
        samples=StickHands(),
        evaluate=lambda average: {"score": float(sum(value.abs().sum() for value in average.parameters()))},
        should_stop=lambda: stop_after is not None and next(steps) >= stop_after,
    )


def train(folder: Path, stop_after: int | None = None) -> dict[str, Tensor]:
    run = tiny_run(folder, stop_after)
    events = EventLog(folder / "events.jsonl")
    fit(run, events, Fabric(accelerator="cpu", devices=1))
    events.close()
    return {name: value.clone() for name, value in run.network.state_dict().items()}


def test_stopping_and_resuming_equals_never_stopping(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    train(tmp_path / "parts", stop_after=2)
    saved = load_training_state(tmp_path / "parts")
    assert saved is not None
    assert saved[0].step == 2
    resumed = train(tmp_path / "parts")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0.0, atol=0.0, msg=name)


def test_a_run_tells_its_story_in_events(tmp_path: Path) -> None:
    train(tmp_path)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "hello"
    assert kinds[-1] == "end"
    assert kinds.count("step") == 6
    assert kinds.count("evaluation") == 2
    assert events[-1]["reason"] == "finished"
    assert (tmp_path / "best.safetensors").is_file()


def test_a_loss_that_is_not_finite_stops_with_the_batch_saved(tmp_path: Path) -> None:
    run = tiny_run(tmp_path)
    with torch.no_grad():
        run.network.pose_head.numbers.bias.fill_(float("nan"))  # type: ignore[union-attr, operator]
    events = EventLog(tmp_path / "events.jsonl")
    with pytest.raises(TrainingDivergedError, match="not finite at step 0"):
        fit(run, events, Fabric(accelerator="cpu", devices=1))
    events.close()
    assert (tmp_path / "diverged_batch.pt").is_file()


def test_a_torn_checkpoint_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_training_state(tmp_path)
