"""Folders and files of the user: settings, cameras, sessions, runs, snapshots, motion."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def snapshot_folder() -> Path:
    """In the user's pictures."""
    return platformdirs.user_pictures_path() / "handlive"


def motion_folder() -> Path:
    """In the user's documents."""
    return platformdirs.user_documents_path() / "handlive"


def settings_file() -> Path:
    """In the user's configuration folder."""
    return platformdirs.user_config_path("handlive") / "settings.json"


def cameras_folder() -> Path:
    """In the user's data folder."""
    return platformdirs.user_data_path("handlive") / "cameras"


def sessions_folder() -> Path:
    """Where sessions are recorded: on this machine, in the user's own data folder."""
    return Path(platformdirs.user_data_dir("handlive", appauthor=False)) / "sessions"


def default_runs_folder() -> Path:
    """Where the window keeps its runs."""
    return Path(platformdirs.user_data_dir("handlive", appauthor=False)) / "runs"
