"""Files of earlier versions are moved to the present folders, or used where they are."""

from __future__ import annotations

import json
from pathlib import Path

import platformdirs
import platformdirs.windows
import pytest

from app import user_dirs
from app.settings import load_settings
from app.sources.calibration_store import saved_intrinsics

# as version 0.1.0 wrote them
OLD_SETTINGS = {
    "schema": 1,
    "theme": "light",
    "view": "combined",
    "smoothing": 0.25,
    "geometry": "AdnQywADAAA=",
    "panels": "AAAA/wAAAAA=",
    "mesh_suffix": ".ply",
    "guided": True,
}
OLD_CAMERA = {
    "schema": 1,
    "camera": "Cam",
    "date_utc": "2026-01-02T03:04:05+00:00",
    "intrinsics": {
        "fx_px": 540.0,
        "fy_px": 541.0,
        "cx_px": 319.5,
        "cy_px": 239.5,
        "width_px": 640,
        "height_px": 480,
        "assumed": False,
    },
    "rms_px": 0.31,
    "rms_with_distortion_px": 0.22,
    "distortion_k1_k2": [0.01, -0.02],
    "views": 20,
}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folders of Windows, under a temporary one."""
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.windows.Windows)
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", lambda _name: str(tmp_path))
    return tmp_path


def write_old_files(windows: Path) -> None:
    old = windows / "handlive" / "handlive"
    (old / "cameras").mkdir(parents=True)
    (old / "settings.json").write_text(json.dumps(OLD_SETTINGS))
    (old / "cameras" / "cam.json").write_text(json.dumps(OLD_CAMERA))


def test_files_of_an_earlier_version_on_windows_are_moved_and_read(windows: Path) -> None:
    write_old_files(windows)
    file = user_dirs.settings_file()
    assert file == windows / "handlive" / "settings.json"
    loaded = load_settings(file)
    assert loaded.sentence == ""
    assert (loaded.settings.theme, loaded.settings.view, loaded.settings.mesh_suffix) == ("light", "combined", ".ply")
    assert (loaded.settings.smoothing, loaded.settings.guided) == (0.25, True)
    assert loaded.settings.panels == OLD_SETTINGS["panels"]
    known = saved_intrinsics("Cam", 640, 480)
    assert known is not None
    assert (known.fx_px, known.assumed) == (540.0, False)
    assert user_dirs.cameras_folder() == windows / "handlive" / "cameras"
    assert not (windows / "handlive" / "handlive" / "settings.json").exists()


def test_existing_files_are_not_replaced_by_older_ones(windows: Path) -> None:
    write_old_files(windows)
    new = windows / "handlive" / "settings.json"
    new.write_text(json.dumps({**OLD_SETTINGS, "theme": "dark"}))
    assert load_settings(user_dirs.settings_file()).settings.theme == "dark"
    assert (windows / "handlive" / "handlive" / "settings.json").exists()


def test_file_that_cannot_be_moved_is_used_where_it_is(windows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_old_files(windows)

    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    assert load_settings(user_dirs.settings_file()).settings.theme == "light"


def test_all_folders_of_the_program_lie_in_one(windows: Path) -> None:
    folders = [user_dirs.settings_file().parent, user_dirs.cameras_folder().parent]
    folders += [user_dirs.sessions_folder().parent, user_dirs.default_runs_folder().parent]
    assert set(folders) == {windows / "handlive"}
