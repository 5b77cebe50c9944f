"""The message in the place of a picture: no camera, unplugged, unreadable, ended."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.ui.widgets.button_focus import focus_by_tab
from app.ui.widgets.form_helpers import wrapped

Action = tuple[str, Callable[[], None]]
"""Text and action of a button."""


class MessageCard(QFrame):
    """A card with a title, a sentence, and what the user can do about it."""

    def __init__(self, parent: QWidget) -> None:
        """Hidden until it is filled and shown."""
        super().__init__(parent)
        self.setObjectName("message")
        self._content: tuple[str, str, tuple[str, ...]] = ("", "", ())
        self._title, self._text = wrapped("", "messageTitle"), wrapped("", "messageText")
        for label in (self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 22, 24, 22)
        layout.setSpacing(10)
        layout.addWidget(self._title)
        layout.addWidget(self._text)
        layout.addSpacing(6)
        layout.addLayout(self._buttons)
        self.hide()

    def text(self) -> str:
        """Title and sentence."""
        return f"{self._title.text()}: {self._text.text()}"

    def fill(self, title: str, text: str, actions: tuple[Action, ...]) -> None:
        """Takes new content."""
        content = (title, text, tuple(name for name, _ in actions))
        if content == self._content:
            return
        self._content = content
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        while (item := self._buttons.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        if actions:
            self._buttons.addStretch()
        for index, (name, act) in enumerate(actions):
            button = QPushButton(name)
            button.setObjectName("primary" if index == 0 else "")
            focus_by_tab(button)
            button.clicked.connect(lambda _checked, act=act: act())
            self._buttons.addWidget(button)
            button.show()  # by itself it would count as hidden until the event loop runs, and have no room in the card
        if actions:
            self._buttons.addStretch()

    def fit(self, width_px: int) -> None:
        """Takes a width, and the height that its sentence then needs."""
        layout = self.layout()
        assert layout is not None
        layout.invalidate()
        self.ensurePolished()  # the sheet sets the fonts
        self.setFixedSize(width_px, layout.totalHeightForWidth(width_px))
