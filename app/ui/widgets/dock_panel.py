"""A panel at an edge of the window; several at one edge share it as tabs."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QTabBar, QVBoxLayout, QWidget

from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.scroll_area import Scrolling


def dock_panel(
    window: QMainWindow, name: str, widget: QWidget, area: Qt.DockWidgetArea, *, visible: bool
) -> QDockWidget:
    """Puts a panel at an edge of a window.

    Args:
        window: which.
        name: title of the panel.
        widget: what it holds.
        area: the edge.
        visible: at once.
    """
    dock = QDockWidget(name, window)
    dock.setObjectName(f"panel {name}")
    dock.setWidget(_with_margin(widget, area))
    # one that could not be closed would have its line in the menu switched off by Qt
    dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetClosable)
    dock.setTitleBarWidget(QWidget())  # the tab shows its name
    neighbors = [other for other in window.findChildren(QDockWidget) if window.dockWidgetArea(other) == area]
    window.addDockWidget(area, dock)
    if neighbors:
        window.tabifyDockWidget(neighbors[-1], dock)
        for tabs in window.findChildren(QTabBar):
            tabs.setDrawBase(False)
            tabs.setExpanding(False)
    dock.setVisible(visible)
    return dock


def panel_action(dock: QDockWidget, shortcut: str) -> QAction:
    """Shows and hides a panel; one that is opened comes to the front of its tabs.

    Args:
        dock: the panel.
        shortcut: its key, empty for none.
    """
    action = dock.toggleViewAction()
    assert action is not None
    action.setShortcut(QKeySequence(shortcut))
    action.triggered.connect(lambda shown: dock.raise_() if shown else None)
    return action


def _with_margin(widget: QWidget, area: Qt.DockWidgetArea) -> QWidget:
    """Puts a panel in line with the panes."""
    around = QWidget()
    layout = QVBoxLayout(around)
    left = 0 if area == Qt.DockWidgetArea.RightDockWidgetArea else SPACING_PX
    right = 0 if area == Qt.DockWidgetArea.LeftDockWidgetArea else SPACING_PX
    layout.setContentsMargins(left, 8, right, 0)
    # a tall panel at the side must not make the window higher than the screen
    beside = area in (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea)
    layout.addWidget(Scrolling(widget) if beside else widget)
    return around
