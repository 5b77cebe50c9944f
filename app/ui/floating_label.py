"""A line of words over a view, at its head or its foot."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QWidget

from app.ui.style import SPACING_PX

_PADDING_PX = 34


class FloatingLabel(QLabel):
    """Centred in its parent, as wide as its words; hidden while it has none."""

    def __init__(self, parent: QWidget, *, at_top: bool = False, at_left: bool = False) -> None:
        """Hidden; the parent calls :meth:`arrange` when its size changes."""
        super().__init__(parent)
        self._at_top, self._at_left = at_top, at_left
        self.setObjectName("hint")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def say(self, text: str, *, warning: bool = False) -> None:
        """Shows a text; an empty one hides the label."""
        name = "warning" if warning else "hint"
        if self.text() == text and self.objectName() == name:
            return
        self.setText(text)
        if self.objectName() != name:
            self.setObjectName(name)
            self.setStyleSheet(self.styleSheet())  # a new name means other rules of the sheet
        self.setVisible(bool(text))
        self.arrange()

    def arrange(self) -> None:
        """Takes its place in the parent."""
        parent = self.parentWidget()
        if parent is None or not self.text():
            return
        room = parent.width() - 2 * SPACING_PX
        wide = self.fontMetrics().horizontalAdvance(self.text()) + _PADDING_PX
        self.setWordWrap(wide > room)
        self.setFixedWidth(max(1, min(wide, room)))
        self.adjustSize()
        top = SPACING_PX if self._at_top else parent.height() - self.height() - SPACING_PX
        self.move(SPACING_PX if self._at_left else (parent.width() - self.width()) // 2, top)
        self.raise_()
