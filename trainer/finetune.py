"""``python -m trainer finetune``: trains a network on a user's own hand, exports it, and compares it with before.

The run's folder is described in ``trainer.runs.run_folder``; giving the same folder again goes on where the run
stopped. Another request in the folder of a run is refused: its checkpoint is of another training.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from filelock import FileLock, Timeout

from hand.atomic_file import write_text_atomically
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, HandliveError
from hand.torch_layer import TorchHandLayer
from inference.runtime import read_metadata
from trainer.arguments import whole_number
from trainer.average import averaged_weights, network_weights
from trainer.compare import compare_networks, write_report
from trainer.evaluation.held_out import rendered_crops
from trainer.export import ExportFacts, export_network, measured_facts
from trainer.fit import EVALUATION_SEED, StopSign, overrides, train
from trainer.networks.building import build_network, trained_network
from trainer.recipe.config import FitConfig, read_config
from trainer.recipe.sources import RecordingSource, RenderedSource
from trainer.runs.events import EventLog, claim_stdout
from trainer.runs.run_folder import (
    BEST_FILE,
    EVENTS_FILE,
    LOCK_FILE,
    NETWORK_FOLDER,
    RECIPES,
    REPORT_FOLDER,
    REQUEST_FILE,
    STOP_FILE,
    FineTuneRequest,
    read_request,
    write_request,
)
from trainer.samples.labelled_crop import LabelledCrop, collate
from trainer.samples.recordings import held_out_session_crops, measured_hand_shape
from trainer.training.checkpoint import load_training_state
from trainer.training.finetune_recipe import session_split, with_base, with_recordings
from trainer.training.losses import ManoLoss
from trainer.training.mixture import build_samples
from trainer.training.optimizer import freeze

CONFIG: Final = Path(__file__).resolve().parent.parent / "configs" / "finetune.yaml"
TUNED_SHARE: Final = 0.5
"""Share of the tuned weights in those that are exported, the rest being those before. The mean keeps what the network
knew of other hands, and errs less on new pictures of the own hand than the tuned weights, which have also learned the
labels' errors: half is what Wortsman et al. 2022 (Robust fine-tuning of zero-shot models) advise where nothing but the
training data could choose, as the labels could not here."""

_PRIORITY: Final = 10
"""The live window comes first."""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, then trains, exports and compares.

    Raises:
        HandliveError: base network, sessions or run cannot be used.
    """
    options = _parser().parse_args(arguments)
    request = _request(options)
    if options.measure:
        print(json.dumps(measure(finetune_config(request)[0], request.general_crops)))
        return
    folder: Path = options.run
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK_FILE, timeout=3):
            run(request, folder, finish=options.finish)
    except Timeout:
        raise ConfigError(f"The run {folder} is already in progress; wait for it, or choose another folder.") from None


def run(request: FineTuneRequest, folder: Path, *, finish: bool) -> None:
    """One run from start to end, reporting in its events.

    Args:
        request: of the run.
        folder: of the run.
        finish: train no further; export and compare what there is.

    Raises:
        HandliveError: base network, sessions or checkpoint cannot be used; it stands among the events too.
    """
    (folder / STOP_FILE).unlink(missing_ok=True)
    stream = claim_stdout()
    events = EventLog(folder / EVENTS_FILE, stream)
    if hasattr(os, "nice"):
        os.nice(max(0, _PRIORITY - os.nice(0)))
    stopped = _StopRequest(folder, StopSign(sys.stdin))
    try:
        events.emit("stage", name="training", pid=os.getpid())
        config, held_out = finetune_config(request)
        _keep_request(folder, request)
        if not finish and not _is_trained(folder, config):
            train(config, folder, events, stopped)
        if stopped.requested and not finish:
            return
        if not (folder / BEST_FILE).is_file():
            raise ConfigError("The run was stopped before its first checkpoint; resume it, or start it again.")
        events.emit("stage", name="export")
        network = folder / NETWORK_FOLDER
        export_tuned(request, config, folder / BEST_FILE, network)
        events.emit("stage", name="report")
        learned = [source for source in config.sources if isinstance(source, RecordingSource)]
        comparison = compare_networks(
            Path(request.base),
            network,
            held_out,
            request.general_crops,
            hand_shape=measured_hand_shape(learned),
        )
        write_report(comparison, folder / REPORT_FOLDER)
        events.emit("result", sentence=comparison.sentence, verdict=comparison.verdict, figures=comparison.headline)
    except HandliveError as problem:
        events.emit("error", hint=str(problem))
        raise
    except Exception as problem:
        events.emit("error", hint=f"The training process broke ({type(problem).__name__}: {problem}); see its log.")
        raise
    finally:
        events.close()
        stream.close()


def finetune_config(request: FineTuneRequest) -> tuple[FitConfig, list[RecordingSource]]:
    """The recipe of a request, and the sources that only the report uses.

    Raises:
        HandliveError: base network or sessions cannot be used.
    """
    config = read_config(CONFIG, {"variant": request.recipe} | request.values)
    return with_recordings(
        with_base(config, Path(request.base)), Path(request.recordings), request.train, request.held_out
    )


def export_tuned(request: FineTuneRequest, config: FitConfig, weights: Path, out: Path) -> None:
    """Exports the mean of the weights before and a run's best ones, with a calibrated confidence.

    Args:
        request: of the run.
        config: its recipe.
        weights: the best ones.
        out: folder of the exported network.
    """
    model = load_embedded_model()
    network = trained_network(config.network, model, weights)
    mean = averaged_weights(network_weights(Path(config.start_from)), dict(network.state_dict()), TUNED_SHARE)
    network.load_state_dict(mean)
    size, count = config.network.input_px, max(request.general_crops // 2, 2)
    sets: dict[str, list[LabelledCrop]] = {
        "rendered": rendered_crops(size, count, seed=EVALUATION_SEED, upright=config.network.upright)
    }
    sets["recordings"] = [
        crop
        for source in config.held_out
        if isinstance(source, RecordingSource)
        for crop in held_out_session_crops(source, config.network, count, EVALUATION_SEED)
    ]
    before = read_metadata(Path(request.base))
    expansion = float(before["crop_expansion"])
    facts = measured_facts(network, model, sets, name=request.name or config.name, crop_expansion=expansion)
    export_network(network, facts, out)
    write_text_atomically(out / "card.md", _card(request, config, before, facts))


def measure(config: FitConfig, general_crops: int) -> dict[str, float]:
    """How long a run will take on this machine, from a few real steps.

    Args:
        config: the recipe.
        general_crops: unseen renderings of its report.

    Returns:
        ``seconds_per_step``, ``steps`` and ``seconds`` of the whole run, its start and report included.
    """
    torch.set_num_threads(max(config.threads, 1))
    model = load_embedded_model()
    network = build_network(config.network, model).to(memory_format=torch.channels_last).train()
    for module in freeze(network, config.freeze):
        module.eval()
    loss = ManoLoss(TorchHandLayer(model), config.loss_weights)
    optimizer = torch.optim.AdamW([value for value in network.parameters() if value.requires_grad])
    samples = build_samples(config)
    samples[0]  # whatever is made only once
    sampling = _seconds(lambda: [samples[index] for index in range(1, 9)]) / 8.0
    rendering = _seconds(lambda: rendered_crops(config.network.input_px, 4, seed=EVALUATION_SEED + 7)) / 4.0
    batch = collate([samples[0]] * config.batch)

    def step() -> None:
        total = loss(network(*batch.network_inputs()), batch).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    step()
    stepping = min(_seconds(step) for _ in range(3))
    # a repeated rendering is made once; afterwards only the recorded pictures are read anew
    repeated = sum(source.repeat for source in config.sources if isinstance(source, RenderedSource))
    making = sampling * config.batch if not repeated else 0.006 * config.batch
    per_step = max(stepping, making) if config.workers else stepping + making
    evaluations = config.steps // config.evaluate_every
    once = rendering * (repeated + config.evaluation_count + 1.5 * general_crops)
    judging = stepping / config.batch * config.evaluation_count * 2 * evaluations
    seconds = per_step * config.steps + once + judging + 20.0
    return {"seconds_per_step": round(per_step, 4), "steps": float(config.steps), "seconds": round(seconds, 1)}


@dataclass
class _StopRequest:
    """Requests a stop once the run's folder holds a stop file, or a line "stop" or the end of stdin arrives."""

    folder: Path
    stdin: Callable[[], bool]
    requested: bool = False

    def __call__(self) -> bool:
        self.requested = self.requested or (self.folder / STOP_FILE).exists() or self.stdin()
        return self.requested


def _is_trained(folder: Path, config: FitConfig) -> bool:
    saved = load_training_state(folder)
    return saved is not None and saved[0].step >= config.steps


def _seconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _card(request: FineTuneRequest, config: FitConfig, before: dict[str, Any], facts: ExportFacts) -> str:
    rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(facts.figures.items()))
    learned = ", ".join(request.train) or "all but the held-out"
    return (
        f"# {facts.name}\n\nTuned to one person's hand from {before.get('name', 'another network')}; it may be worse "
        f"on other hands.\n\n- Recipe: {request.recipe}, {config.steps} steps of {config.batch}, a share of them "
        f"rendered\n- Sessions learned from: {learned}\n- Network: {config.network.trunk}, {config.network.head}, "
        f"{config.network.input_px} px\n- Hand model: {facts.hand_model}\n\n{request.notes}\n\n"
        "Measured on the ends of the training sessions and on unseen renderings; the report beside the run measures "
        f"held-out sessions.\n\n| figure | value |\n|---|---|\n{rows}\n"
    )


def _request(options: argparse.Namespace) -> FineTuneRequest:
    stored = read_request(options.run) if (options.run / REQUEST_FILE).is_file() else None
    if stored is not None and options.base is None:
        _refuse_options(options)
        return stored
    if options.base is None or options.recordings is None:
        raise ConfigError("A new run needs --base and --recordings; a run to go on with needs its --run folder.")
    request = FineTuneRequest(
        base=str(options.base.resolve()),
        recordings=str(options.recordings.resolve()),
        train=tuple(options.train),
        held_out=tuple(options.hold_out),
        recipe=options.recipe or "quick",
        name=options.name or options.run.name,
        general_crops=options.general or 240,
        values=overrides(options.set),
    )
    if stored is None or options.measure:
        return request
    different = _differences(stored, request)
    if different:
        raise ConfigError(
            f"The run {options.run} was started with another {', '.join(different)}; choose another --run for a new "
            "training, or give --run alone to go on with this one."
        )
    return replace(stored, name=options.name or stored.name)


def _refuse_options(options: argparse.Namespace) -> None:
    """A run that goes on has its own request, so that other options would do nothing.

    Raises:
        ConfigError: there are some.
    """
    names = ("recordings", "train", "hold_out", "recipe", "name", "general")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name)] + options.set
    if given:
        raise ConfigError(
            f"The run {options.run} goes on with its own request, in which {', '.join(given)} would change nothing; "
            "give --run alone to go on, or start a new run with another --run, --base and --recordings."
        )


def _differences(stored: FineTuneRequest, given: FineTuneRequest) -> list[str]:
    """What two requests differ in, in the command's words; name and notes are only for people.

    Raises:
        ConfigError: the sessions' names are needed and there is no usable session.
    """
    different = [
        name
        for name, path, other in (
            ("--base", stored.base, given.base),
            ("--recordings", stored.recordings, given.recordings),
        )
        if Path(path).resolve() != Path(other).resolve()
    ]
    different += ["--recipe"] if stored.recipe != given.recipe else []
    different += ["--general"] if stored.general_crops != given.general_crops else []
    different += ["set of key=value"] if stored.values != given.values else []
    if not different:
        one, other = _with_session_names(stored), _with_session_names(given)
        different += ["choice of sessions to learn from"] if set(one.train) != set(other.train) else []
        different += ["choice of sessions to hold out"] if set(one.held_out) != set(other.held_out) else []
    return different


def _with_session_names(request: FineTuneRequest) -> FineTuneRequest:
    train, held_out = session_split(Path(request.recordings), request.train, request.held_out)
    return replace(request, train=train, held_out=held_out)


def _keep_request(folder: Path, request: FineTuneRequest) -> None:
    """Notes a request that can be worked on, with its sessions by name: one that is recorded later is another choice.

    Raises:
        HandliveError: the sessions cannot be used.
    """
    named = _with_session_names(request)
    # not without need, because a window may be writing the user's notes
    if not (folder / REQUEST_FILE).is_file() or read_request(folder) != named:
        write_request(folder, named)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer finetune", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/finetune"), help="the run's folder")
    parser.add_argument("--base", type=Path, help="folder of the exported network to start from")
    parser.add_argument("--recordings", type=Path, help="a session, or the folder of several")
    parser.add_argument(
        "--train", action="append", default=[], metavar="SESSION", help="learn from it; may be repeated"
    )
    parser.add_argument("--hold-out", action="append", default=[], metavar="SESSION", help="for the report alone")
    parser.add_argument("--recipe", choices=RECIPES, help="how much is trained (default: quick)")
    parser.add_argument("--name", default="", help="of the network that is made")
    parser.add_argument(
        "--general", type=whole_number(1), metavar="N", help="unseen renderings of the report (default: 240)"
    )
    parser.add_argument("--finish", action="store_true", help="train no further; export and compare what there is")
    parser.add_argument("--measure", action="store_true", help="only print how long it will take, as JSON")
    parser.add_argument("set", nargs="*", metavar="key=value", help="values that win over the recipe's, as YAML")
    return parser
