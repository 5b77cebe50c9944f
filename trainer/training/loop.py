"""The training loop, to be read from top to bottom.

Lightning Fabric makes the same lines run on one CPU, one GPU, several, or several machines: every process works on its
part of each batch, and ``backward`` averages the gradients. The first process alone evaluates and writes. Sample i of a
run depends on the seed and on i alone, and so does what a step leaves to chance, so a run that is stopped and resumed
uses the same samples in the same order as one that was not, on however many processes either.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, NoReturn

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader, Dataset

from hand.errors import ConfigError, HandliveError
from trainer.networks.weights import save_weights
from trainer.recipe.config import FitConfig
from trainer.runs.events import EventLog
from trainer.runs.run_folder import BEST_FILE, STATE_FILE
from trainer.samples.labelled_crop import HandBatch, LabelledCrop, collate
from trainer.training.checkpoint import (
    Progress,
    Stateful,
    load_training_state,
    restore_training_state,
    save_training_state,
)
from trainer.training.distributed import (
    averaged,
    end_workers_at_exit,
    first_rank_with,
    leave,
    leave_ending_to_the_parent,
    made_by_first,
    outliving_the_others,
    run_on_all_ranks,
)
from trainer.training.losses import Loss
from trainer.training.optimizer import build_optimizer, freeze, learning_rate_factor, step_seed, update_average


class TrainingDivergedError(HandliveError):
    """The loss is no longer a finite number."""


Evaluate = Callable[[nn.Module], dict[str, float]]
"""Figures of a network; "score" among them, lower is better."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Everything a run works with.

    Attributes:
        config: the recipe.
        folder: where checkpoints and events go; a run found there is resumed.
        network: the network in training.
        loss: what is minimised.
        samples: sample i of the run.
        evaluate: metrics of the averaged network.
        should_stop: called after every step, in every process; one True saves and ends the run.
        measure: what the score of ``evaluate`` is; a run that is resumed under another one chooses its best anew.
    """

    config: FitConfig
    folder: Path
    network: nn.Module
    loss: Loss
    samples: Dataset[LabelledCrop]
    evaluate: Evaluate
    should_stop: Callable[[], bool] = lambda: False
    measure: str = ""


def fit(run: Run, events: EventLog, fabric: Fabric) -> Progress:
    """Trains until the steps are done, progress ends, or a stop is requested.

    Args:
        run: what to train.
        events: where to report.
        fabric: launched.

    Raises:
        ConfigError: the batch cannot be shared among the processes.
        TrainingDivergedError: the loss is not finite; the batch is saved beside the run's events.
        CheckpointError: the run's own checkpoint cannot be read, or is of another network.
        LostProcessError: another process is gone; the step before is saved.
        SystemExit: one of these, in another process than the first, which reports it.
    """
    config = run.config
    if config.batch % fabric.world_size:
        raise ConfigError(f"batch should be a multiple of the {fabric.world_size} processes, got {config.batch}.")
    run.network.to(memory_format=torch.channels_last)
    share_batch_statistics(run.network, fabric)
    frozen = freeze(run.network, config.freeze)
    average = copy.deepcopy(run.network).eval().requires_grad_(False).to(fabric.device)
    bare_optimizer = build_optimizer(run.network, config)
    fused: Any = torch.compile(run.network) if config.compile else run.network
    network, optimizer = fabric.setup(fused, bare_optimizer)

    parts: dict[str, Stateful] = {
        "network": run.network,
        "average": average,
        "optimizer": bare_optimizer,
        "precision": fabric.strategy.precision,
    }
    progress = Progress(measure=run.measure)
    saved = made_by_first(fabric, lambda: load_training_state(run.folder))
    if saved is not None:
        progress, state = saved
        run_on_all_ranks(fabric, lambda: restore_training_state(run.folder, parts, state))
    if progress.measure != run.measure:
        progress = replace(progress, best_score=math.inf, evaluations_without_progress=0, measure=run.measure)
    events.emit("run_started", name=config.name, step=progress.step, config=asdict(config), device=str(fabric.device))

    saved_at = time.monotonic()

    def checkpoint() -> None:
        nonlocal saved_at
        if fabric.is_global_zero:
            save_training_state(run.folder, progress, parts)
            events.emit("checkpoint", step=progress.step, path=str(run.folder / STATE_FILE))
        saved_at = time.monotonic()

    reason = "finished"
    started, started_step = time.monotonic(), progress.step
    with outliving_the_others(fabric, checkpoint):
        for batch in batches(run.samples, config, fabric, start_step=progress.step):
            for group in bare_optimizer.param_groups:
                group["lr"] = group["peak"] * learning_rate_factor(progress.step, config.warmup_steps, config.steps)
            torch.manual_seed(step_seed(config.seed, progress.step, fabric.global_rank))
            network.train()
            for module in frozen:
                module.eval()
            loss = run.loss(network(*batch.network_inputs()), batch)
            diverged = first_rank_with(fabric, not bool(torch.isfinite(loss.total)))
            if diverged is not None:
                give_up(run, fabric.broadcast((batch, loss.terms), src=diverged), progress, events, fabric)
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss.total)
            fabric.clip_gradients(network, bare_optimizer, max_norm=config.clip_norm, error_if_nonfinite=False)
            optimizer.step()
            progress = replace(progress, step=progress.step + 1)
            update_average(average, run.network, config.ema_decay, progress.step)

            if progress.step % config.log_every == 0:
                seconds = (time.monotonic() - started) / (progress.step - started_step)
                events.emit(
                    "step",
                    step=progress.step,
                    loss=float(averaged(fabric, loss.total.detach().clone())),
                    terms=all_reduce_mean(fabric, loss.terms),
                    samples_per_second=config.batch / seconds,
                    seconds_left=seconds * (config.steps - progress.step),
                )
            if progress.step % config.evaluate_every == 0 or progress.step == config.steps:
                progress = evaluate_average(run, average, progress, events, fabric)
                checkpoint()
                if 0 < config.patience <= progress.evaluations_without_progress:
                    reason = "no progress"
                    break
            elif time.monotonic() - saved_at > 60.0 * config.checkpoint_minutes:
                checkpoint()
            if first_rank_with(fabric, run.should_stop()) is not None:
                reason = "stopped"
                checkpoint()
                break
    events.emit("end", reason=reason, step=progress.step, best_score=progress.best_score)
    return progress


def give_up(
    run: Run, cause: tuple[HandBatch, Mapping[str, float]], progress: Progress, events: EventLog, fabric: Fabric
) -> NoReturn:
    """Ends all processes because a loss is not finite; the first one saves the batch it came from."""
    batch, terms = cause
    path = run.folder / "diverged_batch.pt"
    if fabric.is_global_zero:
        torch.save(batch, path)
    events.emit("error", hint="diverged", step=progress.step, terms=dict(terms))
    sentence = (
        f"The loss of {run.config.name} was not finite at step {progress.step} ({dict(terms)}); its batch is in "
        f"{path}; lower learning_rate or check that batch's labels."
    )
    leave(fabric, TrainingDivergedError(sentence))


def share_batch_statistics(network: nn.Module, fabric: Fabric) -> None:
    """Lets BatchNorm count over the parts of all GPUs, so that they learn what one would learn from the whole batch.

    On CPUs there is no such layer: every process normalises by its own part. The names of the weights stay.
    """
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]


def all_reduce_mean(fabric: Fabric, terms: Mapping[str, float]) -> dict[str, float]:
    """Terms of a loss over the whole batch, of which each process has a part."""
    values = averaged(fabric, torch.tensor(list(terms.values()), device=fabric.device))
    return dict(zip(terms, values.tolist(), strict=True))


def evaluate_average(run: Run, average: nn.Module, progress: Progress, events: EventLog, fabric: Fabric) -> Progress:
    """Evaluates the averaged network, keeps its weights if they are the best so far, and warns if it has collapsed."""
    # one process evaluates for all, or they could disagree on when to stop
    metrics = fabric.broadcast(run.evaluate(average) if fabric.is_global_zero else {})
    events.emit("evaluation", step=progress.step, **metrics)
    warmed_up = progress.step > run.config.warmup_steps and progress.step * run.config.batch >= WARM_UP_SAMPLES
    if warmed_up and fabric.is_global_zero:
        for name, spread in collapsed_sets(metrics).items():
            sentence = collapse_warning(name, spread, progress.step)
            events.emit("warning", hint="collapsed", step=progress.step, set=name, message=sentence)
            print(sentence, file=sys.stderr, flush=True)
    if not metrics["score"] < progress.best_score:  # of a network that gives no numbers it is NaN
        return replace(progress, evaluations_without_progress=progress.evaluations_without_progress + 1)
    if fabric.is_global_zero:
        facts = {"step": str(progress.step), "score": f"{metrics['score']:.6g}", "recipe": run.config.name}
        save_weights(run.folder / BEST_FILE, average.state_dict(), facts)
    return replace(progress, best_score=metrics["score"], evaluations_without_progress=0)


@dataclass(frozen=True, slots=True)
class SampleOrder:
    """The samples of one process, one after the other; no list of them, since a run may have many steps.

    Attributes:
        steps: still to be done.
        batch: samples of a step, over all processes.
        part: this process's places in every batch.
    """

    steps: range
    batch: int
    part: range

    def __iter__(self) -> Iterator[int]:
        return (step * self.batch + place for step in self.steps for place in self.part)

    def __len__(self) -> int:
        return len(self.steps) * len(self.part)


def batches(samples: Dataset[LabelledCrop], config: FitConfig, fabric: Fabric, start_step: int) -> Any:
    """This process's part of every batch from a step on, in the order that the seed fixes."""
    end_workers_at_exit()
    local = config.batch // fabric.world_size
    order = SampleOrder(
        range(start_step, config.steps),
        config.batch,
        range(fabric.global_rank * local, (fabric.global_rank + 1) * local),
    )
    loader = DataLoader(
        samples,
        batch_size=local,
        sampler=order,
        collate_fn=collate,
        num_workers=config.workers,
        worker_init_fn=leave_ending_to_the_parent,
        persistent_workers=config.workers > 0,
        prefetch_factor=4 if config.workers > 0 else None,
    )
    for batch in loader:
        yield batch.to(fabric.device)


COLLAPSED_BELOW: Final = 0.15
"""Spread of the predicted finger poses over that of the labels; trainings that went well had 0.4 after 260 steps."""

WARM_UP_SAMPLES: Final = 16_000
"""Before this many samples a network from scratch has not yet left the mean pose that it starts from."""

_SPREAD: Final = "spread_ratio"


def collapsed_sets(metrics: Mapping[str, float]) -> dict[str, float]:
    """The sets of an evaluation on which the network answers with nearly one pose, with its spread there.

    Such a network has learned nothing, whatever its error: a constant mean pose has about 18 mm PA-MPJPE on FreiHAND,
    where good networks have 6. It is the easiest answer to fall into and the hardest to see in a loss.

    Args:
        metrics: of an evaluation, ``<set>_spread_ratio`` among them (``trainer.evaluation.predictions``).
    """
    return {
        name.removesuffix(_SPREAD).rstrip("_"): value
        for name, value in metrics.items()
        if name.endswith(_SPREAD) and value < COLLAPSED_BELOW
    }


def collapse_warning(name: str, spread: float, step: int) -> str:
    """One sentence for people.

    Args:
        name: of the set.
        spread: of the predictions over that of the labels.
        step: when.
    """
    return (
        f"Step {step}: on {name} the predicted poses vary {spread:.0%} as much as the labelled ones (required: above "
        f"{COLLAPSED_BELOW:.0%}); the network answers with one pose, so check the labels' conventions and the "
        "learning rate before training on."
    )
