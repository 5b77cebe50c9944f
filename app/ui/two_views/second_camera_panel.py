"""The panel about a second camera: open it, calibrate both from the hand, and show each path's error in millimetres."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QFileDialog, QLabel, QLineEdit, QMenu, QProgressBar, QPushButton, QWidget

from app.palette import Theme
from app.pipeline.listeners import Listener
from app.pipeline.paths.calibrated_ik_path import SubjectCalibrationOptions
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.paths.path_factories import chosen_paths
from app.pipeline.result_synchronizer import JoinedResult
from app.sources.camera_list import CameraInfo, list_cameras
from app.sources.choose import choose_source
from app.sources.video import VIDEO_SUFFIXES
from app.two_views.calibration import PairCalibration
from app.two_views.known_length import known_length
from app.two_views.live_pair import LivePair, PairReading
from app.two_views.live_two_views import DRAW_EVERY_S, LiveTwoViews
from app.two_views.movement_check import PairState
from app.two_views.path_errors import Measure
from app.ui.extension_host import ExtensionHost
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.two_views.pair_view import PairView
from app.ui.two_views.path_errors_view import PathErrorsView
from app.ui.widgets.background_task import BackgroundTasks
from app.ui.widgets.file_dialogs import file_filter
from app.ui.widgets.form_helpers import button, change_style, clock, panel_layout, row, styled, wrapped
from app.ui.widgets.visibility import is_seen
from hand.errors import ConfigError, HandliveError
from hand.types import PathId

_SHOW_EVERY_MS: Final = 120
_PROGRESS_STEPS: Final = 100

OFF_SENTENCE: Final = (
    "A second cheap webcam, or a second video of the same take, measures your hand: put it about 60 degrees to the "
    "side, as far from the hand as the first one."
)
MISSING_FIRST_SENTENCE: Final = "Name the second camera, its address, or a video first."

_TITLES: Final[Mapping[PairState, str]] = {
    PairState.OFF: "Off",
    PairState.OPENING: "Opening",
    PairState.SECOND_MISSING: "No picture of the second camera",
    PairState.UNCALIBRATED: "Not calibrated yet",
    PairState.CALIBRATING: "Calibrating",
    PairState.MOVED: "A camera was moved",
    PairState.GOOD: "Measuring",
}
_WARNINGS: Final = (PairState.SECOND_MISSING, PairState.MOVED)


class SecondCameraPanel(QWidget):
    """Owns the second camera while it is on."""

    def __init__(
        self,
        host: ExtensionHost,
        make_paths: Callable[[], Mapping[PathId, PathFactory]],
        *,
        calibrations: Path | None = None,
        sessions: Path | None = None,
    ) -> None:
        """With the second camera off.

        Args:
            host: the window.
            make_paths: makes what finds hands in the second camera's pictures.
            calibrations: where calibrations of pairs are kept; the user's data folder when left out.
            sessions: where sessions are kept; the user's data folder when left out.
        """
        super().__init__()
        self._host, self._make_paths = host, make_paths
        self._calibrations, self._sessions = calibrations, sessions
        self._session: LiveTwoViews | None = None
        self._listener: Listener[JoinedResult] | None = None
        self._replay_due = False
        self._background = BackgroundTasks(self, self._say)
        self._listing = BackgroundTasks(self, self._say)  # worth nothing to a window that closes
        self._make_fields()
        self._make_results()
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(_SHOW_EVERY_MS)
        self._timer.timeout.connect(self.refresh)
        self.show_reading(PairReading())

    @property
    def running(self) -> bool:
        return self._session is not None

    def open(self) -> None:
        """Opens what the field names."""
        text = self.source.text().strip()
        if not text:
            self._warn(MISSING_FIRST_SENTENCE)
            return
        try:
            source_options = self._host.options.source_options
            choose_source(text, source_options)  # what names nothing is refused here
            length = known_length(
                self._host.options.model,
                palm_length_mm=self._typed_mm(),
                calibration=self._host.options.hand_calibration,
            )
            pair = LivePair(length, self._calibrations)
            pair.measure = self.path_errors.chosen_measure
            session = LiveTwoViews(
                lambda: choose_source(text, source_options).source,
                self._make_paths(),
                self._host.options.model,
                pair,
                output_mode=self._host.output_mode,
                retry_s=self._host.options.retry_s,
            )
        except HandliveError as error:
            self._warn(str(error))
            return
        self._session = session
        self._listener = self._host.pipeline.add_listener("second camera", session.take_first, collect_s=DRAW_EVERY_S)
        self._replay_due = True
        self._timer.start()
        self.refresh()

    def close_camera(self) -> None:
        """Switches the second camera off; its device is given back in the background."""
        session, self._session = self._session, None
        if session is None:
            return
        self._timer.stop()
        if self._listener is not None:
            listener, self._listener = self._listener, None
            listener.close()

        self._background.start("close-second-camera", session.close, lambda _nothing: None)
        self.show_reading(PairReading())

    def close_down(self) -> None:
        """Ends the recording and switches the second camera off, without waiting; called while the window closes."""
        self._listing.abandon()
        self.close_camera()

    def complete(self) -> None:
        """Waits for a recording, its labels and the camera; called when the window is gone."""
        self._background.wait()

    def recalibrate(self) -> None:
        """Drops the calibration of the second camera."""
        if self._session is not None:
            self._session.pair.recalibrate()
            self.refresh()

    def toggle_recording(self) -> None:
        """Records both views, or ends that and labels what was recorded."""
        session = self._session
        if session is None:
            return
        if session.recording_s is None:
            try:
                session.start_recording(self._sessions, self._host.options.hand_calibration)
            except HandliveError as error:
                self._say(str(error))
                return
            self._say("")
        else:
            self._say("Labelling both sessions from the two views …")
            self._background.start("label-both-views", session.stop_recording, self._say)
        self.refresh()

    def save_report(self, folder: Path) -> None:
        """Writes the report about what was measured, beside the window.

        Args:
            folder: gets the files.
        """
        session = self._session
        if session is None:
            return

        self._background.start(
            "two-view-report",
            partial(session.pair.write_report, folder),
            lambda files: self._say(f"The report is {len(files)} files in {folder}."),
        )

    def refresh(self) -> None:
        """Shows the present state."""
        session = self._session
        if session is None:
            return
        reading = session.reading
        facts = session.pipeline.source_state.facts
        if self._replay_due and facts is not None and reading.state is not PairState.OPENING:
            self._replay_due = False
            first = self._host.pipeline.source_state.facts
            if not facts.live and first is not None and not first.live:
                self._host.replay()  # two videos of one take begin together
        self.show_reading(reading)
        session.watched = is_seen(self)
        pictures = session.pictures
        if reading.state is PairState.GOOD:
            self.pictures.show_pictures((pictures.first, pictures.second), "Both cameras with the triangulated hand")
        else:
            self.pictures.show_pictures((pictures.second,), "The second camera with the hand as it is seen")

    def show_reading(self, reading: PairReading) -> None:
        """Shows a state.

        Args:
            reading: of the two cameras.
        """
        running, state, calibration = self.running, reading.state, reading.calibration
        self.title.setText(_TITLES[state])
        self.sentence.setText(OFF_SENTENCE if state is PairState.OFF else reading.sentence)
        self.sentence.setToolTip("")
        if state is PairState.GOOD and calibration is not None:
            self.title.setText(f"Calibrated, {calibration.quality}: joints within {calibration.expected_mm:.0f} mm")
            self.sentence.setText(_in_short(calibration))
            self.sentence.setToolTip(calibration.describe())
        change_style(self.title, "warningText" if state in _WARNINGS else "value")
        change_style(self.sentence, "messageText")
        collecting = state in (PairState.UNCALIBRATED, PairState.CALIBRATING)
        self.progress.setVisible(collecting)
        self.progress.setValue(round(_PROGRESS_STEPS * reading.share))
        self.pictures.setVisible(running)
        self.open_button.setText("Close" if running else "Open")
        change_style(self.open_button, "" if running else "primary")
        for widget in (self.source, self.choose_button, self.palm):
            widget.setEnabled(not running)
        self.again.setVisible(calibration is not None)
        change_style(self.again, "primary" if state is PairState.MOVED else "")
        self.report.setVisible(bool(reading.errors))
        seconds = None if self._session is None else self._session.recording_s
        both_seen = running and state not in (PairState.OPENING, PairState.SECOND_MISSING)
        self.record.setVisible(both_seen or seconds is not None)
        self.record.setText("Record both" if seconds is None else f"Stop ({clock(seconds)})")
        self.path_errors.setVisible(bool(reading.errors) and state is not PairState.MOVED)
        self.path_errors.show_reading(reading)

    def set_theme(self, theme: Theme) -> None:
        self.pictures.set_theme(theme)
        self.path_errors.set_theme(theme)

    def _typed_mm(self) -> float | None:
        text = self.palm.text().strip().replace(",", ".")
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            raise ConfigError(f"The palm's length is a number of millimetres, not {text!r}.") from None

    def _choose_measure(self, measure: Measure) -> None:
        if self._session is not None:
            self._session.pair.measure = measure

    def _warn(self, sentence: str) -> None:
        self.show_reading(PairReading())
        self.sentence.setText(sentence)
        change_style(self.sentence, "warningText")

    def _say(self, sentence: str) -> None:
        """The last action; an empty sentence takes no room."""
        self.done.setText(sentence)
        self.done.setVisible(bool(sentence))

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save the report in a folder")
        if folder:
            self.save_report(Path(folder) / f"two_views_{datetime.now():%Y-%m-%d_%H-%M-%S}")

    def _ask_for_video(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open the second video", "", file_filter("Videos", VIDEO_SUFFIXES))
        if path:
            self.source.setText(path)
            self.open()

    def _look_for_cameras(self) -> None:
        self._list_cameras(None)
        self._listing.start("list-cameras", list_cameras, self._list_cameras)

    def _list_cameras(self, found: tuple[CameraInfo, ...] | None) -> None:
        """Fills the menu; None while cameras are looked for."""
        menu = self.choose_button.menu()
        assert menu is not None
        menu.clear()
        for camera in found or ():
            action = menu.addAction(camera.name)
            assert action is not None
            action.triggered.connect(lambda _checked, number=str(camera.index): self._open_camera(number))
        if not found:
            heading = menu.addAction("Looking for cameras …" if found is None else "No camera found")
            assert heading is not None
            heading.setEnabled(False)
        menu.addSeparator()
        video = menu.addAction("Open a video …")
        assert video is not None
        video.triggered.connect(lambda _checked: self._ask_for_video())

    def _open_camera(self, number: str) -> None:
        self.source.setText(number)
        self.open()

    def _make_fields(self) -> None:
        self.source = QLineEdit()
        self.source.setPlaceholderText("Number, name, address or video")
        self.source.setAccessibleName("Second camera")
        self.source.setToolTip("A camera's number or name, http://… or rtsp://…, or a second video of the same take")
        self.source.returnPressed.connect(self.open)
        self.choose_button = QPushButton("▾")
        self.choose_button.setObjectName("icon")
        self.choose_button.setToolTip("Cameras of this machine, or a video")
        self.choose_button.setAccessibleName("Choose the second camera")
        menu = QMenu(self.choose_button)
        menu.aboutToShow.connect(self._look_for_cameras)
        self.choose_button.setMenu(menu)
        self.palm = QLineEdit()
        self.palm.setPlaceholderText("optional")
        self.palm.setAccessibleName("Length of your palm in millimetres")
        self.palm.setToolTip(
            "From the crease of the wrist to the knuckle of the middle finger. It gives the scale; without it the "
            "calibrated hand shape does, else the average hand's length, which is right to 6 %."
        )
        self.open_button = button("Open", "Opens the second camera, or closes it", self._toggle)

    def _make_results(self) -> None:
        self.title = QLabel()
        self.sentence = wrapped("", "messageText")
        self.progress = QProgressBar()
        self.progress.setRange(0, _PROGRESS_STEPS)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress.setAccessibleName("Movement seen")
        self.pictures = PairView()
        self.path_errors = PathErrorsView()
        self.path_errors.measure_chosen.connect(self._choose_measure)
        self.again = button(
            "Calibrate again", "Forgets where the second camera stands, and finds out anew", self.recalibrate
        )
        self.report = button(
            "Save report …", "Errors as tables (CSV), a summary (JSON) and pictures (PNG)", self._ask_for_folder
        )
        self.record = button(
            "Record both",
            "Records two linked sessions, with labels that the two cameras measured",
            self.toggle_recording,
        )
        self.done = wrapped("", "messageText")
        self.done.hide()

    def _lay_out(self) -> None:
        layout = panel_layout(self, SPACING_PX // 2)
        layout.addLayout(row(self.source, self.choose_button))
        palm_heading = styled("Palm, mm", "small")
        palm_heading.setToolTip(self.palm.toolTip())
        layout.addLayout(row(palm_heading, self.palm, self.open_button))
        layout.addWidget(self.title)
        layout.addWidget(self.sentence)
        layout.addWidget(self.progress)
        layout.addWidget(self.pictures)
        layout.addLayout(row(self.again, self.record))
        layout.addWidget(self.report)
        layout.addWidget(self.done)
        layout.addWidget(self.path_errors)
        layout.addStretch(1)

    def _toggle(self) -> None:
        if self.running:
            self.close_camera()
        else:
            self.open()


def _in_short(calibration: PairCalibration) -> str:
    """The main figures of two calibrated cameras; the tooltip has the rest."""
    return (
        f"The whole hand within {calibration.place_mm:.0f} mm. The views are {calibration.angle_deg:.0f} degrees "
        f"apart; the scale is from {calibration.length.source}."
    )


def install_second_camera(host: ExtensionHost) -> None:
    """Adds the panel to a window."""
    options = host.options
    names = tuple(options.paths)

    def make_paths() -> Mapping[PathId, PathFactory]:
        method = "both" if len(names) > 1 else names[0]
        return chosen_paths(
            method,
            None,
            options.model,
            1,
            tolerant=True,
            calibration=SubjectCalibrationOptions(file=options.hand_calibration),
            live_network=options.live_network,
            warn=host.notify,
        )

    panel = SecondCameraPanel(host, make_paths)
    host.add_panel("Second camera", panel, shortcut="Ctrl+2")
    host.theme_changed.connect(panel.set_theme)
    host.closing.connect(panel.close_down)
    host.closed.connect(panel.complete)
    host.keep_state("second_source", panel.source.text, panel.source.setText)
    host.keep_state("palm_length_mm", panel.palm.text, panel.palm.setText)
