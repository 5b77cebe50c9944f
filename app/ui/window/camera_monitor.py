"""Lists the cameras in a background thread, and reports those that are plugged in or out."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.sources.camera_formats import CameraFormat, camera_formats
from app.sources.camera_list import CameraInfo, list_cameras
from app.ui.widgets.background_task import BackgroundTasks

logger = logging.getLogger(__name__)

_LOOK_EVERY_MS = 1_500
_CLOSE_S = 0.3


@dataclass(frozen=True, slots=True)
class OfferedCamera:
    """A camera and what it can give.

    Attributes:
        camera: which.
        formats: sizes and rates, none where they cannot be listed.
    """

    camera: CameraInfo
    formats: tuple[CameraFormat, ...] = ()


class CameraMonitor(QObject):
    """Lists cameras on request, and on Linux, where listing opens none of them, again and again."""

    found = pyqtSignal(object)
    """All cameras there are, a tuple of :class:`OfferedCamera`; comes whenever one was looked for."""
    appeared = pyqtSignal(str)
    """A camera was plugged in; carries its name."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._searches = BackgroundTasks(self, logger.warning)
        self._known: frozenset[CameraInfo] | None = None
        self._formats: dict[CameraInfo, tuple[CameraFormat, ...]] = {}
        self._formats_requested = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.search)

    def start(self) -> None:
        """Starts listing again and again, where that opens no camera."""
        if platform.system() == "Linux":
            self._timer.start(_LOOK_EVERY_MS)

    def stop(self) -> None:
        """Stops listing, and waits a moment for a search that is under way; a driver may hold it for ever."""
        self._timer.stop()
        self._searches.abandon(_CLOSE_S)

    def request_formats(self, wanted: bool) -> None:
        """Whether formats are listed too, which opens each camera once; then a search starts at once.

        Args:
            wanted: the formats are about to be shown.
        """
        self._formats_requested = wanted
        if wanted:
            self.search()

    def search(self) -> None:
        """Starts a search, unless one is under way."""
        if not self._searches.busy:
            work = partial(_search, self._formats, self._formats_requested)
            self._searches.start("camera-search", work, self._deliver)

    def _deliver(self, offered: tuple[OfferedCamera, ...]) -> None:
        self._formats = {offer.camera: offer.formats for offer in offered}
        self.found.emit(offered)
        cameras = frozenset(offer.camera for offer in offered)
        before, self._known = self._known, cameras
        if before is not None:
            for camera in sorted(cameras - before, key=lambda camera: camera.index):
                self.appeared.emit(camera.name)


def _search(known: Mapping[CameraInfo, tuple[CameraFormat, ...]], formats_requested: bool) -> tuple[OfferedCamera, ...]:
    """The cameras there are; formats that are not known yet are read from them."""
    return tuple(
        OfferedCamera(camera, known.get(camera) or (camera_formats(camera.index) if formats_requested else ()))
        for camera in list_cameras()
    )
