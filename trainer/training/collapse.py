"""The collapse guard: a network that answers with one pose for every picture has learned nothing, whatever its error.

A constant mean pose scores about 18 mm PA-MPJPE on FreiHAND, where good networks have 6: it is the easiest answer to
fall into and the hardest to see in a loss. It has no spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COLLAPSED_BELOW: Final = 0.15
"""Spread of the predicted finger poses over that of the labels; trainings that went well had 0.4 after 260 steps."""

SETTLED_SAMPLES: Final = 16_000
"""Before this many samples a network from scratch has not yet left the mean pose that it starts from."""

_SPREAD: Final = "spread_ratio"


def collapsed_sets(figures: Mapping[str, float]) -> dict[str, float]:
    """The sets of an evaluation on which the network answers with nearly one pose, with its spread there.

    Args:
        figures: of an evaluation, ``<set>_spread_ratio`` among them (``trainer.evaluation.predictions.figures``).
    """
    return {
        name.removesuffix(_SPREAD).rstrip("_"): value
        for name, value in figures.items()
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
        f"Step {step}: on {name} the predicted poses vary {spread:.0%} as much as the labelled ones (wanted: above "
        f"{COLLAPSED_BELOW:.0%}); the network answers with one pose, so look at the labels' conventions and the "
        "learning rate before training on."
    )
