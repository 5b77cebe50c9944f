"""Settings are restored after a restart, and a damaged file is replaced by the defaults."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from app_fakes import FakePath
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QDockWidget
from pytestqt.qtbot import QtBot
from test_window_tools import notices, own_folders, press  # noqa: F401 - fixtures
from windows import Open, wait_for_result

from app.diagnostics import LINES_KEPT, LogMemory
from app.palette import DARK, LIGHT
from app.settings import LoadedSettings, Settings, load_settings, save_changes, save_settings
from app.ui.tools.help import COPIED_SENTENCE, LogPanel, shortcuts_of


def test_saved_settings_are_loaded_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "settings.json"
    wanted = Settings(
        theme="light",
        view="output",
        output="ik",
        smoothing=0.25,
        geometry="Zw==",
        panels="cA==",
        mesh_suffix=".ply",
        guided=True,
    )
    assert load_settings(file) == LoadedSettings(Settings())
    save_settings(wanted, file)
    assert load_settings(file) == LoadedSettings(wanted)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"schema": 99}', b"\xff\xfe"])
def test_damaged_file_is_reported_and_the_defaults_are_used(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(content)
    loaded = load_settings(file)
    assert loaded.settings == Settings()
    assert str(file) in loaded.sentence
    assert loaded.sentence.endswith("the usual ones are in use.")


def test_invalid_values_are_left_out_individually(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(
        json.dumps({"schema": 1, "theme": "pink", "view": "ik", "smoothing": 7, "geometry": 3, "new": "field"})
    )
    assert load_settings(file) == LoadedSettings(Settings(view="ik"))


def test_window_opens_as_it_was_closed(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    paths = {"network": FakePath, "ik": FakePath}
    window = open_window(paths=paths, settings_file=file)
    window.resize(window.width(), 650)
    wait_for_result(qtbot, window)
    window.set_theme(LIGHT)
    press(window, "Ctrl+L")
    window.options.smoothing.strength = 0.75
    window.close()
    kept = load_settings(file).settings
    assert (kept.theme, kept.smoothing) == ("light", 0.75)
    again = open_window(paths=paths, settings_file=file)
    assert again.restore_geometry()
    assert again.height() == 650
    (streams,) = (dock for dock in again.findChildren(QDockWidget) if dock.windowTitle() == "Streams")
    (camera,) = (dock for dock in again.findChildren(QDockWidget) if dock.windowTitle() == "Camera")
    assert (streams.isVisible(), camera.isVisible()) == (True, False)


def test_start_with_one_path_leaves_the_view_and_the_panels_of_both_paths(
    qtbot: QtBot, open_window: Open, tmp_path: Path
) -> None:
    file = tmp_path / "settings.json"
    window = open_window(paths={"network": FakePath, "ik": FakePath}, settings_file=file)
    window.show_view("three")
    press(window, "Ctrl+L")
    window.close()
    before = load_settings(file).settings
    assert before.view == "three"
    alone = open_window(settings_file=file)
    alone.set_theme(LIGHT)
    alone.close()
    after = load_settings(file).settings
    assert after == replace(before, theme="light", geometry=after.geometry)


def test_system_theme_is_kept_until_the_user_chooses_a_theme(
    qtbot: QtBot, open_window: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    save_settings(Settings(theme="dark", guided=True), file)
    window = open_window(theme="system", settings_file=file)  # set on the command line
    for theme in (LIGHT, DARK, LIGHT):
        monkeypatch.setattr("app.ui.window.main_window.system_theme", lambda theme=theme: theme)
        window.follow_system_theme()
    window.close()
    assert load_settings(file).settings.theme == "system"
    window = open_window(theme="system", settings_file=file)
    window.follow_system_theme()
    window.bar.theme.click()
    window.close()
    assert load_settings(file).settings.theme == "dark"


def test_window_without_a_file_keeps_nothing_and_a_damaged_file_is_reported(
    qtbot: QtBot,
    open_window: Open,
    notices: list[str],  # noqa: F811
    tmp_path: Path,
) -> None:
    file = tmp_path / "settings.json"
    file.write_text("damaged")
    open_window(settings_file=file)
    assert any("cannot be read" in sentence for sentence in notices)
    assert not open_window().restore_geometry()


def test_every_shortcut_is_listed_once_with_a_description(qtbot: QtBot, open_window: Open) -> None:
    window = open_window()
    pairs = shortcuts_of(window.actions())
    keys = [key for key, _ in pairs]
    assert {"M", "Space", "?", "Ctrl+Shift+M", "Ctrl+S", ",", "."} <= set(keys)
    assert all(text.strip() for _, text in pairs)
    used = [action.shortcut().toString() for action in window.actions() if not action.shortcut().isEmpty()]
    assert len(used) == len(set(used)), "two actions share a shortcut, so neither works"


def test_log_is_shown_and_diagnostics_are_copied(
    qtbot: QtBot,
    open_window: Open,
    notices: list[str],  # noqa: F811
) -> None:
    window = open_window()
    wait_for_result(qtbot, window)
    press(window, "Ctrl+G")
    logging.getLogger("app.test").warning("something %s", "odd")
    panel = window.findChild(LogPanel)
    assert panel is not None
    qtbot.waitUntil(lambda: "something odd" in panel.text.toPlainText(), timeout=10_000)
    panel.copy_button.click()
    assert notices[-1] == COPIED_SENTENCE
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    text = clipboard.text()
    for word in ("handlive ", "cores: ", "source: Fake", "path ik: running", "something odd"):
        assert word in text
    assert str(Path.home()) not in text


def test_log_memory_is_bounded() -> None:
    memory = LogMemory()
    logger = logging.Logger("test")
    logger.addHandler(memory)
    for number in range(LINES_KEPT + 10):
        logger.warning("line %d", number)
    assert (memory.count, len(memory.lines())) == (LINES_KEPT + 10, LINES_KEPT)
    assert memory.lines()[-1].endswith(f"line {LINES_KEPT + 9}")


def test_two_windows_keep_the_changes_of_each_other(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    save_settings(Settings(smoothing=0.2), file)
    loaded = load_settings(file).settings  # by both windows
    save_changes(loaded, replace(loaded, theme="dark"), file)
    save_changes(loaded, replace(loaded, view="ik"), file)
    assert load_settings(file).settings == Settings(theme="dark", view="ik", smoothing=0.2)


def test_damaged_file_is_overwritten_by_the_next_save(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("damaged")
    save_changes(Settings(), Settings(view="ik"), file)
    assert load_settings(file) == LoadedSettings(Settings(view="ik"))
