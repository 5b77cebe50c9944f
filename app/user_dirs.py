"""Folders and files of the user: settings, cameras, sessions, runs, snapshots, motion.

Every platform folder is requested here, always with ``appauthor=False``: without it, Windows inserts a second folder of
the program's name. Earlier versions kept settings and camera calibrations there; they are moved at their first use.
"""

from __future__ import annotations

import logging
from pathlib import Path

import platformdirs

logger = logging.getLogger(__name__)

_APP = "handlive"


def snapshot_folder() -> Path:
    """In the user's pictures."""
    return platformdirs.user_pictures_path() / _APP


def motion_folder() -> Path:
    """In the user's documents."""
    return platformdirs.user_documents_path() / _APP


def settings_file() -> Path:
    """In the user's configuration folder."""
    folder = platformdirs.user_config_path(_APP, appauthor=False)
    return _moved(platformdirs.user_config_path(_APP) / "settings.json", folder / "settings.json")


def cameras_folder() -> Path:
    """In the user's data folder."""
    return _moved(platformdirs.user_data_path(_APP) / "cameras", platformdirs.user_data_path(_APP, False) / "cameras")


def sessions_folder() -> Path:
    """Where sessions are recorded: on this machine, in the user's own data folder."""
    return platformdirs.user_data_path(_APP, appauthor=False) / "sessions"


def networks_folder() -> Path:
    """Where the window keeps networks that were tuned or imported."""
    return platformdirs.user_data_path(_APP, appauthor=False) / "networks"


def default_runs_folder() -> Path:
    """Where the window keeps its runs."""
    return platformdirs.user_data_path(_APP, appauthor=False) / "runs"


def _moved(before: Path, now: Path) -> Path:
    """The present place of a file or folder; a file at the earlier place is moved there, unless both exist.

    Returns:
        The earlier place where it cannot be moved from.
    """
    if before == now or now.exists() or not before.exists():
        return now
    try:
        now.parent.mkdir(parents=True, exist_ok=True)
        before.rename(now)
    except OSError as error:
        logger.warning("%s cannot be moved to %s (%s) and is used where it is.", before, now, error.strerror or error)
        return before
    return now
