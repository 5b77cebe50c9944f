"""The network without torch: outputs for a crop are transformed exactly into the picture's camera."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np

from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.crop_camera import mirrored_crop
from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.layer import HandLayer
from hand.mirror import mirror_pixels, mirror_points, mirror_pose
from hand.rotations import matrix_from_axis_angle
from inference.pose_refinement import DEPTH_DEVIATION, solve_root_translation
from inference.runtime import DOUBTED, INPUT_NAME, NetworkRuntime, joint_confidence, load_network
from trainer.evaluation.confidence_calibration import DOUBTED_GOOD, confidence_curve, fit_confidence
from trainer.samples.labelled_crop import LabelledCrop, label_crop

INPUT_PX = 128
METADATA = {
    "network": {"input_px": INPUT_PX},
    "crop_expansion": 1.6,
    "hand_model_digest": "",
    "confidence": {"offset": 0.0, "slope": 1.0},
}
# not centred, so that a confused principal point or mirroring shows
CAMERA = Intrinsics(610.0, 610.0, 300.0, 250.0, 640, 480)


class LabelSession:
    """Returns the label of the crop as the network's output and keeps the input picture."""

    def __init__(self, label: LabelledCrop) -> None:
        scale = label.focal / label.root_m[2]
        self.values = {
            "rotations": label.rotations,
            "shape": label.shape,
            "camera": np.array([scale, *(scale * label.root_m[:2])], np.float32),
            "joints_crop": label.joints_crop,
            "log_sigma": np.full(21, np.log(0.05), np.float32),
            "presence_logit": np.array(4.0, np.float32),
            "right_logit": np.array(4.0, np.float32),
        }
        self.seen: np.ndarray | None = None

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        self.seen = inputs[INPUT_NAME]
        return [self.values[name][None] for name in output_names]


def right_hand(place_m: tuple[float, float, float], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pose, shape and true joints of a right hand whose wrist is at a place."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0.0, 0.3, 48)
    pose[:3] += (1.2, 1.2, 1.2)
    shape = rng.normal(0.0, 1.0, 10)
    layer = HandLayer(load_embedded_model(), np.float64)
    translation = np.array(place_m) - layer.shaped(shape).joints_m[0]
    return pose, shape, layer(pose, shape, translation).joints_m


def joints_of(rotations: np.ndarray, shape: np.ndarray, root_m: np.ndarray) -> np.ndarray:
    layer = HandLayer(load_embedded_model(), np.float64)
    return layer.from_matrices(rotations, shape, root_m - layer.shaped(shape).joints_m[0]).joints_m


@pytest.mark.parametrize("flipped", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("angle_rad", [0.0, 0.9, -2.4])
@pytest.mark.parametrize("place_m", [(0.0, 0.05, 0.5), (-0.22, 0.12, 0.6), (0.2, -0.05, 0.42)])
def test_labels_as_outputs_are_decoded_to_the_true_joints(
    place_m: tuple[float, float, float], angle_rad: float, flipped: bool
) -> None:
    """Joints within 0.1 mm in camera axes and 2D within half a pixel, wherever and however the crop was taken."""
    image = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    pose, shape, joints_m = right_hand(place_m)
    # the camera of the picture in which the hand is a right one
    camera = CAMERA.mirrored() if flipped else CAMERA
    joints_px = project(joints_m, camera)
    upright = replace(crop_around(joints_px + np.array([9.0, -6.0]), 1.7), angle_rad=angle_rad)
    label = label_crop(
        np.ascontiguousarray(image[:, ::-1]) if flipped else image,
        upright,
        camera,
        rotations=matrix_from_axis_angle(pose.reshape(16, 3)),
        shape=shape,
        joints_m=joints_m,
        input_px=INPUT_PX,
    )
    session = LabelSession(label)
    crop = mirrored_crop(upright, 640) if flipped else upright
    prediction = NetworkRuntime(session, METADATA).predict(image, crop, CAMERA)

    decoded = joints_of(prediction.rotations, prediction.shape, prediction.root_m)
    np.testing.assert_allclose(decoded, joints_m, atol=1e-4)
    np.testing.assert_allclose(prediction.joints_px, joints_px, atol=0.5)
    assert prediction.sigma_px == pytest.approx(np.full(21, 0.05 * upright.size_px / 2.0))
    # the network's input is the crop that training would cut
    assert session.seen is not None
    difference = np.abs(session.seen[0].transpose(1, 2, 0) - label.image.astype(float))
    assert np.mean(difference) < 2.0


def test_mirrored_right_hand_projects_onto_the_left_hand() -> None:
    """The mirrored pose of the left model, and its projection in the camera that is not mirrored."""
    left_layer = HandLayer(load_embedded_model("left"), np.float64)
    pose, shape, mirrored_joints = right_hand((-0.15, 0.05, 0.5))
    left_joints = mirror_points(mirrored_joints)
    wrist = left_layer.shaped(shape).joints_m[0]
    posed = left_layer(mirror_pose(pose), shape, left_joints[0] - wrist).joints_m
    np.testing.assert_allclose(posed, left_joints, atol=1e-6)
    expected = mirror_pixels(project(mirrored_joints, CAMERA.mirrored()), 640)
    np.testing.assert_allclose(project(left_joints, CAMERA), expected, atol=1e-6)


@pytest.mark.parametrize("start_factor", [0.75, 1.0, 1.4])
def test_root_translation_is_recovered_despite_a_joint_with_large_sigma(start_factor: float) -> None:
    _, _, joints_m = right_hand((-0.1, 0.05, 0.55))
    pixels = project(joints_m, CAMERA)
    sigma = np.full(21, 2.0)
    # a joint with a large expected error has little weight
    pixels[8] += 60.0
    sigma[8] = 300.0
    start = joints_m[0] * start_factor + np.array([0.02, -0.01, 0.0])
    found = solve_root_translation(joints_m - joints_m[0], pixels, sigma, CAMERA, start)
    assert np.linalg.norm(found - joints_m[0]) < 2e-3
    sure = np.delete(np.arange(21), 8)
    projected = project(joints_m - joints_m[0] + found, CAMERA)
    assert np.linalg.norm(projected - pixels, axis=1)[sure].mean() < 0.5


def test_root_translation_from_random_joints_is_in_front_of_the_camera() -> None:
    _, _, joints_m = right_hand((0.0, 0.0, 0.5))
    nonsense = np.random.default_rng(0).uniform(-2000, 2000, (21, 2))
    found = solve_root_translation(joints_m - joints_m[0], nonsense, np.full(21, 1.0), CAMERA, joints_m[0])
    assert np.isfinite(found).all()
    assert found[2] > 0.0


def test_fitted_confidence_recovers_a_logistic_curve() -> None:
    rng = np.random.default_rng(0)
    certainty = rng.normal(2.5, 0.7, 20_000)
    good = rng.random(20_000) < 1.0 / (1.0 + np.exp(-(-6.0 + 2.5 * certainty)))
    curve = fit_confidence(certainty, good)
    assert curve["offset"] == pytest.approx(-6.0, rel=0.1)
    assert curve["slope"] == pytest.approx(2.5, rel=0.1)
    assert joint_confidence(4.0, curve) > 0.9 > 0.3 > joint_confidence(2.0, curve)


@pytest.mark.parametrize("unit", [0.1, 1.0, 8.0])
def test_the_fitted_curve_does_not_depend_on_the_unit_of_the_certainty(unit: float) -> None:
    """A logit that runs from -20 to 30 is fitted as well as a logarithm of errors."""
    rng = np.random.default_rng(6)
    certainty = rng.normal(3.0, 1.0, 5000)
    good = rng.random(5000) < 1.0 / (1.0 + np.exp(-(2.0 * certainty - 3.0)))
    curve = fit_confidence(unit * certainty, good)
    assert curve["slope"] * unit == pytest.approx(2.0, rel=0.1)
    assert curve["offset"] == pytest.approx(-3.0, rel=0.15)


def test_shipped_confidence_curve_doubts_a_fixed_share_of_good_hands() -> None:
    rng = np.random.default_rng(2)
    good = rng.random(20_000) > 0.02
    certainty = np.where(good, rng.normal(4.0, 1.0, 20_000), rng.normal(0.5, 1.0, 20_000))

    def doubted(curve: Mapping[str, float], chosen: np.ndarray) -> float:
        return float(np.mean([joint_confidence(value, curve) < DOUBTED for value in certainty[chosen]]))

    plain, shipped = fit_confidence(certainty, good), confidence_curve(certainty, good)
    assert doubted(shipped, good) == pytest.approx(DOUBTED_GOOD, abs=0.001)
    assert doubted(plain, good) < 0.5 * DOUBTED_GOOD
    assert doubted(shipped, ~good) > doubted(plain, ~good) + 0.05
    # without good hands the curve is not shifted
    assert confidence_curve(certainty, np.zeros(20_000, bool)) == fit_confidence(certainty, np.zeros(20_000, bool))


def test_confidence_stays_finite_where_everything_is_good_or_bad() -> None:
    certainty = np.linspace(1, 4, 50)
    for good in (np.ones(50, bool), np.zeros(50, bool), certainty > 2.5):
        curve = fit_confidence(certainty, good)
        confidence = [joint_confidence(value, curve) for value in certainty]
        assert np.isfinite(confidence).all()
    assert confidence[0] < 0.1
    assert confidence[-1] > 0.9


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no trained network at"),
        ("not json", "should be the JSON metadata"),
        (json.dumps({"schema": 99}), "should have schema 1, it has 99"),
        (json.dumps({"schema": 1, "network": {}}), "should name the network's confidence"),
        (json.dumps({"schema": 1, **METADATA}), "cannot be loaded"),
    ],
)
def test_an_unusable_network_is_refused_in_one_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "network.json").write_text(content)
        (tmp_path / "network.onnx").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=sentence):
        load_network(tmp_path)


def test_root_translation_minimises_the_weighted_errors() -> None:
    """Every small step away from it makes them larger, the prior of the depth included."""
    _, _, joints_m = right_hand((0.08, -0.04, 0.6))
    random = np.random.default_rng(3)
    pixels = project(joints_m, CAMERA) + random.normal(0.0, 3.0, (21, 2))
    sigma = random.uniform(1.0, 8.0, 21)
    start = joints_m[0] * 1.1

    def loss(wrist_m: np.ndarray) -> float:
        gaps = (project(joints_m - joints_m[0] + wrist_m, CAMERA) - pixels) / sigma[:, None]
        depth = (np.log(wrist_m[2]) - np.log(start[2])) / DEPTH_DEVIATION
        return float((gaps**2).sum() + depth**2)

    found = solve_root_translation(joints_m - joints_m[0], pixels, sigma, CAMERA, start)
    for step in np.concatenate([np.eye(3), -np.eye(3)]) * 2e-4:
        assert loss(found + step) > loss(found)
