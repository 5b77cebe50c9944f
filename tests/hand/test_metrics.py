"""The metrics on cases whose answer is known, and against SciPy and slow loops written from the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from hand.joints import to_mano_order
from hand.layer import HandLayer
from hand.metrics import (
    MILLIMETRES_PER_METRE,
    aligned,
    best_similarity,
    f_score,
    jitter_mm,
    mean_bend,
    mpjpe_mm,
    pa_error_mm,
    pck_curve,
    pose_spread_rad,
)
from tests.hand.toy_model import random_pose, toy_model


@pytest.fixture(scope="module")
def joints() -> np.ndarray:
    """Thirty different hands, 21 joints each, in front of a camera."""
    layer = HandLayer(toy_model(300), np.float64)
    random = np.random.default_rng(0)
    hands = [layer(random_pose(seed), random.normal(size=10), np.array([0.0, 0.0, 0.6])) for seed in range(30)]
    return np.stack([hand.joints_m for hand in hands])


def _moved(points: np.ndarray, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    turns = Rotation.random(len(points), random_state=seed).as_matrix()
    scales = random.uniform(0.3, 3.0, (len(points), 1, 1))
    return scales * points @ np.swapaxes(turns, 1, 2) + random.normal(size=(len(points), 1, 3))


def test_a_perfect_prediction_scores_zero(joints: np.ndarray) -> None:
    assert mpjpe_mm(joints, joints) == 0.0
    assert pa_error_mm(joints, joints) < 1e-10
    assert f_score(joints[0], joints[0], 5.0) == 1.0
    curve = pck_curve(np.zeros((30, 21)))
    assert curve.auc == pytest.approx(1.0)
    assert (curve.fractions == 1.0).all()


def test_a_turned_scaled_shifted_copy_scores_zero_after_alignment_alone(joints: np.ndarray) -> None:
    moved = _moved(joints)
    assert pa_error_mm(moved, joints) < 1e-9
    assert pa_error_mm(joints, moved) < 1e-9
    assert mpjpe_mm(moved, joints) > 30.0
    assert mpjpe_mm(joints + 5.0, joints) < 1e-9
    assert np.abs(best_similarity(1.2 * joints, joints, scale=False).applied(1.2 * joints) - joints).max() > 0.003


def test_a_mirrored_hand_does_not_score_zero(joints: np.ndarray) -> None:
    mirrored = joints * np.array([-1.0, 1.0, 1.0])
    assert pa_error_mm(mirrored, joints) > 5.0


def test_a_wrong_joint_order_is_large_even_in_a_perfect_pose(joints: np.ndarray) -> None:
    in_mano_order = to_mano_order(joints)
    assert mpjpe_mm(in_mano_order, joints) > 30.0
    assert pa_error_mm(in_mano_order, joints) > 20.0


def test_transposed_alignment_rotation_would_give_a_large_error(joints: np.ndarray) -> None:
    """The classic fault of hand-written alignments: it scores a perfect, turned prediction as centimetres."""
    moved = _moved(joints)
    x, y = moved - moved.mean(1, keepdims=True), joints - joints.mean(1, keepdims=True)
    left, _, right = np.linalg.svd(np.swapaxes(x, 1, 2) @ y)
    wrong = np.linalg.norm(x @ np.swapaxes(left @ right, 1, 2) * 0.1 - y, axis=-1).mean() * 1000
    assert wrong > 20.0
    assert pa_error_mm(moved, joints) < 1e-9


def test_a_zero_predictor_scores_the_size_of_the_hand(joints: np.ndarray) -> None:
    zeros = np.zeros_like(joints)
    spread = np.linalg.norm(joints - joints.mean(1, keepdims=True), axis=-1).mean() * 1000
    assert pa_error_mm(zeros, joints) == pytest.approx(spread)
    assert spread > 20.0
    assert mpjpe_mm(zeros, joints) == pytest.approx(np.linalg.norm(joints - joints[:, :1], axis=-1).mean() * 1000)


def test_alignment_is_the_best_of_all_proper_similarities(joints: np.ndarray) -> None:
    """Against a numerical search without singular values."""
    from scipy.optimize import minimize

    predicted = joints[3] + np.random.default_rng(2).normal(0, 0.01, (21, 3))
    target = joints[4]

    def cost(parameters: np.ndarray) -> float:
        moved = np.exp(parameters[6]) * Rotation.from_rotvec(parameters[:3]).apply(predicted) + parameters[3:6]
        return float(1e4 * ((moved - target) ** 2).sum())

    starts = Rotation.random(12, random_state=0).as_rotvec()
    best = min(minimize(cost, np.concatenate([start, np.zeros(4)]), method="BFGS").fun for start in starts)
    ours = 1e4 * ((aligned(predicted, target) - target) ** 2).sum()
    assert ours == pytest.approx(best, rel=1e-5)


def test_rigid_alignment_agrees_with_scipy(joints: np.ndarray) -> None:
    for predicted, target in zip(joints[:10], joints[10:20], strict=True):
        rotation, _ = Rotation.align_vectors(target - target.mean(0), predicted - predicted.mean(0))
        expected = rotation.apply(predicted - predicted.mean(0)) + target.mean(0)
        ours = best_similarity(predicted, target, scale=False).applied(predicted)
        np.testing.assert_allclose(ours, expected, atol=1e-7)


def test_alignment_of_degenerate_points_is_finite() -> None:
    random = np.random.default_rng(3)
    flat = np.concatenate([random.normal(size=(1, 21, 2)), np.zeros((1, 21, 1))], -1)
    assert pa_error_mm(_moved(flat), flat) < 1e-9
    line = np.outer(np.arange(21.0), [1, 2, 3])[None]
    assert pa_error_mm(_moved(line), line) < 1e-8
    assert np.isfinite(aligned(flat, np.zeros_like(flat))).all()
    single = random.normal(size=(2, 21, 3)).astype(np.float32)
    assert aligned(single, single).dtype == np.float32


def test_mpjpe_is_the_loop_from_its_definition(joints: np.ndarray) -> None:
    predicted = joints + np.random.default_rng(4).normal(0, 0.01, joints.shape)
    total = 0.0
    for sample in range(len(joints)):
        for joint in range(21):
            difference = [
                (predicted[sample, joint, k] - predicted[sample, 0, k])
                - (joints[sample, joint, k] - joints[sample, 0, k])
                for k in range(3)
            ]
            total += math.sqrt(sum(d * d for d in difference))
    assert mpjpe_mm(predicted, joints) == pytest.approx(1000 * total / joints[..., 0].size)


def test_pck_curve_is_the_loop_from_its_definition() -> None:
    errors = np.random.default_rng(5).exponential(15.0, (40, 21))
    curve = pck_curve(errors)
    assert len(curve.thresholds_mm) == 100
    assert curve.thresholds_mm[0] == 0.0
    assert curve.thresholds_mm[-1] == 50.0
    for threshold, fraction in zip(curve.thresholds_mm, curve.fractions, strict=True):
        assert fraction == pytest.approx(sum(error <= threshold for error in errors.flat) / errors.size)
    area = sum(
        (curve.fractions[k] + curve.fractions[k + 1]) / 2 * (curve.thresholds_mm[k + 1] - curve.thresholds_mm[k])
        for k in range(99)
    )
    assert curve.auc == pytest.approx(area / 50.0)


def test_auc_of_a_constant_error_is_known() -> None:
    assert pck_curve(np.full(10, 20.0)).auc == pytest.approx(1 - 20.0 / 50.0, abs=0.006)
    assert pck_curve(np.full(10, 60.0)).auc == 0.0


def test_f_score_agrees_with_a_kd_tree() -> None:
    random = np.random.default_rng(6)
    target = random.normal(0, 0.03, (400, 3)) + 0.5
    predicted = target[:300] + random.normal(0, 0.006, (300, 3))
    for threshold in (5.0, 15.0):
        precision = (cKDTree(target).query(predicted)[0] < threshold / 1000).mean()
        recall = (cKDTree(predicted).query(target)[0] < threshold / 1000).mean()
        expected = 2 * precision * recall / (precision + recall)
        assert f_score(predicted, target, threshold) == pytest.approx(expected)
    assert f_score(target + 1.0, target, 15.0) == 0.0


def test_jitter_of_constant_speed_acceleration_and_alternation() -> None:
    frames = np.arange(20.0)[:, None, None]
    moving = np.broadcast_to(0.01 * frames, (20, 21, 3))
    assert jitter_mm(moving) < 1e-9, "constant speed is no jitter"
    assert jitter_mm(0.5 * 0.001 * frames**2 * np.array([1.0, 0, 0]) + np.zeros((20, 21, 3))) == pytest.approx(1.0)
    alternating = np.zeros((20, 21, 3))
    alternating[::2, :, 0] = 0.001
    assert jitter_mm(alternating) == pytest.approx(4 * 0.5)
    assert jitter_mm(moving + alternating) == pytest.approx(2.0)
    assert math.isnan(jitter_mm(moving[:2]))


def test_pose_spread_of_a_collapsed_network_is_zero() -> None:
    random = np.random.default_rng(7)
    labels = np.concatenate([random.normal(0, 2, (500, 3)), random.normal(0, 0.3, (500, 45))], 1)
    collapsed = np.broadcast_to(labels.mean(0), labels.shape).copy()
    collapsed[:, :3] = labels[:, :3]  # the spread ignores the global rotation
    assert pose_spread_rad(collapsed) < 1e-7
    assert pose_spread_rad(labels) == pytest.approx(0.3 * math.sqrt(3), rel=0.05)
    assert pose_spread_rad(0.1 * labels) == pytest.approx(0.03 * math.sqrt(3), rel=0.05)


def test_pose_spread_agrees_with_scipy() -> None:
    poses = np.random.default_rng(8).normal(0, 0.4, (50, 48))
    squares = []
    for joint in range(1, 16):
        rotations = Rotation.from_rotvec(poses[:, 3 * joint : 3 * joint + 3])
        squares.append((rotations.mean().inv() * rotations).magnitude() ** 2)
    assert pose_spread_rad(poses) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-9)


def test_bend_of_three_frames_is_their_jitter() -> None:
    frames = np.random.default_rng(0).normal(size=(3, 21, 3))
    assert MILLIMETRES_PER_METRE * mean_bend(*frames) == pytest.approx(jitter_mm(frames), rel=1e-12)
