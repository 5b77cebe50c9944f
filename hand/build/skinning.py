"""Smooth linear-blend-skinning weights from the distances that made the skin.

Along each digit a smooth step hands a vertex on from bone to bone; between digits the nearest one wins softly;
thumb against palm is a sigmoid of the two distances; a few passes over the mesh take out what corners remain. At
most five joints per vertex.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from hand.build.cage import Cage
from hand.build.implicit import ImplicitHand
from hand.build.primitives import Distances
from hand.build.quad_mesh import neighbour_average, smoothed
from hand.build.skeleton import FIRST_JOINT, FOUR_FINGERS
from hand.joints import MANO_FINGERS

Weights = Float[np.ndarray, "n 16"]

MAX_JOINTS_PER_VERTEX = 5
SMALLEST_WEIGHT = 0.01
_FINGER_SOFTNESS_MM = 2.0
_THUMB_SOFTNESS_MM = 4.0
_PALM_SMOOTHING_PASSES = 14
_FINGER_SMOOTHING_PASSES = 2
_BEYOND_KNUCKLE = [joint for joint in range(1, 16) if joint % 3 != 1]


def skinning_weights(hand: ImplicitHand, cage: Cage) -> Weights:
    """Blend weights of the cage's vertices, rows summing to 1."""
    vertices = cage.vertices_mm
    parts = hand.parts(vertices)
    chains = {digit: _chain_weights(hand, vertices, digit) for digit in MANO_FINGERS}
    distances = np.stack([parts[finger] for finger in FOUR_FINGERS], 1)
    closeness = np.exp(-np.clip(distances, 0.0, 60.0) / _FINGER_SOFTNESS_MM) + 1e-12
    share = closeness / closeness.sum(1, keepdims=True)
    fingers = np.einsum("nf,fnj->nj", share, np.stack([chains[finger] for finger in FOUR_FINGERS]))
    to_thumb = np.minimum(parts["thumb"], parts["thenar"])
    to_others = np.minimum.reduce([parts["palm"], parts["wrist"], *distances.T])
    thumb_share = 1.0 / (1.0 + np.exp((to_thumb - to_others) / _THUMB_SOFTNESS_MM))[:, None]
    weights = thumb_share * chains["thumb"] + (1.0 - thumb_share) * fingers
    return _pruned(_smoothed_in_palm(weights, cage))


def _chain_weights(hand: ImplicitHand, vertices: Float[np.ndarray, "n 3"], digit: str) -> Weights:
    """Weights if the digit and the wrist were alone."""
    skeleton = hand.skeleton
    first = FIRST_JOINT[digit]
    local = [(vertices - skeleton.joints_mm[first + k]) @ skeleton.frames[first + k] for k in range(3)]
    radius = skeleton.half_breadths_mm[digit]
    if digit == "thumb":
        leaves_palm = _smooth_step(local[0][:, 1] - 6.0, -16.0, 22.0)
        bends = (0.8 * radius[0], 0.8 * radius[1])
    else:
        # the palm side reaches further: its skin folds beyond the joint
        palmar = np.clip(local[0][:, 2] / radius[0], -1.0, 1.0)
        half_width = 11.0 + 3.0 * palmar
        leaves_palm = _smooth_step(local[0][:, 1] - 2.0 - 4.0 * np.clip(palmar, 0.0, 1.0), -half_width, half_width)
        bends = (0.75 * radius[1], 0.75 * radius[2])
    beyond_second = _smooth_step(local[1][:, 1], -bends[0], bends[0])
    beyond_third = _smooth_step(local[2][:, 1], -bends[1], bends[1])
    weights = np.zeros((len(vertices), 16))
    weights[:, 0] = 1.0 - leaves_palm
    weights[:, first] = leaves_palm * (1.0 - beyond_second)
    weights[:, first + 1] = leaves_palm * beyond_second * (1.0 - beyond_third)
    weights[:, first + 2] = leaves_palm * beyond_second * beyond_third
    return weights


def _smooth_step(x: Distances, start: Distances | float, end: Distances | float) -> Distances:
    """0 before ``start``, 1 after ``end``, with two continuous derivatives (Perlin's quintic)."""
    t = np.clip((x - start) / (end - start), 0.0, 1.0)
    result: Distances = t * t * t * (t * (6.0 * t - 15.0) + 10.0)
    return result


def _smoothed_in_palm(weights: Weights, cage: Cage) -> Weights:
    """Much smoothing in the palm, little on the fingers, where joints must stay crisp."""
    average = neighbour_average(len(weights), cage.quads)
    on_finger = np.clip(1.5 * weights[:, _BEYOND_KNUCKLE].sum(1), 0.0, 1.0)[:, None]
    palm = smoothed(weights, average, _PALM_SMOOTHING_PASSES)
    finger = smoothed(weights, average, _FINGER_SMOOTHING_PASSES)
    return on_finger * finger + (1.0 - on_finger) * palm


def _pruned(weights: Weights) -> Weights:
    """Without negligible weights, at most five joints a vertex, rows summing to 1."""
    weights = np.where(weights < SMALLEST_WEIGHT, 0.0, weights)
    smallest_first = np.argsort(-weights, axis=1, kind="stable")[:, MAX_JOINTS_PER_VERTEX:]
    np.put_along_axis(weights, smallest_first, 0.0, axis=1)
    return weights / weights.sum(1, keepdims=True)
