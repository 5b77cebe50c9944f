"""Leaves out hands with numbers that are not finite, so that one bad hand does not affect others.

A network may return such numbers for one frame in ten thousand, one of unknown origin more often. After this filter no
code has to expect them: JSON has no NaN, a filter never recovers from one, and a recording with one could not be read.
"""

from __future__ import annotations

import math
from dataclasses import replace

from hand.finite import all_finite
from hand.types import HandState, PathResult
from inference.runtime import CropPrediction


def without_broken_hands(result: PathResult) -> PathResult:
    """The result with only the hands that are finite throughout; the same object where all are."""
    fit = [_is_fit(state) for state in result.states]
    if all(fit):
        return result
    seen = tuple(observation for k, observation in enumerate(result.observations) if k >= len(fit) or fit[k])
    states = tuple(state for state, whole in zip(result.states, fit, strict=True) if whole)
    sentence = "A hand with numbers that are not finite was left out."
    return replace(result, states=states, observations=seen, message=" ".join(filter(None, (result.message, sentence))))


def is_finite(prediction: CropPrediction) -> bool:
    """Whether a network's output for one crop is usable."""
    numbers = (prediction.rotations, prediction.shape, prediction.root_m, prediction.joints_px, prediction.sigma_px)
    rest = (prediction.presence, prediction.right, prediction.confidence)
    return all_finite(*numbers) and all(math.isfinite(number) for number in rest)


def _is_fit(state: HandState) -> bool:
    """The reprojection error may be unknown, which is NaN."""
    numbers = (state.pose_rad, state.shape, state.camera_translation_m, state.joints_m, state.vertices_m)
    return all_finite(*numbers) and math.isfinite(state.confidence)
