"""Tools of the window with fake sources: motions, snapshots, streams, playback and camera calibration."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from app_fakes import FakeSource, write_clip
from gltf_reader import Gltf
from PyQt6.QtGui import QAction
from pytestqt.qtbot import QtBot
from rendered_board import render_board
from test_lens_calibration import TRUE_CAMERA, poses
from windows import PATIENCE_MS, Open, wait_for_result

from app.outputs.address import LOCALHOST, StreamAddress
from app.pipeline.capture_thread import SourcePhase
from app.sources.calibration_store import saved_intrinsics
from app.sources.choose import ChosenSource
from app.sources.video import VideoSource
from app.ui.panels.camera_panel import INTRO, NO_CAMERA_SENTENCE, OTHER_SOURCE_SENTENCE, CameraPanel
from app.ui.panels.playback_bar import PlaybackBar
from app.ui.panels.stream_panel import NONE_SENTENCE, StreamPanel
from app.ui.tools.motion_tool import MotionTool
from app.ui.tools.snapshot_tool import NOTHING_SENTENCE, SnapshotTool
from app.ui.widgets.visibility import is_seen
from app.ui.window.main_window import MainWindow
from hand.embedded import load_embedded_model


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ui.tools.motion_tool.motion_folder", lambda: tmp_path / "motions")
    monkeypatch.setattr("app.ui.tools.snapshot_tool.snapshot_folder", lambda: tmp_path / "snapshots")


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(MainWindow, "notify", lambda _window, sentence: sentences.append(sentence))
    return sentences


def press(window: MainWindow, shortcut: str) -> None:
    (action,) = (action for action in window.actions() if action.shortcut().toString() == shortcut)
    action.trigger()


def test_motion_is_recorded_between_two_presses(
    qtbot: QtBot, open_window: Open, notices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "motion.glb"
    monkeypatch.setattr(MotionTool, "ask_for_file", lambda _tool: file)
    window = open_window()
    wait_for_result(qtbot, window)
    press(window, "Ctrl+Shift+M")
    for _ in range(5):
        wait_for_result(qtbot, window)
    press(window, "Ctrl+Shift+M")
    qtbot.waitUntil(lambda: any("saved to" in sentence for sentence in notices), timeout=PATIENCE_MS)
    vertices = Gltf(file).skinned_vertices("right_hand_mesh", 0.0)
    joined = window.joined
    assert joined is not None
    np.testing.assert_allclose(vertices * (1, -1, -1), joined.outputs[0].state.vertices_m, atol=1e-4)


def test_motion_that_is_being_recorded_is_kept_when_the_window_closes(
    qtbot: QtBot, open_window: Open, tmp_path: Path
) -> None:
    window = open_window()
    press(window, "Ctrl+Shift+M")
    for _ in range(4):  # the first result may be of a frame from before the recording
        wait_for_result(qtbot, window)
    window.close()
    (file,) = (tmp_path / "motions").glob("*.npz")
    with np.load(file) as arrays:
        assert len(arrays["right_frame"]) >= 3


def test_recording_without_a_hand_is_reported(
    qtbot: QtBot, open_window: Open, notices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MotionTool, "ask_for_file", lambda _tool: tmp_path / "motion.npz")
    window = open_window()
    window.pipeline.set_enabled("ik", False)
    press(window, "Ctrl+Shift+M")
    press(window, "Ctrl+Shift+M")
    qtbot.waitUntil(lambda: any("There is no motion to save" in sentence for sentence in notices), timeout=PATIENCE_MS)


@pytest.mark.slow
def test_snapshot_is_saved_in_the_chosen_mesh_format(
    qtbot: QtBot, open_window: Open, notices: list[str], tmp_path: Path
) -> None:
    window = open_window(settings_file=tmp_path / "settings.json")
    press(window, "Ctrl+S")
    assert notices[-1] == NOTHING_SENTENCE
    (chosen,) = (action for action in window.findChildren(QAction) if action.text() == "PLY")
    chosen.trigger()
    wait_for_result(qtbot, window)
    press(window, "Ctrl+S")
    qtbot.waitUntil(lambda: any("Snapshot kept" in sentence for sentence in notices), timeout=PATIENCE_MS)
    (description,) = (tmp_path / "snapshots").glob("*.json")
    content = json.loads(description.read_text())
    assert cv2.imread(str(description.with_name(content["files"]["picture"]))) is not None
    assert [Path(name).suffix for name in content["files"]["meshes"]] == [".ply", ".ply"]
    window.close()
    again = open_window(settings_file=tmp_path / "settings.json").findChild(SnapshotTool)
    assert again is not None
    assert again.mesh_suffix == ".ply"  # kept between starts


def test_inspection_shows_the_output_hand(
    qtbot: QtBot, open_window: Open, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[list[str]] = []

    class Process:
        def poll(self) -> int:
            return 0

    monkeypatch.setattr(
        "app.ui.tools.snapshot_tool.show_meshes", lambda meshes, _title: shown.append(list(meshes)) or Process()
    )
    window = open_window()
    wait_for_result(qtbot, window)
    press(window, "Ctrl+I")
    qtbot.waitUntil(lambda: shown == [["output_right"]], timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: "The inspection window opens in a few seconds." in notices, timeout=PATIENCE_MS)


def test_window_opens_the_streams_of_the_command_line(qtbot: QtBot, open_window: Open) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((LOCALHOST, 0))
        receiver.settimeout(0.01)
        window = open_window(streams=(StreamAddress("udp", receiver.getsockname()[1]),))
        received: list[dict] = []

        def hands_came() -> bool:
            try:
                received.append(json.loads(receiver.recv(65536)))
            except TimeoutError:
                return False
            return received[-1]["schema"] == "handlive.hands" and bool(received[-1]["hands"])

        qtbot.waitUntil(hands_came, timeout=PATIENCE_MS)
        panel = window.findChild(StreamPanel)
        assert panel is not None
        panel.show_numbers()
        assert "messages sent" in panel.rows[0].state.text()


def test_stream_panel_starts_stops_and_reports_errors(qtbot: QtBot) -> None:
    panel = StreamPanel(load_embedded_model())
    qtbot.addWidget(panel)
    panel.field.setText("tcp:9000")
    panel.start_button.click()
    assert "A stream is written as" in panel.message.text()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind((LOCALHOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        panel.field.setText(f"ws:{port}")
        panel.start_button.click()
        qtbot.waitUntil(lambda: "cannot listen there" in panel.message.text(), timeout=PATIENCE_MS)
    panel.start_button.click()  # the port is free now
    qtbot.waitUntil(lambda: bool(panel.rows), timeout=PATIENCE_MS)
    assert [row.name.text() for row in panel.rows] == [f"ws:127.0.0.1:{port}"]
    assert panel.field.text() == ""
    panel.rows[0].stop_button.click()
    assert not panel.rows
    assert panel.message.text() == NONE_SENTENCE
    panel.close_all()


def test_slow_host_lookup_does_not_block_the_window(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    panel, resolved = StreamPanel(load_embedded_model()), threading.Event()
    qtbot.addWidget(panel)
    look_up = socket.getaddrinfo

    def slowly(*arguments: Any, **named: Any) -> Any:
        assert resolved.wait(20.0)
        return look_up(*arguments, **named)

    monkeypatch.setattr("app.outputs.datagrams.socket.getaddrinfo", slowly)
    panel.field.setText("udp:9000")
    panel.start_button.click()
    panel.start_button.click()  # one at a time
    assert not panel.rows
    assert panel.message.text() == "Starting udp:127.0.0.1:9000 …"
    resolved.set()
    qtbot.waitUntil(lambda: bool(panel.rows), timeout=PATIENCE_MS)
    panel.start(StreamAddress("udp", 9001))
    panel.close_all()  # also streams that are still starting
    qtbot.waitUntil(panel.start_button.isEnabled, timeout=PATIENCE_MS)
    assert not panel.rows


def test_invalid_stream_of_the_command_line_is_reported(qtbot: QtBot, open_window: Open, notices: list[str]) -> None:
    open_window(streams=(StreamAddress("ws", 8765, "192.168..5"),))
    qtbot.waitUntil(lambda: any("ws:192.168..5:8765 cannot listen there" in sentence for sentence in notices))


def test_refused_stream_is_announced_when_its_panel_lies_behind_another(
    qtbot: QtBot, open_window: Open, notices: list[str]
) -> None:
    window = open_window()
    panel = window.findChild(StreamPanel)
    assert panel is not None
    for shortcut in ("Ctrl+L", "Ctrl+G"):  # the second one comes to the front
        press(window, shortcut)
    qtbot.waitUntil(lambda: panel.isVisible() and not is_seen(panel), timeout=PATIENCE_MS)
    panel.start(StreamAddress("ws", 8765, "192.168..5"))
    qtbot.waitUntil(
        lambda: any("cannot listen there" in sentence for sentence in (*notices, panel.message.text())),
        timeout=PATIENCE_MS,
    )
    assert any("cannot listen there" in sentence for sentence in notices)


def test_transport_pauses_steps_and_seeks_a_file(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    bar = window.findChild(PlaybackBar)
    assert bar is not None
    wait_for_result(qtbot, window)
    assert not bar.isVisible()  # the fake source cannot be paused
    source = VideoSource(write_clip(tmp_path / "clip.mp4", frames=12), frames_per_second=20.0)
    window.show_source(ChosenSource(source))
    qtbot.waitUntil(bar.isVisible, timeout=PATIENCE_MS)
    playback = window.pipeline.playback
    press(window, "Space")
    assert playback.state.paused
    press(window, ".")
    press(window, ".")
    bar.slider.setValue(9)
    qtbot.waitUntil(lambda: playback.state.position == 9, timeout=PATIENCE_MS)
    press(window, ",")
    qtbot.waitUntil(lambda: bar.place.text().startswith("9 / 12"), timeout=PATIENCE_MS)
    press(window, "Space")
    qtbot.waitUntil(lambda: window.pipeline.source_state.phase is SourcePhase.ENDED, timeout=PATIENCE_MS)
    bar.slider.setValue(3)  # after its end the file opens again, at that place
    qtbot.waitUntil(lambda: playback.state.position == 3, timeout=PATIENCE_MS)
    assert playback.state.paused


def test_picture_is_turned_from_the_menu(qtbot: QtBot, open_window: Open) -> None:
    window = open_window(quarter_turns=3)
    wait_for_result(qtbot, window)
    assert window.joined is not None
    assert window.joined.frame.image_rgb.shape == (320, 240, 3)
    press(window, "Shift+R")
    qtbot.waitUntil(
        lambda: window.joined is not None and window.joined.frame.image_rgb.shape == (240, 320, 3), timeout=PATIENCE_MS
    )


def test_camera_is_calibrated_in_the_window_although_its_picture_is_mirrored_and_turned(
    qtbot: QtBot, open_window: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sources.calibration_store.cameras_folder", lambda: tmp_path)
    monkeypatch.setattr("app.ui.panels.camera_panel.LOOK_EVERY_NS", 0)
    views = [render_board(rotation, translation, TRUE_CAMERA) for rotation, translation in poses(24)]
    window = open_window(quarter_turns=1, mirror=True)
    panel = window.findChild(CameraPanel)
    assert panel is not None
    panel.start_button.click()
    assert panel.hint.text() == NO_CAMERA_SENTENCE  # no frame was shown yet, or its source is not a camera
    window.show_source(ChosenSource(FakeSource(views, name="Cam", live=True, forever=True), is_camera=True))
    qtbot.waitUntil(lambda: window.joined is not None and window.joined.frame.live, timeout=PATIENCE_MS)
    panel.start_button.click()
    assert panel.running
    qtbot.waitUntil(lambda: "kept for Cam" in panel.result.text(), timeout=PATIENCE_MS)
    assert not panel.running
    known = saved_intrinsics("Cam", 640, 480, tmp_path)
    assert known is not None
    assert known.fx_px == pytest.approx(540.0, rel=0.01)


@pytest.mark.parametrize(("name", "live"), [("Other", True), ("Cam", False)])
def test_calibration_of_a_camera_ends_when_the_source_changes(
    qtbot: QtBot, open_window: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, live: bool
) -> None:
    monkeypatch.setattr("app.sources.calibration_store.cameras_folder", lambda: tmp_path)
    monkeypatch.setattr("app.ui.panels.camera_panel.LOOK_EVERY_NS", 0)
    views = [render_board(rotation, translation, TRUE_CAMERA) for rotation, translation in poses(24)]
    window = open_window()
    panel = window.findChild(CameraPanel)
    assert panel is not None
    window.show_source(ChosenSource(FakeSource(views[:3], name="Cam", live=True, forever=True), is_camera=True))
    qtbot.waitUntil(lambda: window.joined is not None and window.joined.frame.live, timeout=PATIENCE_MS)
    panel.start_button.click()
    qtbot.waitUntil(lambda: panel.hint.text() not in (INTRO, NO_CAMERA_SENTENCE), timeout=PATIENCE_MS)
    window.show_source(ChosenSource(FakeSource(views, name=name, live=live, forever=True), is_camera=live))
    qtbot.waitUntil(lambda: not panel.running, timeout=PATIENCE_MS)
    assert panel.result.text() == OTHER_SOURCE_SENTENCE
    assert not any(tmp_path.iterdir())


def test_typed_lens_is_used_or_refused_in_place(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    panel = window.findChild(CameraPanel)
    assert panel is not None
    for text, word in (("300", "between 1 and 179"), ("wide", "a number of degrees"), ("1,2,3", "four numbers")):
        panel.field.setText(text)
        panel.use.click()
        assert word in panel.result.text()
    panel.field.setText("500,500,160,120")
    panel.use.click()
    qtbot.waitUntil(
        lambda: window.joined is not None and window.joined.frame.intrinsics.fx_px == 500.0, timeout=PATIENCE_MS
    )
