"""Pose refinement: a predicted hand fitted to its 2D joints, against known poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.metrics import pa_error_mm
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from inference.pose_refinement import RefinedHand, prior_precisions, prior_scale, refine_pose

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


def joints_of(refined: RefinedHand) -> np.ndarray:
    joints = LAYER.from_matrices(refined.rotations, SHAPE).joints_m
    return joints - joints[0] + refined.root_m


def gap_px(joints_m: np.ndarray, pixels: np.ndarray) -> float:
    return float(np.linalg.norm(project(joints_m, CAMERA) - pixels, axis=1).mean())


def test_hand_that_fits_its_joints_is_unchanged() -> None:
    rotations, joints_m = true_hand(1)
    refined = refine_pose(LAYER, rotations, SHAPE, project(joints_m, CAMERA), np.full(21, 3.0), CAMERA, WRIST_M)
    np.testing.assert_allclose(refined.rotations, rotations, atol=1e-4)
    np.testing.assert_allclose(refined.root_m, WRIST_M, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_refinement_moves_a_wrong_pose_onto_its_2d_joints(seed: int) -> None:
    """Nearer in the picture, and nearer to the truth in depth too."""
    rotations, joints_m = true_hand(seed)
    wrong = rotations @ matrix_from_axis_angle(np.random.default_rng(50 + seed).normal(0.0, 0.15, (16, 3)))
    pixels = project(joints_m, CAMERA)
    refined = refine_pose(LAYER, wrong, SHAPE, pixels, np.full(21, 2.0), CAMERA, WRIST_M)
    predicted = LAYER.from_matrices(wrong, SHAPE).joints_m
    predicted = predicted - predicted[0] + WRIST_M
    assert gap_px(joints_of(refined), pixels) < 0.25 * gap_px(predicted, pixels)
    before, after = (pa_error_mm(hand[None], joints_m[None]) for hand in (predicted, joints_of(refined)))
    assert after < 0.8 * before
    np.testing.assert_allclose(
        refined.rotations @ refined.rotations.transpose(0, 2, 1), np.tile(np.eye(3), (16, 1, 1)), atol=1e-6
    )


def bent_index_finger(rotations: np.ndarray, angle_rad: float) -> np.ndarray:
    """The same hand with every joint of its index finger bent further."""
    axes = LAYER.model.joint_axes
    assert axes is not None
    bent = rotations.copy()
    for joint in (1, 2, 3):
        bent[joint] = rotations[joint] @ matrix_from_axis_angle(axes[joint, :, 0] * angle_rad)
    return bent


def test_free_shape_fits_a_hand_of_another_shape_better() -> None:
    """Longer fingers are found as longer fingers, so that the joints need not be turned to reach the same places."""
    rotations, _ = true_hand(5)
    true_shape = np.random.default_rng(3).normal(0.0, 1.0, 10)
    posed = LAYER.from_matrices(rotations, true_shape).joints_m
    truth_m = posed - posed[0] + WRIST_M
    pixels, sigma = project(truth_m, CAMERA), np.full(21, 2.0)
    held = refine_pose(LAYER, rotations, SHAPE, pixels, sigma, CAMERA, WRIST_M)
    free = refine_pose(LAYER, rotations, SHAPE, pixels, sigma, CAMERA, WRIST_M, shape_deviation=1.0)
    np.testing.assert_array_equal(held.shape, SHAPE)
    of_free = LAYER.from_matrices(free.rotations, free.shape).joints_m
    assert gap_px(of_free - of_free[0] + free.root_m, pixels) < 0.6 * gap_px(joints_of(held), pixels)
    errors = [pa_error_mm(hand[None], truth_m[None]) for hand in (joints_of(held), of_free)]
    assert errors[1] < 0.8 * errors[0]
    assert free.shape @ true_shape > 0.0


def test_joints_follow_the_shape_along_their_bones() -> None:
    """Against a finite difference: a joint moves as the bones of its chain, each turned with the joint before it."""
    rotations, _ = true_hand(6)
    joints, turns = LAYER.skeleton(rotations, SHAPE)
    step = 1e-4
    for number in range(10):
        moved = (LAYER.skeleton(rotations, SHAPE + step * np.eye(10)[number])[0] - joints) / step
        bones = LAYER.bone_shape_directions[:, :, number]
        for finger, knuckle in enumerate((13, 1, 4, 10, 7)):  # MANO's numbers, thumb to pinky
            place = np.zeros(3)
            for link in range(4):
                joint = 1 + 4 * finger + link
                place = place + turns[0 if link == 0 else knuckle + link - 1] @ bones[joint]
                # tips are skin vertices, which do not move exactly with the bones
                np.testing.assert_allclose(place, moved[joint] - moved[0], atol=1e-6 if link < 3 else 2e-4)


def test_prior_scale_rises_with_the_residual_within_bounds() -> None:
    usual = np.full(21, 0.8)
    assert prior_scale(usual) == pytest.approx(1.0)
    assert prior_scale(0.1 * usual) == 0.7
    assert prior_scale(1.25 * usual) == pytest.approx(1.25)
    assert prior_scale(9.0 * usual) == 1.6
    usual[8] = 100.0  # one misread joint
    assert prior_scale(usual) == pytest.approx(1.0)


def test_joints_with_large_sigma_do_not_change_the_pose() -> None:
    rotations, joints_m = true_hand(2)
    bent = LAYER.from_matrices(bent_index_finger(rotations, 0.4), SHAPE).joints_m
    bent_m = bent - bent[0] + WRIST_M
    pixels, sigma = project(joints_m, CAMERA), np.full(21, 2.0)
    pixels[5:9], sigma[5:9] = project(bent_m, CAMERA)[5:9], 300.0
    refined = refine_pose(LAYER, rotations, SHAPE, pixels, sigma, CAMERA, WRIST_M)
    assert 1000.0 * np.linalg.norm(joints_of(refined) - joints_m, axis=1).max() < 4.0
    sigma[5:9] = 2.0
    with_sigma = joints_of(refine_pose(LAYER, rotations, SHAPE, pixels, sigma, CAMERA, WRIST_M))
    assert np.linalg.norm(with_sigma[8] - bent_m[8]) < 0.4 * np.linalg.norm(joints_m[8] - bent_m[8])
    assert 1000.0 * np.linalg.norm(joints_m[8] - bent_m[8]) > 30.0


def test_fingers_bend_rather_than_twist() -> None:
    rotations, _ = true_hand(1)
    bent = bent_index_finger(rotations, 0.3)
    joints = LAYER.from_matrices(bent, SHAPE).joints_m
    pixels = project(joints - joints[0] + WRIST_M, CAMERA)
    refined = refine_pose(LAYER, rotations, SHAPE, pixels, np.full(21, 1.0), CAMERA, WRIST_M)
    axes = LAYER.model.joint_axes
    assert axes is not None
    for joint in (1, 2, 3):
        turn = axis_angle_from_matrix(rotations[joint].T @ refined.rotations[joint]) @ axes[joint]
        assert 0.15 < turn[0] < 0.45
        assert np.abs(turn[1:]).max() < 0.1


def test_prior_without_joint_axes_is_derived_from_the_bones() -> None:
    model = load_embedded_model()
    from_bones = prior_precisions(replace(model, joint_axes=None))
    gaps = np.linalg.norm(from_bones - prior_precisions(model), axis=(1, 2)) / np.linalg.norm(from_bones, axis=(1, 2))
    assert gaps.max() < 0.35


def test_random_joints_give_a_finite_hand() -> None:
    rotations, _ = true_hand(3)
    pixels = np.random.default_rng(0).uniform(-3000.0, 3000.0, (21, 2))
    refined = refine_pose(LAYER, rotations, SHAPE, pixels, np.full(21, 1e-6), CAMERA, WRIST_M)
    assert np.isfinite(refined.rotations).all()
    assert refined.root_m[2] > 0.0
