"""The fusion of two hands against closed forms, scipy and finite differences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hand.anatomy import joint_axes, joint_limits
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.layer import HandLayer
from hand.mirror import mirror_points, mirror_pose
from hand.types import HandState, PathId
from inference.fusion_kernel import HAND_FEATURES, combine_places, mean_rotations
from inference.fusion_weights import FusionWeights, load_weights
from inference.hand_fusion import HandFusion, joint_groups

MODEL = load_embedded_model()
LAYER = HandLayer(MODEL, np.float64)
CAMERA = Intrinsics.from_fov(640, 480)
PLACE = np.array([0.02, -0.01, 0.5])
FACING = np.array([np.pi, 0.0, 0.0])
EVEN = replace(FusionWeights.of_one_path("network"), bias=np.zeros((16, 3)), place_bias=0.0, shape_share=0.5)


def state(pose: np.ndarray, path_id: PathId, confidence: float = 0.9, sigma_px: float = 3.0) -> HandState:
    geometry = LAYER(pose, np.zeros(10), PLACE)
    return HandState(
        sequence=0,
        side="right",
        pose_rad=pose.astype(np.float32),
        shape=np.zeros(10, np.float32),
        camera_translation_m=PLACE.astype(np.float32),
        joints_m=geometry.joints_m,
        vertices_m=geometry.vertices_m,
        confidence=confidence,
        origin=path_id,
        reprojection_px=1.0,
        seen_px=project(geometry.joints_m, CAMERA),
        seen_sigma_px=np.full(21, sigma_px) if path_id == "network" else None,
    )


def random_pose(seed: int, size: float = 0.2) -> np.ndarray:
    """Fingers bent by some 20 degrees, and a little at random."""
    pose = np.concatenate([FACING, np.zeros(45)])
    rng = np.random.default_rng(seed)
    axes = joint_axes(MODEL)
    for joint in range(1, 16):
        pose[3 * joint : 3 * joint + 3] = axes[joint] @ np.array([rng.uniform(0.1, 0.1 + 2 * size), 0.0, 0.0])
    return pose


def rotations(hand: HandState) -> Rotation:
    return Rotation.from_rotvec(np.asarray(hand.pose_rad, np.float64).reshape(16, 3))


def apart_rad(one: HandState, other: HandState) -> np.ndarray:
    return (rotations(one).inv() * rotations(other)).magnitude()


@pytest.mark.parametrize("weights", [EVEN, FusionWeights.of_one_path("network"), FusionWeights.of_one_path("ik")])
def test_equal_hands_are_unchanged_by_fusion(weights: FusionWeights) -> None:
    pose = random_pose(1)
    network, ik = state(pose, "network"), state(pose, "ik")
    fused = HandFusion(MODEL, weights).fuse(network, ik, CAMERA)
    assert apart_rad(fused, network).max() < 2e-3
    np.testing.assert_allclose(fused.joints_m, network.joints_m, atol=5e-4)
    assert fused.origin == "fused"
    assert fused.reprojection_px < 0.5


@pytest.mark.parametrize("path", ["network", "ik"])
def test_path_with_infinite_weight_determines_the_result(path: str) -> None:
    network, ik = state(random_pose(1), "network"), state(random_pose(2), "ik")
    fusion = HandFusion(MODEL, FusionWeights.of_one_path(path))
    fused = fusion.fuse(network, ik, CAMERA)
    chosen, other = (network, ik) if path == "network" else (ik, network)
    # its own 2D joints are what its pose projects to, so nothing bends it either
    assert apart_rad(fused, chosen).max() < 0.02
    assert apart_rad(fused, other).max() > 0.1


def test_the_mean_of_two_rotations_is_scipys() -> None:
    rng = np.random.default_rng(3)
    first, second = Rotation.random(16, random_state=4), Rotation.from_rotvec(rng.normal(0.0, 0.3, (16, 3)))
    second = first * second
    axes = np.tile(np.eye(3), (16, 1, 1))
    apart = (first.inv() * second).as_rotvec()
    mean = np.empty((16, 3, 3))
    mean_rotations(first.as_matrix(), apart, np.full((16, 3), 0.5), axes, mean)
    for joint in range(16):
        expected = Rotation.concatenate([first[joint], second[joint]]).mean()
        assert (expected.inv() * Rotation.from_matrix(mean[joint])).magnitude() < 1e-7
    mean_rotations(first.as_matrix(), apart, np.ones((16, 3)), axes, mean)
    np.testing.assert_allclose(mean, second.as_matrix(), atol=1e-9)


@pytest.mark.parametrize("isotropic", [True, False])
def test_weighted_mean_minimises_the_weighted_squares(isotropic: bool) -> None:
    """By finite differences of the sum that the mean minimises: exactly with one weight, else to second order."""
    rng = np.random.default_rng(6)
    first = Rotation.random(16, random_state=7)
    second = first * Rotation.from_rotvec(rng.normal(0.0, 0.05, (16, 3)))
    axes = joint_axes(MODEL)
    apart = np.einsum("jki,jk->ji", axes, (first.inv() * second).as_rotvec())
    share = rng.uniform(0.1, 0.9, (16, 1 if isotropic else 3)) * np.ones((16, 3))
    mean = np.empty((16, 3, 3))
    mean_rotations(first.as_matrix(), apart, share, axes, mean)

    def total(joint: int, turn: np.ndarray) -> float:
        here = Rotation.from_matrix(mean[joint]) * Rotation.from_rotvec(axes[joint] @ turn)
        to_first = axes[joint].T @ (first[joint].inv() * here).as_rotvec()
        to_second = axes[joint].T @ (second[joint].inv() * here).as_rotvec()
        return float(((1.0 - share[joint]) * to_first**2 + share[joint] * to_second**2).sum())

    step = 1e-4
    for joint in range(16):
        gradient = [(total(joint, step * e) - total(joint, -step * e)) / (2 * step) for e in np.eye(3)]
        size = float(np.linalg.norm(apart[joint]))
        assert np.abs(gradient).max() < (1e-6 * size if isotropic else 0.5 * size**2)


def test_features_measure_the_distance_between_the_poses() -> None:
    network, ik = state(random_pose(1), "network"), state(random_pose(2), "ik")
    situation = HandFusion(MODEL, EVEN).describe(network, ik, CAMERA)
    expected = (rotations(network).inv() * rotations(ik)).magnitude()
    np.testing.assert_allclose(np.linalg.norm(situation.apart_rad, axis=1), expected, atol=1e-6)
    own = [Rotation.from_rotvec(np.asarray(one.pose_rad[:3], np.float64)).inv().apply(
        np.asarray(one.joints_m - one.joints_m[0], np.float64)) for one in (network, ik)]  # fmt: skip
    assert situation.form_mm == pytest.approx(1e3 * np.linalg.norm(own[0] - own[1], axis=1)[1:].mean(), rel=1e-5)


def test_places_are_weighed_by_inverse_variances() -> None:
    network_px, ik_px = np.zeros((21, 2)), np.zeros((21, 2))
    network_px[:, 1] = np.linspace(0.0, 100.0, 21)
    ik_px[:] = network_px + np.array([1.0, 0.0])
    places, sigma = np.empty((21, 2)), np.empty(21)
    combine_places(network_px, np.full(21, 2.0), ik_px, 0.2, 1.0, places, sigma)
    # a share of 0.2 is a variance four times the network's, so the mean's is 4 * 16 / 20
    np.testing.assert_allclose(places - network_px, [[0.2, 0.0]] * 21, atol=1e-12)
    np.testing.assert_allclose(sigma, np.sqrt(3.2))
    combine_places(network_px, np.full(21, 2.0), network_px + 40.0, 0.2, 1.0, places, sigma)
    # a gap of 40 px along each axis, where its variance is 20: the ratio of Birge is 1600 / 20
    np.testing.assert_allclose(sigma, np.sqrt(3.2 * 80.0))


def test_ik_share_falls_with_its_distance_relative_to_the_expected_error() -> None:
    slopes = np.zeros(len(HAND_FEATURES))
    slopes[HAND_FEATURES.index("apart_sigma")] = -2.0
    weights = replace(EVEN, place_slopes=slopes)
    network = state(random_pose(1), "network", sigma_px=4.0)
    assert network.seen_px is not None
    shares = []
    for gap_px in (3.2, 12.8):  # 0.8 is the usual ratio to the expected error, so that the first feature is 0
        ik = replace(state(random_pose(1), "ik"), seen_px=network.seen_px + np.array([gap_px, 0.0]))
        situation = HandFusion(MODEL, weights).describe(network, ik, CAMERA)
        shares.append(weights.ik_share_of_places(situation.hand))
    np.testing.assert_allclose(shares, [0.5, 1.0 / (1.0 + 16.0)], atol=1e-6)


def test_2d_joints_bend_the_mean_towards_what_was_seen() -> None:
    truth = random_pose(1)
    wrong = truth.copy()
    axes = joint_axes(MODEL)
    wrong[3:6] = axes[1] @ np.array([0.8, 0.0, 0.0])
    seen = project(LAYER(truth, np.zeros(10), PLACE).joints_m, CAMERA)
    network, ik = (
        replace(state(wrong, path), seen_px=seen, seen_sigma_px=np.full(21, 1.0)) for path in ("network", "ik")
    )
    right = state(truth, "network")
    fused = HandFusion(MODEL, EVEN).fuse(network, ik, CAMERA)
    assert apart_rad(fused, right)[1] < 0.6 * apart_rad(network, right)[1]
    assert fused.reprojection_px < 0.5 * np.linalg.norm(project(network.joints_m, CAMERA) - seen, axis=1).mean()


def test_left_hands_are_fused_as_mirrored_right_hands() -> None:
    fusion = HandFusion(MODEL, EVEN)
    pair = state(random_pose(1), "network"), state(random_pose(2), "ik")
    right = fusion.fuse(*pair, CAMERA)
    width = CAMERA.width_px - 1
    left_pair = tuple(
        replace(
            one,
            side="left",
            pose_rad=mirror_pose(one.pose_rad),
            joints_m=mirror_points(one.joints_m),
            camera_translation_m=mirror_points(one.camera_translation_m),
            seen_px=np.array([width, 0.0]) + np.array([-1.0, 1.0]) * one.seen_px,
        )
        for one in pair
    )
    left = fusion.fuse(*left_pair, CAMERA.mirrored())
    np.testing.assert_allclose(mirror_points(left.joints_m), right.joints_m, atol=1e-5)
    assert left.side == "left"


def test_joints_stay_within_their_limits() -> None:
    pose = random_pose(1)
    axes = joint_axes(MODEL)
    pose[6:9] = axes[2] @ np.array([2.4, 0.0, 0.0])  # 137 degrees
    fused = HandFusion(MODEL, EVEN).fuse(state(pose, "network"), state(pose, "ik"), CAMERA)
    flexion = axes[2].T @ np.asarray(fused.pose_rad[6:9], np.float64)
    assert flexion[0] == pytest.approx(joint_limits().upper_rad[2, 0], abs=1e-4)


def test_hands_without_2d_joints_are_fused_too() -> None:
    network, ik = (
        replace(state(random_pose(seed), path), seen_px=None, seen_sigma_px=None)
        for seed, path in ((1, "network"), (2, "ik"))
    )
    fused = HandFusion(MODEL, EVEN).fuse(network, ik, CAMERA)
    assert np.isfinite(fused.joints_m).all()
    assert apart_rad(fused, network).max() < apart_rad(ik, network).max()


def test_weights_round_trip_and_damaged_files_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = replace(
        EVEN,
        bias=rng.normal(size=(16, 3)),
        slopes=rng.normal(size=EVEN.slopes.shape),
        place_slopes=rng.normal(size=len(HAND_FEATURES)),
    )
    weights.save(tmp_path / "weights.json")
    again = load_weights(tmp_path / "weights.json")
    np.testing.assert_allclose(again.bias, weights.bias, atol=1e-4)
    np.testing.assert_allclose(again.slopes, weights.slopes, atol=1e-4)
    np.testing.assert_allclose(again.place_slopes, weights.place_slopes, atol=1e-4)
    content = json.loads((tmp_path / "weights.json").read_text())
    for damage in ({"schema": 0}, {"bias": [1.0]}, {"hand_features": []}, {"prior_factor": "x"}):
        (tmp_path / "weights.json").write_text(json.dumps({**content, **damage}))
        with pytest.raises(ConfigError, match="are damaged"):
            load_weights(tmp_path / "weights.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_weights(tmp_path / "none.json")


def test_confidence_and_credibility_are_logistic() -> None:
    weights = replace(EVEN, confidence=(1.0, 2.0, -0.5), network_credibility=(0.5, 2.0), ik_credibility=(0.0, 1.0))
    odds = 1.0 + np.log(0.8 / 0.2) - 0.5 * np.log(0.05)
    assert weights.confidence_of(0.8, 0.05) == pytest.approx(1.0 / (1.0 + np.exp(-odds)))
    assert weights.confidence_of(0.8, 0.0) == weights.confidence_of(0.8, 1e-4)
    assert weights.network_advantage(0.5, 0.5) == pytest.approx(0.5)
    assert weights.network_advantage(0.5, 0.9) == pytest.approx(0.5 - 0.5 * np.log(9.0))


def test_confidence_depends_on_the_misfit_to_the_2d_joints() -> None:
    weights = replace(EVEN, confidence=(-6.0, 0.3, -2.0))
    network, ik = state(random_pose(1), "network"), state(random_pose(1), "ik")
    assert network.seen_px is not None
    fused = HandFusion(MODEL, weights).fuse(network, ik, CAMERA)
    scattered = replace(network, seen_px=network.seen_px + np.random.default_rng(0).normal(0.0, 12.0, (21, 2)))
    doubtful = HandFusion(MODEL, weights).fuse(scattered, ik, CAMERA)
    for hand in (fused, doubtful):
        assert hand.seen_px is not None
        misses_px = np.linalg.norm(project(hand.joints_m.astype(float), CAMERA) - hand.seen_px, axis=1).mean()
        misfit = float(misses_px / np.ptp(hand.seen_px, axis=0).max())
        assert hand.confidence == pytest.approx(weights.confidence_of(network.confidence, misfit))
    assert doubtful.confidence < fused.confidence - 0.1


def test_each_joint_has_a_group() -> None:
    assert joint_groups().tolist() == [0, 1, 2, 2, 1, 2, 2, 1, 2, 2, 1, 2, 2, 3, 3, 3]
