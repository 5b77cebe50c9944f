"""What a network's doubt is worth: the curve from its certainty to the probability that its joints are good."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from inference.runtime import DOUBTED, log_odds

GOOD_ERROR = 0.1
"""Joints are good when their mean 2D error is below this share of the longer side of the hand's box."""

WRONG_ERROR = 0.15
"""Joints are wrong, fingers taken for each other, when their mean 2D error is above this share."""

DOUBTED_GOOD: Final = 0.015
"""Share of the good held-out hands that may be doubted, so that as many as possible of the wrong ones are.

A few in a hundred hands are wrong. A plain probability therefore hardly ever falls below the threshold at which the
program leaves a network, not even where wrong hands are a hundred times more frequent than elsewhere; and a good hand
that is doubted costs little, because inverse kinematics then shows it.
"""

_RIDGE = 0.05
_STEPS = 100
_SMALLEST_STEP = 1e-9


def fit_confidence(certainty: Float[np.ndarray, " N"], good: Bool[np.ndarray, " N"]) -> dict[str, float]:
    """Logistic regression of good against the certainty (Platt 1999, with his smoothed targets).

    A weak ridge on the slope keeps the curve finite where one side is empty or the two are cleanly separated.

    Args:
        certainty: of each held-out crop, as the network gives it.
        good: whether its joints were good.

    Returns:
        ``offset`` and ``slope`` for :func:`inference.runtime.joint_confidence`; a slope below 0 would mean that the
        network is surer where it is wrong, and is returned as it is.
    """
    positives, negatives = int(good.sum()), int((~good).sum())
    target = np.where(good, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    # centred, so that the ridge on the slope does not depend on the unit of sigma
    middle = float(certainty.mean())
    design = np.stack([np.ones(len(certainty)), certainty - middle], 1)
    ridge = np.diag([1e-6, _RIDGE])

    def loss(values: Float[np.ndarray, "2"]) -> float:
        # log(1 + exp(x)) without overflow, minus target * x: the negative log likelihood
        odds = design @ values
        return float((np.logaddexp(0.0, odds) - target * odds).sum() + 0.5 * values @ ridge @ values)

    values = np.zeros(2)
    for _ in range(_STEPS):
        chance = 0.5 * (1.0 + np.tanh(0.5 * design @ values))
        hessian = (design * (chance * (1.0 - chance))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, design.T @ (target - chance) - ridge @ values)
        # a whole Newton step overshoots where certainties are many units apart
        while loss(values + step) > loss(values) and np.abs(step).max() > _SMALLEST_STEP:
            step = 0.5 * step
        values = values + step
        if np.abs(step).max() <= _SMALLEST_STEP:
            break
    offset, slope = (float(value) for value in values)
    return {"offset": offset - slope * middle, "slope": slope}


def confidence_curve(certainty: Float[np.ndarray, " N"], good: Bool[np.ndarray, " N"]) -> dict[str, float]:
    """The curve that ships: :func:`fit_confidence`'s, moved until it doubts :data:`DOUBTED_GOOD` of the good hands.

    Args:
        certainty: of each held-out crop, as the network gives it.
        good: whether its joints were good.

    Returns:
        ``offset`` and ``slope``; never surer than the fitted curve.
    """
    curve = fit_confidence(certainty, good)
    if not good.any():
        return curve
    edge = float(np.quantile(certainty[good], DOUBTED_GOOD))
    moved = log_odds(DOUBTED) - curve["slope"] * edge
    return {"offset": min(curve["offset"], moved), "slope": curve["slope"]}
