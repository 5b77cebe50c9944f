"""The recorder panel: name, countdown, record, pause, mark; what is still missing; the sessions there are."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QProcess, Qt, QTimer, QUrl, pyqtSignal
from PyQt6.QtGui import QColor, QDesktopServices, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.palette import DARK, Theme
from app.pipeline.joiner import JoinedResult
from app.recording.coverage import Coverage
from app.recording.recorder import RecorderPhase, RecorderState, SessionRecorder
from app.recording.sessions import SessionEntry, delete_session, list_sessions, new_session_folder, sessions_folder
from app.sources.pictures import is_picture
from app.ui.coverage_view import CoverageTable, PromptCards
from app.ui.style import SPACING_PX
from hand.errors import HandliveError
from hand.model import HandModel
from hand.types import Frame

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

COUNTDOWN_S = 3
_SHOW_EVERY_MS = 250
_FLASH_MS = 260
_ENDED = (RecorderPhase.STOPPED, RecorderPhase.FAILED)


class RecordPanel(QWidget):
    """Records from a pipeline, by what it is given with :meth:`take_frame` and :meth:`take_joined` from any thread."""

    said = pyqtSignal(str)
    """A sentence for the user."""

    flashed = pyqtSignal(bool)
    """Recording began (True) or ended."""

    review_wanted = pyqtSignal(object)
    """A session's folder."""

    def __init__(self, model: HandModel, home: Path | None = None) -> None:
        """Not recording.

        Args:
            model: hand model of the paths' estimates.
            home: where sessions are kept; the user's data folder when left out.
        """
        super().__init__()
        self._model = model
        self.home = home or sessions_folder()
        self._lock = threading.Lock()
        self._recorder: SessionRecorder | None = None
        self._coverage = Coverage(model)
        self._seconds_left = 0
        self._labelling: QProcess | None = None
        self._build()
        self._countdown = QTimer(self)
        self._countdown.setInterval(1000)
        self._countdown.timeout.connect(self._count_down)
        self._shown = QTimer(self)
        self._shown.timeout.connect(self.refresh)
        self._shown.start(_SHOW_EVERY_MS)
        self.list_sessions()
        self.set_theme(DARK)
        self.refresh()

    @property
    def recorder(self) -> SessionRecorder | None:
        """The recording that runs."""
        return self._recorder

    def set_theme(self, theme: Theme) -> None:
        """Takes the colours of a theme."""
        self.table.set_theme(theme)
        link = f'<a href="folder" style="color: {theme.accent}">{self.home}</a>'
        self.place.setText(f"Everything stays on this machine: {link}")

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
        recorder.offer_result(joined.frame, joined.results)
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
            self.said.emit(f"Recording begins in {self._seconds_left} …")
            self.refresh()

    def begin(self) -> None:
        """Records from now on."""
        self._countdown.stop()
        self._coverage = Coverage(self._model)
        name = self.name.text().strip()
        self._recorder = SessionRecorder(new_session_folder(name, self.home), self._model, name=name)
        self.flashed.emit(True)
        self.said.emit("Recording.")
        self.refresh()

    def finish(self) -> None:
        """Ends the recording and says what there is now."""
        self._countdown.stop()
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        state = recorder.stop()
        self.flashed.emit(False)
        words = f"{state.frames} frames recorded, {state.dropped} dropped." if state.frames else "Nothing was recorded."
        self.said.emit(state.sentence or words)
        self.list_sessions()
        self.refresh()

    def toggle_pause(self) -> None:
        """Pauses, or goes on."""
        if self._recorder is not None:
            self._recorder.paused = not self._recorder.paused
            self.refresh()

    def mark(self) -> None:
        """Marks what is seen now."""
        if self._recorder is not None:
            self._recorder.mark()
            self.refresh()

    def refresh(self) -> None:
        """Shows how it goes."""
        recorder = self._recorder
        state = recorder.state if recorder is not None else RecorderState()
        if recorder is not None and state.phase in _ENDED:
            self.finish()
            return
        counting = self._countdown.isActive()
        self.record.setText(
            "Stop recording" if recorder else f"Break off ({self._seconds_left})" if counting else "Record"
        )
        self.pause.setEnabled(recorder is not None)
        self.pause.setText("Go on" if recorder is not None and recorder.paused else "Pause")
        self.marker.setEnabled(recorder is not None)
        self.name.setEnabled(recorder is None)
        self.progress.setText(_words(state) if recorder is not None else "Not recording")
        with self._lock:
            filled, cards = self._coverage.filled, self._coverage.missing(3)
        self.table.show_filled(filled)
        self.cards.show_cards(cards)

    def list_sessions(self) -> None:
        """Reads the list of sessions anew."""
        self.sessions.clear()
        for entry in list_sessions(self.home):
            item = QTreeWidgetItem(
                [entry.name, _clock(entry.seconds), f"{entry.bytes / 1e6:.0f} MB", "yes" if entry.labelled else "no"]
            )
            item.setData(0, Qt.ItemDataRole.UserRole, entry)
            item.setToolTip(0, f"{entry.folder}\n{entry.frames} frames, {entry.dropped} dropped. {entry.word}")
            self.sessions.addTopLevelItem(item)
        self._offer()

    def label(self, folder: Path) -> None:
        """Labels a session in a process of its own, with low priority."""
        self.work("-m", "app.labelling", str(folder))

    def import_from(self, source: Path) -> None:
        """Makes a session of a video or a folder of pictures, in a process of its own."""
        self.work("-m", "app.recording", "import", str(source), "--home", str(self.home))

    def export_to(self, folder: Path, out: Path, layout: str) -> None:
        """Exports a session without faces, in a process of its own."""
        self.work("-m", "app.recording", "export", str(folder), str(out), "--layout", layout)

    def work(self, *arguments: str) -> None:
        """Runs a command of this program that says how far it is as JSON lines; one at a time."""
        if self._labelling is not None:
            return
        process = QProcess(self)
        process.setProgram(sys.executable)
        process.setArguments(list(arguments))
        process.setWorkingDirectory(str(Path(__file__).resolve().parents[2]))
        process.readyReadStandardOutput.connect(lambda: self._read_labelling(process))
        process.finished.connect(lambda code, _status: self._labelled(process, code))
        self._labelling = process
        process.start()
        self._offer()

    def close_down(self) -> None:
        """Ends what runs; called while the pipeline still does."""
        self.finish()
        self._shown.stop()
        if self._labelling is not None:
            self._labelling.finished.disconnect()
            self._labelling.kill()
            self._labelling.waitForFinished(2000)

    def _count_down(self) -> None:
        self._seconds_left -= 1
        if self._seconds_left <= 0:
            self.begin()
        else:
            self.said.emit(f"Recording begins in {self._seconds_left} …")
            self.refresh()

    def _read_labelling(self, process: QProcess) -> None:
        for line in bytes(process.readAllStandardOutput().data()).splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if "share" in content:
                self.labelling.setText(f"{content['stage'].capitalize()}: {content['share']:.0%}")
            elif "kept" in content:
                self.said.emit(f"{content['kept']} of {content['labels']} labels are good enough to learn from.")
            elif "word" in content:
                self.said.emit(str(content["word"]))

    def _labelled(self, process: QProcess, code: int) -> None:
        if code != 0:
            words = bytes(process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
            self.said.emit(words[-1] if words else "The work was broken off; try again.")
        self._labelling = None
        self.labelling.setText("")
        process.deleteLater()
        self.list_sessions()

    def _selected(self) -> SessionEntry | None:
        item = self.sessions.currentItem()
        return None if item is None else item.data(0, Qt.ItemDataRole.UserRole)

    def _with_selected(self, act: Callable[[Path], object]) -> None:
        entry = self._selected()
        if entry is not None:
            act(entry.folder)

    def _delete(self, folder: Path) -> None:
        answer = QMessageBox.question(
            self, "Delete session", f"Delete {folder.name} with all its pictures? There is no way back."
        )
        if answer != QMessageBox.StandardButton.Yes:
            return
        try:
            delete_session(folder)
        except HandliveError as error:
            self.said.emit(str(error))
        self.list_sessions()

    def _choose_import(self) -> None:
        """A video, or any picture of a folder that is taken as a whole."""
        patterns = "*.mp4 *.avi *.mov *.mkv *.webm *.jpg *.jpeg *.png *.bmp *.webp"
        chosen, _ = QFileDialog.getOpenFileName(
            self, "A video, or one picture of a folder", "", f"Videos and pictures ({patterns})"
        )
        if chosen:
            path = Path(chosen)
            self.import_from(path.parent if is_picture(path) else path)

    def _choose_export(self, folder: Path) -> None:
        layouts = {"FreiHAND's layout": "freihand", "WebDataset": "webdataset"}
        layout, agreed = QInputDialog.getItem(self, "Export session", "Layout", list(layouts), 0, False)
        if not agreed:
            return
        place = QFileDialog.getExistingDirectory(self, "Where to")
        if place:
            self.export_to(folder, Path(place) / f"{folder.name}_{layouts[layout]}", layouts[layout])

    def _offer(self) -> None:
        entry, free = self._selected(), self._labelling is None
        for button in (self.review, self.delete):
            button.setEnabled(entry is not None)
        for button in (self.label_button, self.export):
            button.setEnabled(entry is not None and free)
        self.importer.setEnabled(free)

    def _build(self) -> None:
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name of the session")
        self.name.setAccessibleName("Name of the session")
        self.record = _button("Record", "Begins after a countdown", self.toggle)
        self.record.setObjectName("primary")
        self.pause = _button("Pause", "Lets frames pass without recording them", self.toggle_pause)
        self.marker = _button("Mark", "Marks this moment, to find it again in the review", self.mark)
        self.progress = QLabel()
        self.table = CoverageTable()
        self.cards = PromptCards()
        self.sessions = QTreeWidget()
        self.sessions.setAccessibleName("Sessions")
        self.sessions.setHeaderLabels(["Session", "Length", "Size", "Labelled"])
        self.sessions.setRootIsDecorated(False)
        self.sessions.setMinimumHeight(90)
        header = self.sessions.header()
        assert header is not None
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.sessions.itemSelectionChanged.connect(self._offer)
        self.label_button = _button(
            "Label", "Works out better labels over the whole session", partial(self._with_selected, self.label)
        )
        self.review = _button(
            "Review", "Look through the labels", partial(self._with_selected, self.review_wanted.emit)
        )
        self.delete = _button("Delete", "Deletes the session for good", partial(self._with_selected, self._delete))
        self.importer = _button("Import …", "Makes a session of a video or a folder of pictures", self._choose_import)
        self.export = _button(
            "Export …",
            "Writes the labels that are not rejected for others; faces are blurred outside the hand",
            partial(self._with_selected, self._choose_export),
        )
        self.labelling = QLabel()
        self.place = QLabel()
        self.place.setWordWrap(True)
        self.place.setObjectName("metricName")
        self.place.linkActivated.connect(lambda _link: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.home))))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACING_PX,) * 4)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.name)
        layout.addLayout(_row(self.record, self.pause, self.marker))
        layout.addWidget(self.progress)
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(_section("SHOW THIS NEXT"))
        layout.addWidget(self.cards)
        layout.addWidget(self.table)
        layout.addSpacing(SPACING_PX // 2)
        layout.addWidget(_section("SESSIONS"))
        layout.addWidget(self.sessions, 1)
        layout.addLayout(_row(self.label_button, self.review, self.delete))
        layout.addLayout(_row(self.importer, self.export))
        layout.addWidget(self.labelling)
        layout.addWidget(self.place)


class Flash(QWidget):
    """A bright frame over a widget for a moment: recording begins or ends."""

    def __init__(self, over: QWidget) -> None:
        """Hidden."""
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
        """Draws the frame."""
        painter = QPainter(self)
        painter.setPen(QPen(self.color, 16))
        painter.drawRect(self.rect())


def install_recorder(window: MainWindow) -> None:
    """Adds the recorder to a window."""
    panel = RecordPanel(window.options.model)
    flash = Flash(window.stage)
    window.add_panel("Record", panel, shortcut="Ctrl+R")
    window.add_tool("Record or stop", panel.toggle, shortcut="Ctrl+Shift+R", help_text="Records your own hand")
    window.add_tool("Mark this moment", panel.mark, shortcut="K", help_text="To find it again in the review")
    panel.said.connect(window.notify)
    panel.flashed.connect(flash.flash)
    panel.review_wanted.connect(lambda folder: _review(window, folder))
    window.theme_changed.connect(panel.set_theme)
    window.closing.connect(panel.close_down)
    window.pipeline.add_frame_listener("recorder", panel.take_frame)
    window.pipeline.add_listener("recorder", panel.take_joined)


def _review(window: MainWindow, folder: Path) -> None:
    from app.ui.review_window import ReviewWindow

    try:
        review = ReviewWindow(folder, window.options.model, window.theme)
    except HandliveError as error:
        window.notify(str(error))
        return
    review.setParent(window, Qt.WindowType.Window)
    review.show()


def _words(state: RecorderState) -> str:
    dropped = f" · {state.dropped} dropped" if state.dropped else ""
    marks = f" · {state.marks} mark{'s' if state.marks > 1 else ''}" if state.marks else ""
    share = state.with_hands / state.frames if state.frames else 0.0
    what = {RecorderPhase.PAUSED: "Paused", RecorderPhase.WAITING: "Waiting for a frame"}.get(state.phase, "Recording")
    return f"{what} · {_clock(state.seconds)} · {state.frames} frames, {share:.0%} with a hand{dropped}{marks}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _button(text: str, help_text: str, act: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(help_text)
    button.clicked.connect(lambda _checked: act())
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(SPACING_PX // 2)
    for widget in widgets:
        row.addWidget(widget)
    return row


def _section(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("metricName")
    return label
