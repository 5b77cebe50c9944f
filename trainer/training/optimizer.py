"""What of a network is trained, and how fast: parameter groups, learning-rate schedule, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from hand.errors import ConfigError
from trainer.recipe.config import FitConfig


def freeze(network: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Takes modules out of the training, and returns them.

    Args:
        network: changed in place.
        names: of modules inside it, as in its state dict.

    Raises:
        ConfigError: there is no such module.
    """
    modules = dict(network.named_modules())
    unknown = [name for name in names if name not in modules]
    if unknown:
        raise ConfigError(f"freeze: the network has no module {unknown[0]!r}; one that it has is {list(modules)[1]!r}.")
    return [modules[name].requires_grad_(False) for name in names]


def build_optimizer(network: nn.Module, config: FitConfig) -> AdamW:
    """AdamW for what is not frozen; each of its groups has its ``peak`` rate.

    A state that is loaded later brings moments alone: rates and decay stay this recipe's; otherwise a run that is
    resumed with a lower rate, as one that diverged should be, would keep the old one.
    """
    optimizer = AdamW(parameter_groups(network, config), weight_decay=config.weight_decay)
    of_recipe = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]

    def keep(loaded: Optimizer) -> None:
        for group, values in zip(loaded.param_groups, of_recipe, strict=True):
            group.update(values)

    optimizer.register_load_state_dict_post_hook(keep)
    return optimizer


def parameter_groups(network: nn.Module, config: FitConfig) -> list[dict[str, Any]]:
    """What AdamW trains: the trunk at its own rate, each module that the recipe gives a rate, and the rest.

    Raises:
        ConfigError: there is no module that a rate was given to.
    """
    rates = {"trunk": config.trunk_rate, **config.rates}
    parts: dict[str, list[nn.Parameter]] = {name: [] for name in (*rates, "")}
    for name, value in network.named_parameters():
        if value.requires_grad:
            owner = max((part for part in rates if name.startswith(part + ".")), key=len, default="")
            parts[owner].append(value)
    idle = [name for name in config.rates if not parts[name]]
    if idle:
        raise ConfigError(f"rates: nothing of the network's {idle[0]!r} is trained; take it out, or correct its name.")
    peaks = {name: config.learning_rate * rates.get(name, 1.0) for name in parts}
    return [{"params": part, "lr": peaks[name], "peak": peaks[name]} for name, part in parts.items() if part]


def learning_rate_factor(step: int, warmup_steps: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to 1 % (Loshchilov and Hutter 2016, without restarts).

    Args:
        step: optimiser steps done.
        warmup_steps: length of the rise.
        steps: length of the whole run.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


def step_seed(seed: int, step: int, rank: int) -> int:
    """What torch's own generator starts a step from, so that a run resumes without its state.

    Args:
        seed: of the run.
        step: optimiser steps done.
        rank: the process's number; each drops something else.
    """
    return int(np.random.SeedSequence((seed, 67867967, step, rank)).generate_state(1)[0])


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Moves the averaged network towards the current one; buffers (BatchNorm statistics) move the same way.

    Early on the decay is smaller, so that the random start is forgotten quickly.

    Args:
        average: the averaged network, changed in place.
        network: the network in training.
        decay: share of the old average that is kept in the long run.
        step: optimiser steps done.
    """
    decay = min(decay, (1.0 + step) / (10.0 + step))
    theirs = dict(network.state_dict())
    for name, mine in average.state_dict().items():
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs[name].to(mine.dtype), 1.0 - decay)
        else:
            mine.copy_(theirs[name])
