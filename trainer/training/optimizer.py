"""What of a network is trained, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    """AdamW for what is not frozen; each of its groups remembers its ``peak`` rate.

    A state that is loaded later brings moments alone: rates and decay stay this recipe's, or a run that goes on with
    a lower rate, as one that diverged should, would go on with the old one.
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
