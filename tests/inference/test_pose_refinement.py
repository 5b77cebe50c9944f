"""Settling: a hand bent onto its 2D joints, against known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.metrics import pa_error_mm
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from inference.pose_refinement import RefinedHand, prior_precisions, refine_pose

CAMERA = Intrinsics.from_fov(640, 480)
LAYER = HandLayer(load_embedded_model(), np.float64)
SHAPE = np.zeros(10)
WRIST_M = np.array([0.02, 0.08, 0.5])


def true_hand(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations, and joints in the camera."""
    rng = np.random.default_rng(seed)
    rotations = matrix_from_axis_angle(rng.normal(0.0, 0.3, (16, 3)) + np.array([[0.0, 0.0, 0.3]]))
    joints = LAYER.from_matrices(rotations, SHAPE).joints_m
    return rotations, joints - joints[0] + WRIST_M


def joints_of(settled: RefinedHand) -> np.ndarray:
    joints = LAYER.from_matrices(settled.rotations, SHAPE).joints_m
    return joints - joints[0] + settled.root_m


def gap_px(joints_m: np.ndarray, pixels: np.ndarray) -> float:
    return float(np.linalg.norm(project(joints_m, CAMERA) - pixels, axis=1).mean())


def test_a_hand_that_lies_on_its_joints_stays_as_it_is() -> None:
    rotations, joints_m = true_hand(1)
    settled = refine_pose(LAYER, rotations, SHAPE, project(joints_m, CAMERA), np.full(21, 3.0), CAMERA, WRIST_M)
    np.testing.assert_allclose(settled.rotations, rotations, atol=1e-4)
    np.testing.assert_allclose(settled.root_m, WRIST_M, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_hand_predicted_beside_its_joints_is_bent_onto_them(seed: int) -> None:
    """Nearer in the picture, and nearer to the truth in depth too."""
    rotations, joints_m = true_hand(seed)
    wrong = rotations @ matrix_from_axis_angle(np.random.default_rng(50 + seed).normal(0.0, 0.15, (16, 3)))
    pixels = project(joints_m, CAMERA)
    settled = refine_pose(LAYER, wrong, SHAPE, pixels, np.full(21, 2.0), CAMERA, WRIST_M)
    predicted = LAYER.from_matrices(wrong, SHAPE).joints_m
    predicted = predicted - predicted[0] + WRIST_M
    assert gap_px(joints_of(settled), pixels) < 0.25 * gap_px(predicted, pixels)
    before, after = (pa_error_mm(hand[None], joints_m[None]) for hand in (predicted, joints_of(settled)))
    assert after < 0.8 * before
    np.testing.assert_allclose(
        settled.rotations @ settled.rotations.transpose(0, 2, 1), np.tile(np.eye(3), (16, 1, 1)), atol=1e-6
    )


def bent_index_finger(rotations: np.ndarray, angle_rad: float) -> np.ndarray:
    """The same hand with every joint of its index finger bent further."""
    axes = LAYER.model.joint_axes
    assert axes is not None
    bent = rotations.copy()
    for joint in (1, 2, 3):
        bent[joint] = rotations[joint] @ matrix_from_axis_angle(axes[joint, :, 0] * angle_rad)
    return bent


def test_doubtful_joints_bend_nothing() -> None:
    rotations, joints_m = true_hand(2)
    bent = LAYER.from_matrices(bent_index_finger(rotations, 0.4), SHAPE).joints_m
    bent_m = bent - bent[0] + WRIST_M
    pixels, sigma = project(joints_m, CAMERA), np.full(21, 2.0)
    pixels[5:9], sigma[5:9] = project(bent_m, CAMERA)[5:9], 300.0
    settled = refine_pose(LAYER, rotations, SHAPE, pixels, sigma, CAMERA, WRIST_M)
    assert 1000.0 * np.linalg.norm(joints_of(settled) - joints_m, axis=1).max() < 4.0
    sigma[5:9] = 2.0
    trusted = joints_of(refine_pose(LAYER, rotations, SHAPE, pixels, sigma, CAMERA, WRIST_M))
    assert np.linalg.norm(trusted[8] - bent_m[8]) < 0.4 * np.linalg.norm(joints_m[8] - bent_m[8])
    assert 1000.0 * np.linalg.norm(joints_m[8] - bent_m[8]) > 30.0


def test_fingers_bend_rather_than_twist() -> None:
    rotations, _ = true_hand(1)
    bent = bent_index_finger(rotations, 0.3)
    joints = LAYER.from_matrices(bent, SHAPE).joints_m
    pixels = project(joints - joints[0] + WRIST_M, CAMERA)
    settled = refine_pose(LAYER, rotations, SHAPE, pixels, np.full(21, 1.0), CAMERA, WRIST_M)
    axes = LAYER.model.joint_axes
    assert axes is not None
    for joint in (1, 2, 3):
        turn = axis_angle_from_matrix(rotations[joint].T @ settled.rotations[joint]) @ axes[joint]
        assert 0.15 < turn[0] < 0.45
        assert np.abs(turn[1:]).max() < 0.1


def test_a_model_without_axes_of_its_own_is_settled_by_its_bones() -> None:
    model = load_embedded_model()
    nameless = prior_precisions(replace(model, joint_axes=None))
    gaps = np.linalg.norm(nameless - prior_precisions(model), axis=(1, 2)) / np.linalg.norm(nameless, axis=(1, 2))
    assert gaps.max() < 0.35


def test_nonsense_gives_a_hand_all_the_same() -> None:
    rotations, _ = true_hand(3)
    pixels = np.random.default_rng(0).uniform(-3000.0, 3000.0, (21, 2))
    settled = refine_pose(LAYER, rotations, SHAPE, pixels, np.full(21, 1e-6), CAMERA, WRIST_M)
    assert np.isfinite(settled.rotations).all()
    assert settled.root_m[2] > 0.0
