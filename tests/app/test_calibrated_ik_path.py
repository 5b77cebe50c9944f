from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import plain_image

from app.pipeline.paths.calibrated_ik_path import CalibratedIkPath, SubjectCalibrationOptions
from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.types import Frame, HandObservation, HandState, PathResult
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver

CAMERA = Intrinsics.from_fov(640, 480)
LONG_FINGERS = np.array([0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
"""Proportions, not size: one camera cannot distinguish a large hand from a near one."""


class ExactTracker:
    """A tracker whose detector returns the exact joints of one person's moving hand."""

    def __init__(self) -> None:
        self.model = load_embedded_model()
        self.solver = IkSolver(self.model, HandCalibration.without_offsets(self.model))
        self.resets = 0
        self._layer = HandLayer(self.model, np.float64)

    def process(self, frame: Frame) -> PathResult:
        rng = np.random.default_rng(frame.sequence)
        pose = np.zeros((16, 3))
        # fingers up, palm to the camera, then turned a little; fingers bend about the rest frame's z axis
        pose[0] = np.array([1.2092, 1.2092, 1.2092]) + rng.normal(0.0, 0.25, 3)
        pose[1:13, 2] = rng.uniform(0.0, 1.2, 12)
        hand = self._layer(pose.ravel(), LONG_FINGERS, np.array([0.0, 0.0, 0.6]))
        seen = project(hand.joints_m, CAMERA)
        world = hand.joints_m - hand.joints_m.mean(0)
        observation = HandObservation("right", 0.95, seen, world, crop_around(seen, 1.5))
        solution = self.solver.solve(observation, CAMERA)
        state = HandState(
            sequence=frame.sequence,
            side="right",
            pose_rad=solution.pose_rad,
            shape=solution.shape,
            camera_translation_m=solution.camera_translation_m,
            joints_m=solution.joints_m,
            vertices_m=hand.vertices_m,
            confidence=0.9,
            origin="ik",
        )
        return PathResult(frame, "ik", (state,), (observation,))

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        pass


def frame(sequence: int, *, live: bool = False) -> Frame:
    return Frame(sequence, time.monotonic_ns(), plain_image(), CAMERA, "test", live=live)


def proportion_error(result: PathResult) -> float:
    """Relative error of the ratio of index finger length to palm length, which does not depend on the pose."""
    person = HandLayer(load_embedded_model(), np.float64)(np.zeros(48), LONG_FINGERS).joints_m

    def proportion(joints: np.ndarray) -> float:
        finger = np.linalg.norm(np.diff(joints[[5, 6, 7]], axis=0), axis=1).sum()
        return float(finger / np.linalg.norm(joints[9] - joints[0]))

    return abs(proportion(result.states[0].joints_m) / proportion(person) - 1.0)


def test_calibrated_shape_is_saved_and_applied_to_camera_frames_only(tmp_path: Path) -> None:
    file = tmp_path / "hand.json"
    learning = CalibratedIkPath(ExactTracker(), load_embedded_model(), SubjectCalibrationOptions(True, file, frames=25))
    before = proportion_error(learning.process(frame(0)))
    assert before > 0.05
    messages = [learning.process(frame(k)).message for k in range(1, 40)]
    assert messages[0].startswith("Learning your hand: ")
    assert messages[-1] == f"Your hand is learned and kept in {file}."
    assert proportion_error(learning.process(frame(50))) < 0.6 * before

    later = CalibratedIkPath(ExactTracker(), load_embedded_model(), SubjectCalibrationOptions(file=file))
    from_file, from_camera = later.process(frame(60)), later.process(frame(61, live=True))
    assert not from_file.message
    np.testing.assert_array_equal(from_file.states[0].shape, np.zeros(10))
    assert np.abs(from_camera.states[0].shape).max() > 0.1
    assert proportion_error(from_camera) < 0.6 * before


def test_a_shape_that_two_cameras_measured_is_not_calibrated_over(tmp_path: Path) -> None:
    file, model = tmp_path / "hand.json", load_embedded_model()
    measured = replace(HandCalibration.default(model), shape=LONG_FINGERS, frames=800, views=2)
    measured.save(file)
    path = CalibratedIkPath(ExactTracker(), model, SubjectCalibrationOptions(True, file, frames=3))
    messages = {path.process(frame(k, live=True)).message for k in range(12)}
    assert messages == {f"Two cameras measured your hand; to calibrate it with one camera, delete {file} first."}
    np.testing.assert_allclose(HandCalibration.load(model, file).shape, LONG_FINGERS, atol=1e-6)
    assert HandCalibration.load(model, file).views == 2


def test_damaged_calibration_is_logged_and_the_average_hand_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "hand.json"
    file.write_text("{")
    path = CalibratedIkPath(ExactTracker(), load_embedded_model(), SubjectCalibrationOptions(file=file))
    assert "is damaged" in caplog.text
    np.testing.assert_array_equal(path.process(frame(0, live=True)).states[0].shape, np.zeros(10))


def test_calibration_that_cannot_be_saved_is_kept_for_this_run(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    path = CalibratedIkPath(
        ExactTracker(), load_embedded_model(), SubjectCalibrationOptions(True, blocked / "x.json", frames=3)
    )
    messages = [path.process(frame(k)).message for k in range(12)]
    assert messages[-1].startswith("Your hand is learned for this run only. The hand calibration cannot be written")
