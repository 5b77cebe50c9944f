"""The sessions there are, and what can be done with each: label, review, delete, import, export."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QInputDialog, QLabel, QMessageBox, QTreeWidgetItem, QVBoxLayout, QWidget

from app.recording.sessions import SessionEntry, clear_away, clear_leftovers, list_sessions, set_aside
from app.sources.picture_files import is_picture
from app.ui.recording.session_process import SessionWork
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.background_task import BackgroundTasks
from app.ui.widgets.file_dialogs import VIDEOS_AND_PICTURES
from app.ui.widgets.form_helpers import button, clock, row, table
from hand.errors import HandliveError

logger = logging.getLogger(__name__)

_CLOSE_S = 0.2

_LAYOUTS = {"FreiHAND's layout": "freihand", "WebDataset": "webdataset"}


class SessionsPanel(QWidget):
    """A list, the buttons under it, and how far the work on a session is."""

    notice = pyqtSignal(str)
    """A sentence for the user."""

    review_requested = pyqtSignal(object)
    """A session's folder."""

    def __init__(self, home: Path, hand_model_file: Path | None = None) -> None:
        """Lists the sessions.

        Args:
            home: where sessions are kept.
            hand_model_file: of the hand model that sessions refer to; the embedded one when left out.
        """
        super().__init__()
        self._home = home
        # absolute, because the work's process does not start in the folder that the user started this one in
        self._model_options = () if hand_model_file is None else ("--hand-model", str(hand_model_file.absolute()))
        self.work = SessionWork(self)
        self.progress = QLabel()
        self._build()
        self.work.notice.connect(self.notice)
        self.work.progressed.connect(self.progress.setText)
        self.work.changed.connect(self._work_changed)
        self._deletions = BackgroundTasks(self, self.notice.emit)
        self._listing = BackgroundTasks(self, logger.warning)
        self._list_again = False
        self._known_problems: set[str] = set()
        self._deletions.start("clear-deleted", partial(clear_leftovers, home), lambda _nothing: None)
        self.show_sessions()

    def show_sessions(self) -> None:
        """Reads the list of sessions again in the background, and then shows it."""
        if self._listing.busy:
            self._list_again = True
        else:
            self._listing.start("session-list", partial(_read_list, self._home), self._show)

    @property
    def listing(self) -> bool:
        """Whether the list is being read."""
        return self._listing.busy

    def close_down(self) -> None:
        """Ends what runs; the next start goes on with a deletion."""
        self._deletions.wait(_CLOSE_S)
        self._deletions.abandon()
        self._listing.abandon(_CLOSE_S)
        self.work.kill()

    def _show(self, entries: list[SessionEntry]) -> None:
        """Fills the list; what was chosen stays chosen."""
        chosen = self._selected()
        self.list.clear()
        for entry in entries:
            item = QTreeWidgetItem(
                [entry.name, clock(entry.seconds), f"{entry.bytes / 1e6:.0f} MB", "yes" if entry.labelled else "no"]
            )
            item.setData(0, Qt.ItemDataRole.UserRole, entry)
            item.setToolTip(0, f"{entry.folder}\n{entry.frames} frames, {entry.dropped} dropped. {entry.problem}")
            self.list.addTopLevelItem(item)
            if chosen is not None and entry.folder == chosen.folder:
                self.list.setCurrentItem(item)
        self._offer()
        self._notify_of_damaged(entries)
        if self._list_again:
            self._list_again = False
            self.show_sessions()

    def _notify_of_damaged(self, entries: list[SessionEntry]) -> None:
        damaged = [entry.problem for entry in entries if entry.damaged and entry.problem not in self._known_problems]
        self._known_problems.update(damaged)
        if damaged:
            self.notice.emit(damaged[0] if len(damaged) == 1 else f"{len(damaged)} sessions are damaged. {damaged[0]}")

    def label(self, folder: Path) -> None:
        """Labels a session in a process of its own, with low priority."""
        self.work.start("app.labelling", *self._model_options, str(folder.absolute()))

    def import_from(self, source: Path) -> None:
        """Makes a session of a video or a folder of pictures, in a process of its own."""
        self._exchange("import", str(source.absolute()), "--home", str(self._home.absolute()))

    def export_to(self, folder: Path, out: Path, layout: str) -> None:
        """Exports a session without faces, in a process of its own."""
        self._exchange("export", str(folder.absolute()), str(out.absolute()), "--layout", layout)

    def _exchange(self, *arguments: str) -> None:
        self.work.start("app.recording", *self._model_options, *arguments)

    def _work_changed(self) -> None:
        """What ended has most likely changed a session."""
        self._offer()
        if not self.work.running:
            self.show_sessions()

    def _selected(self) -> SessionEntry | None:
        item = self.list.currentItem()
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
            going = set_aside(folder)
        except HandliveError as error:
            self.notice.emit(str(error))
            return
        self._deletions.start("delete-session", partial(clear_away, going), lambda _nothing: None)
        self.show_sessions()

    def _choose_import(self) -> None:
        """A video, or any picture of a folder that is taken as a whole."""
        chosen, _ = QFileDialog.getOpenFileName(self, "A video, or one picture of a folder", "", VIDEOS_AND_PICTURES)
        if chosen:
            path = Path(chosen)
            self.import_from(path.parent if is_picture(path) else path)

    def _choose_export(self, folder: Path) -> None:
        layout, agreed = QInputDialog.getItem(self, "Export session", "Layout", list(_LAYOUTS), 0, False)
        if not agreed:
            return
        place = QFileDialog.getExistingDirectory(self, "Where to")
        if place:
            self.export_to(folder, Path(place) / f"{folder.name}_{_LAYOUTS[layout]}", _LAYOUTS[layout])

    def _offer(self) -> None:
        entry, free = self._selected(), not self.work.running
        for made in (self.review, self.delete):
            made.setEnabled(entry is not None)
        for made in (self.label_button, self.export):
            made.setEnabled(entry is not None and free)
        self.importer.setEnabled(free)

    def _build(self) -> None:
        self.list = table("Sessions", ["Session", "Length", "Size", "Labelled"], 90)
        self.list.itemSelectionChanged.connect(self._offer)
        self.label_button = button(
            "Label", "Works out better labels over the whole session", partial(self._with_selected, self.label)
        )
        self.review = button(
            "Review", "Check and correct the labels", partial(self._with_selected, self.review_requested.emit)
        )
        self.delete = button("Delete", "Deletes the session for good", partial(self._with_selected, self._delete))
        self.importer = button("Import …", "Makes a session of a video or a folder of pictures", self._choose_import)
        self.export = button(
            "Export …",
            "Writes the labels that are not rejected for others; faces are blurred outside the hand",
            partial(self._with_selected, self._choose_export),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.list, 1)
        layout.addLayout(row(self.label_button, self.review, self.delete))
        layout.addLayout(row(self.importer, self.export))
        layout.addWidget(self.progress)


def _read_list(home: Path) -> list[SessionEntry]:
    try:
        return list_sessions(home)
    except OSError:  # a session that is deleted meanwhile
        logger.exception("list of sessions")
        return []
