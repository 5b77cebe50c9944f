"""Recording the user's own hand: the recorder, the place of sessions, the coverage. Does not use Qt."""

from app.user_dirs import sessions_folder

__all__ = ["sessions_folder"]
