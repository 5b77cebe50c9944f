"""Labels from two estimates: alignment with the picture, the shared shape and the averaged pose."""

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


def pose(number: int, *, bend_rad: float = 0.0) -> np.ndarray:
    """A random pose in front of the camera, with every finger joint bent by ``bend_rad`` more."""
    rng = np.random.default_rng(number)
    fingers = rng.normal(0.0, 0.25, 45) + bend_rad * np.tile([0.0, 0.0, 1.0], 15)
    return np.concatenate([rng.normal((np.pi / 2, 0.0, 0.0), 0.5), fingers])


def posed(number: int, shape: np.ndarray) -> tuple[ViewObservation, np.ndarray]:
    """The observation of a posed hand of this shape, and its joints."""
    joints = LAYER(pose(number), shape, np.array([0.02, -0.01, 0.5])).joints_m
    rotations = matrix_from_axis_angle(pose(number).reshape(16, 3))
    return ViewObservation(rotations, joints[0], project(joints, CAMERA)), joints


def test_hand_proportions_are_estimated_from_many_pictures() -> None:
    """One camera cannot separate size from distance, so hands are compared at the same size."""
    views = [posed(number, SHAPE)[0] for number in range(40)]
    found = person_shape(views, CAMERA, LAYER)

    def proportions(shape: np.ndarray) -> np.ndarray:
        joints = LAYER(np.zeros(48), shape).joints_m
        centred = joints - joints.mean(0)
        return centred / np.linalg.norm(centred)

    apart = [np.linalg.norm(proportions(shape) - proportions(SHAPE), axis=1).max() for shape in (found, np.zeros(10))]
    assert apart[0] < 0.25 * apart[1]


def test_single_picture_keeps_the_shape_near_the_prior() -> None:
    found = person_shape([posed(1, SHAPE)[0]], CAMERA, LAYER)
    assert np.linalg.norm(found) < np.linalg.norm(SHAPE)


def _two_estimates(
    number: int, side: Side, *, bent_apart: float, confidence: float = 0.9
) -> tuple[FrameEvidence, IkSolution]:
    """Two estimates whose finger bends err by the same angle in opposite directions."""
    place_m = np.array([0.0, 0.0, 0.5])
    true = LAYER(pose(number), np.zeros(10), place_m).joints_m
    poses = [pose(number, bend_rad=sign * bent_apart) for sign in (1.0, -1.0)]
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
def test_fusing_two_opposite_errors_recovers_the_true_pose(side: Side) -> None:
    seen, solved = _two_estimates(3, side, bent_apart=0.15)
    (fused,) = fuse([seen], [seen.observation], [solved], CAMERA, MODEL, 1.0)
    truth = mirror_pose(pose(3)) if side == "left" else pose(3)
    apart = Rotation.from_rotvec(fused.pose_rad.reshape(16, 3)).inv() * Rotation.from_rotvec(truth.reshape(16, 3))
    assert np.degrees(apart.magnitude()).max() < 1.5
    before = Rotation.from_rotvec(solved.pose_rad.reshape(16, 3)).inv() * Rotation.from_rotvec(truth.reshape(16, 3))
    assert np.degrees(before.magnitude()).max() > 8.0
    assert np.abs(project(fused.joints_m, CAMERA) - seen.observation.landmarks_px).max() < 4.0


@pytest.mark.parametrize(("bent_apart", "confidence"), [(0.9, 0.9), (0.15, 0.1)])
def test_network_with_low_confidence_or_a_contradicting_pose_is_left_out(bent_apart: float, confidence: float) -> None:
    seen, solved = _two_estimates(3, "right", bent_apart=bent_apart, confidence=confidence)
    unseen = replace(seen, network=None)
    with_it, without = (
        fuse([evidence], [evidence.observation], [solved], CAMERA, MODEL, 1.0)[0] for evidence in (seen, unseen)
    )
    np.testing.assert_array_equal(with_it.pose_rad, without.pose_rad)
    np.testing.assert_array_equal(with_it.joints_m, without.joints_m)


def test_hand_that_reaches_behind_the_camera_is_rejected_and_does_not_affect_others() -> None:
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


def test_photographs_follow_mediapipes_landmarks_and_renderings_the_networks() -> None:
    """MediaPipe was trained on photographs; on renderings its 2D errors are larger (``picture_doubt``)."""
    seen, solved = _two_estimates(3, "right", bent_apart=0.15)
    assert seen.network is not None
    beside = seen.observation.landmarks_px + 12.0
    evidence = replace(seen, network=replace(seen.network, landmarks_px=beside))
    off = [
        np.abs(
            project(fuse([evidence], [evidence.observation], [solved], CAMERA, MODEL, doubt)[0].joints_m, CAMERA)
            - seen.observation.landmarks_px
        ).mean()
        for doubt in (0.0, 1.0)
    ]
    assert off[0] < 1.5
    assert off[1] > 4.0
