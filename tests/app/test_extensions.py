"""Tools and panels in a fake host: they depend on the host protocol only."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_fakes import FakeSource
from fake_host import FakeHost
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from windows import PATIENCE_MS, Open

from app.palette import LIGHT
from app.settings import Settings, load_settings, save_settings
from app.sources.choose import ChosenSource
from app.ui.extension_host import ExtensionHost
from app.ui.extensions import install_extensions
from app.ui.panels.camera_panel import NO_CAMERA_SENTENCE, CameraPanel, install_camera
from app.ui.panels.playback_bar import PlaybackBar, install_playback
from app.ui.panels.smoothing_panel import SmoothingPanel, install_smoothing
from app.ui.tools.first_steps import Guide, install_guide
from app.ui.tools.help import COPIED_SENTENCE, install_help
from app.ui.tools.settings_persistence import install_settings
from app.ui.tools.snapshot_tool import NOTHING_SENTENCE, install_snapshots


@pytest.fixture
def host(qtbot: QtBot) -> Iterator[FakeHost]:
    host = FakeHost()
    yield host
    host.close()


def test_window_and_fake_host_implement_the_host_protocol(qtbot: QtBot, open_window: Open, host: FakeHost) -> None:
    names = {name for name in vars(ExtensionHost) if not name.startswith("_")}
    window = open_window()
    for implementation in (window, host):
        assert [name for name in sorted(names) if not hasattr(implementation, name)] == []
        for name, declared in vars(ExtensionHost).items():
            if inspect.isfunction(declared) and name in names:
                wanted = inspect.signature(declared).parameters.keys() - {"self"}
                assert inspect.signature(getattr(implementation, name)).parameters.keys() == wanted, name


def test_all_extensions_go_into_a_host_without_a_window(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ui.recording.record_panel.sessions_folder", lambda: tmp_path / "sessions")
    monkeypatch.setattr("app.ui.training.training_panel.sessions_folder", lambda: tmp_path / "sessions")
    monkeypatch.setattr("app.ui.training.training_panel.default_runs_folder", lambda: tmp_path / "runs")
    install_extensions(host)
    assert list(host.panels) == [
        "Smoothing",
        "Streams",
        "Camera",
        "Playback",
        "Record",
        "Second camera",
        "Teach",
        "Log",
    ]
    assert "Save a snapshot" in host.tools
    host.theme_changed.emit(LIGHT)


def test_smoothing_slider_sets_the_strength(host: FakeHost) -> None:
    install_smoothing(host)
    panel = host.panels["Smoothing"]
    assert isinstance(panel, SmoothingPanel)
    panel.slider.setValue(0)
    assert host.options.smoothing.strength == 0.0
    assert panel.strength.text() == "off"
    panel.slider.setValue(panel.slider.maximum())
    assert host.options.smoothing.strength == 1.0


def test_entered_intrinsics_reach_the_pipeline_and_only_a_camera_is_calibrated(qtbot: QtBot, host: FakeHost) -> None:
    install_camera(host)
    panel = host.panels["Camera"]
    assert isinstance(panel, CameraPanel)
    panel.field.setText("500,500,160,120")
    panel.use.click()
    assert host.pipeline.lens.intrinsics_text == "500,500,160,120"
    host.start()
    qtbot.waitUntil(lambda: host.joined is not None, timeout=PATIENCE_MS)
    assert host.joined is not None
    assert host.joined.frame.intrinsics.fx_px == 500.0
    panel.start_button.click()
    assert panel.hint.text() == NO_CAMERA_SENTENCE
    host.show_source(ChosenSource(FakeSource(name="Cam", live=True, forever=True), is_camera=True))
    qtbot.waitUntil(lambda: host.joined is not None and host.joined.frame.live, timeout=PATIENCE_MS)
    panel.start_button.click()
    assert panel.running
    host.closing.emit()
    assert not panel.running


def test_playback_bar_rotates_pictures_and_binds_the_space_key(host: FakeHost) -> None:
    install_playback(host)
    assert isinstance(host.panels["Playback"], PlaybackBar)
    host.press("Shift+R")
    assert host.pipeline.quarter_turns == 1
    assert host.notices == ["Pictures are turned by 90°."]
    host.press("Space")  # nothing plays
    assert host.replayed == 0


def test_snapshot_needs_a_picture_and_its_format_is_kept(host: FakeHost, tmp_path: Path) -> None:
    install_snapshots(host)
    host.press("Ctrl+S")
    assert host.notices == [NOTHING_SENTENCE]
    (menu,) = host.submenus
    host.restore_state({"mesh_suffix": ".ply"})
    assert [action.text() for action in menu.actions() if action.isChecked()] == ["PLY"]
    assert host.saved_state() == {"mesh_suffix": ".ply"}


def test_guide_is_shown_unless_the_settings_mark_it_as_read(qtbot: QtBot, host: FakeHost) -> None:
    install_guide(host)
    (guide,) = host.overlay_area.findChildren(Guide)
    host.restore_state({"guided": True})
    assert guide.isHidden()
    host.restore_state({"guided": False})
    assert not guide.isHidden()
    assert host.saved_state() == {"guided": False}
    guide.source_button.click()
    assert host.source_menus == 1
    assert host.saved_state() == {"guided": True}


def test_diagnostics_contain_the_renderer(host: FakeHost) -> None:
    install_help(host)
    host.tools["Copy diagnostics"].trigger()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert "fake renderer" in clipboard.text()
    assert host.notices == [COPIED_SENTENCE]


def test_settings_save_the_state_of_extensions_and_preserve_the_rest(qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    save_settings(Settings(mesh_suffix=".obj", panels="AAAA", view="ik", guided=True), file)
    host = FakeHost(settings_file=file)
    kept = {"mesh_suffix": "before"}
    host.keep_state("mesh_suffix", lambda: kept["mesh_suffix"], lambda value: kept.update(mesh_suffix=value))
    install_settings(host)
    assert kept == {"mesh_suffix": ".obj"}
    kept["mesh_suffix"] = ".ply"
    host.theme = LIGHT
    host.theme_changed.emit(LIGHT)
    host.close()
    after = load_settings(file).settings
    assert (after.mesh_suffix, after.theme, after.panels, after.view) == (".ply", "light", "AAAA", "ik")
    assert json.loads(file.read_text())["guided"] is True
