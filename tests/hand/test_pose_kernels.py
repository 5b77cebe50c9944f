"""The compiled loops against the same formulas written with NumPy alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hand.joints import FROM_MANO_WITH_TIPS, MANO_PARENTS
from hand.layer import HandLayer
from hand.model import HandModel
from hand.one_euro import OneEuroFilter, OneEuroSettings, RotationOneEuroFilter
from hand.pose_kernels import axis_angles_of_matrices, matrices_of_axis_angles
from hand.rotations import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
)
from tests.hand.toy_model import random_pose, toy_model

FRAME_NS = 33_333_333


def _vectors() -> np.ndarray:
    """Rotation vectors of all lengths, zero and half a turn included."""
    random = np.random.default_rng(0)
    axes = random.normal(size=(200, 3))
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    return axes * np.concatenate([[0.0, 1e-9, 1e-5, 1e-4, np.pi, np.pi - 1e-7], random.uniform(0, np.pi, 194)])[:, None]


def _posed_by_numpy(model: HandModel, pose_rad: np.ndarray, shape: np.ndarray, translation_m: np.ndarray) -> tuple:
    """SMPL's equations 2 to 6, joint by joint, with dense arrays."""
    rest = model.v_template_m + model.shape_directions_m @ shape
    rest_joints = model.joint_regressor @ rest
    rotations = matrix_from_axis_angle(pose_rad.reshape(16, 3))
    rest = rest + model.pose_directions_m @ (rotations[1:] - np.eye(3)).reshape(135)
    turns, places = np.empty((16, 3, 3)), np.empty((16, 3))
    for joint, parent in enumerate(MANO_PARENTS):
        if joint == 0:
            turns[0], places[0] = rotations[0], rest_joints[0]
            continue
        turns[joint] = turns[parent] @ rotations[joint]
        places[joint] = places[parent] + turns[parent] @ (rest_joints[joint] - rest_joints[parent])
    moved = np.einsum("jab,vjb->vja", turns, rest[:, None] - rest_joints) + places
    vertices = (model.skinning_weights[:, :, None] * moved).sum(1) + translation_m
    joints = np.concatenate([places + translation_m, vertices[list(model.tip_vertices)]])[list(FROM_MANO_WITH_TIPS)]
    return vertices, joints, turns


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("sparse", [False, True])
def test_layer_is_smpls_formula(precision: type[np.floating], sparse: bool) -> None:
    model = toy_model(300)
    if sparse:  # most of a real hand's correctives and weights are zero
        kept = np.random.default_rng(1).random((300, 15)) < 0.2
        directions = model.pose_directions_m.reshape(300, 3, 15, 9) * kept[:, None, :, None]
        weights = np.where(np.random.default_rng(2).random((300, 16)) < 0.7, 0.0, model.skinning_weights)
        weights[:, 0] += 1.0 - weights.sum(1)
        model = replace(model, pose_directions_m=directions.reshape(300, 3, 135), skinning_weights=weights)
    layer = HandLayer(model, precision)
    tolerance = 1e-12 if precision is np.float64 else 2e-5
    for seed in range(5):
        random = np.random.default_rng(seed)
        pose, shape, translation = random_pose(seed), random.normal(size=10), random.normal(size=3)
        vertices, joints, turns = _posed_by_numpy(model, pose, shape, translation)
        geometry = layer(pose, shape, translation)
        assert geometry.vertices_m.dtype == precision
        np.testing.assert_allclose(geometry.vertices_m, vertices, atol=tolerance)
        np.testing.assert_allclose(geometry.joints_m, joints, atol=tolerance)
        np.testing.assert_allclose(geometry.joint_rotations, turns, atol=tolerance)
        skeleton, orientations = layer.skeleton(matrix_from_axis_angle(pose.reshape(16, 3)), shape)
        np.testing.assert_allclose(skeleton, joints - translation, atol=tolerance)
        np.testing.assert_allclose(orientations, turns, atol=tolerance)


def test_kernels_agree_with_the_numpy_rotation_conversions() -> None:
    vectors = _vectors()
    matrices = np.empty((len(vectors), 3, 3))
    matrices_of_axis_angles(vectors, matrices)
    np.testing.assert_allclose(matrices, matrix_from_axis_angle(vectors), atol=1e-14)
    back = np.empty_like(vectors)
    axis_angles_of_matrices(matrices, back)
    np.testing.assert_allclose(back, axis_angle_from_matrix(matrices), atol=1e-12)


def test_rotation_filter_is_the_formula() -> None:
    """Algorithm 1 of Casiez 2012 with the angular velocity as speed and a spherical step."""
    settings = OneEuroSettings(min_cutoff_hz=1.3, speed_gain=0.6, speed_cutoff_hz=0.9)
    random = np.random.default_rng(3)
    ours, seconds = RotationOneEuroFilter(settings), FRAME_NS / 1e9

    def share(cutoff_hz: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * seconds))

    start = random.normal(size=(16, 3))
    kept, velocity = Rotation.from_rotvec(start), np.zeros((16, 3))
    ours(start, 0)
    for step in range(1, 60):
        measured = start + 0.05 * step + random.normal(0, 0.3, (16, 3))
        step_rad = (kept.inv() * Rotation.from_rotvec(measured)).as_rotvec()
        velocity += share(np.array(0.9)) * (step_rad / seconds - velocity)
        cutoff_hz = 1.3 + 0.6 * np.linalg.norm(velocity, axis=1)
        kept = kept * Rotation.from_rotvec(share(cutoff_hz)[:, None] * step_rad)
        np.testing.assert_allclose(ours(measured, step * FRAME_NS), kept.as_rotvec(), atol=1e-9)


def test_vector_filter_is_the_formula() -> None:
    settings = OneEuroSettings(min_cutoff_hz=1.3, speed_gain=0.6, speed_cutoff_hz=0.9)
    random = np.random.default_rng(4)
    ours, seconds = OneEuroFilter(settings), FRAME_NS / 1e9
    kept, speed = random.normal(size=(4, 3)), np.zeros((4, 3))
    ours(kept, 0)
    for step in range(1, 60):
        measured = random.normal(size=(4, 3))
        speed += 1.0 / (1.0 + 1.0 / (2.0 * np.pi * 0.9 * seconds)) * ((measured - kept) / seconds - speed)
        cutoff = 1.3 + 0.6 * np.linalg.norm(speed, axis=1)
        kept = kept + (1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff * seconds)))[:, None] * (measured - kept)
        np.testing.assert_allclose(ours(measured, step * FRAME_NS), kept, atol=1e-12)
