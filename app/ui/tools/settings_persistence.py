"""Keeps what the user chose in the window until the next start."""

from __future__ import annotations

import logging
from dataclasses import fields, replace

from PyQt6.QtCore import QObject

from app.palette import Theme
from app.settings import Colors, LoadedSettings, Settings, load_settings, save_changes
from app.ui.extension_host import ExtensionHost

logger = logging.getLogger(__name__)


class SettingsPersistence(QObject):
    """Restores the window's panels, and writes everything down when it closes."""

    def __init__(self, host: ExtensionHost, loaded: LoadedSettings) -> None:
        """Takes what was loaded.

        Args:
            host: the window with the settings.
            loaded: settings of the last time.
        """
        super().__init__(host.parent_widget)  # which keeps it alive
        self._host = host
        self._before = loaded.settings
        self._shown_theme = host.theme
        self._chosen_theme: Colors = self._before.theme
        host.theme_changed.connect(self._remember_theme)
        host.closing.connect(self.save)
        if loaded.sentence:
            host.notify(loaded.sentence)

    def restore(self) -> None:
        """Restores the panels (Qt leaves out what does not fit any more), and opens the first steps for a new user."""
        self._host.restore_state({field.name: getattr(self._before, field.name) for field in fields(Settings)})

    def save(self) -> None:
        """Writes the settings; a full disk must not keep the window open."""
        file = self._host.options.settings_file
        if file is None:
            return
        settings = replace(
            self._before,
            theme="system" if self._host.follows_system else self._chosen_theme,
            smoothing=self._host.options.smoothing.strength,
            **self._host.saved_state(),
        )
        try:
            save_changes(self._before, settings, file)
        except OSError as error:
            logger.warning("The settings cannot be written to %s: %s.", file, error.strerror or error)

    def _remember_theme(self, theme: Theme) -> None:
        """Whatever comes after the colours of the start was chosen by the user, unless the desktop's are followed."""
        if theme is not self._shown_theme:
            self._shown_theme = theme
            if not self._host.follows_system:
                self._chosen_theme = theme.name


def install_settings(host: ExtensionHost) -> None:
    """Keeps settings where the window was started with a file for them; the last extension, behind all panels."""
    file = host.options.settings_file
    if file is not None:
        SettingsPersistence(host, load_settings(file)).restore()
