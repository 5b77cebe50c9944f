"""Landmarks of rendered hands, read as exactly as those of people on photographs.

The hand-landmark network was trained on photographs of people and errs more on renderings, so that on these MediaPipe +
IK appears to be worth less than it is before a camera. While :class:`CorrectedLandmarks` is open, both paths get
readings whose errors have the size that they have on photographs (``trainer/samples/landmark_domain_gap.py``, which
does the same to the samples of training).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from scipy.special import expit, logit

from hand.camera import project
from hand.crop import SquareCrop
from hand.landmark_offsets import landmarks_of_joints
from hand.landmark_reading import LandmarkReading
from hand.mirror import mirror_points, mirror_pose
from hand.rotations import matrix_from_axis_angle
from hand.types import HandObservation
from ik_baseline.detector import HandDetector, observation_of
from inference.landmark_reader import LandmarkReader
from trainer.samples.landmark_domain_gap import PHOTOGRAPH_ERROR, PRESENCE_LOGIT, RIGHT_LOGIT, error_factors
from trainer.synthetic.sample import SyntheticSample

_SAME_HAND: Final = 0.5
"""A reading whose joints are farther than this from the true ones, over their box, is of something else."""


class CorrectedLandmarks:
    """While it is open, landmarks of the hand that is :meth:`shown <show>` are read with smaller errors."""

    def __init__(self, error: float = PHOTOGRAPH_ERROR) -> None:
        """Changes nothing yet.

        Args:
            error: 0 for the smallest errors, 1 for readings as they are.
        """
        self._error = error
        self._truth: LandmarkReading | None = None
        self._patches = ExitStack()

    def show(self, sample: SyntheticSample) -> None:
        """The next pictures are this rendering."""
        self._truth = true_landmarks(sample)

    def __enter__(self) -> CorrectedLandmarks:
        read: Callable[..., LandmarkReading] = LandmarkReader.read
        detect: Callable[..., Sequence[HandObservation]] = HandDetector.detect

        def corrected_read(reader: LandmarkReader, image_rgb: np.ndarray, square: SquareCrop) -> LandmarkReading:
            return self.corrected(read(reader, image_rgb, square))

        def corrected_detect(detector: HandDetector, *arguments: Any) -> tuple[HandObservation, ...]:
            found = detect(detector, *arguments)
            return tuple(observation_of(self.corrected(one.reading)) for one in found if one.reading is not None)

        self._patches.enter_context(patch.object(LandmarkReader, "read", corrected_read))
        self._patches.enter_context(patch.object(HandDetector, "detect", corrected_detect))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.close()

    def corrected(self, reading: LandmarkReading) -> LandmarkReading:
        """A reading with smaller errors; as it is where it is not of the hand that is shown."""
        truth = self._truth
        if truth is None:
            return reading
        box_px = float(np.ptp(truth.points_px, axis=0).max())
        if np.linalg.norm(reading.points_px - truth.points_px, axis=1).mean() > _SAME_HAND * box_px:
            return reading
        in_picture, in_depth = error_factors(self._error)
        depth_px = truth.relative_depth_px
        # the landmark network has its own idea of a hand's middle
        world_m = truth.world_m + reading.world_m.mean(0)
        return replace(
            reading,
            points_px=truth.points_px + in_picture * (reading.points_px - truth.points_px),
            relative_depth_px=depth_px + in_depth * (reading.relative_depth_px - depth_px),
            world_m=world_m + in_depth * (reading.world_m - world_m),
            presence=self._between(truth.presence, reading.presence),
            rightness=self._between(truth.rightness, reading.rightness),
        )

    def _between(self, clear: float, read: float) -> float:
        """A probability whose logit is as near to that of a clear photograph as the errors are small."""
        return float(expit((1.0 - self._error) * logit(clear) + self._error * logit(np.clip(read, 1e-6, 1.0 - 1e-6))))


def true_landmarks(sample: SyntheticSample) -> LandmarkReading:
    """What a landmark network without errors would read of a rendering: its world landmarks are about their mean.

    The landmarks follow from the pose and their measured offsets on the hand model; presence and side are those of a
    clear photograph.
    """
    right = sample.side == "right"
    pose = np.asarray(sample.pose_rad if right else mirror_pose(sample.pose_rad), np.float64)
    joints_m = np.asarray(sample.joints_m if right else mirror_points(sample.joints_m), np.float64)
    landmarks_m = landmarks_of_joints(matrix_from_axis_angle(pose.reshape(16, 3)), joints_m)
    if not right:
        landmarks_m = mirror_points(landmarks_m)
    depth_m = landmarks_m[:, 2]
    return LandmarkReading(
        points_px=project(landmarks_m, sample.intrinsics),
        relative_depth_px=sample.intrinsics.fx_px * (depth_m - depth_m[0]) / depth_m[0],
        world_m=landmarks_m - landmarks_m.mean(0),
        presence=float(expit(PRESENCE_LOGIT)),
        rightness=float(expit(RIGHT_LOGIT if right else -RIGHT_LOGIT)),
    )
