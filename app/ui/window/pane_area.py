"""The area of the panes: both paths, these and the output, combined, or one alone, with messages over them."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from app.palette import DARK, Theme
from app.rendering.pane_renderer import PaneName
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.floating_label import FloatingLabel
from app.ui.widgets.message_card import Action, MessageCard
from app.ui.window.pane import Pane
from app.ui.window_options import ViewName

PANES_OF_VIEW: Mapping[ViewName, tuple[PaneName, ...]] = {
    "side by side": ("network", "ik"),
    "three": ("network", "output", "ik"),
    "combined": ("combined",),
    "network": ("network",),
    "ik": ("ik",),
    "output": ("output",),
}

_BESIDE: tuple[PaneName, ...] = PANES_OF_VIEW["three"]
_MESSAGE_WIDTH_PX = 400
_DIMMED = 0.62


class PaneArea(QWidget):
    """Holds all panes and shows those of one view."""

    def __init__(self, panes: Mapping[PaneName, Pane], view: ViewName) -> None:
        """Shows a view.

        Args:
            panes: those that there are.
            view: the first one.
        """
        super().__init__()
        self._panes = panes
        self.view: ViewName = view
        self._pages = QStackedWidget()
        self._beside = QSplitter(Qt.Orientation.Horizontal)
        self._beside.setHandleWidth(SPACING_PX)
        self._beside.setChildrenCollapsible(False)
        self._pages.addWidget(self._beside)
        for name in _BESIDE:
            if name in panes:
                self._beside.addWidget(panes[name])
        for name, pane in panes.items():
            if name not in _BESIDE:
                self._pages.addWidget(pane)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)
        self._dim_overlay = _DimOverlay(self)
        self._message = MessageCard(self)
        self._notice = FloatingLabel(self, at_top=True)
        self.show_view(view)

    @property
    def shown_panes(self) -> tuple[Pane, ...]:
        return tuple(self._panes[name] for name in PANES_OF_VIEW[self.view] if name in self._panes)

    @property
    def message_text(self) -> str:
        """Title and text of the message that is shown, or an empty text."""
        return self._message.text() if self._message.isVisibleTo(self) else ""

    @property
    def notice_text(self) -> str:
        """The notice that is shown, or an empty text."""
        return self._notice.text()

    def show_view(self, view: ViewName) -> None:
        self.view = view
        names = PANES_OF_VIEW[view]
        for name, pane in self._panes.items():
            if name in _BESIDE:
                pane.setVisible(name in names)
        self._pages.setCurrentWidget(self._beside if names[0] in _BESIDE else self._panes[names[0]])
        self._beside.setSizes([1000] * self._beside.count())

    def caption_scenes(self, *, legend: bool) -> None:
        """Labels the 3D views.

        Args:
            legend: the colours of disagreement are explained, where there are any.
        """
        for name, pane in self._panes.items():
            caption = "Network solid, IK translucent" if name == "combined" else ""
            pane.scene.caption(caption, legend=legend and name != "output")

    def set_theme(self, theme: Theme) -> None:
        self._dim_overlay.theme = theme
        self._dim_overlay.update()

    def show_message(self, title: str, text: str, actions: tuple[Action, ...] = ()) -> None:
        """Puts a message over the panes; the same message again changes nothing."""
        self._message.fill(title, text, actions)
        if not self._message.isVisibleTo(self):
            self._dim_overlay.show()
            self._message.show()
        self._arrange()

    def hide_message(self) -> None:
        self._dim_overlay.hide()
        self._message.hide()

    def notice(self, text: str) -> None:
        """A line over the heads of the pictures; empty takes it away."""
        self._notice.show_text(text)
        self._arrange_notice()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keeps messages and notices in place."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        self._dim_overlay.setGeometry(self.rect())
        self._message.fit(min(_MESSAGE_WIDTH_PX, max(120, self.width() - 4 * SPACING_PX)))
        self._message.move((self.width() - self._message.width()) // 2, (self.height() - self._message.height()) // 2)
        self._dim_overlay.raise_()
        self._message.raise_()
        self._arrange_notice()

    def _arrange_notice(self) -> None:
        # below the titles, which stay readable
        self._notice.free_head_px = max((pane.heading.height() for pane in self.shown_panes), default=0)
        self._notice.arrange()


class _DimOverlay(QWidget):
    """Dims what is behind a message."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme = DARK
        self.hide()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        color = QColor(self.theme.window)
        color.setAlphaF(_DIMMED)
        painter = QPainter(self)
        painter.fillRect(self.rect(), color)
        painter.end()
