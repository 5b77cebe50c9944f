"""Keyboard operation of the window: keys press a button only if it got the focus with the Tab key."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_fakes import write_clip
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot
from windows import PATIENCE_MS, Open

from app.sources.video import VideoSource
from app.ui.panels.playback_bar import PlaybackBar
from app.ui.tools.first_steps import Guide
from app.ui.window.main_window import MainWindow


@pytest.fixture
def playing(qtbot: QtBot, open_window: Open, tmp_path: Path) -> MainWindow:
    """An active window that plays a looping clip."""
    clip = write_clip(tmp_path / "clip.mp4", frames=12)
    window = open_window(VideoSource(clip, frames_per_second=20.0, loop=True))
    window.activateWindow()
    with qtbot.waitActive(window, timeout=5000):
        pass
    bar = window.findChild(PlaybackBar)
    assert bar is not None
    qtbot.waitUntil(bar.isVisible, timeout=PATIENCE_MS)
    return window


def press(qtbot: QtBot, window: MainWindow, key: Qt.Key) -> None:
    qtbot.keyClick(QApplication.focusWidget() or window, key)


def tab_to(qtbot: QtBot, window: MainWindow, button: QPushButton) -> None:
    for _ in range(100):
        if button.hasFocus():
            return
        press(qtbot, window, Qt.Key.Key_Tab)
    pytest.fail(f"the Tab key does not reach {button.accessibleName() or button.text()}")


def test_space_pauses_unless_a_button_was_focused_with_tab(qtbot: QtBot, playing: MainWindow) -> None:
    playback, mirror = playing.pipeline.playback, playing.bar.mirror
    press(qtbot, playing, Qt.Key.Key_Space)
    assert playback.state.paused
    qtbot.mouseClick(mirror, Qt.MouseButton.LeftButton)
    assert mirror.isChecked()
    press(qtbot, playing, Qt.Key.Key_Space)
    assert (playback.state.paused, mirror.isChecked()) == (False, True)
    tab_to(qtbot, playing, mirror)
    press(qtbot, playing, Qt.Key.Key_Space)
    assert (playback.state.paused, mirror.isChecked()) == (False, False)


def test_return_presses_the_button_focused_with_tab(qtbot: QtBot, playing: MainWindow) -> None:
    tab_to(qtbot, playing, playing.bar.mirror)
    press(qtbot, playing, Qt.Key.Key_Return)
    assert playing.bar.mirror.isChecked()


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Escape])
def test_key_closes_the_guide_and_space_pauses_playback_again(qtbot: QtBot, playing: MainWindow, key: Qt.Key) -> None:
    guide = playing.findChild(Guide)
    assert guide is not None
    guide.open()
    press(qtbot, playing, key)
    assert not guide.isVisible()
    assert not playing.pipeline.playback.state.paused
    press(qtbot, playing, Qt.Key.Key_Space)
    assert playing.pipeline.playback.state.paused
