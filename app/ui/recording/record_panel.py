"""The recorder panel: name, countdown, record, pause, mark; what is still missing; the sessions there are."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

from PyQt6.QtCore import QObject, Qt, QTimer, QUrl, pyqtSignal
from PyQt6.QtGui import QColor, QDesktopServices, QPainter, QPaintEvent, QPen, QShowEvent
from PyQt6.QtWidgets import QLabel, QLineEdit, QWidget

from app.palette import DARK, Theme
from app.pipeline.result_synchronizer import JoinedResult
from app.recording.coverage import Coverage
from app.recording.recorder import RecorderPhase, RecorderState, SessionRecorder
from app.recording.sessions import new_session_folder
from app.review.session_review import SessionReview, open_review
from app.ui.extension_host import ExtensionHost
from app.ui.recording.coverage_view import CARDS_SHOWN, CoverageTable, PromptCards
from app.ui.recording.sessions_panel import SessionsPanel
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.background_task import SAVE_S, BackgroundTasks
from app.ui.widgets.form_helpers import button, clock, panel_layout, row, section, wrapped
from app.ui.widgets.visibility import is_seen
from app.user_dirs import sessions_folder
from hand.errors import HandliveError
from hand.model import HandModel
from hand.types import Frame

COUNTDOWN_S = 3
_SHOW_EVERY_MS = 250
_NOTHING_SENTENCE = "Nothing was recorded."
_ENDED = (RecorderPhase.STOPPED, RecorderPhase.FAILED)
_FLASH_MS = 260
_REVIEW_CLOSE_S = 0.2


class RecordPanel(QWidget):
    """Records from a pipeline, by what it is given with :meth:`take_frame` and :meth:`take_joined` from any thread."""

    notice = pyqtSignal(str)
    """A sentence for the user."""

    flashed = pyqtSignal(bool)
    """Recording began (True) or ended."""

    review_requested = pyqtSignal(object)
    """A session's folder."""

    def __init__(self, model: HandModel, home: Path | None = None, hand_model_file: Path | None = None) -> None:
        """Starts without a recording.

        Args:
            model: hand model of the paths' estimates.
            home: where sessions are kept; the user's data folder when left out.
            hand_model_file: where the model was read from; None for the embedded one.
        """
        super().__init__()
        self._model = model
        self.home = home or sessions_folder()
        self._lock = threading.Lock()
        self._recorder: SessionRecorder | None = None
        self._ending: list[SessionRecorder] = []
        self._coverage = Coverage(model)
        self._seconds_left = 0
        self._build(hand_model_file)
        self._countdown = QTimer(self)
        self._countdown.setInterval(1000)
        self._countdown.timeout.connect(self._count_down)
        self._shown = QTimer(self)
        self._shown.timeout.connect(self._follow_recorder)
        self._shown.start(_SHOW_EVERY_MS)
        self.set_theme(DARK)
        self.refresh()

    @property
    def recorder(self) -> SessionRecorder | None:
        """The recording that runs."""
        return self._recorder

    def set_theme(self, theme: Theme) -> None:
        self.table.set_theme(theme)
        link = f'<a href="folder" style="color: {theme.accent}">{self.home}</a>'
        self.place.setText(f"Everything stays on this machine: {link}")

    def is_recording(self) -> bool:
        """Whether there is a recording, be it paused; may be called from any thread."""
        return self._recorder is not None

    def take_frame(self, frame: Frame) -> None:
        """Every frame that is taken; from any thread."""
        recorder = self._recorder
        if recorder is not None:
            recorder.offer_frame(frame)

    def take_joined(self, joined: JoinedResult) -> None:
        """Every joined result; from any thread."""
        recorder = self._recorder
        if recorder is None:
            return
        fused = tuple(output.state for output in joined.outputs if output.origin == "fused")
        recorder.offer_result(joined.frame, joined.results, fused)
        hand = joined.output
        if hand is not None and not joined.late and not recorder.paused:
            with self._lock:
                self._coverage.add(hand.side, hand.pose_rad, hand.joints_m)

    def toggle(self) -> None:
        """Starts the countdown, breaks it off, or ends the recording."""
        if self._recorder is not None:
            self.finish()
        elif self._countdown.isActive():
            self._countdown.stop()
            self.refresh()
        else:
            self._seconds_left = COUNTDOWN_S
            self._countdown.start()
            self.notice.emit(f"Recording begins in {self._seconds_left} …")
            self.refresh()

    def begin(self) -> None:
        self._countdown.stop()
        name = self.name.text().strip()
        try:
            folder = new_session_folder(name, self.home)
        except HandliveError as error:
            self.notice.emit(str(error))
            self.refresh()
            return
        self._coverage = Coverage(self._model)
        self._recorder = SessionRecorder(folder, self._model, name=name)
        self.flashed.emit(True)
        self.notice.emit("Recording.")
        self.refresh()

    def finish(self) -> None:
        """Ends the recording; its size is shown when all of it is on the disk, which may be busy for seconds."""
        self._countdown.stop()
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        recorder.stop(0.0)
        self._ending.append(recorder)
        self.flashed.emit(False)
        self._show_ended()
        self.refresh()

    def _show_ended(self) -> None:
        """Shows the size of recordings that are completely written."""
        ended = [recorder for recorder in self._ending if recorder.state.phase in _ENDED]
        for recorder in ended:
            self._ending.remove(recorder)
            state = recorder.state
            counts = f"{state.frames} frames recorded, {state.dropped} dropped." if state.frames else _NOTHING_SENTENCE
            self.notice.emit(state.sentence or counts)
        if ended:
            self.sessions.show_sessions()

    def toggle_pause(self) -> None:
        if self._recorder is not None:
            self._recorder.paused = not self._recorder.paused
            self.refresh()

    def mark(self) -> None:
        """Marks the present frame."""
        if self._recorder is not None:
            self._recorder.mark()
            self.refresh()

    def refresh(self) -> None:
        """Shows the state of the recording."""
        recorder = self._recorder
        state = recorder.state if recorder is not None else RecorderState()
        if recorder is not None and state.phase in _ENDED:
            self.finish()
            return
        counting = self._countdown.isActive()
        self.record.setText("Stop" if recorder else f"Break off ({self._seconds_left})" if counting else "Record")
        self.pause.setEnabled(recorder is not None)
        self.pause.setText("Go on" if recorder is not None and recorder.paused else "Pause")
        self.marker.setEnabled(recorder is not None)
        self.name.setEnabled(recorder is None)
        self.progress.setText(
            _progress_text(state) if recorder is not None else "Saving …" if self._ending else "Not recording"
        )
        with self._lock:
            filled, cards = self._coverage.filled, self._coverage.missing(CARDS_SHOWN)
        self.table.show_filled(filled)
        self.cards.show_cards(cards)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Catches up, because a hidden panel is not refreshed."""
        super().showEvent(event)
        self.refresh()

    def _follow_recorder(self) -> None:
        """A panel that nobody sees and that records nothing has nothing to show."""
        self._show_ended()
        if self._recorder is not None or is_seen(self):
            self.refresh()

    def close_down(self) -> None:
        """Takes no further frame and ends what runs; called while the pipeline still does."""
        self._countdown.stop()
        self._shown.stop()
        if self._recorder is not None:
            self._recorder.stop(0.0)
        self.sessions.close_down()

    def complete(self) -> None:
        """Waits until the last sessions are written, together no longer than for one."""
        if self._recorder is not None:
            self._ending.append(self._recorder)
            self._recorder = None
        end_s = time.monotonic() + SAVE_S
        for recorder in self._ending:
            recorder.stop(0.0)
        while self._ending:
            self._ending.pop().stop(max(end_s - time.monotonic(), 0.0))

    def _count_down(self) -> None:
        self._seconds_left -= 1
        if self._seconds_left <= 0:
            self.begin()
        else:
            self.notice.emit(f"Recording begins in {self._seconds_left} …")
            self.refresh()

    def _build(self, hand_model_file: Path | None) -> None:
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name of the session")
        self.name.setAccessibleName("Name of the session")
        self.record = button("Record", "Begins after a countdown", self.toggle)
        self.record.setObjectName("primary")
        self.pause = button("Pause", "Lets frames pass without recording them", self.toggle_pause)
        self.marker = button("Mark", "Marks this moment, to find it again in the review", self.mark)
        self.progress = QLabel()
        self.progress.setWordWrap(True)
        self.table = CoverageTable()
        self.cards = PromptCards()
        self.sessions = SessionsPanel(self.home, hand_model_file)
        self.sessions.notice.connect(self.notice)
        self.sessions.review_requested.connect(self.review_requested)
        self.place = wrapped("", "metricName")
        self.place.linkActivated.connect(lambda _link: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.home))))
        layout = panel_layout(self, SPACING_PX // 2)
        layout.addWidget(self.name)
        layout.addLayout(row(self.record, self.pause, self.marker))
        layout.addWidget(self.progress)
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(section("SHOW THIS NEXT"))
        layout.addWidget(self.cards)
        layout.addWidget(self.table)
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(section("SESSIONS"))
        layout.addWidget(self.sessions, 1)
        layout.addWidget(self.place)


def install_recorder(host: ExtensionHost) -> None:
    """Adds the recorder to a window."""
    panel = RecordPanel(host.options.model, hand_model_file=host.options.hand_model_file)
    flash = Flash(host.overlay_area)
    host.add_panel("Record", panel, shortcut="Ctrl+R")
    host.add_tool("Record or stop", panel.toggle, shortcut="Ctrl+Shift+R", help_text="Records your own hand")
    host.add_tool("Mark this moment", panel.mark, shortcut="K", help_text="To find it again in the review")
    panel.notice.connect(host.notify)
    panel.flashed.connect(flash.flash)
    panel.review_requested.connect(ReviewOpener(host).open)
    host.theme_changed.connect(panel.set_theme)
    host.closing.connect(panel.close_down)
    host.closed.connect(panel.complete)
    host.pipeline.add_frame_listener("recorder", panel.take_frame, enabled=panel.is_recording)
    host.pipeline.add_listener("recorder", panel.take_joined, enabled=panel.is_recording)


def _progress_text(state: RecorderState) -> str:
    dropped = f" · {state.dropped} dropped" if state.dropped else ""
    marks = f" · {state.marks} mark{'s' if state.marks > 1 else ''}" if state.marks else ""
    share = state.with_hands / state.frames if state.frames else 0.0
    what = {RecorderPhase.PAUSED: "Paused", RecorderPhase.WAITING: "Waiting for a frame"}.get(state.phase, "Recording")
    return f"{what} · {clock(state.seconds)} · {state.frames} frames, {share:.0%} with a hand{dropped}{marks}"


class Flash(QWidget):
    """Shows without words that recording begins or ends."""

    def __init__(self, over: QWidget) -> None:
        """Hidden.

        Args:
            over: the widget that is framed.
        """
        super().__init__(over)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.color = QColor(DARK.accent)
        self.hide()

    def flash(self, begins: bool) -> None:
        """Shows itself for a moment: green when recording begins, red when it ends."""
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.color = QColor("#4fd18b" if begins else "#ff6b6b")
        self.show()
        self.raise_()
        QTimer.singleShot(_FLASH_MS, self.hide)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setPen(QPen(self.color, 16))
        painter.drawRect(self.rect())


class ReviewOpener(QObject):
    """Opens sessions for review: reads them beside the window, and shows each in a window of its own."""

    def __init__(self, host: ExtensionHost) -> None:
        """Starts empty.

        Args:
            host: gives the reviews' theme and hand model.
        """
        super().__init__(host.parent_widget)
        self._host = host
        self._background = BackgroundTasks(self, host.notify)
        host.closing.connect(partial(self._background.abandon, _REVIEW_CLOSE_S))

    def open(self, folder: Path) -> None:
        """Reads a session, then shows it or the error.

        Args:
            folder: of the session.
        """
        self._background.start("review", partial(open_review, folder, self._host.options.model), self._show)

    def _show(self, review: SessionReview) -> None:
        # imported here: it loads the solver, which a window without a review does not need
        from app.ui.review.review_window import ReviewWindow

        opened = ReviewWindow(review, self._host.options.model, self._host.theme)
        opened.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)  # thumbnails and labels of a session weigh a lot
        opened.setParent(self._host.parent_widget, Qt.WindowType.Window)
        self._host.theme_changed.connect(opened.set_theme)
        opened.show()
