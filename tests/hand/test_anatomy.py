"""Anatomical frames, angles and limits: against hand-made cases, scipy, and the axes the model was built with."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hand.anatomy import anatomical_frames, angles_from_rotations, joint_limits, palm_frame, rotations_from_angles
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.poses import NAMED_POSES


def rest_joints() -> np.ndarray:
    return HandLayer(load_embedded_model(), np.float64)(np.zeros(48), np.zeros(10)).joints_m


def test_frames_from_joint_positions_agree_with_the_frames_of_the_build() -> None:
    axes = load_embedded_model().joint_axes
    assert axes is not None
    frames = anatomical_frames(rest_joints())
    relative = Rotation.from_matrix(np.swapaxes(frames, 1, 2) @ axes)
    assert np.degrees(relative.magnitude()).max() < 6.0


def test_frames_are_rotations_and_follow_a_turned_hand() -> None:
    turn = Rotation.from_rotvec([0.3, -0.8, 1.1])
    frames = anatomical_frames(rest_joints())
    np.testing.assert_allclose(np.linalg.det(frames), 1.0, atol=1e-12)
    np.testing.assert_allclose(frames @ np.swapaxes(frames, 1, 2), np.broadcast_to(np.eye(3), (16, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(anatomical_frames(turn.apply(rest_joints())), turn.as_matrix() @ frames, atol=1e-12)


def test_palm_frame_in_manos_rest_frame() -> None:
    radial, distal, palmar = palm_frame(rest_joints()).T
    assert radial[2] > 0.95
    assert distal[0] < -0.95
    assert palmar[1] < -0.95


def test_positive_angles_flex_and_abduct_in_their_anatomical_direction() -> None:
    """On each finger: flexion lowers the next joint to the palm side, abduction moves it to the thumb's side."""
    joints = rest_joints()
    frames = anatomical_frames(joints)
    for joint, start in ((1, 5), (4, 9), (10, 13), (7, 17)):
        bone = joints[start + 1] - joints[start]
        angles = np.zeros((16, 3))
        angles[joint] = np.radians([30.0, 0.0, 0.0])
        assert (rotations_from_angles(angles, frames)[joint] @ bone - bone)[1] < -0.005  # -y is palmar
        angles[joint] = np.radians([0.0, 15.0, 0.0])
        assert (rotations_from_angles(angles, frames)[joint] @ bone - bone)[2] > 0.003  # +z is radial
        angles[joint] = np.radians([0.0, 0.0, 20.0])
        np.testing.assert_allclose(rotations_from_angles(angles, frames)[joint] @ bone, bone, atol=1e-12)


@given(st.lists(st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(-1.5, 1.5)), min_size=16, max_size=16))
def test_angles_round_trip_through_rotations(values: list[tuple[float, float, float]]) -> None:
    angles = np.array(values)
    frames = Rotation.random(16, random_state=5).as_matrix()
    np.testing.assert_allclose(angles_from_rotations(rotations_from_angles(angles, frames), frames), angles, atol=1e-6)


def test_rotation_order_is_intrinsic_yzx() -> None:
    flexion, abduction, twist = 0.7, -0.3, 0.2
    angles = np.zeros((16, 3))
    angles[4] = flexion, abduction, twist
    identity = np.tile(np.eye(3), (16, 1, 1))
    expected = Rotation.from_euler("YZX", [abduction, twist, flexion]).as_matrix()
    np.testing.assert_allclose(rotations_from_angles(angles, identity)[4], expected, atol=1e-12)


def test_named_poses_lie_within_limits_and_a_hyperextended_finger_exceeds_them() -> None:
    limits = joint_limits()
    for name, pose in NAMED_POSES.items():
        assert np.abs(limits.excess_rad(pose.radians())).max() < np.radians(0.01), name
    backwards = np.zeros((16, 3))
    backwards[2, 0] = np.radians(-60.0)
    excess = limits.excess_rad(backwards)
    assert excess[2, 0] < -np.radians(45.0)
    assert np.count_nonzero(excess) == 1
