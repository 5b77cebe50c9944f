"""The panel of the second camera in a fake host: each state is shown, and nothing runs while it is off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, FakeSource
from fake_host import FakeHost, as_host
from pytestqt.qtbot import QtBot
from two_view_fakes import pair_of
from windows import PATIENCE_MS

from app.palette import DARK, LIGHT
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import OutputChooser, output_chooser
from app.sources.choose import ChosenSource
from app.two_views.calibration import PairCalibration, average_length
from app.two_views.known_length import known_length
from app.two_views.live_pair import PairReading
from app.two_views.movement_check import PairState
from app.two_views.observer_noise import ObserverNoise
from app.two_views.path_errors import PathErrors, compare_paths
from app.ui.two_views.path_errors_view import PathErrorsView
from app.ui.two_views.second_camera_panel import (
    MISSING_FIRST_SENTENCE,
    OFF_SENTENCE,
    SecondCameraPanel,
    install_second_camera,
)
from hand.embedded import load_embedded_model
from hand.errors import RecordingError, SourceError
from hand.model import HandModel
from hand.types import PathId
from ik_baseline.person import HandCalibration

CALIBRATION = PairCalibration(
    pair=pair_of(),
    length=average_length(),
    frames=80,
    epipolar_px=1.5,
    angle_deg=60.0,
    hand_m=np.array([0.0, 0.0, 0.6]),
    palm_m=0.09,
    repeat_mm=1.0,
    place_repeat_mm=4.0,
    joint_mm=5.0,
    noise=ObserverNoise({"network": np.full(21, 0.02)}),
)


@pytest.fixture
def host(qtbot: QtBot) -> Iterator[FakeHost]:
    host = FakeHost()
    yield host
    host.close()


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    made = FakeSource(name="Cam B", live=True, forever=True)

    def choose(text: str, _options: object) -> ChosenSource:
        if text == "nonsense":
            raise SourceError("There is no camera, file or folder called 'nonsense'.")
        return ChosenSource(made, is_camera=True)

    monkeypatch.setattr("app.ui.two_views.second_camera_panel.choose_source", choose)
    return made


@pytest.fixture
def panel(host: FakeHost, source: FakeSource, tmp_path: Path) -> Iterator[SecondCameraPanel]:
    made = SecondCameraPanel(
        as_host(host), lambda: {"ik": FakePath}, calibrations=tmp_path / "cameras", sessions=tmp_path / "sessions"
    )
    made.set_theme(DARK)
    yield made
    made.close_down()
    made.complete()


def errors_of(path: str, view: int, mm: float) -> PathErrors:
    """Sixteen seconds of a path whose joints are all wrong by about ``mm`` millimetres."""
    count = 160
    wave = mm * (1.0 + 0.1 * np.sin(np.arange(count) / 7.0))
    joints = np.repeat(wave[:, None], 21, 1)
    times = np.arange(count) / 10.0
    return PathErrors(path, view, times, joints, 2.0 * joints, 3.0 * wave, joints / 1000.0, joints, count)


def reading_of(state: PairState = PairState.GOOD, sentence: str = "") -> PairReading:
    errors = tuple(
        errors_of(path, view, mm + view)
        for view in (0, 1)
        for path, mm in (("network", 5.0), ("ik", 9.0), ("output", 4.0))
    )
    comparisons = tuple(compare_paths(list(errors), "aligned_mm"))
    return PairReading(state, sentence, 1.0, CALIBRATION, 3.2, errors, comparisons, 16.0)


def test_nothing_runs_before_a_camera_is_opened(panel: SecondCameraPanel) -> None:
    assert not panel.running
    assert panel.sentence.text() == OFF_SENTENCE
    assert not panel._timer.isActive()
    assert not [thread for thread in threading.enumerate() if "two-views" in thread.name]
    for widget in (panel.progress, panel.pictures, panel.again, panel.report, panel.record, panel.path_errors):
        assert widget.isHidden()


def test_invalid_source_or_palm_length_is_refused(panel: SecondCameraPanel) -> None:
    panel.open()
    assert panel.sentence.text() == MISSING_FIRST_SENTENCE
    panel.source.setText("nonsense")
    panel.open()
    assert "nonsense" in panel.sentence.text()
    assert panel.sentence.objectName() == "warningText"
    for typed, words in (("long", "number of millimetres"), ("9", "hands have")):
        panel.source.setText("1")
        panel.palm.setText(typed)
        panel.open()
        assert words in panel.sentence.text()
        assert not panel.running


def test_a_camera_is_opened_lost_found_again_and_closed(
    qtbot: QtBot, host: FakeHost, source: FakeSource, panel: SecondCameraPanel
) -> None:
    host.show_source(ChosenSource(FakeSource(name="Cam A", live=True, forever=True), is_camera=True))
    host.pipeline.start()
    panel.source.setText("1")
    panel.palm.setText("92,5")
    panel.open()
    assert panel.running
    assert not panel.source.isEnabled()
    qtbot.waitUntil(lambda: panel.title.text() == "Not calibrated yet", timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: "Both cameras have seen" in panel.sentence.text(), timeout=PATIENCE_MS)
    assert not panel.progress.isHidden()
    source.plugged.clear()
    qtbot.waitUntil(lambda: panel.title.text() == "No picture of the second camera", timeout=PATIENCE_MS)
    assert panel.title.objectName() == "warningText"
    assert panel.record.isHidden()
    source.plugged.set()
    qtbot.waitUntil(lambda: panel.title.text() == "Not calibrated yet", timeout=PATIENCE_MS)
    panel.record.click()
    assert panel.record.text().startswith("Stop")
    qtbot.waitUntil(
        lambda: panel._session is not None and (panel._session.recording_s or 0.0) > 0.1, timeout=PATIENCE_MS
    )
    panel.record.click()
    qtbot.waitUntil(lambda: "without labels" in panel.done.text(), timeout=PATIENCE_MS)
    panel.open_button.click()
    assert not panel.running
    qtbot.waitUntil(lambda: not source.is_open, timeout=PATIENCE_MS)
    assert panel.sentence.text() == OFF_SENTENCE
    assert panel.source.isEnabled()


def test_calibrated_cameras_are_shown_with_their_error_in_millimetres(panel: SecondCameraPanel) -> None:
    panel.show_reading(reading_of(sentence=CALIBRATION.describe()))
    assert panel.title.text() == "Calibrated, good: joints within 5 mm"
    assert not panel.path_errors.isHidden()
    assert not panel.report.isHidden()
    assert panel.again.objectName() == ""
    assert panel.progress.isHidden()


def test_moved_camera_is_reported_and_calibration_is_offered_again(panel: SecondCameraPanel) -> None:
    panel.show_reading(reading_of(PairState.MOVED, "A camera was moved."))
    assert panel.title.text() == "A camera was moved"
    assert panel.again.objectName() == "primary"
    assert panel.path_errors.isHidden()
    assert not panel.report.isHidden()
    panel.show_reading(replace(reading_of(), calibration=None, errors=(), state=PairState.UNCALIBRATED, share=0.4))
    assert panel.progress.value() == 40
    assert panel.again.isHidden()


def test_the_errors_show_each_camera_and_each_measure(qtbot: QtBot) -> None:
    view = PathErrorsView()
    qtbot.addWidget(view)
    view.set_theme(LIGHT)
    view.show_reading(reading_of())
    assert view.value("network", "aligned_mm") == "5.0"
    assert view.value("ik", "from_wrist_mm") == "18.1"
    assert "better than" in view.verdicts.text()
    assert view.verdicts.text().startswith("MediaPipe + IK is worse than the network")
    view.choose_view(1)
    assert view.value("network", "aligned_mm") == "6.0"
    with qtbot.waitSignal(view.measure_chosen) as chosen:
        view.measure.setCurrentIndex(2)
    assert chosen.args == ["depth_mm"]
    assert view.joints.isHidden()
    assert view.verdicts.isHidden()  # until the verdicts for this measure are computed
    view.show_reading(PairReading())
    assert view.value("network", "aligned_mm") == "–"  # noqa: RUF001


def test_the_named_hand_calibration_gives_the_scale_and_keeps_the_shape(
    qtbot: QtBot, source: FakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders: list[Path | None] = []

    class NoRecorder:
        def __init__(self, _model: object, _home: object, hand_file: Path | None) -> None:
            recorders.append(hand_file)
            raise RecordingError("no room")

    monkeypatch.setattr("app.two_views.live_two_views.PairRecorder", NoRecorder)
    file = tmp_path / "my_hand.json"
    model = load_embedded_model()
    replace(HandCalibration.default(model), shape=np.eye(10)[0], frames=60).save(file)
    host = FakeHost(hand_calibration=file)
    panel = SecondCameraPanel(as_host(host), lambda: {"ik": FakePath}, calibrations=tmp_path / "cameras")
    panel.source.setText("1")
    panel.open()
    assert panel._session is not None
    assert panel._session.pair.length == known_length(model, calibration=file)
    assert panel._session.pair.length.source == "the calibrated hand shape"
    panel.toggle_recording()
    assert recorders == [file]
    assert panel.done.text() == "no room"
    panel.close_down()
    panel.complete()
    host.close()


def test_second_view_follows_the_output_mode_of_the_moment(
    host: FakeHost, panel: SecondCameraPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[OutputMode] = []

    def choose(model: HandModel, paths: tuple[PathId, ...], mode: OutputMode) -> OutputChooser:
        modes.append(mode)
        return output_chooser(model, paths, mode)

    monkeypatch.setattr("app.two_views.live_two_views.output_chooser", choose)
    host.output_mode = OutputMode.IK  # the window was started with another one
    panel.source.setText("1")
    panel.open()
    assert modes == [OutputMode.IK]


def test_labels_are_completed_after_the_pipeline_has_ended(host: FakeHost) -> None:
    install_second_camera(as_host(host))
    panel = host.panels["Second camera"]
    assert isinstance(panel, SecondCameraPanel)
    pipeline_ended, labelled = threading.Event(), threading.Event()

    def label() -> str:
        pipeline_ended.wait()
        time.sleep(0.2)
        labelled.set()
        return "labelled"

    panel._background.start("label-both-views", label, lambda _sentence: None)
    host.closing.emit()
    pipeline_ended.set()
    host.closed.emit()
    assert labelled.is_set()


def test_the_panel_is_installed_and_its_fields_are_kept(host: FakeHost) -> None:
    install_second_camera(as_host(host))
    panel = host.panels["Second camera"]
    assert isinstance(panel, SecondCameraPanel)
    host.restore_state({"second_source": "http://192.168.1.20:8080/video", "palm_length_mm": "91"})
    assert panel.source.text().startswith("http://192")
    assert host.saved_state() == {"second_source": "http://192.168.1.20:8080/video", "palm_length_mm": "91"}
