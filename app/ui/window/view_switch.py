"""The row of buttons that chooses what the panes show."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from app.ui.window_options import ViewName

_NAMES: tuple[tuple[ViewName, str, str], ...] = (
    ("side by side", "Side by side", "Both paths beside each other on the same frame (1)"),
    ("combined", "Combined", "One picture with a wipe, both hands in one 3D view (2)"),
    ("network", "Network", "The network alone (3)"),
    ("ik", "IK", "MediaPipe + inverse kinematics alone (4)"),
    ("output", "Output", "The hand that counts, whichever path it comes from (5)"),
)

VIEW_ORDER: tuple[ViewName, ...] = tuple(name for name, _, _ in _NAMES)


class ViewSwitch(QWidget):
    """Exactly one button is down."""

    chosen = pyqtSignal(str)

    def __init__(self) -> None:
        """With the first button down."""
        super().__init__()
        self.setObjectName("segments")
        self._buttons: dict[ViewName, QPushButton] = {}
        group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for index, (name, text, explanation) in enumerate(_NAMES):
            button = QPushButton(text)
            button.setObjectName("first" if index == 0 else "last" if index == len(_NAMES) - 1 else "segment")
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)  # never narrower than its word
            button.setToolTip(explanation)
            button.setAccessibleName(f"View: {text}")
            button.clicked.connect(lambda _checked, name=name: self.chosen.emit(name))
            group.addButton(button)
            layout.addWidget(button)
            self._buttons[name] = button

    def show_choice(self, view: ViewName) -> None:
        """Presses a button, without a signal."""
        self._buttons[view].setChecked(True)

    def offer(self, views: Iterable[ViewName], why_not: str) -> None:
        """Disables all other buttons.

        Args:
            views: what can be shown.
            why_not: for the tooltip of the others.
        """
        offered = set(views)
        for name, button in self._buttons.items():
            button.setEnabled(name in offered)
            if name not in offered:
                button.setToolTip(why_not)
