"""Where pictures and recordings go when the user names no place."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def snapshot_folder() -> Path:
    """In the user's pictures."""
    return platformdirs.user_pictures_path() / "handlive"


def motion_folder() -> Path:
    """In the user's documents."""
    return platformdirs.user_documents_path() / "handlive"
