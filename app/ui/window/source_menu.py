"""The button that names the source and opens the list of others."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFileDialog, QInputDialog, QMenu, QPushButton, QWidget

from app.sources.base import SourceFacts
from app.sources.camera_formats import CameraFormat
from app.sources.choose import DEMO
from app.ui.theme.icons import ICON_SIZE
from app.ui.widgets.file_dialogs import VIDEOS_AND_PICTURES
from app.ui.window.camera_monitor import CameraMonitor, OfferedCamera

_USUAL = "Usual size and rate"
_SAME_RATE = 0.5

_NAME_PX = 100
"""A source's name may be so wide: the other buttons of the bar keep their words at 1280 pixels."""


class SourceButton(QPushButton):
    """Shows the current source; its menu offers cameras, files, a folder and the demo clip."""

    chosen = pyqtSignal(str, object)
    """The user's choice as :func:`app.sources.choose.choose_source` reads it, and a camera's format or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """With a menu that lists the cameras that are plugged in."""
        super().__init__(parent)
        self.setAccessibleName("Source")
        self.setIconSize(ICON_SIZE)
        self.setToolTip("Choose a camera, a file or the demo clip")
        self._listed: list[QAction] = []
        self._offered: tuple[OfferedCamera, ...] | None = None
        self._source_name: str | None = None
        self._facts: SourceFacts | None = None
        self.watch = CameraMonitor(self)
        self.watch.found.connect(self._list)
        menu = QMenu(self)
        self._heading = menu.addAction("Looking for cameras…")
        self._separator = menu.addSeparator()
        open_file = _action(menu, "Open a video or picture…", "Ctrl+O", self._ask_for_file)
        open_folder = _action(menu, "Open a folder of pictures…", "Ctrl+Shift+O", self._ask_for_folder)
        open_address = _action(menu, "Open a network camera…", "Ctrl+Alt+O", self._ask_for_address)
        play_demo = _action(menu, "Play the demo clip", "Ctrl+D", lambda: self.chosen.emit(DEMO, None))
        self.actions_with_keys = [open_file, open_folder, open_address, play_demo]
        if self._heading is not None:
            self._heading.setEnabled(False)
        menu.aboutToShow.connect(lambda: self.watch.request_formats(True))
        menu.aboutToHide.connect(lambda: self.watch.request_formats(False))
        self.setMenu(menu)

    def show_source(self, name: str, facts: SourceFacts | None) -> None:
        """Shows which source plays; a long name keeps its beginning and its end.

        Args:
            name: of the source.
            facts: what it gives, once it is open; the camera's format is ticked in the menu.
        """
        if name == self._source_name and facts is self._facts:
            return  # called at every frame, and measuring text takes a while
        self._source_name, self._facts = name, facts
        self._tick()
        shown = self.fontMetrics().elidedText(name or "Choose a source", Qt.TextElideMode.ElideMiddle, _NAME_PX)
        self.setText(f" {shown}  \N{BLACK DOWN-POINTING SMALL TRIANGLE}".replace("&", "&&"))

    def _list(self, offered: tuple[OfferedCamera, ...]) -> None:
        menu = self.menu()
        if menu is None or self._heading is None or offered == self._offered:
            return  # an open menu must not be rebuilt under the pointer
        self._offered = offered
        for line in self._listed:
            menu.removeAction(line)
            (line.menu() or line).deleteLater()
        self._listed = []
        self._heading.setText("Cameras" if offered else "No camera found")
        for offer in offered:
            action = self._camera_menu(offer, menu) if offer.formats else self._camera_action(offer, menu, None)
            menu.insertAction(self._separator, action)
            self._listed.append(action)
        self._tick()

    def _camera_menu(self, offer: OfferedCamera, parent: QMenu) -> QAction:
        """A camera's line, which opens its formats."""
        formats = QMenu(offer.camera.name, parent)
        formats.addAction(self._camera_action(offer, formats, None))
        formats.addSeparator()
        for camera_format in offer.formats:
            formats.addAction(self._camera_action(offer, formats, camera_format))
        action = formats.menuAction()
        assert action is not None
        return action

    def _camera_action(self, offer: OfferedCamera, parent: QMenu, camera_format: CameraFormat | None) -> QAction:
        text = str(camera_format) if camera_format else _USUAL if offer.formats else offer.camera.name
        action = QAction(text, parent)
        action.setData(camera_format)
        wanted = str(offer.camera.index)
        action.triggered.connect(lambda _checked: self.chosen.emit(wanted, camera_format))
        return action

    def _tick(self) -> None:
        """Ticks the camera that plays, and its format."""
        for line, offer in zip(self._listed, self._offered or (), strict=True):
            plays = self._facts is not None and self._facts.live and self._source_name == offer.camera.name
            formats = line.menu()
            for action in [line] if formats is None else formats.actions():
                ticked = plays and (formats is None or _is_given(action.data(), self._facts))
                action.setCheckable(ticked)
                action.setChecked(ticked)

    def _ask_for_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a video or picture", "", VIDEOS_AND_PICTURES)
        if path:
            self.chosen.emit(path, None)

    def _ask_for_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder of pictures")
        if path:
            self.chosen.emit(path, None)

    def _ask_for_address(self) -> None:
        address, wanted = QInputDialog.getText(
            self,
            "Open a network camera",
            "Address of a phone's camera app or an IP camera, such as\nhttp://192.168.1.20:8080/video or "
            "rtsp://camera.local/stream",
            text="http://",
        )
        if wanted and address.strip():
            self.chosen.emit(address.strip(), None)


def _is_given(camera_format: object, facts: SourceFacts | None) -> bool:
    """Whether a camera gives just this format."""
    if facts is None or not isinstance(camera_format, CameraFormat):
        return False
    same_size = (camera_format.width_px, camera_format.height_px) == (facts.width_px, facts.height_px)
    return same_size and abs(camera_format.frames_per_second - facts.frames_per_second) < _SAME_RATE


def _action(menu: QMenu, text: str, shortcut: str, act: Callable[[], object]) -> QAction:
    action = QAction(text, menu)
    action.setShortcut(shortcut)
    action.triggered.connect(lambda _checked: act())
    menu.addAction(action)
    return action
