"""The interface of the window for extensions: everything that a tool or panel may read, add and connect to.

An extension is a function that gets an :class:`ExtensionHost` while the window is built, before the pipeline starts
and before the first theme is set; ``app/ui/extensions.py`` lists them. The main window is one window. Tests use a
smaller one (``tests/app/fake_host.py``), so a panel is tested without a window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from PyQt6.QtCore import Qt, pyqtBoundSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QDockWidget, QMenu, QWidget

from app.palette import Theme
from app.pipeline.live import LivePipeline
from app.pipeline.output_reason import OutputMode
from app.pipeline.result_synchronizer import JoinedResult
from app.sources.camera_formats import CameraFormat
from app.sources.choose import ChosenSource
from app.ui.window_options import WindowOptions


class ExtensionHost(Protocol):
    """What tools and panels are installed into; all of it belongs to the thread of the window."""

    @property
    def options(self) -> WindowOptions:
        """What the window was started with: hand model, paths, lens, command line."""

    @property
    def pipeline(self) -> LivePipeline[Any, Any]:
        """The live pipeline.

        ``pipeline.add_listener(name, callback)`` gives every :class:`JoinedResult` to a callback in a thread of its
        own: emit a signal there, and touch widgets only in its slot.
        """

    @property
    def output_mode(self) -> OutputMode:
        """Which hand the output follows at present."""

    @property
    def theme(self) -> Theme:
        """The colours in use."""

    @property
    def follows_system(self) -> bool:
        """Whether the colours are the desktop's, rather than the user's choice."""

    @property
    def joined(self) -> JoinedResult | None:
        """The results of all paths about the frame on the screen; None before the first one."""

    @property
    def parent_widget(self) -> QWidget:
        """Owner of dialogs, windows and other Qt objects that must end with the window."""

    @property
    def overlay_area(self) -> QWidget:
        """The area of the panes, for what is shown over them."""

    @property
    def renderer_description(self) -> str:
        """What draws the 3D views, for reports."""

    @property
    def result_shown(self) -> pyqtBoundSignal:
        """Emitted when a new frame is on the screen."""

    @property
    def theme_changed(self) -> pyqtBoundSignal:
        """Emitted with a :class:`Theme`, also with the first one."""

    @property
    def closing(self) -> pyqtBoundSignal:
        """Emitted while the pipeline still runs, to stop recordings and servers within a fraction of a second."""

    @property
    def closed(self) -> pyqtBoundSignal:
        """Emitted when the window is gone and the pipeline has ended, to wait for files that are being written."""

    def notify(self, sentence: str) -> None:
        """Shows a sentence over the panes for a while."""

    def choose(self, text: str, camera_format: CameraFormat | None = None) -> None:
        """Switches to the source that a text names."""

    def show_source(self, chosen: ChosenSource) -> None:
        """Switches to a source."""

    def replay(self) -> None:
        """Plays the current source from its beginning."""

    def show_source_menu(self) -> None:
        """Opens the list of sources."""

    def add_tool(self, text: str, act: Callable[[], object], *, shortcut: str = "", help_text: str = "") -> QAction:
        """Adds a line to the menu of tools.

        Args:
            text: in the menu.
            act: what it does.
            shortcut: such as "Ctrl+Shift+S"; empty for none.
            help_text: one sentence for the tooltip and the list of shortcuts.

        Returns:
            The action, to make it checkable or to disable it.
        """

    def add_submenu(self, menu: QMenu) -> None:
        """Adds a menu below the last line of the menu of tools."""

    def add_panel(
        self,
        name: str,
        widget: QWidget,
        *,
        area: Qt.DockWidgetArea = Qt.DockWidgetArea.RightDockWidgetArea,
        visible: bool = False,
        shortcut: str = "",
    ) -> QDockWidget:
        """Adds a panel at an edge of the window; the menu of panels shows and hides it.

        Args:
            name: title of the panel and line in the menu.
            widget: what it holds; styled by the window's own sheet.
            area: the edge.
            visible: at once.
            shortcut: shows and hides it.
        """

    def rebind_key(self, shortcut: str, text: str, act: Callable[[], object]) -> None:
        """Gives a key of the window another function, without repetition while it is held.

        Args:
            shortcut: of an action that exists, such as "Space".
            text: for the list of shortcuts.
            act: what it does from now on.
        """

    def key_actions(self) -> list[QAction]:
        """All actions with or without a key that exist now, for the list of shortcuts."""

    def keep_state(self, key: str, save: Callable[[], Any], restore: Callable[[Any], None]) -> None:
        """Keeps a value of an extension between starts.

        Args:
            key: name of a field of :class:`app.settings.Settings`.
            save: returns the value; called while the window closes.
            restore: takes the value of the last time, or the default; called once, behind all extensions, and only
                where settings are kept.
        """

    def saved_state(self) -> dict[str, Any]:
        """The present values of everything that is kept, by key."""

    def restore_state(self, values: dict[str, Any]) -> None:
        """Restores what is kept from values by key; keys that nothing was kept for are ignored."""
