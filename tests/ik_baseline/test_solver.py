"""The solver on hands whose pose is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ik_cases import CAMERA, make_case, mirrored, observe

from hand.anatomy import joint_limits
from hand.camera import project
from hand.landmark_offsets import BONE_OF_LANDMARK
from hand.layer import HandLayer
from hand.mirror import mirror_points, mirror_pose
from hand.rotations import geodesic_rad
from ik_baseline.closed_form import align_palm, translate_to_pixels
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolution, IkSolver
from ik_baseline.tracker import confidence_of

SEEDS = range(12)


def joint_error_mm(solution: IkSolution, joints_m: np.ndarray) -> float:
    """Mean distance of joints in camera axes."""
    return float(np.linalg.norm(solution.joints_m - joints_m, axis=1).mean() * 1e3)


def test_palm_alignment_is_exact_without_noise(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(0))
    turned_back = solver.target(case.observation, CAMERA).world
    rotation, wrist, scale = align_palm(solver.chain, turned_back / 1.3)
    assert geodesic_rad(rotation, case.rotation) < 1e-6
    assert scale == pytest.approx(1.3, rel=1e-6)
    np.testing.assert_allclose(wrist * 1.3, turned_back[0], atol=1e-8)


def test_translation_is_recovered_under_known_intrinsics(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(1))
    from_wrist = case.joints_m - case.joints_m[0]
    np.testing.assert_allclose(
        translate_to_pixels(from_wrist, project(case.joints_m, CAMERA), CAMERA), case.joints_m[0], atol=1e-9
    )
    solution = solver.solve(case.observation, CAMERA)
    np.testing.assert_allclose(solution.camera_translation_m, case.translation_m, atol=1e-3)


def test_reachable_hands_are_solved_without_a_warm_start(solver: IkSolver) -> None:
    errors = []
    for seed in SEEDS:
        case = make_case(solver, np.random.default_rng(seed))
        errors.append(joint_error_mm(solver.solve(case.observation, CAMERA), case.joints_m))
    assert np.median(errors) < 0.5


def test_a_moving_hand_is_followed(solver: IkSolver) -> None:
    errors, warm = [], None
    start, end = (make_case(solver, np.random.default_rng(seed)) for seed in (20, 21))
    for share in np.linspace(0.0, 1.0, 12):
        angles = (1.0 - share) * start.angles_rad + share * end.angles_rad
        case = make_case(solver, np.random.default_rng(22), angles)
        joints = case.joints_m + np.array([0.1 * share, 0.0, -0.1 * share])
        solution = solver.solve(observe(joints), CAMERA, warm)
        warm = solution.warm
        errors.append(joint_error_mm(solution, joints))
    assert np.median(errors) < 0.1


def test_solved_pose_gives_the_solved_joints_in_the_hand_layer(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(2))
    solution = solver.solve(case.observation, CAMERA)
    posed = HandLayer(solver.model, np.float64)(solution.pose_rad, solution.shape, solution.camera_translation_m)
    np.testing.assert_allclose(posed.joints_m, solution.joints_m, atol=1e-7)


def test_a_left_hand_is_the_mirror_image_of_a_right_one(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(4))
    right = solver.solve(case.observation, CAMERA)
    left = solver.solve(mirrored(case.observation), CAMERA.mirrored())
    assert left.side == "left"
    np.testing.assert_allclose(left.pose_rad, mirror_pose(right.pose_rad), atol=1e-9)
    np.testing.assert_allclose(left.joints_m, mirror_points(right.joints_m), atol=1e-9)
    posed = HandLayer(solver.model.mirrored(), np.float64)(left.pose_rad, left.shape, left.camera_translation_m)
    np.testing.assert_allclose(posed.joints_m, left.joints_m, atol=1e-7)


def test_a_left_hand_projects_onto_its_own_landmarks(solver: IkSolver) -> None:
    observation = mirrored(make_case(solver, np.random.default_rng(5)).observation)
    solution = solver.solve(observation, CAMERA.mirrored())
    gaps = np.linalg.norm(project(solution.joints_m, CAMERA.mirrored()) - observation.landmarks_px, axis=1)
    assert gaps.mean() < 0.5


def test_one_outlier_landmark_does_not_move_the_hand(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(6))
    pixels, world = case.observation.landmarks_px.copy(), case.observation.world_landmarks_m.copy()
    pixels[11] += (90.0, -70.0)
    world[11] += (0.08, -0.06, 0.05)
    solution = solver.solve(replace(case.observation, landmarks_px=pixels, world_landmarks_m=world), CAMERA)
    others = np.delete(np.arange(21), 11)
    error_mm = np.linalg.norm(solution.joints_m - case.joints_m, axis=1)[others] * 1e3
    assert np.median(error_mm) < 1.0
    assert error_mm.max() < 6.0


def test_joint_limits_are_never_exceeded(solver: IkSolver) -> None:
    rng = np.random.default_rng(7)
    limits = joint_limits()
    for _ in range(20):
        case = make_case(solver, rng, rng.normal(0.0, 1.5, (16, 3)))
        noisy = case.observation.world_landmarks_m + rng.normal(0.0, 0.01, (21, 3))
        solution = solver.solve(replace(case.observation, world_landmarks_m=noisy), CAMERA)
        angles = np.concatenate([np.zeros((1, 3)), solution.warm.state.angles.reshape(15, 3)])
        assert np.abs(limits.excess_rad(angles)[1:]).max() == 0.0
        assert np.isfinite(solution.pose_rad).all()


def test_known_landmark_offsets_are_taken_into_account(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(8))
    offsets = np.random.default_rng(9).normal(0.0, 0.006, (21, 3))
    rotations = HandLayer(solver.model, np.float64)
    truth = solver.solve(case.observation, CAMERA)
    world = rotations(truth.pose_rad, truth.shape, truth.camera_translation_m).joint_rotations
    landmarks = truth.joints_m + np.einsum("kij,kj->ki", world[BONE_OF_LANDMARK], offsets)
    ignored = solver.solve(observe(landmarks), CAMERA)
    solver.calibration = HandCalibration(np.zeros(10), offsets, solver.model.digest)
    known = solver.solve(observe(landmarks), CAMERA)
    assert joint_error_mm(known, truth.joints_m) < 0.5
    assert joint_error_mm(ignored, truth.joints_m) > 2.0


def test_solved_still_hand_has_less_jitter_than_its_landmarks(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(10))
    rng = np.random.default_rng(11)
    seen, solved, warm = [], [], None
    for _ in range(60):
        pixels = case.observation.landmarks_px + rng.normal(0.0, 0.8, (21, 2))
        world = case.observation.world_landmarks_m + rng.normal(0.0, 0.0015, (21, 3))
        solution = solver.solve(replace(case.observation, landmarks_px=pixels, world_landmarks_m=world), CAMERA, warm)
        warm = solution.warm
        seen.append(pixels)
        solved.append(project(solution.joints_m, CAMERA))
    jitter_px = [np.std(np.array(points[10:]), axis=0).mean() for points in (seen, solved)]
    assert jitter_px[1] < 0.5 * jitter_px[0]


def test_confidence_is_low_for_scrambled_landmarks(solver: IkSolver) -> None:
    case = make_case(solver, np.random.default_rng(12))
    good = confidence_of(solver.solve(case.observation, CAMERA), case.observation)
    scrambled = replace(
        case.observation,
        landmarks_px=np.random.default_rng(0).permutation(case.observation.landmarks_px),
        world_landmarks_m=np.random.default_rng(0).permutation(case.observation.world_landmarks_m),
    )
    bad = confidence_of(solver.solve(scrambled, CAMERA), scrambled)
    assert good > 0.9
    assert 0.0 <= bad < 0.4
