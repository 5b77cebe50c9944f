"""Coverage: every named pose is recognised in every view and for both hands, and missing ones are requested."""

from __future__ import annotations

import numpy as np
import pytest

from app.recording.coverage import ENOUGH_FRAMES, POSES, VIEWS, Coverage, view_of
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.mirror import mirror_points, mirror_pose
from hand.poses import named_pose
from hand.rotations import axis_angle_from_matrix
from trainer.synthetic.camera_placement import facing_camera, turned

MODEL = load_embedded_model()
LAYER = HandLayer(MODEL, np.float64)
TURNS = {
    "palm": (0.0, 0.0), "back": (np.pi, 0.0), "thumb side": (np.pi / 2, 0.0), "little finger's side": (-np.pi / 2, 0.0),
    "finger tips": (0.0, np.pi / 2),
}  # fmt: skip


def _hand(name: str, view: str) -> tuple[np.ndarray, np.ndarray]:
    assert MODEL.joint_axes is not None
    pose = named_pose(name, MODEL.joint_axes)
    yaw, pitch = TURNS[view]
    pose[:3] = axis_angle_from_matrix(
        turned(facing_camera(LAYER(np.zeros(48), np.zeros(10)).joints_m), yaw, pitch, 0.0)
    )
    return pose, LAYER(pose, np.zeros(10), np.array([0.0, 0.0, 0.6])).joints_m


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_told_apart(view: str) -> None:
    _, joints = _hand("open_hand", view)
    assert view_of("right", joints) == view
    assert view_of("left", mirror_points(joints)) == view


@pytest.mark.parametrize("name", POSES)
def test_pose_is_counted_under_its_name_for_both_hands(name: str) -> None:
    coverage = Coverage(MODEL)
    pose, joints = _hand(name, "palm")
    assert coverage.add("right", pose, joints) == (name, "palm")
    assert coverage.add("left", mirror_pose(pose), mirror_points(joints)) == (name, "palm")
    assert coverage.counts.sum() == 2


def test_completed_cards_are_not_requested_again() -> None:
    coverage = Coverage(MODEL)
    assert coverage.share == 0.0
    requested = []
    for _ in range(len(POSES) * len(VIEWS)):
        card = coverage.missing(1)[0]
        requested.append((card.pose, card.view))
        for _ in range(ENOUGH_FRAMES):
            coverage.add("right", *_hand(card.pose, card.view))
    assert len(set(requested)) == len(POSES) * len(VIEWS)
    assert coverage.share == 1.0
    assert coverage.missing() == []


def test_a_pose_without_a_name_fills_nothing() -> None:
    coverage = Coverage(MODEL)
    pose, joints = _hand("fist", "palm")
    pose[3:] *= -1.0
    assert coverage.add("right", pose, joints) is None
    assert coverage.share == 0.0
