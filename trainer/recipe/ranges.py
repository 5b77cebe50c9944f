"""Which numbers of a recipe can be meant: a width of a hundred million or a batch of none is a slip of the finger."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final

_SHARE: Final = (0.0, 1.0)
_MANY: Final = 1_000_000_000

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    # the run
    "seed": (0, 2**63 - 1),
    "steps": (1, _MANY),
    "batch": (1, 65_536),
    "learning_rate": (0.0, 100.0),
    "trunk_rate": (0.0, 1000.0),
    "weight_decay": (0.0, 100.0),
    "warmup_steps": (0, _MANY),
    "clip_norm": (1e-9, 1e12),
    "ema_decay": (0.0, 1.0),
    "devices": (1, 1024),
    "nodes": (1, 4096),
    "workers": (0, 1024),
    "threads": (0, 4096),
    "evaluate_every": (1, _MANY),
    "checkpoint_minutes": (0.0, 1e6),
    "evaluation_count": (1, 10_000_000),
    "log_every": (1, _MANY),
    "patience": (0, _MANY),
    # the network
    "input_px": (32, 1024),
    "width": (8, 4096),
    "layers": (0, 64),
    "trunk_px": (0, 1024),
    # a source
    "share": (0.0, 1e9),
    "wide_share": _SHARE,
    "finger_share": _SHARE,
    "empty_share": _SHARE,
    "adorned_share": _SHARE,
    "gloved_share": _SHARE,
    "corrected_readings": _SHARE,
    "jitter_share": _SHARE,
    "loose_share": _SHARE,
    "repeat": (0, 1_000_000),
    "views": (1, 10_000),
    "shape": (-10.0, 10.0),
    "floor": _SHARE,
    "depth_trust": (0.0, 1e6),
    "span": _SHARE,
    "rotation_deg": (0.0, 180.0),
    "new_background": _SHARE,
    "new_skin": _SHARE,
    # by name
    "rates": (0.0, 1000.0),
    "loss_weights": (0.0, 1e9),
}
"""Smallest and largest of each number, by the name of its field."""


def problem_of_numbers(config: Any, where: str = "") -> str:
    """The first number that cannot be meant, in one sentence; empty where all can.

    Args:
        config: a recipe or a part of one, a dataclass of numbers, text, mappings, tuples and further dataclasses.
        where: what to call it.
    """
    for field in dataclasses.fields(config):
        place = f"{where}.{field.name}" if where else field.name
        message = _problem_of(getattr(config, field.name), RANGES.get(field.name), place)
        if message:
            return message
    return ""


def _problem_of(value: Any, limits: tuple[int | float, int | float] | None, place: str) -> str:
    if dataclasses.is_dataclass(value):
        return problem_of_numbers(value, place)
    if isinstance(value, dict):
        return next(filter(None, (_problem_of(one, limits, f"{place}.{name}") for name, one in value.items())), "")
    if isinstance(value, tuple):
        return next(filter(None, (_problem_of(one, limits, f"{place}[{k}]") for k, one in enumerate(value))), "")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place} should be a number, got {value}."
    if limits is not None and not limits[0] <= value <= limits[1]:
        return (
            f"{place} should be {limits[0]:g} to {limits[1]:g}, got {value if value < 10**12 else format(value, 'g')}."
        )
    return ""
