"""A host for tools and panels without a window: a pipeline on fakes, and a record of what was added and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app_fakes import FakePath, FakeSource
from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QDockWidget, QMenu, QWidget

from app.palette import DARK, Theme
from app.pipeline.live import LivePipeline
from app.pipeline.output_selector import OutputChooser
from app.pipeline.result_synchronizer import JoinedResult
from app.sources.camera_formats import CameraFormat
from app.sources.choose import ChosenSource
from app.ui.extension_host import ExtensionHost
from app.ui.window_options import WindowOptions
from hand.embedded import load_embedded_model


class FakeHost(QObject):
    """Satisfies :class:`ExtensionHost` with one fake path; the test starts and closes the pipeline through it."""

    result_shown = pyqtSignal()
    theme_changed = pyqtSignal(object)
    closing = pyqtSignal()
    closed = pyqtSignal()

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = WindowOptions(
            chosen=ChosenSource(FakeSource(forever=True)),
            model=load_embedded_model(),
            paths={"ik": FakePath},
            **{"theme": "dark", **options},
        )
        self.parent_widget = QWidget()
        self.output_mode = self.options.output_mode
        self.overlay_area: QWidget = QWidget(self.parent_widget)
        self.theme: Theme = DARK
        self.follows_system = False
        self.renderer_description = "fake renderer"
        self.joined: JoinedResult | None = None
        self.pipeline: LivePipeline[None, None] = LivePipeline(
            self.options.paths, lambda _result: None, lambda: None, output=OutputChooser(self.options.model)
        )
        self.pipeline.add_listener("fake host", self._take)
        self.notices: list[str] = []
        self.panels: dict[str, QWidget] = {}
        self.docks: dict[str, QDockWidget] = {}
        self.tools: dict[str, QAction] = {}
        self.submenus: list[QMenu] = []
        self.chosen: list[str] = []
        self.replayed = 0
        self.source_menus = 0
        self._source = self.options.chosen.source
        self._keys: dict[str, QAction] = {}
        self._kept: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {}

    def start(self) -> None:
        """Starts the pipeline on the source of the options."""
        self.pipeline.start()
        self.pipeline.show(self._source)

    def close(self) -> None:
        """Closes in the order of the window: signals and pipeline, then the widgets."""
        self.closing.emit()
        self.pipeline.close()
        self.closed.emit()
        self.parent_widget.close()
        self.parent_widget.deleteLater()

    def notify(self, sentence: str) -> None:
        self.notices.append(sentence)

    def choose(self, text: str, camera_format: CameraFormat | None = None) -> None:
        self.chosen.append(text)

    def show_source(self, chosen: ChosenSource) -> None:
        self._source = chosen.source
        self.pipeline.show(chosen.source)

    def replay(self) -> None:
        self.replayed += 1
        self.pipeline.show(self._source)

    def show_source_menu(self) -> None:
        self.source_menus += 1

    def add_tool(self, text: str, act: Callable[[], object], *, shortcut: str = "", help_text: str = "") -> QAction:
        action = QAction(text, self.parent_widget)
        action.setShortcut(shortcut)
        action.triggered.connect(lambda _checked: act())
        self.tools[text] = action
        return action

    def add_submenu(self, menu: QMenu) -> None:
        self.submenus.append(menu)

    def add_panel(
        self,
        name: str,
        widget: QWidget,
        *,
        area: Qt.DockWidgetArea = Qt.DockWidgetArea.RightDockWidgetArea,
        visible: bool = False,
        shortcut: str = "",
    ) -> QDockWidget:
        dock = QDockWidget(name, self.parent_widget)
        dock.setWidget(widget)
        dock.setVisible(visible)
        self.panels[name], self.docks[name] = widget, dock
        return dock

    def rebind_key(self, shortcut: str, text: str, act: Callable[[], object]) -> None:
        action = QAction(text, self.parent_widget)
        action.setShortcut(shortcut)
        action.triggered.connect(lambda _checked: act())
        self._keys[shortcut] = action

    def key_actions(self) -> list[QAction]:
        return [*self.tools.values(), *self._keys.values()]

    def keep_state(self, key: str, save: Callable[[], Any], restore: Callable[[Any], None]) -> None:
        self._kept[key] = (save, restore)

    def saved_state(self) -> dict[str, Any]:
        return {key: save() for key, (save, _) in self._kept.items()}

    def restore_state(self, values: dict[str, Any]) -> None:
        for key, (_, restore) in self._kept.items():
            if key in values:
                restore(values[key])

    def press(self, shortcut: str) -> None:
        """Triggers the action of a key, of a tool or rebound."""
        (action,) = (action for action in self.key_actions() if action.shortcut().toString() == shortcut)
        action.trigger()

    def _take(self, joined: JoinedResult) -> None:
        self.joined = joined


def as_host(host: FakeHost) -> ExtensionHost:
    """The same object, for the type checker."""
    return host
