"""The whole fine-tuning loop with real panels, files and training processes, driven by simulated input."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QTreeWidgetItem
from pytestqt.qtbot import QtBot
from tiny_training import CAMERA, StickHand, stick_hands, tiny_request, write_network

from app.jobs.training import TrainingRuns
from app.networks import library as library_module
from app.networks.library import NetworkLibrary
from app.networks.live_network import LiveNetwork, load_candidate
from app.networks.trial import Trial
from app.palette import DARK
from app.pipeline.output_selector import OutputChooser
from app.pipeline.paths.network_path import NetworkPath
from app.pipeline.result_synchronizer import JoinedResult
from app.review.session_review import open_review
from app.ui.recording import record_panel
from app.ui.recording.record_panel import RecordPanel
from app.ui.review.review_window import ReviewWindow
from app.ui.training.networks_panel import NetworksPanel
from app.ui.training.run_view import describe_run, duration
from app.ui.training.training_form import ROLES
from app.ui.training.training_panel import FineTunePanel
from hand.camera import project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.types import Frame, HandObservation, HandState, PathId, PathResult
from trainer.runs.run_history import RunPhase

pytestmark = [pytest.mark.timeout(1500), pytest.mark.usefixtures("training_part")]
MODEL = load_embedded_model()
FRAMES = 20


class EmptyDetector:
    def detect(self, image_rgb: np.ndarray, last_seen_px: object = ()) -> list[object]:
        return []

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def wait_for(qtbot: QtBot, condition: Callable[[], bool], panel: FineTunePanel, seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        qtbot.wait(200)
        panel.refresh()
        run = panel.view._run
        assert time.monotonic() < end, run and (run.phase, run.history.lines, run.log_tail())


def pass_to_recorder(panel: RecordPanel, hand: StickHand) -> None:
    """Passes a frame and then its results to the recorder, as the pipeline does."""
    frame, joints_m = hand.frame, hand.geometry.joints_m
    panel.take_frame(frame)
    pixels = project(joints_m, CAMERA)
    state = HandState(
        sequence=frame.sequence,
        side="right",
        pose_rad=hand.pose_rad.astype(np.float32),
        shape=np.zeros(10, np.float32),
        camera_translation_m=hand.translation_m.astype(np.float32),
        joints_m=joints_m.astype(np.float32),
        vertices_m=hand.geometry.vertices_m.astype(np.float32),
        confidence=0.9,
        origin="ik",
    )
    seen = HandObservation("right", 0.9, pixels, joints_m - joints_m.mean(0), crop_around(pixels, 1.5))
    results: dict[PathId, PathResult] = {"ik": PathResult(frame, "ik", (state,), (seen,))}
    panel.take_joined(JoinedResult(frame, results, OutputChooser(MODEL).choose(frame, results)))


def record_session(qtbot: QtBot, panel: RecordPanel, name: str, seed: int) -> Path:
    """Counts down, records twenty frames, and stops, all by the panel's own button."""
    panel.name.setText(name)
    with qtbot.waitSignal(panel.flashed, timeout=20_000):
        qtbot.mouseClick(panel.record, Qt.MouseButton.LeftButton)
    recorder = panel.recorder
    assert recorder is not None
    for hand in stick_hands(FRAMES, seed):
        pass_to_recorder(panel, hand)
    qtbot.waitUntil(lambda: recorder.state.frames == FRAMES, timeout=20_000)
    with qtbot.waitSignal(panel.notice, timeout=20_000) as notice:
        qtbot.mouseClick(panel.record, Qt.MouseButton.LeftButton)
    assert notice.args == [f"{FRAMES} frames recorded, 0 dropped."]
    return recorder.folder


def session_item(panel: RecordPanel, folder: Path) -> QTreeWidgetItem:
    """A session's row in the panel's list."""
    items = [panel.sessions.list.topLevelItem(number) for number in range(panel.sessions.list.topLevelItemCount())]
    return next(item for item in items if item and item.data(0, Qt.ItemDataRole.UserRole).folder == folder)


def label_and_review(qtbot: QtBot, panel: RecordPanel, folder: Path) -> None:
    """Labels a session by the button, reviews it, and rejects two frames by key."""
    qtbot.waitUntil(lambda: not panel.sessions.listing, timeout=20_000)
    panel.sessions.list.setCurrentItem(session_item(panel, folder))
    with qtbot.waitSignal(panel.notice, timeout=300_000) as notice:
        qtbot.mouseClick(panel.sessions.label_button, Qt.MouseButton.LeftButton)
    assert "labels are good enough for training" in notice.args[0]
    qtbot.waitUntil(lambda: session_item(panel, folder).text(3) == "yes", timeout=300_000)
    panel.sessions.list.setCurrentItem(session_item(panel, folder))
    with qtbot.waitSignal(panel.review_requested, timeout=5000) as wanted:
        qtbot.mouseClick(panel.sessions.review, Qt.MouseButton.LeftButton)
    review = ReviewWindow(open_review(wanted.args[0], MODEL), MODEL, DARK)
    qtbot.addWidget(review)
    review.show()
    review.activateWindow()
    with qtbot.waitActive(review, timeout=5000):
        pass
    review.go_to(3)
    for _ in range(2):
        qtbot.keyClick(review, Qt.Key.Key_X)
    assert [int(status) for status in review.review.status[[3, 4]]] == [2, 2]


@pytest.mark.slow
def test_record_teach_report_swap_and_revert(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = tiny_request(tmp_path, sessions=False)
    monkeypatch.setattr(record_panel, "COUNTDOWN_S", 1)
    recording = RecordPanel(MODEL, tmp_path / "sessions")
    qtbot.addWidget(recording)
    recording.show()
    folders = [record_session(qtbot, recording, f"s{number}", number) for number in (1, 2, 3)]
    label_and_review(qtbot, recording, folders[0])
    recording.close_down()
    recording.complete()
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    live = LiveNetwork(library.shipped)
    first = live.current()
    path = NetworkPath(live.runtime, MODEL, (EmptyDetector(),), network_now=lambda: live.runtime)  # type: ignore[arg-type]
    panel = FineTunePanel(library, tmp_path / "sessions", TrainingRuns(tmp_path / "runs"))
    networks = NetworksPanel(library, live)
    panel.run_shown.connect(networks.show_run)
    for widget in (panel, networks):
        qtbot.addWidget(widget)
        widget.set_theme(DARK)
        widget.show()
    panel.form.template = request
    # by default the newest session is held out
    names = [folder.name for folder in folders]
    assert panel.form.roles() == dict(zip(names, ("learn", "learn", "held out"), strict=True))
    panel.form.name.setText("Tiny hand")
    qtbot.mouseClick(panel.form.start, Qt.MouseButton.LeftButton)
    run = panel.view._run
    assert run is not None
    wait_for(qtbot, lambda: run.phase is RunPhase.FINISHED, panel)
    assert (run.request.train, run.request.held_out) == ((names[0], names[1]), (names[2],))
    assert "your hand" in networks.report.sentence.text()
    assert panel.list.topLevelItem(0).text(1) == "done"  # type: ignore[union-attr]
    # the swap takes effect between two frames
    path.process(Frame(0, 0, np.zeros((120, 160, 3), np.uint8), CAMERA, "test"))
    qtbot.mouseClick(networks.swap_tuned, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: live.current() is not first or networks.anyway.isVisible(), timeout=30_000)
    if networks.anyway.isVisible():  # a network without training may be worse on the demo clip
        qtbot.mouseClick(networks.anyway, Qt.MouseButton.LeftButton)
    assert live.current().name == "Tiny hand"
    path.process(Frame(1, 1, np.zeros((120, 160, 3), np.uint8), CAMERA, "test"))
    assert path._runtime is live.runtime
    # and so does the revert
    assert networks.revert.isVisible()
    qtbot.mouseClick(networks.revert, Qt.MouseButton.LeftButton)
    assert live.current() is first
    path.process(Frame(2, 2, np.zeros((120, 160, 3), np.uint8), CAMERA, "test"))
    assert path._runtime is first.runtime
    assert [swap.reason for swap in library.history()] == ["revert", "swap"]
    panel.close_quietly()


def test_network_that_fails_its_trial_is_swapped_in_only_after_confirmation(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_network(tmp_path / "base")
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    other = library.add(tmp_path / "base", name="other")
    live = LiveNetwork(tmp_path / "base")
    first = live.current()
    monkeypatch.setattr(
        "app.ui.training.networks_panel.try_network", lambda *_: Trial(20.0, 10.0, ("It is clearly worse.",))
    )
    panel = NetworksPanel(library, live)
    qtbot.addWidget(panel)
    panel.show()
    panel.try_and_swap(other.folder)
    qtbot.waitUntil(panel.anyway.isVisible, timeout=20_000)
    assert live.current() is first
    assert "clearly worse" in panel.doubts.text()
    qtbot.mouseClick(panel.leave, Qt.MouseButton.LeftButton)
    assert live.current() is first
    panel.try_and_swap(other.folder)
    qtbot.waitUntil(panel.anyway.isVisible, timeout=20_000)
    qtbot.mouseClick(panel.anyway, Qt.MouseButton.LeftButton)
    assert live.current().folder == other.folder
    assert library.last_live() == other.folder


def test_network_that_cannot_be_loaded_is_reported_and_not_swapped_in(qtbot: QtBot, tmp_path: Path) -> None:
    write_network(tmp_path / "base")
    live = LiveNetwork(tmp_path / "base")
    first = live.current()
    panel = NetworksPanel(NetworkLibrary(tmp_path / "base", tmp_path / "networks"), live)
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.notice, timeout=20_000) as notice:
        panel.try_and_swap(tmp_path / "nothing")
    assert "There is no trained network" in notice.args[0]
    (tmp_path / "junk.handnet").write_bytes(b"junk")
    with qtbot.waitSignal(panel.notice, timeout=20_000) as notice:
        panel.open_file(tmp_path / "junk.handnet")
    assert "cannot be opened as a network" in notice.args[0]
    assert live.current() is first
    panel.wait()


def test_networks_are_packed_and_unpacked_outside_the_gui_thread(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_network(tmp_path / "base")
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    panel = NetworksPanel(library, LiveNetwork(tmp_path / "base"))
    qtbot.addWidget(panel)
    worker_threads: list[threading.Thread] = []
    for name in ("pack_network", "unpack_network"):
        act = getattr(library_module, name)

        def recorded_call(source: Path, target: Path, act: Callable[[Path, Path], None] = act) -> None:
            worker_threads.append(threading.current_thread())
            act(source, target)

        monkeypatch.setattr(library_module, name, recorded_call)
    file = tmp_path / "mine.handnet"
    with qtbot.waitSignal(panel.notice, timeout=20_000) as notice:
        panel.share_as(library.entries()[0], file)
    assert notice.args[0].endswith(f"is in {file}.")
    with qtbot.waitSignal(panel.notice, timeout=20_000) as notice:
        panel.open_file(file)
    assert notice.args == ["mine is in the list; choose it and swap it in."]
    assert panel.list.topLevelItemCount() == 2
    assert len(worker_threads) == 2
    assert threading.main_thread() not in worker_threads
    panel.wait()


def test_form_without_sessions_explains_what_is_missing(qtbot: QtBot, tmp_path: Path) -> None:
    write_network(tmp_path / "base")
    (tmp_path / "sessions").mkdir()
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    panel = FineTunePanel(library, tmp_path / "sessions", TrainingRuns(tmp_path / "runs"))
    qtbot.addWidget(panel)
    panel.show()
    assert "Record at least two" in panel.form.explanation.text()
    assert not panel.form.start.isEnabled()
    assert load_candidate(tmp_path / "base").name == panel.form.base.currentText().split(" (")[0]
    assert ROLES[0] == "learn"
    panel.close_quietly()


def test_durations_and_run_states_are_formatted_for_display(tmp_path: Path) -> None:
    assert [duration(seconds) for seconds in (3.0, 41.0, 95.0, 600.0, 4900.0)] == [
        "10 s",
        "50 s",
        "2 min",
        "10 min",
        "1 h 22 min",
    ]
    run = TrainingRuns(tmp_path).create(tiny_request(tmp_path))
    assert describe_run(run) == "Interrupted before its first step; everything up to step 0 is kept, and it can go on."
