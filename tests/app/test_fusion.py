"""Labels from two estimates: hands laid on their pictures, the shape they share, and the pose half way between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from app.labelling.evidence import FrameEvidence
from app.labelling.fusion import fuse
from app.labelling.label_weights import weight_label
from app.labelling.person_shape import ViewObservation, person_shape
from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose
from hand.recording import RecordedFrame, RecordedHand
from hand.rotations import matrix_from_axis_angle
from hand.types import HandObservation
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolution, IkSolver

CAMERA = Intrinsics.from_fov(640, 480)
MODEL = load_embedded_model()
LAYER = HandLayer(MODEL, np.float64)
SHAPE = np.array([1.5, -1.8, 1.2, -0.9, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0])


def pose(number: int, *, toward: float = 0.0) -> np.ndarray:
    """A pose before the camera; the fingers bent further by some radians."""
    rng = np.random.default_rng(number)
    fingers = rng.normal(0.0, 0.25, 45) + toward * np.tile([0.0, 0.0, 1.0], 15)
    return np.concatenate([rng.normal((np.pi / 2, 0.0, 0.0), 0.5), fingers])


def posed(number: int, shape: np.ndarray) -> tuple[ViewObservation, np.ndarray]:
    """A hand of a shape as it is seen, and its joints."""
    joints = LAYER(pose(number), shape, np.array([0.02, -0.01, 0.5])).joints_m
    rotations = matrix_from_axis_angle(pose(number).reshape(16, 3))
    return ViewObservation(rotations, joints[0], project(joints, CAMERA)), joints


def test_the_proportions_of_a_person_are_read_off_many_pictures() -> None:
    """Size cannot be seen, it goes with the distance; so hands are compared at the same size."""
    views = [posed(number, SHAPE)[0] for number in range(40)]
    found = person_shape(views, CAMERA, LAYER)

    def proportions(shape: np.ndarray) -> np.ndarray:
        joints = LAYER(np.zeros(48), shape).joints_m
        centred = joints - joints.mean(0)
        return centred / np.linalg.norm(centred)

    apart = [np.linalg.norm(proportions(shape) - proportions(SHAPE), axis=1).max() for shape in (found, np.zeros(10))]
    assert apart[0] < 0.25 * apart[1]


def test_few_pictures_leave_the_prior_its_say() -> None:
    found = person_shape([posed(1, SHAPE)[0]], CAMERA, LAYER)
    assert np.linalg.norm(found) < np.linalg.norm(SHAPE)


def _two_estimates(
    number: int, side: Side, *, bent_apart: float, confidence: float = 0.9
) -> tuple[FrameEvidence, IkSolution]:
    """Two estimates that err by the same bend either way."""
    place_m = np.array([0.0, 0.0, 0.5])
    true = LAYER(pose(number), np.zeros(10), place_m).joints_m
    poses = [pose(number, toward=sign * bent_apart) for sign in (1.0, -1.0)]
    joints = [LAYER(own, np.zeros(10), place_m).joints_m for own in poses]
    pixels, camera = project(true, CAMERA), CAMERA
    world = true - true.mean(0)
    if side == "left":
        poses, joints = [mirror_pose(own) for own in poses], [mirror_points(own) for own in joints]
        pixels, world, camera = mirror_pixels(pixels, CAMERA.width_px), mirror_points(world), CAMERA.mirrored()
    observation = HandObservation(side, 0.9, pixels, world, crop_around(pixels, 1.5))
    solver = IkSolver(MODEL, HandCalibration.without_offsets(MODEL))
    solved = replace(solver.solve(observation, camera), pose_rad=poses[0], joints_m=joints[0], landmarks_m=joints[0])
    network = RecordedHand(
        side, "network", confidence, poses[1], np.zeros(10), place_m, joints[1], 1.0, pixels, None
    )  # fmt: skip
    frame = RecordedFrame(number, number, 0, (network,))
    return FrameEvidence(frame, observation, None, network), solved


@pytest.mark.parametrize("side", ["right", "left"])
def test_half_way_between_two_opposite_errors_is_the_truth(side: Side) -> None:
    seen, solved = _two_estimates(3, side, bent_apart=0.15)
    (fused,) = fuse([seen], [seen.observation], [solved], CAMERA, MODEL, 1.0)
    truth = mirror_pose(pose(3)) if side == "left" else pose(3)
    apart = Rotation.from_rotvec(fused.pose_rad.reshape(16, 3)).inv() * Rotation.from_rotvec(truth.reshape(16, 3))
    assert np.degrees(apart.magnitude()).max() < 1.5
    before = Rotation.from_rotvec(solved.pose_rad.reshape(16, 3)).inv() * Rotation.from_rotvec(truth.reshape(16, 3))
    assert np.degrees(before.magnitude()).max() > 8.0
    assert np.abs(project(fused.joints_m, CAMERA) - seen.observation.landmarks_px).max() < 4.0


@pytest.mark.parametrize(("bent_apart", "confidence"), [(0.9, 0.9), (0.15, 0.1)])
def test_a_network_that_is_unsure_or_sees_another_hand_is_left_out(bent_apart: float, confidence: float) -> None:
    seen, solved = _two_estimates(3, "right", bent_apart=bent_apart, confidence=confidence)
    unseen = replace(seen, network=None)
    with_it, without = (fuse([said], [said.observation], [solved], CAMERA, MODEL, 1.0)[0] for said in (seen, unseen))
    np.testing.assert_array_equal(with_it.pose_rad, without.pose_rad)
    np.testing.assert_array_equal(with_it.joints_m, without.joints_m)


def test_a_hand_that_reaches_behind_the_camera_is_rejected_and_spoils_no_other() -> None:
    seen, solved = _two_estimates(3, "right", bent_apart=0.15)
    behind = solved.joints_m.copy()
    behind[8, 2] = -0.1
    astray = replace(solved, joints_m=behind, landmarks_m=behind)
    weighted = weight_label(seen, astray, CAMERA)
    assert weighted.weight == 0.0
    assert "the hand does not lie on the picture" in weighted.reasons
    assert np.isfinite(list(weighted.agreement.values())).all()
    for fused in fuse([seen] * 9, [seen.observation] * 9, [astray] + [solved] * 8, CAMERA, MODEL, 1.0):
        assert np.isfinite(fused.shape).all()
        assert np.isfinite(fused.joints_m).all()


def test_in_photographs_the_picture_is_mediapipes() -> None:
    """Renderings are strange to it, photographs are what it was made for."""
    seen, solved = _two_estimates(3, "right", bent_apart=0.15)
    assert seen.network is not None
    beside = seen.observation.landmarks_px + 12.0
    said = replace(seen, network=replace(seen.network, landmarks_px=beside))
    off = [
        np.abs(
            project(fuse([said], [said.observation], [solved], CAMERA, MODEL, doubt)[0].joints_m, CAMERA)
            - seen.observation.landmarks_px
        ).mean()
        for doubt in (0.0, 1.0)
    ]
    assert off[0] < 1.5
    assert off[1] > 4.0
