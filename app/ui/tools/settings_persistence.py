"""Keeps what the user chose in the window until the next start."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PyQt6.QtCore import QByteArray, QObject

from app.palette import Theme
from app.settings import Colors, LoadedSettings, Settings, load_settings, save_settings
from app.ui.tools.first_steps import Guide
from app.ui.tools.snapshot_tool import SnapshotTool

if TYPE_CHECKING:
    from app.ui.window.main_window import MainWindow

logger = logging.getLogger(__name__)


class SettingsKeeper(QObject):
    """Restores the window's panels, and writes everything down when it closes."""

    def __init__(self, window: MainWindow, loaded: LoadedSettings) -> None:
        """Takes what was loaded.

        Args:
            window: whose choices are kept.
            loaded: settings of the last time.
        """
        super().__init__(window)  # which keeps it alive
        self._window = window
        self._before = loaded.settings
        self._shown_theme = window.theme
        self._chosen_theme: Colors = self._before.theme
        self._guided = self._before.guided
        window.theme_changed.connect(self._remember_theme)
        window.closing.connect(self.save)
        if loaded.sentence:
            window.notify(loaded.sentence)

    def restore(self) -> None:
        """Puts panels where they were (what does not fit any more is left out by Qt), and guides whoever is new."""
        if self._before.panels:
            self._window.restoreState(_bytes(self._before.panels))
        snapshots, guide = self._window.findChild(SnapshotTool), self._window.findChild(Guide)
        if snapshots is not None:
            snapshots.mesh_suffix = self._before.mesh_suffix
        if guide is not None:
            guide.closed.connect(self._remember_guide)
            if not self._guided:
                guide.open()

    def save(self) -> None:
        """Writes the settings; a full disk is no reason not to close."""
        file = self._window.options.settings_file
        if file is None:
            return
        snapshots = self._window.findChild(SnapshotTool)
        settings = Settings(
            theme="system" if self._window.follows_system else self._chosen_theme,
            view=self._window.stage.view,
            output=self._window.chooser.settings.mode.value,
            smoothing=self._window.options.smoothing.strength,
            geometry=_text(self._window.saveGeometry()),
            panels=_text(self._window.saveState()),
            mesh_suffix=self._before.mesh_suffix if snapshots is None else snapshots.mesh_suffix,
            guided=self._guided,
        )
        try:
            save_settings(settings, file)
        except OSError as error:
            logger.warning("The settings cannot be written to %s: %s.", file, error.strerror or error)

    def _remember_guide(self) -> None:
        self._guided = True

    def _remember_theme(self, theme: Theme) -> None:
        """Whatever comes after the colours of the start was chosen by the user, unless the desktop's are followed."""
        if theme is not self._shown_theme:
            self._shown_theme = theme
            if not self._window.follows_system:
                self._chosen_theme = theme.name


def restore_geometry(window: MainWindow) -> bool:
    """Puts a window where it was the last time; False where that is unknown or another size was asked for."""
    options = window.options
    if options.settings_file is None or options.size is not None:
        return False
    geometry = load_settings(options.settings_file).settings.geometry
    return bool(geometry) and window.restoreGeometry(_bytes(geometry))


def _text(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode("ascii")


def _bytes(text: str) -> QByteArray:
    return QByteArray.fromBase64(text.encode("ascii", errors="ignore"))


def install_settings(window: MainWindow) -> None:
    """Keeps settings where the window was started with a file for them; the last extension, behind all panels."""
    file = window.options.settings_file
    if file is not None:
        SettingsKeeper(window, load_settings(file)).restore()
