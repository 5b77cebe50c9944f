"""Recorder and review from the user's side: count down, record, stop, review, decide by key, drag a joint."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from app_fakes import found, plain_image
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from app.palette import DARK
from app.pipeline.output_selector import OutputChooser
from app.pipeline.result_synchronizer import JoinedResult
from app.recording.recorder import RecorderPhase
from app.recording.sessions import SessionEntry
from app.review.session_review import open_review
from app.sources.picture_files import PICTURE_SUFFIXES
from app.sources.video import VIDEO_SUFFIXES
from app.ui.recording import record_panel
from app.ui.recording.record_panel import SAVE_S, RecordPanel
from app.ui.review.review_window import ReviewWindow
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import RecordingError
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.types import Frame

MODEL = load_embedded_model()
CAMERA = Intrinsics.from_fov(320, 240)


@pytest.fixture
def panel(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordPanel]:
    monkeypatch.setattr(record_panel, "COUNTDOWN_S", 1)
    panel = RecordPanel(MODEL, tmp_path / "sessions")
    qtbot.addWidget(panel)
    panel.show()
    yield panel
    panel.close_down()
    panel.complete()


def feed(panel: RecordPanel, first: int, last: int) -> None:
    chooser = OutputChooser(MODEL)
    for k in range(first, last):
        frame = Frame(k, k * 33_333_333, plain_image(), CAMERA, "Fake")
        panel.take_frame(frame)
        results = {"ik": found(frame)}
        outputs = chooser.choose(frame, results, {})  # type: ignore[arg-type]
        panel.take_joined(JoinedResult(frame, results, outputs))  # type: ignore[arg-type]


def record(qtbot: QtBot, panel: RecordPanel, name: str = "Own hand") -> Path:
    panel.name.setText(name)
    with qtbot.waitSignal(panel.flashed, timeout=10_000):
        panel.record.click()
    feed(panel, 0, 30)
    recorder = panel.recorder
    assert recorder is not None
    qtbot.waitUntil(lambda: recorder.state.frames == 30, timeout=20_000)
    with qtbot.waitSignal(panel.notice, timeout=10_000) as emitted:
        panel.record.click()
    assert emitted.args == ["30 frames recorded, 0 dropped."]
    return recorder.folder


def test_a_session_is_recorded_after_a_countdown(qtbot: QtBot, panel: RecordPanel) -> None:
    folder = record(qtbot, panel)
    recording = open_recording(folder)
    assert recording.complete
    assert recording.info.name == "Own hand"
    assert len(recording.frames) == 30
    assert all(frame.hands for frame in recording.frames)
    qtbot.waitUntil(lambda: panel.sessions.list.topLevelItemCount() == 1, timeout=20_000)
    item = panel.sessions.list.topLevelItem(0)
    assert item is not None
    assert (item.text(0), item.text(3)) == ("Own hand", "no")
    assert panel.record.text() == "Record"


def test_sessions_are_listed_by_a_thread_and_the_selection_is_kept(
    qtbot: QtBot, panel: RecordPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed, sessions = threading.Event(), panel.sessions
    entries = [SessionEntry(Path(name), name, 10, 1.0, 0, 1000, False) for name in ("second", "first")]

    def slow(home: Path) -> list[SessionEntry]:
        assert threading.current_thread() is not threading.main_thread()
        assert allowed.wait(20.0)
        return entries

    qtbot.waitUntil(lambda: not sessions.listing, timeout=20_000)
    monkeypatch.setattr("app.ui.recording.sessions_panel.list_sessions", slow)
    sessions.show_sessions()
    assert sessions.list.topLevelItemCount() == 0
    allowed.set()
    qtbot.waitUntil(lambda: sessions.list.topLevelItemCount() == 2, timeout=20_000)
    sessions.list.setCurrentItem(sessions.list.topLevelItem(1))
    entries.insert(0, SessionEntry(Path("third"), "third", 10, 1.0, 0, 1000, False))
    sessions.show_sessions()
    qtbot.waitUntil(lambda: sessions.list.topLevelItemCount() == 3, timeout=20_000)
    chosen = sessions.list.currentItem()
    assert chosen is not None
    assert chosen.text(0) == "first"


def test_session_is_deleted_by_a_thread_and_leaves_the_list_at_once(
    qtbot: QtBot, panel: RecordPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sessions = record(qtbot, panel), panel.sessions
    qtbot.waitUntil(lambda: sessions.list.topLevelItemCount() == 1, timeout=20_000)
    allowed, really_delete = threading.Event(), shutil.rmtree

    def slowly(going: Path) -> None:
        assert threading.current_thread() is not threading.main_thread()
        assert allowed.wait(20.0)
        really_delete(going)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("app.recording.sessions.shutil.rmtree", slowly)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    sessions.list.setCurrentItem(sessions.list.topLevelItem(0))
    sessions.delete.click()
    qtbot.waitUntil(lambda: sessions.list.topLevelItemCount() == 0, timeout=20_000)
    assert any(folder.parent.iterdir())  # removed from the list while its files are still being deleted
    with qtbot.waitSignal(panel.notice, timeout=20_000) as emitted:
        allowed.set()
    assert "cannot be deleted (Input/output error)" in emitted.args[0]
    assert not any(folder.parent.iterdir())


def test_countdown_can_be_cancelled(qtbot: QtBot, panel: RecordPanel) -> None:
    panel.record.click()
    assert panel.record.text().startswith("Break off")
    panel.record.click()
    qtbot.wait(1200)
    assert panel.recorder is None
    assert panel.record.text() == "Record"


def test_pause_and_mark(qtbot: QtBot, panel: RecordPanel) -> None:
    panel.begin()
    feed(panel, 0, 5)
    panel.pause.click()
    assert panel.pause.text() == "Go on"
    feed(panel, 5, 10)
    panel.pause.click()
    panel.marker.click()
    feed(panel, 10, 15)
    recorder = panel.recorder
    assert recorder is not None
    panel.finish()
    qtbot.waitUntil(lambda: recorder.state.phase is RecorderPhase.STOPPED, timeout=20_000)
    frames = open_recording(recorder.folder).frames
    assert [frame.sequence for frame in frames] == [*range(5), *range(10, 15)]
    assert [frame.sequence for frame in frames if frame.marker] == [10]


def test_next_recording_can_start_while_the_last_is_still_written(
    qtbot: QtBot, panel: RecordPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_is_free = threading.Event()
    really_close = RecordingWriter.close

    def close_slowly(writer: RecordingWriter) -> None:
        disk_is_free.wait(20.0)
        really_close(writer)

    monkeypatch.setattr(RecordingWriter, "close", close_slowly)
    panel.begin()
    feed(panel, 0, 5)
    first = panel.recorder
    assert first is not None
    panel.finish()
    assert not panel.is_recording()
    assert panel.progress.text() == "Saving …"
    panel.begin()  # the next recording does not wait for it
    feed(panel, 5, 8)
    second = panel.recorder
    assert second is not None
    assert first.state.phase is not RecorderPhase.STOPPED
    with qtbot.waitSignal(panel.notice, check_params_cb=lambda words: words.startswith("5 frames"), timeout=20_000):
        disk_is_free.set()
    panel.finish()
    panel.complete()
    for recorder, count in ((first, 5), (second, 3)):
        recording = open_recording(recorder.folder)
        assert recording.complete
        assert len(recording.frames) == count


def test_closing_waits_for_all_unwritten_recordings_within_one_time_limit(
    panel: RecordPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_s: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited_s))

    class NeverWritten:
        def stop(self, timeout_s: float) -> None:
            waited_s.append(timeout_s)

    monkeypatch.setattr("app.ui.recording.record_panel.time", clock)
    panel._ending.extend(NeverWritten() for _ in range(3))  # type: ignore[misc]
    panel.complete()
    assert waited_s == [0.0, 0.0, 0.0, SAVE_S, 0.0, 0.0]


def test_recorded_hands_fill_the_coverage_table(qtbot: QtBot, panel: RecordPanel) -> None:
    panel.begin()
    before = panel.cards.texts
    feed(panel, 0, 30)
    panel.refresh()
    assert panel.table._filled.max() == 1.0
    assert len(before) == 3
    assert panel.cards.texts != before
    panel.finish()


@pytest.fixture
def review(qtbot: QtBot, panel: RecordPanel) -> ReviewWindow:
    window = ReviewWindow(open_review(record(qtbot, panel), MODEL), MODEL, DARK)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    with qtbot.waitActive(window, timeout=5000):
        pass
    return window


def test_frames_are_decided_by_key_and_by_range_and_undone(qtbot: QtBot, review: ReviewWindow) -> None:
    qtbot.keyClick(review, Qt.Key.Key_X)
    assert (review.review.status[0], review.current) == (2, 1)
    for _ in range(4):
        qtbot.keyClick(review, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(review, Qt.Key.Key_X)
    assert list(review.review.status[:7]) == [2, 2, 2, 2, 2, 2, 1]
    qtbot.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert list(review.review.status[:7]) == [2, 1, 1, 1, 1, 1, 1]
    review.filter.setCurrentIndex(review.filter.findData("rejected"))
    assert list(review.film.numbers) == [0]
    qtbot.keyClick(review, Qt.Key.Key_K)
    assert review.review.status[0] == 1


def test_filter_shows_how_many_frames_it_has_after_a_decision(qtbot: QtBot, review: ReviewWindow) -> None:
    place = review.filter.findData("rejected")
    assert review.filter.itemText(place).endswith("(0)")
    qtbot.keyClick(review, Qt.Key.Key_X)
    assert review.filter.itemText(place).endswith("(1)")
    qtbot.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert review.filter.itemText(place).endswith("(0)")


def test_import_offers_every_video_and_picture_that_can_be_read(
    panel: RecordPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters: list[str] = []
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *arguments: filters.append(str(arguments[-1])) or ("", "")
    )
    panel.sessions._choose_import()
    offered = set(filters[0].split(";;")[0].partition("(")[2].rstrip(")").split())
    assert offered == {f"*{suffix}" for suffix in (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES)}


def test_key_decides_nothing_when_the_filter_shows_no_frame(qtbot: QtBot, review: ReviewWindow) -> None:
    review.filter.setCurrentIndex(review.filter.findData("rejected"))
    assert len(review.film.numbers) == 0
    qtbot.keyClick(review, Qt.Key.Key_X)
    assert not (review.review.status == 2).any()
    assert "No frame passes" in review.description.text()


def test_a_dragged_joint_solves_the_hand_and_marks_it_corrected(qtbot: QtBot, review: ReviewWindow) -> None:
    review.go_to(3)
    intrinsics = review.review.recording.info.intrinsics
    before = review.review.labels(3)[0].joints_px(intrinsics)
    tip = review.picture.place_of(*before[8]).toPoint()
    qtbot.mousePress(review.picture, Qt.MouseButton.LeftButton, pos=tip)
    qtbot.mouseMove(review.picture, tip + QPoint(6, 12))
    qtbot.mouseRelease(review.picture, Qt.MouseButton.LeftButton, pos=tip + QPoint(6, 12))
    assert review.review.status[3] == 3
    label = review.review.labels(3)[0]
    assert (label.status, label.hand.origin, label.weight) == ("corrected", "corrected", 1.0)
    moved = np.linalg.norm(label.joints_px(intrinsics) - before, axis=1)
    assert moved[8] > 2.0 * moved[[0, 17, 20]].max()


def test_click_on_a_joint_without_a_drag_changes_nothing(qtbot: QtBot, review: ReviewWindow) -> None:
    drags: list[bool] = []
    review.picture.dragged.connect(lambda _joint, _x, _y, done: drags.append(done))
    tip = review.picture.place_of(*review.review.labels(0)[0].joints_px(review.review.recording.info.intrinsics)[8])
    left, right = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
    for button, way in ((left, QPoint(0, 0)), (left, QPoint(2, 2)), (right, QPoint(30, 30))):
        qtbot.mousePress(review.picture, button, pos=tip.toPoint())
        qtbot.mouseMove(review.picture, tip.toPoint() + way)
        qtbot.mouseRelease(review.picture, button, pos=tip.toPoint() + way)
    assert drags == []
    qtbot.mousePress(review.picture, left, pos=tip.toPoint())
    review.go_to(1)  # in the middle of a drag
    qtbot.mouseMove(review.picture, tip.toPoint() + QPoint(30, 30))
    qtbot.mouseRelease(review.picture, left, pos=tip.toPoint() + QPoint(30, 30))
    assert drags == []
    assert list(review.review.status[:2]) == [1, 1]


def test_failed_write_is_reported_and_the_review_does_not_advance(
    qtbot: QtBot, review: ReviewWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RecordingError("The disk is full.")

    qtbot.keyClick(review, Qt.Key.Key_X)
    monkeypatch.setattr("app.review.session_review.append_verdicts", full)
    qtbot.keyClick(review, Qt.Key.Key_X)
    assert (review.description.text(), review.current, review.review.status[1]) == ("The disk is full.", 1, 1)
    qtbot.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (review.description.text(), review.current, review.review.status[0]) == ("The disk is full.", 1, 2)
    review.drag(8, 100.0, 100.0, True)
    assert (review.description.text(), review.review.status[1]) == ("The disk is full.", 1)
    monkeypatch.undo()
    qtbot.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (review.current, review.review.status[0]) == (0, 1)
    assert review.description.text().startswith("Frame 0")


def test_click_on_the_timeline_selects_the_frame(qtbot: QtBot, review: ReviewWindow) -> None:
    qtbot.mouseClick(review.timeline, Qt.MouseButton.LeftButton, pos=QPoint(review.timeline.width() // 2, 20))
    assert review.current == 15


def test_decision_repaints_only_its_own_frames(qtbot: QtBot, review: ReviewWindow) -> None:
    repainted: list[tuple[int, int]] = []
    review.film.dataChanged.connect(lambda first, last, _roles: repainted.append((first.row(), last.row())))
    review.go_to(4)
    review.go_to(8, extend=True)
    qtbot.keyClick(review, Qt.Key.Key_X)
    review.go_to(20)
    qtbot.keyClick(review, Qt.Key.Key_K)
    qtbot.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert repainted == [(4, 8), (20, 20), (20, 20), (4, 8)]


def test_session_that_cannot_be_created_is_reported(qtbot: QtBot, panel: RecordPanel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    panel.home = tmp_path / "file" / "sessions"
    with qtbot.waitSignal(panel.notice) as emitted:
        panel.begin()
    assert "cannot be made" in emitted.args[0]
    assert panel.recorder is None


def test_damaged_session_is_listed_and_reported_once(qtbot: QtBot, panel: RecordPanel) -> None:
    record(qtbot, panel)
    damaged = panel.home / "damaged"
    damaged.mkdir()
    (damaged / "session.json").write_text("{")
    notices: list[str] = []
    panel.notice.connect(notices.append)
    for _ in range(2):
        panel.sessions.show_sessions()
        qtbot.waitUntil(lambda: not panel.sessions.listing, timeout=10_000)
    assert panel.sessions.list.topLevelItemCount() == 2
    assert len([sentence for sentence in notices if "session.json" in sentence]) == 1


def test_interrupted_deletion_is_completed_at_the_next_start(qtbot: QtBot, tmp_path: Path) -> None:
    left = tmp_path / "sessions" / ".deleting-a"
    left.mkdir(parents=True)
    (left / "frame.jpg").write_bytes(b"1")
    panel = RecordPanel(MODEL, tmp_path / "sessions")
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: not left.exists(), timeout=10_000)
    panel.close_down()
