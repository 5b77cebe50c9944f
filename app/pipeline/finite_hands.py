"""Leaves out hands with numbers that are not finite, so that one bad hand does not affect others.

A network may return such numbers for one frame in ten thousand, one of unknown origin more often. After this filter no
code has to expect them: JSON has no NaN, a filter never recovers from one, and a recording with one could not be read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import compress

from hand.finite import all_finite
from hand.types import HandState, PathResult
from inference.runtime import CropPrediction


def without_broken_hands(result: PathResult) -> PathResult:
    """The result with only the hands that are finite throughout, before a filter too; the same object where all are."""
    raw = result.unfiltered or result.states
    fit = [_is_fit(state) and _is_fit(before) for state, before in zip(result.states, raw, strict=True)]
    if all(fit):
        return result
    seen = tuple(observation for k, observation in enumerate(result.observations) if k >= len(fit) or fit[k])
    states = tuple(compress(result.states, fit))
    unfiltered = tuple(compress(result.unfiltered, fit))
    sentence = "A hand with numbers that are not finite was left out."
    message = " ".join(filter(None, (result.message, sentence)))
    return replace(result, states=states, observations=seen, unfiltered=unfiltered, message=message)


def is_finite(prediction: CropPrediction) -> bool:
    """Whether a network's output for one crop is usable."""
    numbers = (prediction.rotations, prediction.shape, prediction.root_m, prediction.joints_px, prediction.sigma_px)
    rest = (prediction.presence, prediction.right, prediction.confidence)
    return all_finite(*numbers) and all(math.isfinite(number) for number in rest)


def _is_fit(state: HandState) -> bool:
    """The reprojection error may be unknown, which is NaN."""
    numbers = (state.pose_rad, state.shape, state.camera_translation_m, state.joints_m, state.vertices_m)
    return all_finite(*numbers) and math.isfinite(state.confidence)
