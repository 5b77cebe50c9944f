"""``python -m trainer fit``: trains a network by a recipe, or resumes a run that was stopped."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TextIO

import cv2
import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn

from hand.atomic_file import folder_as_a_whole
from hand.checked_files import DamagedFileError, parse_yaml
from hand.embedded import training_hand_model
from hand.errors import ConfigError
from hand.model import HandModel
from hand.torch_layer import TorchHandLayer
from trainer.evaluation.held_out import data_set_crops, live_crops, rendered_crops
from trainer.evaluation.predictions import predict_crops, prediction_metrics
from trainer.features import PICTURES_SUFFIX, FrozenPart, stored_crops, write_pictures, write_shard
from trainer.networks.building import starting_network
from trainer.networks.hand_network import HandNetwork
from trainer.recipe.config import FitConfig, read_config
from trainer.recipe.sources import SET_KINDS, PhotographSource, RecordingSource
from trainer.runs.events import EventLog, claim_stdout
from trainer.samples.labelled_crop import LabelledCrop
from trainer.samples.recordings import depth_is_measured, held_out_session_crops
from trainer.training.distillation import DistillationLoss, teacher_of
from trainer.training.distributed import Termination, averaged, outliving_the_others, run_on_all_ranks
from trainer.training.finetune_recipe import with_base, with_recordings
from trainer.training.loop import Evaluate, Run, fit
from trainer.training.losses import Loss, ManoLoss, SimpleManoLoss, all_weights
from trainer.training.mixture import build_samples
from trainer.training.tensorboard_curves import TensorBoardCurves

EVALUATION_SEED = 900_001
"""Rendered pictures of the evaluation; recipes keep away from this seed."""

_FIGURE_OF_SET: Final = MappingProxyType({"interhand": "mpjpe_mm"})
"""What is reported of a data set where it is not the aligned error: InterHand2.6M's is that from the wrist."""

_EXAMPLES = """examples:
  that everything is connected, in minutes on one core
    python -m trainer fit --config configs/debug.yaml
  the shipped network, then its report
    python -m trainer fit --config configs/shipped.yaml --out runs/mine
    python -m trainer evaluate --run runs/mine
  another batch and another trunk than the recipe's; values are YAML
    python -m trainer fit --config configs/vit.yaml batch=32 "network={trunk: vit_tiny_8, input_px: 64}"
  four GPUs of one machine
    torchrun --standalone --nproc-per-node 4 -m trainer fit --config configs/handformer.yaml
  curves while it trains
    tensorboard --logdir runs
configs/README.md lists the recipes.
"""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, then trains.

    Raises:
        HandliveError: recipe, data or checkpoint cannot be used.
    """
    options = _parser().parse_args(arguments)
    config = read_config(options.config, overrides(options.set))
    if options.recordings is not None:
        config, _ = with_recordings(with_base(config, Path(config.start_from)), options.recordings)
    folder: Path = options.out or Path("runs") / config.name
    stream = claim_stdout()
    events = EventLog(folder / "events.jsonl", stream)
    told_to_stop = StopSign(sys.stdin)
    try:
        with Termination() as terminated:
            train(config, folder, events, lambda: terminated() or told_to_stop())
    finally:
        events.close()
        stream.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer fit",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train a network by a recipe. The run's folder holds events.jsonl (the run's story), tensorboard/\n"
        "(the same as curves), last.pt (to go on from) and best.safetensors (the best weights so far). Giving the\n"
        "same folder again goes on where the run stopped. A line 'stop' on stdin saves and ends.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--config", type=Path, required=True, help="recipe, for example configs/debug.yaml")
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/<name of the recipe>)")
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", help="sessions for the recipe's sources of kind recordings"
    )
    parser.add_argument("set", nargs="*", metavar="key=value", help="values that win over the recipe's, as YAML")
    return parser


def train(config: FitConfig, folder: Path, events: EventLog, should_stop: Callable[[], bool]) -> None:
    """Builds everything a recipe names and runs the loop.

    Args:
        config: the recipe.
        folder: of the run.
        events: where to report.
        should_stop: called after every step, in every process.

    Raises:
        HandliveError: data or weights cannot be used; of several processes, the first one raises it.
        SystemExit: another one than the first, for the same reason.
    """
    fabric = launch(config)
    curves = TensorBoardCurves(folder / "tensorboard")
    if not fabric.is_global_zero:
        events.silence()
    elif config.tensorboard:
        events.listen(curves)
    # pictures are small, and workers forked from a process with OpenCV threads wait for these for ever
    cv2.setNumThreads(1)
    torch.manual_seed(config.seed)
    try:
        with outliving_the_others(fabric, lambda: None):
            run = run_on_all_ranks(fabric, lambda: _build_run(config, folder, should_stop, fabric))
            # the other processes do not evaluate, but must be notified when the best is chosen again
            run = replace(run, measure=fabric.broadcast(run.measure))
        fit(run, events, fabric)
    finally:
        curves.close()


def launch(config: FitConfig) -> Fabric:
    """The processes of a training, those that torchrun has started or as many as in the recipe, with their threads.

    Raises:
        ConfigError: this machine lacks the devices of the recipe.
    """
    devices, nodes = config.devices, config.nodes
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    try:
        fabric = Fabric(accelerator=config.accelerator, devices=devices, num_nodes=nodes, precision=config.precision)
        fabric.launch()
    except (ValueError, RuntimeError) as problem:
        raise ConfigError(
            f"{devices} device(s) of kind {config.accelerator} on {nodes} machine(s) cannot be had "
            f"({str(problem).splitlines()[0]}); change accelerator, devices or nodes."
        ) from None
    torch.set_num_threads(config.threads or max((os.cpu_count() or 1) // devices, 1))
    return fabric


def _build_run(config: FitConfig, folder: Path, should_stop: Callable[[], bool], fabric: Fabric) -> Run:
    """Everything that a recipe names, in the form of the loop.

    Raises:
        HandliveError: data or weights cannot be used.
    """
    model = training_hand_model(config.hand_model)
    first = fabric.is_global_zero
    network = starting_network(config, model, lambda text: print(text, file=sys.stderr, flush=True) if first else None)
    layer = TorchHandLayer(model).to(fabric.device)
    all_reduce_mean = partial(averaged, fabric)
    if config.loss == "mano":
        loss: Loss = ManoLoss(layer, config.loss_weights, all_reduce_mean)
    else:
        loss = SimpleManoLoss(config.loss_weights, all_reduce_mean)
    if config.teacher:
        weight = all_weights(config.loss_weights)["imitation"]
        teacher = teacher_of(config).to(fabric.device)
        loss = DistillationLoss(loss, teacher, weight, all_reduce_mean, fabric.autocast)
    samples = build_samples(config)
    # held-out crops take a while to make, and the first process alone judges
    sets, measure = _held_out_sets(config, model, network) if fabric.is_global_zero else ({}, "")
    evaluate = _evaluator(sets, measure, layer)
    return Run(config, folder, network, loss, samples, evaluate, should_stop, measure and f"{measure} of live crops")


def _held_out_sets(
    config: FitConfig, model: HandModel, network: HandNetwork
) -> tuple[dict[str, list[LabelledCrop]], str]:
    """Unseen rendered crops and what the recipe holds out, and which figure of them is the score.

    The score follows the recipe's purpose: recordings' aligned 3D error, or their 2D error where their labels have no
    depth, else a data set's as it is reported, else photographs' 2D error, else renderings'.
    """
    sets = _stored_sets(config, network) or _made_sets(config, model)
    of_sets = (f"{kind}_{_FIGURE_OF_SET.get(kind, 'pa_mpjpe_mm')}" for kind in SET_KINDS)
    own = [source for source in config.held_out if isinstance(source, RecordingSource)]
    of_own = "recordings_pa_mpjpe_mm" if all(map(depth_is_measured, own)) else "recordings_epe_2d"
    measures = (of_own, *of_sets, "photographs_epe_2d", "rendered_pa_mpjpe_mm")
    return sets, next(measure for measure in measures if measure.partition("_")[0] in sets)


def _made_sets(config: FitConfig, model: HandModel) -> dict[str, list[LabelledCrop]]:
    size, upright = config.network.input_px, config.network.upright
    sets = {"rendered": rendered_crops(size, config.evaluation_count, seed=EVALUATION_SEED, upright=upright)}
    for source in config.held_out:
        if isinstance(source, RecordingSource):
            hands = held_out_session_crops(source, config.network, config.evaluation_count, EVALUATION_SEED)
            sets.setdefault("recordings", []).extend(hands)
        elif isinstance(source, PhotographSource):
            sets.setdefault("photographs", []).extend(live_crops(source, config.network).values())
    return sets | data_set_crops(config.held_out, model, config.network, config.evaluation_count, EVALUATION_SEED)


def _stored_sets(config: FitConfig, network: HandNetwork) -> dict[str, list[LabelledCrop]]:
    """What the frozen part of the network makes of the held-out crops; made once, then read.

    Nothing where the recipe does not learn from stored features.

    Raises:
        ConfigError: the folder lacks a set, so that another figure than the recipe's would be the score.
    """
    if not config.held_out_features:
        return {}
    folder = Path(config.held_out_features)
    if not folder.is_dir() or not any(folder.iterdir()):
        frozen = FrozenPart(network, trunk=config.stored_as != "pictures")
        with folder_as_a_whole(folder) as whole:
            for name, crops in _made_sets(config, training_hand_model(config.hand_model)).items():
                (whole / name).mkdir()
                images = frozen.seen(np.stack([crop.image for crop in crops]))
                write_pictures((whole / name / "0").with_suffix(PICTURES_SUFFIX), images)
                write_shard(whole / name / "0.npz", frozen.of(crops))
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    # which kind of set shards hold is known only where they are
    missing = {"rendered"}.union(source.kind for source in config.held_out if source.kind != "shards").difference(names)
    if missing:
        raise ConfigError(
            f"The held-out features in {folder} should hold {', '.join(sorted(missing))} too, as the recipe does, and "
            "do not; delete the folder, and the next start makes them again."
        )
    return {name: stored_crops(folder / name, pictures=config.stored_as == "pictures") for name in names}


def _evaluator(sets: dict[str, list[LabelledCrop]], measure: str, layer: TorchHandLayer) -> Evaluate:
    """Figures of a network on all sets, one of them the score."""

    def evaluate(network: nn.Module) -> dict[str, float]:
        result = {
            f"{name}_{key}": value
            for name, crops in sets.items()
            for key, value in prediction_metrics(predict_crops(network, layer, crops)).items()
        }
        return result | {"score": result[measure]}

    return evaluate


class StopSign:
    """Requests a stop once a line "stop" came in, or once the other end of the pipe is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        # only a pipe has a sender; a terminal and /dev/null do not, nor does what is closed
        self._watched = stream is not None and not stream.closed and not stream.isatty() and not stream.seekable()
        self._stopped = False

    def __call__(self) -> bool:
        if (
            self._stream is not None
            and self._watched
            and not self._stopped
            and select.select([self._stream], [], [], 0.0)[0]
        ):
            line = self._stream.readline()
            self._stopped = line == "" or line.strip() == "stop"
        return self._stopped


def overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Values for a recipe from a command line's ``key=value``, the value as YAML.

    Raises:
        ConfigError: a pair has no ``=``, or what follows is not YAML.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"Values for the recipe are written key=value, got {pair!r}.")
        try:
            values[key] = parse_yaml(value)
        except DamagedFileError as problem:
            raise ConfigError(f"The value in {pair[:80]!r} cannot be used ({problem}); mind its brackets.") from None
    return values
