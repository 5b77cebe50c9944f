"""The bar at the head of the window: which source, mirrored or not, the view, the colours."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QEvent, QSize
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from app.palette import DARK, Theme
from app.ui.theme.icons import ICON_SIZE, icon
from app.ui.widgets.form_helpers import styled
from app.ui.window.source_menu import SourceButton
from app.ui.window.view_switch import ViewSwitch
from app.ui.window_options import ViewName


class TopBar(QWidget):
    """Holds the controls; the window connects them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("bar")
        self._product = styled("handlive", "product")
        self.source = SourceButton()
        self.mirror = _button("Mirror", "Show the mirror image, as in a looking glass (M)", checkable=True)
        self.views = ViewSwitch()
        self.overlay = _icon_button(
            "Mesh over the picture", "Draw hands as meshes over the picture, or as skeletons (V)"
        )
        self.difference = _icon_button(
            "Colour by disagreement", "Colour the meshes by how far both paths are apart, in millimetres (D)"
        )
        for button in (self.overlay, self.difference):
            button.setCheckable(True)
        self.reset = _icon_button("Reset view", "Return to the camera's own view (R)")
        self.tools = MenuButton("Tools", "Record, stream, calibrate and more")
        self.panels = MenuButton("Panels", "Show and hide panels at the window's edges")
        self.theme = _icon_button("Dark or light colours", "Dark or light colours (T)")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._product)
        layout.addSpacing(8)
        layout.addWidget(self.source)
        layout.addWidget(self.mirror)
        layout.addStretch(1)
        layout.addWidget(self.views)
        layout.addWidget(self.overlay)
        layout.addWidget(self.difference)
        layout.addStretch(1)
        layout.addWidget(self.tools)
        layout.addWidget(self.panels)
        layout.addWidget(self.reset)
        layout.addWidget(self.theme)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Shows the views as a menu where their buttons would be cut off."""
        super().resizeEvent(event)
        self._fit_views()

    def event(self, event: QEvent | None) -> bool:
        """Fits the views again when another part needs more room or less, such as the name of another source."""
        handled = super().event(event)
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._fit_views()
        return handled

    def minimumSizeHint(self) -> QSize:
        """With the views as a menu, so that a window with all their buttons can be made smaller."""
        return QSize(self._width_with(self.views.compact_width_px), super().minimumSizeHint().height())

    def _fit_views(self) -> None:
        self.views.set_compact(self._width_with(self.views.full_width_px) > self.width())

    def _width_with(self, views_px: int) -> int:
        """What everything needs, where the views take so much."""
        layout = self.layout()
        assert layout is not None
        others = (self._product, self.source, self.mirror, self.overlay, self.difference, self.tools, self.panels)
        shown = [part for part in (*others, self.reset, self.theme) if not part.isHidden()]
        # a space more behind the product's name
        spaces_px = (len(shown) + 2) * layout.spacing()
        return sum(part.sizeHint().width() for part in shown) + spaces_px + (0 if self.views.isHidden() else views_px)

    def offer_views(self, views: Sequence[ViewName]) -> None:
        """Shows what there is to choose from; with a single view that is nothing."""
        several = len(views) > 1
        self.views.offer(views, "" if several else "There is only one path: no trained network is in use")
        self.views.setVisible(several)
        self.difference.setVisible(several)

    def set_theme(self, theme: Theme) -> None:
        """Draws the icons in a theme's colours."""
        self.source.setIcon(icon("camera", theme.text))
        self.mirror.setIcon(icon("mirror", theme.text, checked_color=theme.on_accent))
        self.overlay.setIcon(icon("hand", theme.text, checked_color=theme.on_accent))
        self.difference.setIcon(icon("difference", theme.text, checked_color=theme.on_accent))
        self.tools.setIcon(icon("tools", theme.text))
        self.panels.setIcon(icon("panels", theme.text))
        self.reset.setIcon(icon("reset", theme.text))
        self.theme.setIcon(icon("light" if theme is DARK else "dark", theme.text))


class MenuButton(QPushButton):
    """A button with a menu, hidden until there is something in it."""

    def __init__(self, text: str, explanation: str) -> None:
        super().__init__(f" {text}")
        self.setToolTip(explanation)
        self.setIconSize(ICON_SIZE)
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self.setMenu(self._menu)
        self.hide()

    def menu(self) -> QMenu:
        return self._menu


def _icon_button(name: str, explanation: str) -> QPushButton:
    button = _button("", explanation)
    button.setObjectName("icon")
    button.setAccessibleName(name)
    return button


def _button(text: str, explanation: str, *, checkable: bool = False) -> QPushButton:
    button = QPushButton(f" {text}" if text else "")  # a space more between icon and text
    button.setToolTip(explanation)
    button.setIconSize(ICON_SIZE)
    button.setCheckable(checkable)
    return button
