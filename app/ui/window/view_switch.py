"""The row of buttons that chooses what the panes show."""

from __future__ import annotations

from collections.abc import Iterable

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QMenu, QPushButton, QSizePolicy, QWidget

from app.ui.widgets.form_helpers import segments
from app.ui.window_options import ViewName

_NAMES: tuple[tuple[ViewName, str, str], ...] = (
    ("side by side", "Side by side", "Both paths beside each other on the same frame (1)"),
    ("combined", "Combined", "One picture with a wipe, both hands in one 3D view (2)"),
    ("network", "Network", "The network alone (3)"),
    ("ik", "IK", "MediaPipe + inverse kinematics alone (4)"),
    ("output", "Output", "The hand that counts: fused from both paths, or one path's (5)"),
    ("three", "All three", "The output between both paths, on the same frame (6)"),
)

VIEW_ORDER: tuple[ViewName, ...] = tuple(name for name, _, _ in _NAMES)


class ViewSwitch(QWidget):
    """Exactly one button is down; where there is no room for all, one button with a menu takes their place."""

    chosen = pyqtSignal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("segments")
        self._buttons: dict[ViewName, QPushButton] = {}
        group = QButtonGroup(self)
        self._menu_button = QPushButton()
        self._menu_button.setToolTip("What the panes show")
        self._menu_button.setAccessibleName("View")
        self._menu_button.hide()
        menu = QMenu(self._menu_button)
        menu.setToolTipsVisible(True)
        self._menu_button.setMenu(menu)
        self._actions: dict[ViewName, QAction] = {}
        self._choices = QActionGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        buttons = segments((text, explanation) for _, text, explanation in _NAMES)
        for button, (name, text, explanation) in zip(buttons, _NAMES, strict=True):
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)  # never narrower than its text
            button.setAccessibleName(f"View: {text}")
            button.clicked.connect(lambda _checked, name=name: self.chosen.emit(name))
            group.addButton(button)
            layout.addWidget(button)
            self._buttons[name] = button
            action = QAction(text, menu)
            action.setCheckable(True)
            action.setToolTip(explanation)
            action.triggered.connect(lambda _checked, name=name: self.chosen.emit(name))
            self._choices.addAction(action)
            menu.addAction(action)
            self._actions[name] = action
        layout.addWidget(self._menu_button)

    def show_choice(self, view: ViewName) -> None:
        """Presses a button, without a signal."""
        self._buttons[view].setChecked(True)
        self._actions[view].setChecked(True)
        self._menu_button.setText(f"View: {self._actions[view].text()}  ▾")

    @property
    def full_width_px(self) -> int:
        """What all buttons beside each other need."""
        return sum(button.sizeHint().width() for button in self._buttons.values())

    @property
    def compact_width_px(self) -> int:
        """What the button with the menu needs."""
        return self._menu_button.sizeHint().width()

    @property
    def compact(self) -> bool:
        """Whether one button with a menu is shown."""
        return not self._menu_button.isHidden()

    def set_compact(self, compact: bool) -> None:
        """Shows one button with a menu, or all buttons."""
        self._menu_button.setVisible(compact)
        for button in self._buttons.values():
            button.setVisible(not compact)

    def offer(self, views: Iterable[ViewName], why_not: str) -> None:
        """Disables all other buttons.

        Args:
            views: what can be shown.
            why_not: for the tooltip of the others.
        """
        offered = set(views)
        for name, button in self._buttons.items():
            button.setEnabled(name in offered)
            self._actions[name].setEnabled(name in offered)
            if name not in offered:
                button.setToolTip(why_not)
