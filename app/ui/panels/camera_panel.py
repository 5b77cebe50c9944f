"""The panel about the camera's lens: type what is known, or calibrate with the printed board."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from app.lens_calibration.board import write_board
from app.lens_calibration.command import describe_solution
from app.lens_calibration.session import CELLS, CalibrationSession, Progress
from app.palette import DARK, Theme
from app.pipeline.capture_thread import turn_picture
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.listeners import Listener
from app.pipeline.result_synchronizer import JoinedResult
from app.sources.calibration_store import save_calibration
from app.ui.extension_host import ExtensionHost
from app.ui.widgets.form_helpers import button, panel_layout, styled, wrapped
from app.ui.widgets.signal_gate import SignalGate
from hand.errors import HandliveError
from hand.types import Frame

LOOK_EVERY_NS = 200_000_000
"""Five times a second: looking for the board takes longer than finding a hand."""

_CLOSE_S = 0.2

INTRO = "Print the board, choose your camera, press Start, and show the board everywhere in the picture."
NO_CAMERA_SENTENCE = "Only a camera can be calibrated here; choose one as the source."
OTHER_SOURCE_SENTENCE = "The source changed while its camera was calibrated, so nothing is kept; press Start again."


class CoverageView(QWidget):
    """Where in the picture the board was already, and where it is now."""

    def __init__(self) -> None:
        super().__init__()
        self._theme: Theme = DARK
        self._covered = np.zeros((CELLS[1], CELLS[0]), bool)
        self._corners = np.zeros((0, 2))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Covered parts of the picture")
        self.setToolTip("Parts of the picture where the board was; dots are its corners now")

    def sizeHint(self) -> QSize:
        return QSize(240, 180)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_progress(self, covered: np.ndarray, corners: np.ndarray) -> None:
        """Takes new content.

        Args:
            covered: cells with corners (rows x columns).
            corners: of the board now, as shares of the picture's width and height.
        """
        self._covered, self._corners = covered, corners
        self.setAccessibleDescription(f"{int(covered.sum())} of {covered.size} parts")
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rows, columns = self._covered.shape
        width, height = self.width() / columns, self.height() / rows
        painter.setPen(Qt.PenStyle.NoPen)
        for row in range(rows):
            for column in range(columns):
                color = QColor(self._theme.accent if self._covered[row, column] else self._theme.raised)
                painter.setBrush(color)
                painter.drawRoundedRect(QRectF(column * width + 2, row * height + 2, width - 4, height - 4), 5, 5)
        painter.setBrush(QColor(self._theme.text))
        for x, y in self._corners:
            painter.drawEllipse(QPointF(x * self.width(), y * self.height()), 2.5, 2.5)
        painter.end()


class CameraPanel(QWidget):
    """Follows a calibration in a listener's thread and shows how far it is."""

    _progressed = pyqtSignal(object, object)
    _finished = pyqtSignal(str, bool)

    def __init__(self, host: ExtensionHost) -> None:
        """Prepares the panel.

        Args:
            host: the window.
        """
        super().__init__()
        self._host = host
        self._session = CalibrationSession()
        self._gate = SignalGate()
        self._listener: Listener[JoinedResult] | None = None
        self._looked_ns = 0
        self._camera = ""  # the one that is being calibrated; empty when its calibration was broken off
        self.field = QLineEdit()
        self.field.setPlaceholderText("62, or 620,620,319.5,239.5")
        self.field.setAccessibleName("Field of view or intrinsics")
        self.field.setToolTip("Field of view in degrees along the longer side, or fx,fy,cx,cy in pixels")
        self.use = button(
            "Use", "Use what is typed, for this run; empty for what is known of the camera", self.use_typed
        )
        self.board = button("Save the board…", "Save the page to be printed", self._ask_for_board)
        self.start_button = button("Start", "Calibrate the camera with the printed board", self._toggle)
        self.start_button.setObjectName("primary")
        self.coverage = CoverageView()
        self.hint = wrapped(INTRO, "messageText")
        self.result = wrapped("", "messageText")
        self.field.returnPressed.connect(self.use_typed)
        self._progressed.connect(self._show)
        self._finished.connect(self._finish)
        self._lay_out()

    @property
    def running(self) -> bool:
        """Whether pictures are being watched."""
        return self._listener is not None

    def use_typed(self) -> None:
        """Takes the typed field of view or intrinsics for this run."""
        text = self.field.text().strip()
        try:
            if not text:
                lens = IntrinsicsChoice()
            elif "," in text:
                lens = IntrinsicsChoice(intrinsics_text=text)
            else:
                lens = IntrinsicsChoice(longer_side_fov_deg=float(text))
        except HandliveError as error:
            self.result.setText(str(error))
            return
        except ValueError:
            self.result.setText(f"A field of view is a number of degrees, not {text!r}.")
            return
        self._host.pipeline.lens = lens
        self.result.setText(f"In use: {lens.describe() if text else 'what is known of the camera'}.")

    def start(self) -> None:
        """Begins a calibration of the camera that runs."""
        facts = self._host.pipeline.source_state.facts
        if facts is None or not facts.live:
            self.hint.setText(NO_CAMERA_SENTENCE)
            return
        self._session, self._looked_ns, self._camera = CalibrationSession(), 0, facts.name
        self.result.setText("")
        self._listener = self._host.pipeline.add_listener("lens", self._look)
        self.start_button.setText("Stop")

    def stop(self) -> None:
        """Ends the calibration without a result."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            listener.close(_CLOSE_S)
        self.start_button.setText("Start")

    def _toggle(self) -> None:
        if self.running:
            self.stop()
        else:
            self.start()

    def close_down(self) -> None:
        """Ends for good."""
        self.stop()
        self._gate.shut()

    def _look(self, joined: JoinedResult) -> None:
        """In the listener's thread."""
        frame = joined.frame
        if joined.late or not self._camera:
            return
        if not frame.live or frame.source_id != self._camera:  # two cameras have no common lens
            self._camera = ""
            self._emit_finished(OTHER_SOURCE_SENTENCE, kept=False)
            return
        if frame.capture_time_ns - self._looked_ns < LOOK_EVERY_NS or self._session.ready:
            return
        self._looked_ns = frame.capture_time_ns
        image = _as_the_camera_gave_it(frame, self._host.pipeline.quarter_turns)
        progress = self._session.add(image)
        self._gate.emit(lambda: self._progressed.emit(progress, image.shape))
        if progress.share >= 1.0:
            self._solve(frame.source_id)

    def _solve(self, camera: str) -> None:
        """In the listener's thread."""
        try:
            solution = self._session.solve()
            save_calibration(camera, solution)
        except HandliveError as error:
            self._emit_finished(str(error), kept=False)
        else:
            self._emit_finished(f"{describe_solution(solution)}; kept for {camera}.", kept=True)

    def _emit_finished(self, sentence: str, *, kept: bool) -> None:
        """In the listener's thread."""
        self._gate.emit(lambda: self._finished.emit(sentence, kept))

    def _show(self, progress: Progress, shape: tuple[int, int, int]) -> None:
        height, width = shape[:2]
        corners = np.zeros((0, 2)) if progress.view is None else progress.view.corners_px / (width, height)
        self.coverage.show_progress(progress.covered, corners)
        self.hint.setText(f"{progress.share:.0%} · {progress.sentence}")

    def _finish(self, sentence: str, kept: bool) -> None:
        self.stop()
        self.result.setText(sentence)
        if kept:
            self._host.replay()  # a camera reads its calibration when it is opened

    def _ask_for_board(self) -> None:
        proposal = str(Path.home() / "handlive-board.pdf")
        name, _ = QFileDialog.getSaveFileName(self, "Save the board", proposal, "PDF (*.pdf);;PNG (*.png)")
        if name:
            try:
                self.result.setText(f"Print {write_board(Path(name))} at 100 % and glue it onto something flat.")
            except HandliveError as error:
                self.result.setText(str(error))

    def _lay_out(self) -> None:
        typed, calibrated = QHBoxLayout(), QHBoxLayout()
        typed.addWidget(self.field, 1)
        typed.addWidget(self.use)
        calibrated.addWidget(self.board, 1)
        calibrated.addWidget(self.start_button)
        layout = panel_layout(self)
        layout.addWidget(styled("Field of view in degrees, or fx,fy,cx,cy in pixels", "metricName"))
        layout.addLayout(typed)
        layout.addWidget(styled("Calibrate with a printed board", "metricName"))
        layout.addWidget(self.hint)
        layout.addWidget(self.coverage)
        layout.addLayout(calibrated)
        layout.addWidget(self.result)
        layout.addStretch()


def _as_the_camera_gave_it(frame: Frame, quarter_turns: int) -> np.ndarray:
    """The picture neither mirrored (a mirrored board is none) nor turned."""
    image = cv2.flip(frame.image_rgb, 1) if frame.mirrored else frame.image_rgb
    return turn_picture(image, -quarter_turns)


def install_camera(host: ExtensionHost) -> None:
    panel = CameraPanel(host)
    host.add_panel("Camera", panel, shortcut="Ctrl+Shift+K")
    host.theme_changed.connect(panel.coverage.set_theme)
    host.closing.connect(panel.close_down)
