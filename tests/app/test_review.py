"""Review: filters, decisions that persist and can be undone, and correction by dragging a joint."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from app.review.correction import HandCorrector
from app.review.session_review import SessionReview
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import RecordingError
from hand.layer import HandLayer
from hand.mirror import mirror_points, mirror_pose
from hand.poses import named_pose
from hand.recording import FRAMES_FOLDER, LABELS_FILE, RecordedHand, SessionInfo, hand_to_json
from hand.recording_writer import RecordingWriter
from hand.rotations import axis_angle_from_matrix
from hand.session_labels import OfflineLabel, OfflineLabels, read_session_labels, write_offline
from hand.types import Frame
from trainer.synthetic.camera_placement import facing_camera

CAMERA = Intrinsics.from_fov(64, 48)
MODEL = load_embedded_model()
LAYER = HandLayer(MODEL, np.float64)


def _label(pose: np.ndarray, origin: str = "offline") -> RecordedHand:
    numbers = (pose, np.zeros(10), np.zeros(3), np.ones((21, 3)))
    return RecordedHand("right", origin, 0.8, *(array.astype(np.float32) for array in numbers))  # type: ignore[arg-type]


def make_session(folder: Path, count: int = 60) -> Path:
    """A labelled session with one frame of every kind that a filter finds."""
    info = SessionInfo("camera 0", CAMERA, False, MODEL.name, MODEL.digest)
    rng = np.random.default_rng(0)
    labels = []
    with RecordingWriter(folder, info, min_free_bytes=0) as writer:
        for k in range(count):
            pose = rng.normal(scale=0.2, size=48)
            if 10 <= k < 20:
                pose = np.full(48, 0.1)  # held still
            if k == 30:
                pose = np.full(48, 1.5)
            hands = [] if k == 5 else [_label(pose, "ik")]
            marker = "here" if k == 40 else ""
            writer.add(Frame(k, k * 33, np.zeros((48, 64, 3), np.uint8), CAMERA, "camera 0"), hands, marker=marker)
            if k != 5:
                labels.append(OfflineLabel(k, _label(pose), 0.0 if k in (50, 51) else 0.3 + 0.01 * k))
    write_offline(folder, OfflineLabels(tuple(labels), np.zeros(10, np.float32), MODEL.digest))
    return folder


def test_filters_select_the_matching_frames(tmp_path: Path) -> None:
    review = SessionReview(make_session(tmp_path / "s"))
    assert len(review.chosen("all")) == 60
    assert list(review.chosen("rejected")) == [50, 51]
    assert list(review.chosen("marked")) == [40]
    assert 30 in review.chosen("unusual pose")
    assert list(review.chosen("near-duplicates")) == list(range(11, 20))
    assert {0, 1, 2, 50, 51} <= set(review.chosen("low agreement"))
    assert 59 not in review.chosen("low agreement")
    assert 5 not in review.chosen("undecided")
    assert review.status[5] == 0


def test_decisions_persist_and_can_be_undone(tmp_path: Path) -> None:
    folder = make_session(tmp_path / "s")
    review = SessionReview(folder)
    review.decide(range(20, 40), "rejected")
    review.decide([50], "kept")
    assert (review.status[25], review.status[50]) == (2, 1)
    assert review.counts()["decided"] == 21
    again = SessionReview(folder)
    np.testing.assert_array_equal(again.status, review.status)
    assert review.undo() == [50]
    assert review.undo() == list(range(20, 40))
    assert review.undo() == []
    assert (review.status[25], review.status[50], review.counts()["decided"]) == (1, 2, 0)
    np.testing.assert_array_equal(SessionReview(folder).status, review.status)


def test_a_correction_becomes_the_label(tmp_path: Path) -> None:
    folder = make_session(tmp_path / "s")
    review = SessionReview(folder)
    review.correct(7, _label(np.full(48, 0.5), "corrected"))
    assert review.status[7] == 3
    label = next(label for label in read_session_labels(folder).labels if label.frame.index == 7)
    assert (label.status, label.weight, label.hand.pose_rad[0]) == ("corrected", 1.0, pytest.approx(0.5))
    review.undo()
    assert read_session_labels(folder).labels[6].status == "kept"


def test_keeping_a_corrected_frame_preserves_the_correction(tmp_path: Path) -> None:
    folder = make_session(tmp_path / "s")
    review = SessionReview(folder)
    review.decide([8], "rejected")
    review.correct(7, _label(np.full(48, 0.5), "corrected"))
    review.decide(range(6, 10), "kept")
    assert list(review.status[6:10]) == [1, 3, 1, 1]
    assert SessionReview(folder).labels(7)[0].hand.pose_rad[0] == pytest.approx(0.5)
    assert review.undo() == [6, 8, 9]
    assert list(review.status[6:10]) == [1, 3, 2, 1]


def test_undo_can_be_repeated_after_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RecordingError("The disk is full.")

    review = SessionReview(make_session(tmp_path / "s"))
    review.decide([8], "rejected")
    with monkeypatch.context() as patched:
        patched.setattr("app.review.session_review.append_verdicts", full)
        with pytest.raises(RecordingError):
            review.undo()
    assert review.undo() == [8]
    assert review.status[8] == 1


@pytest.mark.slow
def test_filters_decisions_and_undo_on_twenty_thousand_frames(tmp_path: Path) -> None:
    folder = make_session(tmp_path / "s", 60)
    line = (folder / LABELS_FILE).read_text().splitlines()[0]
    with (folder / LABELS_FILE).open("a") as file:
        for k in range(60, 20_000):
            file.write(line.replace('"frame":0,"sequence":0', f'"frame":{k},"sequence":{k}') + "\n")
            picture = folder / FRAMES_FOLDER / f"{k:08d}.jpg"
            picture.hardlink_to(folder / FRAMES_FOLDER / "00000000.jpg")
    (folder / "offline.jsonl").unlink()
    review = SessionReview(folder)
    assert len(review) == 20_000
    started = time.process_time()
    for chosen in ("all", "low agreement", "unusual pose", "near-duplicates", "undecided"):
        review.chosen(chosen)  # type: ignore[arg-type]
    for number in range(0, 20_000, 100):
        review.labels(number)
    review.decide(range(5_000, 6_000), "rejected")
    review.undo()
    spent = time.process_time() - started
    print(f"20,000 frames: five filters, 200 frames looked at, 1,000 decided and taken back in {spent * 1e3:.0f} ms")
    assert review.counts()["rejected"] == 0


def _posed(side: str) -> RecordedHand:
    assert MODEL.joint_axes is not None
    pose = named_pose("relaxed", MODEL.joint_axes)
    pose[:3] = axis_angle_from_matrix(facing_camera(LAYER(np.zeros(48), np.zeros(10)).joints_m))
    place = np.array([-0.1, 0.0, 0.5])
    joints = LAYER(pose, np.zeros(10), place).joints_m
    if side == "left":
        pose, place, joints = mirror_pose(pose), mirror_points(place), mirror_points(joints)
    numbers = (pose, np.zeros(10), place, joints)
    return RecordedHand(side, "offline", 0.8, *(array.astype(np.float32) for array in numbers))  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["right", "left"])
def test_dragged_fingertip_moves_only_its_own_finger(side: str) -> None:
    camera = Intrinsics.from_fov(640, 480)
    label = _posed(side)
    corrector = HandCorrector(MODEL, label, camera)
    before = corrector.joints_px()
    wanted = before[8] + [0.0, 25.0]
    corrected = corrector.drag(8, (float(wanted[0]), float(wanted[1])))
    after = project(corrected.joints_m.astype(float), camera)
    moved = np.linalg.norm(after - before, axis=1)
    assert np.linalg.norm(after[8] - wanted) < 10.0
    assert moved[8] > 15.0
    assert moved[[0, 9, 13, 17, 12, 16, 20]].max() < 6.0
    assert corrected.origin == "corrected"
    assert corrected.side == side
    # pose, shape and place agree with the joints
    layer = HandLayer(MODEL if side == "right" else MODEL.mirrored(), np.float64)
    again = layer(corrected.pose_rad.astype(float), corrected.shape.astype(float), corrected.camera_translation_m)
    np.testing.assert_allclose(again.joints_m, corrected.joints_m, atol=1e-4)
    assert hand_to_json(corrected)["provider"] == "corrected"
