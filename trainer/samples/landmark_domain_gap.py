"""Closes the domain gap of the hand-landmark network on renderings: smaller errors, as it makes on photographs.

The landmark network, whose reading the hand network takes as an input, was trained on photographs of people. On the
renderings of training its 2D errors are three times as large as on photographs (median 0.10 of the hand's box against
0.04), and a network that learns from renderings learns to rely on it as little. In part of the samples, the reading is
therefore moved towards the ground truth by a random factor. The errors keep their structure, such as a finger taken
for another, and have all sizes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float
from torch.utils.data import Dataset

from hand.landmark_offsets import landmarks_of_joints
from hand.landmark_reading import JOINT_NUMBERS, WORLD_SCALE
from trainer.samples.labelled_crop import LabelledCrop

LEAST_ERROR: Final = 0.15
"""2D errors are multiplied by a factor from here to 1. On photographs the median is 0.35 times that on renderings."""

LEAST_DEPTH_ERROR: Final = 0.6
"""The same of depths and world landmarks, whose errors differ less: 8.8 mm on photographs, 12.7 mm on renderings."""

PHOTOGRAPH_ERROR: Final = 0.235
"""With this ``error`` the median 2D error is that on photographs."""

PRESENCE_LOGIT: Final = 6.0
RIGHT_LOGIT: Final = 4.0
"""Logits of presence and of a right hand that the landmark network gives for clear photographs."""


class CorrectedReadings(Dataset[LabelledCrop]):
    """A stream of labelled renderings with landmark readings, of which part are moved towards the ground truth."""

    def __init__(self, stream: Dataset[LabelledCrop], share: float, seed: int) -> None:
        """Keeps the stream.

        Args:
            stream: crops with readings (``LabelledCrop.landmarks``).
            share: of the right hands whose reading is corrected.
            seed: of the choice and of the factors.
        """
        self._stream = stream
        self._share = share
        self._seed = seed

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index``, which depends on the seed, the stream and the index alone."""
        crop = self._stream[index]
        rng = np.random.default_rng((self._seed, 86028121, index))
        known = crop.present == 1.0 and crop.right == 1.0 and crop.pose_weight > 0.0
        if not known or rng.random() >= self._share:
            return crop
        return replace(crop, landmarks=corrected_reading(crop, float(rng.uniform())))


def error_factors(error: float) -> tuple[float, float]:
    """What the 2D errors of a reading, and those of its depths and world landmarks, are multiplied by.

    Args:
        error: 0 for the smallest errors, 1 for the reading as it is.
    """
    return LEAST_ERROR + (1.0 - LEAST_ERROR) * error, LEAST_DEPTH_ERROR + (1.0 - LEAST_DEPTH_ERROR) * error


def corrected_reading(crop: LabelledCrop, error: float) -> Float[np.ndarray, "L"]:
    """The reading of a crop with smaller errors.

    Args:
        crop: of a right hand with pose, joints and place.
        error: 0 for the smallest errors, 1 for the reading as it is.
    """
    reading = np.asarray(crop.landmarks, np.float64)
    joints, logits = reading[:-2].reshape(21, JOINT_NUMBERS), reading[-2:]
    truth = true_reading(crop, center=joints[:, 3:].mean(0))
    in_picture, in_depth = error_factors(error)
    factors = np.full(JOINT_NUMBERS, in_depth)
    factors[:2] = in_picture
    moved = truth + factors * (joints - truth)
    clear = np.array((PRESENCE_LOGIT, RIGHT_LOGIT))
    return np.concatenate([moved.ravel(), clear + error * (logits - clear)]).astype(np.float32)


def true_reading(crop: LabelledCrop, center: Float[np.ndarray, "3"]) -> Float[np.ndarray, "21 6"]:
    """What a landmark network without errors would read: the joints' part of ``LandmarkReading.in_crop``.

    Args:
        crop: of a right hand with pose, joints and place.
        center: mean of the world landmarks, in tenths of a metre; the landmark network has its own idea of a hand's
            middle.
    """
    landmarks_m = landmarks_of_joints(crop.rotations, crop.joints_m)
    in_camera_m = landmarks_m + np.asarray(crop.root_m, np.float64)
    depth_m = in_camera_m[:, 2:]
    return np.concatenate(
        [
            crop.focal * in_camera_m[:, :2] / depth_m,
            crop.focal * (depth_m - depth_m[0]) / depth_m[0],
            WORLD_SCALE * (landmarks_m - landmarks_m.mean(0)) + center,
        ],
        axis=1,
    )
