"""Subdivision, surface and poses of the renderer against closed forms and the hand layer."""

from __future__ import annotations

import numpy as np
import pytest

from hand.anatomy import angles_from_rotations, joint_limits
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.poses import NAMED_POSES
from hand.rotations import matrix_from_axis_angle
from hand.topology import boundary_loop, cap_faces
from tests.hand.test_raster import sphere_mesh
from trainer.synthetic.camera_placement import draw_orientation, facing_camera
from trainer.synthetic.pose_prior import PoseKind, PosePrior
from trainer.synthetic.subdivision import subdivide
from trainer.synthetic.surface import HandSurface


@pytest.fixture(scope="module")
def surface() -> HandSurface:
    """The embedded hand, subdivided once."""
    return HandSurface(load_embedded_model(), 1)


def test_octahedron_is_subdivided_with_loops_weights() -> None:
    """Every old corner has four neighbours (b = 3/32): 5/8 of itself and 3/32 of each; edges 3/8, 3/8, 1/8, 1/8."""
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    fine = subdivide(faces, 6, 1)
    points = fine.values(corners)
    assert len(points) == 18
    assert len(fine.faces) == 32
    np.testing.assert_allclose(points[:6], 0.625 * corners, atol=1e-6)  # the four neighbours cancel out
    edge_points = np.sort(np.abs(points[6:]), axis=1)
    np.testing.assert_allclose(edge_points, np.tile([0.0, 0.375, 0.375], (12, 1)), atol=1e-6)


def test_subdivision_keeps_constants_planes_and_winding() -> None:
    """Rows sum to one, flat stays flat up to the rim, and the fine mesh is as closed and as outward as the coarse."""
    vertices, faces = sphere_mesh(8, 1.0)
    fine = subdivide(faces, len(vertices), 2)
    np.testing.assert_allclose(fine.values(np.ones((len(vertices), 1))), 1.0, atol=1e-5)
    np.testing.assert_allclose(fine.points(np.ones((len(vertices), 1))), 1.0, atol=1e-5)
    assert len(boundary_loop(fine.faces)) == 0
    points = fine.points(vertices).astype(float)
    a, b, c = (points[fine.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    assert (np.einsum("ij,ij->i", normals, (a + b + c) / 3) > 0).all()
    # one plain step would shrink the sphere; moved out first, the old points stay where they were
    once = subdivide(faces, len(vertices), 1)
    plain, kept = (
        np.linalg.norm(step(vertices)[: len(vertices)], axis=1).mean() for step in (once.values, once.points)
    )
    assert abs(kept - 1.0) < 0.2 * abs(plain - 1.0)


def test_the_fine_hand_stays_on_the_coarse_hand(surface: HandSurface) -> None:
    """No coarse vertex moves by more than a millimetre, and 95 in 100 by less than a third of one."""
    model = surface.model
    moved = np.linalg.norm(surface.rest_m[: model.vertex_count] - model.v_template_m, axis=1)
    assert moved.max() < 0.0015
    assert np.percentile(moved, 95) < 0.00035


def test_the_forearm_continues_the_hand_without_a_gap(surface: HandSurface) -> None:
    """Hand and rings form one mesh with one hole, at the elbow; its normals point outwards."""
    loop = boundary_loop(surface.faces)
    assert set(loop) == set(range(len(surface.rest_m) - surface.ring_size, len(surface.rest_m)))
    closed = np.concatenate([surface.faces, cap_faces(surface.faces)])
    a, b, c = (surface.rest_m[closed[:, k]].astype(float) for k in range(3))
    assert np.einsum("ij,ij->", a, np.cross(b, c)) > 0
    rings = surface.palm_mm[surface.hand_count :].reshape(-1, surface.ring_size, 3)
    assert (np.diff(rings[:, :, 1].mean(1)) < 0).all()
    outward = rings - rings.mean(1, keepdims=True)
    normals = surface.rest_normals[surface.hand_count :] @ surface.palm_axes
    assert (np.einsum("ijk,ijk->ij", outward[:-1], normals.reshape(rings.shape)[:-1]) > 0).all()


def test_digits_are_measured_in_their_bones_axes(surface: HandSurface) -> None:
    """Each tip vertex lies at the bone's length along y and near the axis; breadths are those of a hand."""
    for digit, tip in zip(surface.digits, surface.model.tip_vertices, strict=True):
        x, y, _ = digit.coordinates_mm[2][tip]
        assert y == pytest.approx(digit.lengths_mm[2], abs=1.5)
        assert abs(x) < 3.0
        assert ((digit.half_breadths_mm > 5.0) & (digit.half_breadths_mm < 20.0)).all()
        assert digit.along[tip] > 0.95


@pytest.mark.parametrize("kind", ["natural", "free", "fingers"])
def test_drawn_poses_keep_limits_and_do_not_cross(surface: HandSurface, kind: PoseKind) -> None:
    """A hundred poses: within joint limits, no rod inside another, and varied flexion."""
    prior = PosePrior(surface)
    limits = joint_limits()
    poses = np.stack([prior.draw(np.random.default_rng(index), kind) for index in range(100)])
    angles = angles_from_rotations(matrix_from_axis_angle(poses.reshape(100, 16, 3)), surface.frames)
    assert np.abs(limits.excess_rad(angles))[:, 1:].max() < 1e-6
    assert not any(prior.crosses(pose) for pose in poses)
    assert angles[:, 1::3, 0].std(0).min() > np.radians(15)
    np.testing.assert_array_equal(poses[:, :3], 0.0)
    assert (prior.draw(np.random.default_rng(5), kind) == poses[5]).all()


def test_free_poses_bend_knuckles_independently_of_the_other_joints(surface: HandSurface) -> None:
    """Hooks (knuckle straight, the rest bent) and tables (the reverse) occur; among blended poses tables are rare."""
    prior = PosePrior(surface)

    def hooks_and_tables(kind: PoseKind) -> tuple[int, int]:
        poses = np.stack([prior.draw(np.random.default_rng(index), kind) for index in range(150)])
        angles = angles_from_rotations(matrix_from_axis_angle(poses.reshape(150, 16, 3)), surface.frames)
        knuckles, middles = np.degrees(angles[:, 1:13:3, 0]), np.degrees(angles[:, 2:13:3, 0])
        return int(((knuckles < 25) & (middles > 70)).sum()), int(((knuckles > 65) & (middles < 25)).sum())

    hooks, tables = hooks_and_tables("free")
    assert min(hooks, tables) > 15
    assert tables > 3 * hooks_and_tables("natural")[1]


def test_finger_poses_extend_each_finger_alone_or_none(surface: HandSurface) -> None:
    """Lone fingers of every kind, and fists; other poses hardly ever stretch a ring finger alone."""
    prior = PosePrior(surface)

    def alone(kind: PoseKind) -> list[int]:
        poses = np.stack([prior.draw(np.random.default_rng(index), kind) for index in range(200)])
        angles = angles_from_rotations(matrix_from_axis_angle(poses.reshape(200, 16, 3)), surface.frames)
        straight = np.degrees(angles[:, 2:13:3, 0]) < 45.0  # index, middle, pinky, ring
        lone = straight[straight.sum(1) == 1].sum(0)
        return [*(int(count) for count in lone), int((straight.sum(1) == 0).sum())]

    assert min(alone("fingers")) >= 8
    assert min(alone("natural")) < 4


def test_crossing_fingers_are_detected(surface: HandSurface) -> None:
    """The crossing test detects straight fingers laid over each other, and a finger in the palm."""
    prior = PosePrior(surface)
    rest = np.zeros(48)
    assert not prior.crosses(rest)
    angles = NAMED_POSES["open_hand"].radians()
    angles[1, 1], angles[4, 1] = np.radians(-30), np.radians(30)  # index and middle swap sides
    assert prior.crosses(prior.pose(angles))
    angles = NAMED_POSES["open_hand"].radians()
    angles[[4, 5, 6], 0] = np.radians([100, 130, 60])  # the middle finger bends through the palm
    assert prior.crosses(prior.pose(angles))


def test_the_starting_view_shows_a_palm_with_the_thumb_on_the_right(surface: HandSurface) -> None:
    """Fingers up (-y), palm towards the camera (-z), thumb right (+x): a right hand held up to a camera."""
    base = facing_camera(surface.rest_joints_m)
    assert np.linalg.det(base) == pytest.approx(1.0)
    joints = surface.rest_joints_m @ base.T
    assert joints[12, 1] < joints[9, 1] < joints[0, 1]
    assert joints[4, 0] > joints[20, 0]
    layer = HandLayer(surface.model)
    angles = NAMED_POSES["fist"].radians()
    curled = PosePrior(surface).pose(angles)
    fist = layer(curled, np.zeros(10)).joints_m @ base.T
    assert fist[10, 2] < joints[10, 2] - 0.02  # bent fingers come towards the camera when the palm faces it


@pytest.mark.parametrize("kind", ["palm", "back", "natural", "any"])
def test_orientations_are_rotations_of_their_kind(surface: HandSurface, kind: str) -> None:
    """Proper rotations; palms face the camera, backs face away, natural hands do not point away from it."""
    base = facing_camera(surface.rest_joints_m)
    rng = np.random.default_rng(1)
    drawn = np.stack([draw_orientation(rng, base, kind) for _ in range(60)])  # type: ignore[arg-type]
    np.testing.assert_allclose(drawn @ drawn.transpose(0, 2, 1), np.tile(np.eye(3), (60, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(drawn), 1.0)
    palm_depth = (drawn @ surface.palm_axes[:, 2])[:, 2]
    if kind == "palm":
        assert palm_depth.max() < -0.5
    if kind == "back":
        assert palm_depth.min() > 0.5
    if kind == "natural":
        assert (drawn @ base.T @ [0.0, -1.0, 0.0])[:, 2].max() < 0.5
