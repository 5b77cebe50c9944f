"""The shape of a person's hand, as two views measure it, and where it is kept for live use.

Triangulated joints give the lengths of bones and palm, and these the shape. The paths see proportions nearer to the
average than they are: the network poses a hand of nearly average shape, and bends it onto its heat maps. The lengths
are therefore compared with those that such observers see of a shape (:func:`seen_lengths`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from app.pipeline.paths.calibrated_ik_path import measured_own_shape
from app.two_views.bone_lengths import FEWEST_FRAMES
from app.two_views.bundle_adjustment import edge_lengths
from app.two_views.truth import Truth
from hand.joints import BONES
from hand.layer import HandLayer
from hand.model import HandModel
from ik_baseline.person import HandCalibration, calibration_file

SHAPE_LIMIT: Final = 3.0
"""Two views bear a shape that is farther from the average than one view does, but no hand is farther than this."""

LENGTH_SIGMA_M: Final = 0.001
"""How exactly the seen length of a bone is known over a whole take (``benchmarks.measured_shapes``)."""

SEEN_DEVIATION: Final = 0.7
"""How much of a person's deviation from average proportions the triangulated lengths show
(``benchmarks.measured_shapes``)."""

_STEPS: Final = 12


def measured_shape(truth: Truth, model: HandModel) -> Float[np.ndarray, "10"]:
    """The shape whose bones are seen as long as the triangulated ones; the prior is that of all hands, standard normal.

    Args:
        truth: of a whole take.
        model: a right hand.
    """
    lengths = edge_lengths(truth.joints_m)
    enough = np.isfinite(lengths).sum(0) >= FEWEST_FRAMES
    if not enough.any():
        return np.zeros(10)
    seen = np.nanmedian(lengths[:, enough], 0)
    layer = HandLayer(model, np.float64)

    def of(shape: Float[np.ndarray, "10"]) -> Float[np.ndarray, " edges"]:
        return seen_lengths(layer, shape)[enough]

    shape = np.zeros(10)
    for _ in range(_STEPS):
        here = of(shape)
        jacobian = np.stack([(of(shape + 0.01 * unit) - here) / 0.01 for unit in np.eye(10)], 1) / LENGTH_SIGMA_M
        residual = (here - seen) / LENGTH_SIGMA_M
        shape = shape - np.linalg.solve(jacobian.T @ jacobian + np.eye(10), jacobian.T @ residual + shape)
    return np.asarray(np.clip(shape, -SHAPE_LIMIT, SHAPE_LIMIT))


def seen_lengths(layer: HandLayer, shape: Float[np.ndarray, "10"]) -> Float[np.ndarray, " edges"]:
    """Lengths of bones and palm as the paths see them: of the right size, with proportions nearer to the average.

    Args:
        layer: of a right hand.
        shape: of the person.
    """
    own, average = true_lengths(layer, shape), true_lengths(layer, np.zeros(10))
    bones = slice(len(BONES))
    average = average * (own[bones].sum() / average[bones].sum())
    return np.asarray(average + SEEN_DEVIATION * (own - average))


def true_lengths(layer: HandLayer, shape: Float[np.ndarray, "10"]) -> Float[np.ndarray, " edges"]:
    """Lengths of bones and palm of a shape."""
    return np.asarray(edge_lengths(np.asarray(layer(np.zeros(48), shape).joints_m, np.float64)[None])[0])


def keep_shape(shape: Float[np.ndarray, "10"], frames: int, model: HandModel, file: Path | None = None) -> str:
    """Makes a measured shape the user's own, which both paths take for the pictures of cameras.

    It is measured once: while it is kept, the paths hold it, and their joints do not show how far it is off.

    Args:
        shape: as :func:`measured_shape` gives it.
        frames: labelled frames that it was measured over.
        model: that the shape belongs to.
        file: of the calibration; the user's own when left out.

    Returns:
        What was done, in a sentence.

    Raises:
        ConfigError: the file cannot be written.
    """
    if measured_own_shape(model, file) is not None:
        place = file or calibration_file()
        return f"The shape of your hand was measured before and is kept in {place}; delete it to measure it again."
    default = HandCalibration.default(model)
    place = replace(default, shape=np.asarray(shape, np.float64), frames=frames, views=2).save(file)
    return f"The measured shape of your hand is kept in {place}; both paths use it from the next start on."
