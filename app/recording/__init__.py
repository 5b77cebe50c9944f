"""Recording the user's own hand: the recorder, where sessions lie, what is still missing. Knows no window."""

from app.user_dirs import sessions_folder

__all__ = ["sessions_folder"]
