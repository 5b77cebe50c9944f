"""A line of words over a view, at its head or its foot."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QWidget

from app.ui.theme.style_sheet import SPACING_PX

_PADDING_PX = 34
_ASIDE_PADDING_PX = 22
_ASIDE_MARGIN_PX = 7


class FloatingLabel(QLabel):
    """Centred in its parent, as wide as its words; hidden while it has none."""

    def __init__(self, parent: QWidget, *, at_top: bool = False, aside: bool = False) -> None:
        """Hidden; the parent calls :meth:`arrange` when its size changes.

        Args:
            parent: over what it floats.
            at_top: at the head instead of the foot.
            aside: small and in the left corner, for what need not be read at once.
        """
        super().__init__(parent)
        self.free_head_px = 0
        """Height at the parent's head that stays free, for a label there."""
        self._at_top, self._aside = at_top, aside
        self._plain_name = "aside" if aside else "hint"
        self.setObjectName(self._plain_name)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def show_text(self, text: str, *, warning: bool = False) -> None:
        """Shows a text; an empty one hides the label."""
        name = "warning" if warning else self._plain_name
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
        self.ensurePolished()  # the sheet sets the font
        margin = _ASIDE_MARGIN_PX if self._aside else SPACING_PX
        room = parent.width() - 2 * margin
        wide = self.fontMetrics().horizontalAdvance(self.text()) + (_ASIDE_PADDING_PX if self._aside else _PADDING_PX)
        self.setWordWrap(wide > room)
        self.setFixedWidth(max(1, min(wide, room)))
        self.adjustSize()
        top = self.free_head_px + margin if self._at_top else parent.height() - self.height() - margin
        self.move(margin if self._aside else (parent.width() - self.width()) // 2, top)
        self.raise_()
