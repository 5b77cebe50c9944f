"""Test-time augmentation: a still picture's hand is predicted in several crops, and the mean is more exact than one.

The errors of a network in a crop and in the same crop a little turned, larger or smaller are alike in part only. Live
hands are seen once a frame, where the frames that follow do the same for less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from hand.crop import SquareCrop
from hand.rotations import chordal_mean
from inference.runtime import CropPrediction

TURNS_AND_SCALES: Final = ((0.0, 1.0), (0.2, 1.0), (-0.2, 1.0), (0.0, 1.12), (0.0, 0.92))
"""Turn in radians and size of each crop over the first one's: within the errors that the network was trained under."""


def predict_augmented(predict: Callable[[SquareCrop], CropPrediction], crop: SquareCrop) -> CropPrediction:
    """The mean prediction of a hand over several crops around it.

    Args:
        predict: of one crop.
        crop: around the hand.
    """
    crops = [
        replace(crop, angle_rad=crop.angle_rad + turn_rad, size_px=crop.size_px * scale)
        for turn_rad, scale in TURNS_AND_SCALES
    ]
    return mean_prediction([predict(one) for one in crops])


def mean_prediction(predictions: Sequence[CropPrediction]) -> CropPrediction:
    """One prediction of several about the same hand of the same picture.

    Rotations are averaged in the chordal metric, 2D joints by the inverse of their variance, all else plainly. The
    expected 2D errors stay those of one prediction: they are alike in part, so that their mean is not as much more
    exact as independent ones would make it.

    Args:
        predictions: at least one.
    """
    precisions = np.stack([1.0 / np.square(one.sigma_px) for one in predictions])
    weights = precisions / precisions.sum(0)
    joints_px = np.stack([one.joints_px for one in predictions])
    return CropPrediction(
        rotations=chordal_mean(np.stack([one.rotations for one in predictions])),
        shape=np.mean([one.shape for one in predictions], axis=0),
        root_m=np.mean([one.root_m for one in predictions], axis=0),
        joints_px=(weights[..., None] * joints_px).sum(0),
        sigma_px=1.0 / np.sqrt(precisions.mean(0)),
        presence=float(np.mean([one.presence for one in predictions])),
        right=float(np.mean([one.right for one in predictions])),
        confidence=float(np.mean([one.confidence for one in predictions])),
    )
