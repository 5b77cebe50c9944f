"""The installation of an optional part for the window: one for all cards that show it."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.optional_parts.installation import Installation, InstallPhase, InstallState
from app.optional_parts.parts import OptionalPart
from hand.errors import InstallError

_LOOK_EVERY_MS = 300


class PartInstaller(QObject):
    """Starts, follows and cancels the installation of one part."""

    changed = pyqtSignal()
    """:attr:`state` is another one now."""

    installed = pyqtSignal()
    """The part has just become usable."""

    def __init__(
        self,
        part: OptionalPart,
        parent: QObject | None = None,
        install: Callable[[OptionalPart], Installation] = Installation,
    ) -> None:
        """Prepares the installer.

        Args:
            part: what it installs.
            parent: owns this.
            install: starts the installation.
        """
        super().__init__(parent)
        self.part = part
        self.state: InstallState | None = None
        """None before the first try."""
        self._install = install
        self._installation: Installation | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    @property
    def running(self) -> bool:
        """Whether an installation is under way."""
        return self._installation is not None

    def start(self) -> None:
        """Begins, unless it is under way already."""
        if self._installation is not None:
            return
        try:
            self._installation = self._install(self.part)
        except InstallError as problem:
            self._become(InstallState(InstallPhase.FAILED, str(problem)))
            return
        self._timer.start()
        self._look()

    def cancel(self) -> None:
        """Requests the end of the installation; :attr:`state` reports what is left of it."""
        if self._installation is not None:
            self._installation.cancel()
            self._look()

    def close(self) -> None:
        """Ends it at once, as the window does when it closes."""
        self._timer.stop()
        if self._installation is not None:
            self._installation.close()
            self._installation = None

    def _look(self) -> None:
        if self._installation is None:
            return
        state = self._installation.poll()
        if state.phase is not InstallPhase.RUNNING:
            self._installation = None
            self._timer.stop()
        self._become(state)
        if state.phase is InstallPhase.DONE:
            self.installed.emit()

    def _become(self, state: InstallState) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit()
