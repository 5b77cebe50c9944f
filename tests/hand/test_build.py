"""The build of the hand model: each step against a closed form or brute force, the final file byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hand.build.anthropometry import REFERENCE, SHAPE_NAMES, VARIATIONS, Proportions
from hand.build.assemble import TO_MANO, anatomical_axes
from hand.build.cage import Cage, build_cage
from hand.build.implicit import ImplicitHand
from hand.build.joint_regressor import joint_regressor
from hand.build.primitives import ellipsoid, round_cone, smooth_union
from hand.build.quad_mesh import triangles_of
from hand.build.shape_space import shape_directions, warped
from hand.build.skeleton import bone_transforms, build_skeleton
from hand.build.skinning import skinning_weights
from hand.build.write import npz_bytes
from hand.rotations import matrix_from_axis_angle


def reference_hand() -> ImplicitHand:
    return ImplicitHand(build_skeleton(REFERENCE))


@pytest.fixture(scope="module")
def cage() -> Cage:
    return build_cage(reference_hand())


def test_round_cone_of_equal_radii_is_a_capsule() -> None:
    points = np.array([[3.0, 5.0, 0.0], [0.0, 12.0, 0.0], [0.0, -4.0, 0.0], [0.0, 5.0, 1.0]])
    np.testing.assert_allclose(round_cone(points, 10.0, 2.0, 2.0), [1.0, 0.0, 2.0, -1.0], atol=1e-12)


def test_round_cone_is_the_distance_to_the_hull_of_two_spheres() -> None:
    """Brute force: the nearest of many spheres between the two ends."""
    random = np.random.default_rng(0)
    points = random.uniform(-15.0, 25.0, (200, 3))
    fraction = np.linspace(0.0, 1.0, 4001)
    centres = np.outer(fraction, [0.0, 18.0, 0.0])
    radii = 6.0 + fraction * (3.0 - 6.0)
    brute = (np.linalg.norm(points[:, None] - centres[None], axis=2) - radii).min(1)
    outside = brute > 0
    np.testing.assert_allclose(round_cone(points, 18.0, 6.0, 3.0)[outside], brute[outside], atol=1e-3)


def test_ellipsoid_is_zero_on_its_surface_and_exact_for_a_sphere() -> None:
    directions = np.random.default_rng(1).normal(size=(50, 3))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(ellipsoid(unit * [4.0, 2.0, 7.0], (4.0, 2.0, 7.0)), 0.0, atol=1e-12)
    np.testing.assert_allclose(ellipsoid(unit * 5.0, (3.0, 3.0, 3.0)), 2.0, atol=1e-12)


def test_smooth_union_is_the_union_away_from_the_seam() -> None:
    first, second = np.array([0.0, 5.0, 1.0]), np.array([4.0, 0.0, 1.0])
    joined = smooth_union(first, second, 3.0)
    np.testing.assert_allclose(joined[:2], [0.0, 0.0])
    assert joined[2] == pytest.approx(0.5)


def test_forward_kinematics_carries_joints_rigidly() -> None:
    skeleton = build_skeleton(REFERENCE)
    rotations = matrix_from_axis_angle(np.random.default_rng(2).normal(0.0, 0.5, (16, 3)))
    bones = bone_transforms(skeleton.joints_mm, rotations)
    # the middle finger's DIP by hand
    by_hand = rotations[0] @ (
        skeleton.joints_mm[4]
        + rotations[4]
        @ (
            skeleton.joints_mm[5]
            - skeleton.joints_mm[4]
            + rotations[5] @ (skeleton.joints_mm[6] - skeleton.joints_mm[5])
        )
    )
    np.testing.assert_allclose(bones[6][:3, :3] @ skeleton.joints_mm[6] + bones[6][:3, 3], by_hand, atol=1e-9)


def test_the_posed_skin_moves_with_a_turned_wrist() -> None:
    hand = reference_hand()
    rotations = np.tile(np.eye(3), (16, 1, 1))
    rotations[0] = matrix_from_axis_angle(np.array([0.4, -0.2, 0.9]))
    turned = ImplicitHand(hand.skeleton, bone_transforms(hand.skeleton.joints_mm, rotations))
    points = np.random.default_rng(3).uniform([-50, -20, -25], [60, 190, 30], (300, 3))
    np.testing.assert_allclose(turned.distance(points @ rotations[0].T), hand.distance(points), atol=1e-6)


def test_anatomical_axes_are_rotations_and_manos_frame_is_proper() -> None:
    axes = anatomical_axes(build_skeleton(REFERENCE))
    np.testing.assert_allclose(np.linalg.det(axes), 1.0, atol=1e-12)
    assert np.linalg.det(TO_MANO) == pytest.approx(1.0)
    np.testing.assert_array_equal(TO_MANO @ [0, 1, 0], [-1, 0, 0])  # distal
    np.testing.assert_array_equal(TO_MANO @ [1, 0, 0], [0, 0, 1])  # radial
    np.testing.assert_array_equal(TO_MANO @ [0, 0, 1], [0, -1, 0])  # palmar


@pytest.mark.slow
def test_cage_lies_on_the_skin_without_folds(cage: Cage) -> None:
    hand = reference_hand()
    assert np.abs(hand.distance(cage.vertices_mm)).max() < 0.6
    triangles = cage.vertices_mm[triangles_of(cage.quads)]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    gradients = hand.gradient(triangles.mean(1))
    cosine = (normals * gradients).sum(1) / np.linalg.norm(normals, axis=1) / np.linalg.norm(gradients, axis=1)
    assert cosine.min() > 0.5


@pytest.mark.slow
def test_linear_shapes_approximate_the_fully_built_hands(cage: Cage) -> None:
    """Mixed proportions built in full, against the linear model and its regressed joints."""
    hand = reference_hand()
    weights = skinning_weights(hand, cage)
    vertex_directions, joint_directions = shape_directions(hand, cage, weights)
    regressor = joint_regressor(cage.vertices_mm, vertex_directions, hand.skeleton.joints_mm, joint_directions)
    random = np.random.default_rng(11)
    for coefficients in random.uniform(-2.0, 2.0, (3, 10)):
        factors = {name: 1.0 + VARIATIONS[name].sigma * c for name, c in zip(SHAPE_NAMES, coefficients, strict=True)}
        vertices, joints = warped(hand, cage, weights, Proportions(**factors))
        linear = cage.vertices_mm + vertex_directions @ coefficients
        assert np.linalg.norm(linear - vertices, axis=1).mean() < 2.0
        assert (
            np.linalg.norm(
                regressor @ linear - (hand.skeleton.joints_mm + joint_directions @ coefficients), axis=1
            ).max()
            < 1.0
        )
        assert np.linalg.norm(regressor @ linear - joints, axis=1).max() < 4.0


def test_npz_bytes_depend_on_the_arrays_alone() -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "name": np.array("x")}
    assert npz_bytes(arrays) == npz_bytes({key: value.copy(order="F") for key, value in arrays.items()})
    changed = {**arrays, "a": arrays["a"] + 1e-12}
    assert npz_bytes(arrays) != npz_bytes(changed)


@pytest.mark.slow
def test_committed_model_equals_the_build_output() -> None:
    """As a user runs it; in a process of its own, because the tests' shape checks slow the build down fourfold."""
    run = subprocess.run(
        [sys.executable, "-m", "hand.build", "--check"],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
