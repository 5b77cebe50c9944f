from __future__ import annotations

import itertools
import json
import math
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import torch
from crops import StickHands, stick_hand
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision, Precision
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim.optimizer import register_optimizer_step_pre_hook

from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.torch_layer import TorchHandLayer
from trainer.evaluation.predictions import predict_crops, prediction_metrics
from trainer.fit import StopSign
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.runs.events import EventLog
from trainer.runs.run_folder import STATE_FILE
from trainer.training.checkpoint import Progress, load_training_state
from trainer.training.loop import Run, SampleOrder, TrainingDivergedError, fit
from trainer.training.losses import ManoLoss
from trainer.training.optimizer import learning_rate_factor
from trainer.training.tensorboard_curves import TensorBoardCurves

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


def tiny_run(folder: Path, stop_after: int | None = None, config: FitConfig = CONFIG) -> Run:
    torch.manual_seed(0)
    network = HandNetwork(config.network, torch.tensor([[1.0, 0, 0, 0, 1.0, 0]] * 16))
    steps = iter(range(1, 1000))
    return Run(
        config=config,
        folder=folder,
        network=network,
        loss=ManoLoss(TorchHandLayer(load_embedded_model())),
        samples=StickHands(),
        evaluate=lambda average: {"score": float(sum(value.abs().sum() for value in average.parameters()))},
        should_stop=lambda: stop_after is not None and next(steps) >= stop_after,
    )


def train(
    folder: Path, stop_after: int | None = None, config: FitConfig = CONFIG, plugin: Precision | None = None
) -> dict[str, Tensor]:
    run = tiny_run(folder, stop_after, config)
    train_run(run, plugin=plugin)
    return {name: value.clone() for name, value in run.network.state_dict().items()}


def train_run(
    run: Run, precision: Any = None, plugin: Precision | None = None
) -> tuple[Progress, list[dict[str, Any]]]:
    """Trains and returns the progress and all events of the run's folder."""
    events = EventLog(run.folder / "events.jsonl")
    progress = fit(run, events, Fabric(accelerator="cpu", devices=1, precision=precision, plugins=plugin))
    events.close()
    return progress, [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("trunk", ["mobilenet_v3_small", "efficientnet_b0"])
def test_stopping_and_resuming_equals_never_stopping(tmp_path: Path, trunk: str) -> None:
    """EfficientNet drops blocks at random in training, so that the random state has to be restored too."""
    config = replace(CONFIG, network=replace(CONFIG.network, trunk=trunk))
    whole = train(tmp_path / "whole", config=config)
    train(tmp_path / "parts", stop_after=2, config=config)
    saved = load_training_state(tmp_path / "parts")
    assert saved is not None
    assert saved[0].step == 2
    resumed = train(tmp_path / "parts", config=config)
    assert_same(resumed, whole)


def assert_same(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=0.0, atol=0.0, msg=name)


def half_precision() -> MixedPrecision:
    """Half precision whose loss is scaled by a factor that doubles with every step."""
    return MixedPrecision("16-mixed", "cpu", GradScaler("cpu", init_scale=4.0, growth_interval=1))


def test_loss_scale_of_half_precision_is_resumed(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", plugin=half_precision())
    train(tmp_path / "parts", stop_after=2, plugin=half_precision())
    resumed = half_precision()
    assert_same(train(tmp_path / "parts", plugin=resumed), whole)
    assert resumed.scaler is not None
    assert resumed.scaler.get_scale() == 4.0 * 2.0**CONFIG.steps


@pytest.mark.parametrize("plugin", [None, half_precision()])
def test_state_of_an_older_version_without_precision_is_resumed(tmp_path: Path, plugin: Precision | None) -> None:
    train(tmp_path, stop_after=2)
    old = torch.load(tmp_path / STATE_FILE, weights_only=True)
    del old["precision"]
    torch.save(old, tmp_path / STATE_FILE)
    progress, _ = train_run(tiny_run(tmp_path), plugin=plugin)
    assert progress.step == CONFIG.steps


def test_resumed_run_uses_the_current_rates_of_its_recipe(tmp_path: Path) -> None:
    train(tmp_path, stop_after=3)
    config = replace(CONFIG, learning_rate=1e-5, trunk_rate=0.5, weight_decay=0.3)
    groups: list[dict[str, Any]] = []
    hook = register_optimizer_step_pre_hook(lambda optimizer, *_: groups.extend(map(dict, optimizer.param_groups)))
    train_run(tiny_run(tmp_path, config=config))
    hook.remove()
    factors = [learning_rate_factor(step, CONFIG.warmup_steps, CONFIG.steps) for step in (3, 4, 5)]
    trunk, rest = groups[::2], groups[1::2]
    assert [group["lr"] for group in trunk] == pytest.approx([5e-6 * factor for factor in factors])
    assert [group["lr"] for group in rest] == pytest.approx([1e-5 * factor for factor in factors])
    assert {group["weight_decay"] for group in groups} == {0.3}


@pytest.mark.parametrize(
    "config",
    [replace(CONFIG, freeze=("trunk.stem",)), replace(CONFIG, network=replace(CONFIG.network, width=48))],
    ids=["freeze", "network"],
)
def test_a_run_of_another_network_is_refused_in_one_sentence(tmp_path: Path, config: FitConfig) -> None:
    train(tmp_path, stop_after=1)
    with pytest.raises(CheckpointError, match=r"another network or other frozen modules .*another folder \(--out\)"):
        train_run(tiny_run(tmp_path, config=config))


def test_run_logs_its_start_steps_evaluations_and_end(tmp_path: Path) -> None:
    train(tmp_path)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "run_started"
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


def test_sample_order_is_split_between_processes_and_lazy() -> None:
    """A list of the samples of 10,000,000 steps took 13 GB."""
    parts = [list(SampleOrder(range(2, 4), 6, range(3 * rank, 3 * rank + 3))) for rank in range(2)]
    assert parts == [[12, 13, 14, 18, 19, 20], [15, 16, 17, 21, 22, 23]]
    tracemalloc.start()
    order = SampleOrder(range(10_000_000), 64, range(64))
    assert len(order) == 640_000_000
    assert list(itertools.islice(order, 65))[-1] == 64
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_run_stops_after_evaluations_without_progress(tmp_path: Path) -> None:
    scores = iter([3.0, 2.0, 2.5, 2.0, 1.0])
    config = replace(CONFIG, evaluate_every=1, patience=2)
    progress, logged = train_run(
        replace(tiny_run(tmp_path), config=config, evaluate=lambda average: {"score": next(scores)})
    )
    # the second evaluation was the best; two more without progress are the patience
    assert (progress.step, progress.best_score) == (4, 2.0)
    assert logged[-1]["reason"] == "no progress"


def test_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    scores = iter([2.0, math.nan, 1.0, math.nan, math.nan, math.nan])
    config = replace(CONFIG, evaluate_every=1)
    progress, _ = train_run(
        replace(tiny_run(tmp_path), config=config, evaluate=lambda average: {"score": next(scores)})
    )
    assert progress.best_score == 1.0


def test_scores_of_another_measure_are_not_compared(tmp_path: Path) -> None:
    """A resumed run whose evaluation has changed would otherwise keep a best score that is not comparable."""
    first = replace(tiny_run(tmp_path, stop_after=3), evaluate=lambda average: {"score": 0.1}, measure="exact crops")
    assert train_run(first)[0].best_score == 0.1
    second = replace(tiny_run(tmp_path), evaluate=lambda average: {"score": 0.2}, measure="live crops")
    progress, _ = train_run(second)
    assert (progress.best_score, progress.measure) == (0.2, "live crops")


@contextmanager
def step_lengths() -> Iterator[list[float]]:
    """The norm of all gradients at each optimiser step."""
    lengths: list[float] = []

    def measure(optimizer: Any, *_: Any) -> None:
        gradients = [value.grad for group in optimizer.param_groups for value in group["params"]]
        lengths.append(float(torch.stack([grad.norm() for grad in gradients if grad is not None]).norm()))

    hook = register_optimizer_step_pre_hook(measure)
    yield lengths
    hook.remove()


def test_gradients_are_clipped_before_every_step(tmp_path: Path) -> None:
    with step_lengths() as free:
        train_run(replace(tiny_run(tmp_path / "free"), config=replace(CONFIG, clip_norm=1e6)))
    with step_lengths() as clipped:
        train_run(replace(tiny_run(tmp_path / "clipped"), config=replace(CONFIG, clip_norm=0.01)))
    assert min(free) > 0.1
    assert clipped == pytest.approx([0.01] * 6, rel=1e-3)


def test_mixed_precision_computes_in_half_and_keeps_whole_weights(tmp_path: Path) -> None:
    run = tiny_run(tmp_path)
    kinds: set[torch.dtype] = set()
    run.network.to_heat_maps.register_forward_hook(  # type: ignore[union-attr, operator]
        lambda module, given, answer: kinds.add(answer.dtype)
    )
    _, logged = train_run(replace(run, config=replace(CONFIG, precision="bf16-mixed")), precision="bf16-mixed")
    assert torch.bfloat16 in kinds
    assert {value.dtype for value in run.network.parameters()} == {torch.float32}
    whole = [event["loss"] for event in train_run(tiny_run(tmp_path / "whole"))[1] if event["event"] == "step"]
    half = [event["loss"] for event in logged if event["event"] == "step"]
    assert half[0] == pytest.approx(whole[0], rel=0.05)
    assert half[-1] < half[0]


class CollapsedNetwork(nn.Module):
    """Returns one pose, that of the first crop, for all crops of a batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Any:
        output = self.network(image)
        return output._replace(rotations=output.rotations[:1].expand_as(output.rotations))


def test_collapsed_network_logs_a_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.training.loop.WARM_UP_SAMPLES", 3 * CONFIG.batch)
    layer = TorchHandLayer(load_embedded_model())
    crops = [stick_hand(index) for index in range(8)]

    def evaluate(average: nn.Module) -> dict[str, float]:
        values = prediction_metrics(predict_crops(CollapsedNetwork(average), layer, crops))
        return {f"rendered_{name}": value for name, value in values.items()} | {"score": values["mpjpe_mm"]}

    _, logged = train_run(replace(tiny_run(tmp_path), evaluate=evaluate))
    warnings = [event for event in logged if event["event"] == "warning"]
    assert [(event["step"], event["hint"], event["set"]) for event in warnings] == [
        (3, "collapsed", "rendered"),
        (6, "collapsed", "rendered"),
    ]
    assert "on rendered the predicted poses vary 0% as much as the labelled ones" in capfd.readouterr().err
    # at first every network is near the mean pose it starts from
    monkeypatch.setattr("trainer.training.loop.WARM_UP_SAMPLES", 7 * CONFIG.batch)
    early = replace(tiny_run(tmp_path / "early"), evaluate=evaluate)
    assert not [event for event in train_run(early)[1] if event["event"] == "warning"]


def test_network_with_spread_logs_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.training.loop.WARM_UP_SAMPLES", 0)
    run = replace(tiny_run(tmp_path), evaluate=lambda average: {"score": 1.0, "rendered_spread_ratio": 0.4})
    assert not [event for event in train_run(run)[1] if event["event"] == "warning"]


def test_events_become_tensorboard_curves_across_a_resume(tmp_path: Path) -> None:
    for stop_after in (2, None):
        events = EventLog(tmp_path / "events.jsonl")
        curves = TensorBoardCurves(tmp_path / "tensorboard")
        events.listen(curves)
        fit(tiny_run(tmp_path, stop_after), events, Fabric(accelerator="cpu", devices=1))
        events.close()
        curves.close()
    drawn = EventAccumulator(str(tmp_path / "tensorboard"))
    drawn.Reload()
    assert {"loss", "terms/heat_map", "samples_per_second", "evaluation/score"} <= set(drawn.Tags()["scalars"])
    logged = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    losses = [(event["step"], event["loss"]) for event in logged if event["event"] == "step"]
    assert [(point.step, pytest.approx(point.value, rel=1e-4)) for point in drawn.Scalars("loss")] == losses


def test_without_tensorboard_there_are_no_curves_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.training.tensorboard_curves.importlib.util.find_spec", lambda name: None)
    curves = TensorBoardCurves(tmp_path)
    curves({"event": "run_started", "step": 0})
    curves({"event": "step", "step": 1, "loss": 1.0, "samples_per_second": 1.0, "terms": {}})
    curves.close()
    assert not list(tmp_path.iterdir())


def test_a_silenced_log_writes_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.silence()
    log.emit("run_started")
    log.close()
    assert not list(tmp_path.iterdir())


def test_training_without_stdin_is_not_told_to_stop(tmp_path: Path) -> None:
    """A program that closes stdin for its children leaves none; a closed one can be asked nothing either."""
    closed = (tmp_path / "stdin").open("w+")
    closed.close()
    for stream in (None, closed):
        assert not StopSign(stream)()
