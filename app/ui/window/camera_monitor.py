"""Which cameras there are, looked up away from the window's thread, and who comes and goes."""

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
        formats: sizes and rates, none where nobody tells.
    """

    camera: CameraInfo
    formats: tuple[CameraFormat, ...] = ()


class CameraMonitor(QObject):
    """Looks for cameras when asked, and on Linux, where looking opens none of them, again and again."""

    found = pyqtSignal(object)
    """All cameras there are, a tuple of :class:`OfferedCamera`; comes whenever one was looked for."""
    appeared = pyqtSignal(str)
    """A camera was plugged in; carries its name."""

    def __init__(self, parent: QObject) -> None:
        """Looks for nothing yet."""
        super().__init__(parent)
        self._searches = BackgroundTasks(self, logger.warning)
        self._known: frozenset[CameraInfo] | None = None
        self._formats: dict[CameraInfo, tuple[CameraFormat, ...]] = {}
        self._formats_wanted = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)

    def start(self) -> None:
        """Looks from now on, where that disturbs nobody."""
        if platform.system() == "Linux":
            self._timer.start(_LOOK_EVERY_MS)

    def stop(self) -> None:
        """Looks no more, and waits a moment for a search that is under way; a driver may hold it for ever."""
        self._timer.stop()
        self._searches.abandon(_CLOSE_S)

    def want_formats(self, wanted: bool) -> None:
        """Whether cameras are asked for their formats too, which opens each once; then looks at once.

        Args:
            wanted: somebody is about to read them.
        """
        self._formats_wanted = wanted
        if wanted:
            self.look()

    def look(self) -> None:
        """Starts a search, unless one is under way."""
        if not self._searches.busy:
            self._searches.start("camera-search", partial(_search, self._formats, self._formats_wanted), self._tell)

    def _tell(self, offered: tuple[OfferedCamera, ...]) -> None:
        self._formats = {offer.camera: offer.formats for offer in offered}
        self.found.emit(offered)
        cameras = frozenset(offer.camera for offer in offered)
        before, self._known = self._known, cameras
        if before is not None:
            for camera in sorted(cameras - before, key=lambda camera: camera.index):
                self.appeared.emit(camera.name)


def _search(known: Mapping[CameraInfo, tuple[CameraFormat, ...]], formats_wanted: bool) -> tuple[OfferedCamera, ...]:
    """The cameras there are; their formats are asked for where nobody knows them yet."""
    return tuple(
        OfferedCamera(camera, known.get(camera) or (camera_formats(camera.index) if formats_wanted else ()))
        for camera in list_cameras()
    )
