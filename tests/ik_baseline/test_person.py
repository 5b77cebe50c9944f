"""The calibration of one person: its file, and solving it from many frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ik_cases import CAMERA, make_case, natural_angles, observe

from hand.anatomy import rotations_from_angles
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.landmark_offsets import measured_offsets_m
from hand.layer import HandLayer
from hand.rotations import matrix_from_axis_angle
from hand.types import HandObservation
from ik_baseline.calibration import HandCalibrator
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver


def test_measured_offsets_have_plausible_size_and_direction() -> None:
    offsets_mm = measured_offsets_m() * 1e3
    assert offsets_mm.shape == (21, 3)
    assert np.linalg.norm(offsets_mm, axis=1).max() < 25.0
    # fingers point along -x at rest; the detector's tips lie short of the true ones, its wrist up the hand
    assert (offsets_mm[[8, 12, 16, 20], 0] > 0.0).all()
    assert offsets_mm[0, 0] < 0.0


def test_calibration_round_trips_through_its_file(tmp_path: Path) -> None:
    model = load_embedded_model()
    rng = np.random.default_rng(0)
    written = HandCalibration(rng.normal(size=10), rng.normal(0.0, 0.005, (21, 3)), model.digest, 40, 2)
    read = HandCalibration.load(model, written.save(tmp_path / "deep" / "calibration.json"))
    np.testing.assert_allclose(read.shape, written.shape, atol=1e-6)
    np.testing.assert_allclose(read.landmark_offsets_m, written.landmark_offsets_m, atol=1e-7)
    assert (read.frames, read.views) == (40, 2)


def test_calibration_file_without_views_has_one_view(tmp_path: Path) -> None:
    model = load_embedded_model()
    file = HandCalibration.default(model).save(tmp_path / "calibration.json")
    content = json.loads(file.read_text())
    del content["views"]
    file.write_text(json.dumps(content))
    assert HandCalibration.load(model, file).views == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ('{"shape": [1, 2], "landmark_offsets_mm": [], "model_digest": "", "frames": 1}', "damaged"),
        ('{"frames": 1}', "damaged"),
        ("[]", "damaged"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        HandCalibration.load(load_embedded_model(), path)


def test_another_models_calibration_is_refused(tmp_path: Path) -> None:
    model = load_embedded_model()
    path = HandCalibration(np.zeros(10), np.zeros((21, 3)), "other", 3).save(tmp_path / "calibration.json")
    with pytest.raises(ConfigError, match="another hand model"):
        HandCalibration.load(model, path)
    with pytest.raises(ConfigError, match="cannot be read"):
        HandCalibration.load(model, tmp_path / "missing.json")


def test_a_persons_shape_is_found_over_many_frames(solver: IkSolver) -> None:
    rng = np.random.default_rng(5)
    shape = np.array([0.8, -0.7, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    layer = HandLayer(solver.model, np.float64)
    calibrator = HandCalibrator(
        solver.model,
        wanted_frames=25,
        start=HandCalibration.without_offsets(solver.model),
        offset_deviation_m=1e-5,
        effective_frames=25.0,
    )
    observations = []
    for _ in range(40):
        rotations = rotations_from_angles(natural_angles(rng), solver.chain.axes)
        rotations[0] = make_case(solver, rng).rotation
        observations.append(observe(layer.from_matrices(rotations, shape, np.array([0.0, 0.0, 0.5])).joints_m))
    for observation in observations[:30]:
        calibrator.add(observation, CAMERA)
    assert calibrator.progress == 1.0
    assert not calibrator.add(observations[30], CAMERA)
    calibration = calibrator.solve()
    assert calibration.frames == 25

    def misfit_mm() -> float:
        gaps = [solver.solve(observation, CAMERA).world_residual_m.mean() for observation in observations[30:]]
        return float(np.mean(gaps)) * 1e3

    before = misfit_mm()
    solver.calibration = calibration
    assert misfit_mm() < 0.2 * before
    rest = layer.shaped(shape).joints_m
    average, found = layer.shaped(np.zeros(10)).joints_m, layer.shaped(calibration.shape).joints_m
    assert np.linalg.norm(found - rest, axis=1).mean() < 0.2 * np.linalg.norm(average - rest, axis=1).mean()


def test_repeated_frame_is_not_added(solver: IkSolver) -> None:
    calibrator = HandCalibrator(solver.model)
    observation = make_case(solver, np.random.default_rng(1)).observation
    assert calibrator.add(observation, CAMERA)
    assert not calibrator.add(observation, CAMERA)
    with pytest.raises(ValueError, match="no frames"):
        HandCalibrator(solver.model).solve()


def test_frame_rotated_in_plane_is_not_added_and_a_tilted_one_is(solver: IkSolver) -> None:
    layer = HandLayer(solver.model, np.float64)
    bones = rotations_from_angles(natural_angles(np.random.default_rng(1)), solver.chain.axes)
    facing = make_case(solver, np.random.default_rng(1)).rotation

    def turned(*axis_angle_rad: float) -> HandObservation:
        rotations = bones.copy()
        rotations[0] = matrix_from_axis_angle(np.array(axis_angle_rad)) @ facing
        return observe(layer.from_matrices(rotations, np.zeros(10), np.array([0.0, 0.0, 0.5])).joints_m)

    calibrator = HandCalibrator(solver.model, start=HandCalibration.without_offsets(solver.model))
    assert calibrator.add(turned(0.0, 0.0, 0.0), CAMERA)
    assert not calibrator.add(turned(0.0, 0.0, 0.8), CAMERA)
    assert calibrator.add(turned(0.6, 0.0, 0.0), CAMERA)
