"""Recording the user's own hand: the recorder, where sessions lie, what is still missing. Knows no window."""

from app.recording.sessions import sessions_folder

__all__ = ["sessions_folder"]
