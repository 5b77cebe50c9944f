"""What depends on the step alone: the learning rate, the average's pace, and the chance of what a network drops."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn


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
    """What torch's own generator starts a step from, so that no state of it has to be kept for a run that goes on.

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
