"""The button that names the source and opens the list of others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from app.sources.camera_list import CameraInfo, list_cameras
from app.sources.choose import DEMO
from app.sources.pictures import PICTURE_SUFFIXES

_VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


_NAME_PX = 140
"""A source's name may be so wide: the other buttons of the bar keep their words at 1280 pixels."""


class _CameraSearch(QObject):
    """Lists cameras away from the GUI thread, because on some systems that opens each of them."""

    found = pyqtSignal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._search, name="camera-search", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _search(self) -> None:
        self.found.emit(list_cameras())


class SourceButton(QPushButton):
    """Shows the current source; its menu offers cameras, files, a folder and the demo clip."""

    chosen = pyqtSignal(str)
    """What the user wants, as :func:`app.sources.choose.choose_source` reads it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """With a menu that lists the cameras anew each time it opens."""
        super().__init__(parent)
        self.setAccessibleName("Source")
        self.setToolTip("Choose a camera, a file or the demo clip")
        self._cameras: list[QAction] = []
        self._source_name: str | None = None
        self._search = _CameraSearch(self)
        self._search.found.connect(self._list)
        menu = QMenu(self)
        self._heading = menu.addAction("Looking for cameras…")
        self._separator = menu.addSeparator()
        open_file = _action(menu, "Open a video or picture…", "Ctrl+O", self._ask_for_file)
        open_folder = _action(menu, "Open a folder of pictures…", "Ctrl+Shift+O", self._ask_for_folder)
        play_demo = _action(menu, "Play the demo clip", "Ctrl+D", lambda: self.chosen.emit(DEMO))
        self.actions_with_keys = [open_file, open_folder, play_demo]
        if self._heading is not None:
            self._heading.setEnabled(False)
        menu.aboutToShow.connect(self._search.start)
        self.setMenu(menu)

    def stop(self) -> None:
        """Waits for a search that is under way."""
        self._search.wait()

    def set_source_name(self, name: str) -> None:
        """Shows which source plays; a long name keeps its beginning and its end."""
        if name == self._source_name:
            return  # asked at every frame, and measuring text takes a while
        self._source_name = name
        shown = self.fontMetrics().elidedText(name or "Choose a source", Qt.TextElideMode.ElideMiddle, _NAME_PX)
        self.setText(f" {shown}  \N{BLACK DOWN-POINTING SMALL TRIANGLE}".replace("&", "&&"))

    def _list(self, cameras: tuple[CameraInfo, ...]) -> None:
        menu = self.menu()
        if menu is None or self._heading is None:
            return
        for action in self._cameras:
            menu.removeAction(action)
            action.deleteLater()
        self._cameras = []
        self._heading.setText("Cameras" if cameras else "No camera found")
        for camera in cameras:
            action = QAction(camera.name, menu)
            action.triggered.connect(lambda _checked, index=camera.index: self.chosen.emit(str(index)))
            menu.insertAction(self._separator, action)
            self._cameras.append(action)

    def _ask_for_file(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in (*_VIDEO_SUFFIXES, *PICTURE_SUFFIXES))
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a video or picture", "", f"Videos and pictures ({patterns});;All files (*)"
        )
        if path:
            self.chosen.emit(path)

    def _ask_for_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder of pictures")
        if path:
            self.chosen.emit(path)


def _action(menu: QMenu, text: str, shortcut: str, act: Callable[[], object]) -> QAction:
    action = QAction(text, menu)
    action.setShortcut(shortcut)
    action.triggered.connect(lambda _checked: act())
    menu.addAction(action)
    return action
