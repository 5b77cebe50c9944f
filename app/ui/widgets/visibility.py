"""Whether a user sees a part of the window."""

from __future__ import annotations

from PyQt6.QtWidgets import QWidget


def is_seen(widget: QWidget) -> bool:
    """Whether any of it is on the screen; Qt calls a panel behind another tab visible and only moves it away."""
    return widget.isVisible() and not widget.visibleRegion().isEmpty()
