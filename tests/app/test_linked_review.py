"""Review of a session that two cameras recorded: both views are shown, and a joint is dragged in either."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from two_view_fakes import RATE, pair_of

from app.review.linked_view import LinkedView, TwoViewCorrector
from app.review.session_review import SessionReview
from app.two_views.camera_pair import CameraPair
from app.two_views.session_link import LINK_FILE, read_link, write_links
from app.two_views.truth_labels import posed_onto
from hand.camera import project
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.mirror import mirror_points
from hand.recording import RecordedHand, SessionInfo
from hand.recording_writer import RecordingWriter
from hand.session_labels import OfflineLabel, OfflineLabels, read_session_labels, write_offline
from hand.types import Frame
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver

MODEL = load_embedded_model()
FRAMES = 6
INDEX_TIP = 8


def open_hand_joints() -> np.ndarray:
    """Joints of an open hand 0.6 m in front of the first camera."""
    pose = np.zeros(48)
    pose[:3] = [2.6, 0.2, 0.1]
    at = np.asarray(HandLayer(MODEL)(pose, np.zeros(10)).joints_m, np.float64)
    return at - at.mean(0) + [0.0, 0.0, 0.6]


@pytest.fixture(params=["right", "left"])
def take(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, CameraPair]:
    """Two linked sessions of a still hand; the second one started later."""
    pair, joints = pair_of(), open_hand_joints()
    if request.param == "left":
        joints = mirror_points(joints)
    solver = IkSolver(MODEL, HandCalibration.without_offsets(MODEL))
    folders = (tmp_path / "first", tmp_path / "second")
    for view, folder in enumerate(folders):
        camera = (pair.first, pair.second)[view]
        at = joints if view == 0 else pair.to_second(joints)
        label = posed_onto(solver, at, request.param, camera)
        info = SessionInfo(folder.name, camera, False, MODEL.name, MODEL.digest, pair="take")
        with RecordingWriter(folder, info, min_free_bytes=0) as writer:
            for n in range(FRAMES):
                time_ns = round((10.0 * view + n / RATE) * 1e9)
                picture = np.full((480, 640, 3), 60 + 10 * n, np.uint8)
                writer.add(Frame(n, time_ns, picture, camera, folder.name), [])
        labels = tuple(OfflineLabel(n, label, 0.8) for n in range(FRAMES))
        write_offline(folder, OfflineLabels(labels, np.zeros(10, np.float32), MODEL.digest))
    write_links(*folders, pair, 2 / RATE)
    return *folders, pair


def label_of(folder: Path) -> RecordedHand:
    return read_session_labels(folder).labels[0].hand


def test_linked_session_finds_the_simultaneous_frame_of_the_other_session(take: tuple[Path, Path, CameraPair]) -> None:
    first, second, _ = take
    for folder, shift in ((first, 2), (second, -2)):
        review = SessionReview(folder)
        linked = review.linked
        assert linked is not None
        for number in range(FRAMES):
            partner = linked.partner(review.recording, number)
            if 0 <= number + shift < FRAMES:
                assert partner is not None
                assert partner.index == number + shift
        assert linked.partner(review.recording, 5 if shift > 0 else 0) is None


def test_label_projects_onto_the_label_of_the_other_camera(take: tuple[Path, Path, CameraPair]) -> None:
    first, second, pair = take
    for folder, other, camera in ((first, second, pair.second), (second, first, pair.first)):
        linked = SessionReview(folder).linked
        assert linked is not None
        seen = linked.seen_by_other(label_of(folder).joints_m.astype(np.float64))
        there = project(label_of(other).joints_m.astype(np.float64), camera)
        assert np.linalg.norm(seen - there, axis=1).max() < 4.0


@pytest.mark.parametrize("in_other", [False, True])
def test_a_joint_dragged_in_one_view_moves_in_both(take: tuple[Path, Path, CameraPair], in_other: bool) -> None:
    first, _, _ = take
    linked = SessionReview(first).linked
    assert linked is not None
    corrector = TwoViewCorrector(MODEL, label_of(first), linked)
    own, other = corrector.joints_px(), corrector.other_joints_px()
    target = (other if in_other else own)[INDEX_TIP] + [0.0, 12.0]
    hand = corrector.drag(INDEX_TIP, (float(target[0]), float(target[1])), in_other=in_other)
    now = corrector.other_joints_px() if in_other else corrector.joints_px()
    before = np.linalg.norm((other if in_other else own)[INDEX_TIP] - target)
    assert np.linalg.norm(now[INDEX_TIP] - target) < 0.6 * before
    moved_own = np.linalg.norm(corrector.joints_px() - own, axis=1)
    moved_other = np.linalg.norm(corrector.other_joints_px() - other, axis=1)
    assert moved_own[INDEX_TIP] > 4.0
    assert moved_other[INDEX_TIP] > 4.0
    assert moved_own[[0, 17, 20]].max() < 4.0
    assert hand.origin == "two_views"


def test_dragging_a_joint_in_both_views_determines_its_depth(take: tuple[Path, Path, CameraPair]) -> None:
    first, _, pair = take
    linked = SessionReview(first).linked
    assert linked is not None
    corrector = TwoViewCorrector(MODEL, label_of(first), linked)
    wanted = label_of(first).joints_m.astype(np.float64)[INDEX_TIP] + [0.0, 0.0, 0.02]
    hand = corrector.drag(INDEX_TIP, tuple(project(wanted, pair.first)), in_other=False)  # type: ignore[arg-type]
    hand = corrector.drag(INDEX_TIP, tuple(project(pair.to_second(wanted), pair.second)), in_other=True)  # type: ignore[arg-type]
    gap = np.linalg.norm(hand.joints_m[INDEX_TIP] - wanted)
    assert gap < 0.2 * 0.02


def test_correction_is_saved_with_two_view_origin_and_full_weight(take: tuple[Path, Path, CameraPair]) -> None:
    first, _, _ = take
    review = SessionReview(first)
    assert review.linked is not None
    corrector = TwoViewCorrector(MODEL, review.labels(0)[0].hand, review.linked)
    at = corrector.joints_px()[INDEX_TIP] + 9.0
    review.correct(0, corrector.drag(INDEX_TIP, (float(at[0]), float(at[1])), in_other=False))
    label = SessionReview(first).labels(0)[0]
    assert (label.status, label.hand.origin, label.weight) == ("corrected", "two_views", 1.0)


def test_a_link_that_cannot_be_used_leaves_the_session_alone(take: tuple[Path, Path, CameraPair]) -> None:
    first, second, _ = take
    file = first / LINK_FILE
    content = json.loads(file.read_text())
    for damage in ({"other": "../second"}, {"other": ""}, {"rotation": [[1.0]]}, {"schema": 9}, {"late_s": None}):
        file.write_text(json.dumps({**content, **damage}))
        assert read_link(first) is None
        assert SessionReview(first).linked is None
    file.write_text(json.dumps({**content, "other": "gone"}))
    assert SessionReview(first).linked is None
    assert isinstance(SessionReview(second).linked, LinkedView)
