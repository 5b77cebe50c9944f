"""Bones do not change their length: what tells better landmarks from worse ones where there is no truth.

On rendered hands the scatter of bone lengths falls together with the true error as more of the landmark correction is
made (``benchmarks/landmark_transfer.py``); on photographs it falls up to about half of the correction and rises after
that. So a session says by itself how much of the correction it bears.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.joints import BONES
from hand.types import HandObservation
from ik_baseline.landmark_correction import PHOTOGRAPH_SHARE, LandmarkCorrection

FINGER_BONES: Final = np.array([bone for bone in BONES if bone[0] != 0])
"""Bones beyond the palm, as (nearer the wrist, nearer the tip)."""

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEAST_OBSERVATIONS: Final = 40
_MOST_OBSERVATIONS: Final = 400


def bone_lengths(world_m: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, "N 15"]:
    """Lengths of the finger bones over their sum, because the detector's metres change from frame to frame."""
    lengths = np.linalg.norm(world_m[:, FINGER_BONES[:, 1]] - world_m[:, FINGER_BONES[:, 0]], axis=-1)
    return np.asarray(lengths / lengths.sum(1, keepdims=True))


def scatter(values: Float[np.ndarray, "N K"]) -> float:
    """Standard deviation over the median, mean of all columns, from median absolute deviations."""
    middle = np.median(values, axis=0)
    return float((1.4826 * np.median(np.abs(values - middle), axis=0) / middle).mean())


def correction_strength(
    correction: LandmarkCorrection, observations: Sequence[HandObservation], intrinsics: Intrinsics
) -> float:
    """The part of a correction with which one person's bones are most constant.

    Args:
        correction: of the detector's landmarks.
        observations: of one person's hands; with too few of them it is what photographs bear in general.
        intrinsics: of all pictures.
    """
    if len(observations) < _LEAST_OBSERVATIONS:
        return PHOTOGRAPH_SHARE
    order = np.random.default_rng(0).permutation(len(observations))[:_MOST_OBSERVATIONS]
    none, whole = (
        np.array([correction(observations[k], intrinsics, form_share=share).world_landmarks_m for k in order])
        for share in (0.0, 1.0)
    )
    scatters = [scatter(bone_lengths(none + share * (whole - none))) for share in SHARES]
    return SHARES[int(np.argmin(scatters))]
