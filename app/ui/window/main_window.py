"""The main window: both paths on the same frame, in the view the user chose, with panels at the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QByteArray, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QAction, QCloseEvent
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QMenu, QWidget

from app.palette import Theme
from app.pipeline.live import LivePipeline
from app.pipeline.metrics.comparison import Comparison
from app.pipeline.metrics.path_statistics import PathStatistics
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import output_chooser
from app.pipeline.result_synchronizer import JoinedResult
from app.rendering.hand_mesh import HandMeshBuilder
from app.rendering.pane_renderer import Display, OwnDrawing, ScreenPainter
from app.settings import load_settings
from app.sources.camera_formats import CameraFormat
from app.sources.choose import DEMO, ChosenSource, UnusableSource, choose_source
from app.ui.extension_host import ExtensionHost
from app.ui.panels.comparison_panel import ComparisonPanel
from app.ui.panels.output_panel import OutputPanel
from app.ui.theme.style_sheet import system_theme, theme_named
from app.ui.theme.theme_applier import ThemeApplier
from app.ui.views.mesh_view import MeshView
from app.ui.views.picture_view import PictureView
from app.ui.widgets.dock_panel import dock_panel, panel_action
from app.ui.widgets.signal_gate import SignalGate
from app.ui.window.actions import install_controls, key_action
from app.ui.window.metrics_refresh import MetricsRefresher
from app.ui.window.pane import link_orbits
from app.ui.window.pane_area import PaneArea
from app.ui.window.result_presenter import ResultPresenter
from app.ui.window.status_bar import StatusStrip
from app.ui.window.status_messages import RecoveryActions, StatusMessages
from app.ui.window.tool_bar import TopBar
from app.ui.window.view_switch import VIEW_ORDER
from app.ui.window.window_layout import lay_out, make_panes
from app.ui.window_options import ViewName, WindowOptions
from hand.errors import SourceError
from hand.types import PathId

_COLLECT_S = 0.1
"""How long the comparison collects results; its numbers are refreshed less often than that."""

_CLOSE_S = 0.5
"""For paths to end; the window is gone from the screen by then, and engines end with the process."""


class _UpdateNotifier(QObject):
    """Carries the pipeline's updates into the GUI thread; without content, so that nothing queues up."""

    updated = pyqtSignal()


class MainWindow(QMainWindow):
    """Owns the pipeline, and pulls its results on its update signal; the :class:`ExtensionHost` of tools and panels."""

    result_shown = pyqtSignal()
    """A new frame is on the screen, in both views of every pane."""
    closing = pyqtSignal()
    """The window closes; the pipeline still runs."""
    closed = pyqtSignal()
    """Camera and engines were given back; only files may still be written."""
    theme_changed = pyqtSignal(object)
    """Other colours, an :class:`app.palette.Theme`."""

    def __init__(self, options: WindowOptions, install_extensions: Callable[[ExtensionHost], None]) -> None:
        """Builds the window and starts the pipeline.

        Args:
            options: what it is started with.
            install_extensions: adds tools and panels; see ``app/ui/extensions.py``.
        """
        super().__init__()
        self._options = options
        self._chosen = options.chosen
        self._kept_state: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {}
        self._theme = theme_named(options.theme)
        self.follows_system = options.theme == "system"
        """Whether the desktop's colours are taken over when they change."""
        path_ids: tuple[PathId, ...] = tuple(options.paths)
        both = len(path_ids) > 1
        self.views: tuple[ViewName, ...] = VIEW_ORDER if both else (path_ids[0],)
        """The views there are; without a second path there is only one."""
        self.bar = TopBar()
        self.bar.offer_views(self.views)
        self.panes = make_panes(path_ids, options.renderer)
        self.pane_area = PaneArea(self.panes, options.view if options.view in self.views else self.views[0])
        self.status = StatusStrip()
        lay_out(self, self.bar, self.pane_area, self.status)
        self._theme_applier = ThemeApplier(self)
        self.painter: ScreenPainter[Any] = ScreenPainter(
            HandMeshBuilder(options.model), {name: pane.scene.prepare for name, pane in self.panes.items()}
        )
        self.chooser = output_chooser(options.model, path_ids, options.output_mode, options.smoothing)
        self.comparison = Comparison()
        self._notifier, self._gate = _UpdateNotifier(self), SignalGate()
        self.pipeline: LivePipeline[OwnDrawing[Any], Display[Any]] = LivePipeline(
            options.paths,
            self.painter.prepare,
            lambda: self._gate.emit(lambda: self._notifier.updated.emit()),
            lens=options.lens,
            retry_s=options.retry_s,
            compose=self.painter.compose,
            output=self.chooser,
        )
        self.pipeline.add_listener("comparison", self.comparison.record, collect_s=_COLLECT_S)
        self.presenter = ResultPresenter(self.pipeline, self.pane_area, tuple(self.panes.values()), self)
        recovery = RecoveryActions(self.bar.source.showMenu, self.replay, lambda: self.choose(DEMO))
        self._status_messages = StatusMessages(self.pane_area, recovery)
        self.compare_panel = ComparisonPanel(self.comparison, self.notify)
        self.output_panel = OutputPanel(self.chooser)
        self._numbers = MetricsRefresher(
            self.pipeline,
            self.presenter,
            self.pane_area,
            self.status,
            self.comparison,
            compare_panel=self.compare_panel,
            output_panel=self.output_panel,
            renderer=lambda: (self.mesh.renderer_name, self.mesh.renderer_details),
            parent=self,
        )
        self._connect()
        self._add_own_panels(both=both)
        self._keep_own_state()
        install_extensions(self)
        self.set_theme(self._theme)
        self.show_view(self.pane_area.view)
        self.pipeline.start()
        self._numbers.start()
        self.show_source(options.chosen)
        self.notify(options.opening_note)

    # user actions

    def choose(self, text: str, camera_format: CameraFormat | None = None) -> None:
        """Switches to the source that a text names; an error is shown over the panes."""
        try:
            chosen = choose_source(text, self._options.source_options.with_format(camera_format))
        except SourceError as error:
            chosen = ChosenSource(UnusableSource(text, str(error)))
        self.show_source(chosen)

    def show_source(self, chosen: ChosenSource) -> None:
        self._chosen = chosen
        mirror = self._options.mirror if self._options.mirror is not None else chosen.is_camera
        self.bar.mirror.setChecked(mirror)
        self.pipeline.mirror = mirror
        self.presenter.begin_source()
        self._status_messages.notify(chosen.note)
        self.replay()

    def replay(self) -> None:
        self.presenter.await_hands()
        self.pipeline.show(self._chosen.source)

    def show_view(self, view: ViewName) -> None:
        if view not in self.views:
            return
        self.pane_area.show_view(view)
        self.bar.views.show_choice(view)
        self._numbers.refresh()
        self._plan()

    def show_overlay_mesh(self, mesh: bool) -> None:
        """Draws meshes over pictures, or skeletons."""
        self.painter.change(overlay="mesh" if mesh else "skeleton")
        self.pipeline.redraw()

    def show_disagreement(self, shown: bool) -> None:
        """Colours meshes by the distance to the other path's."""
        self.painter.change(by_disagreement=shown)
        self._caption_scenes()
        self.pipeline.redraw()

    def set_enabled(self, path_id: PathId, wanted: bool) -> None:
        """Switches a path on or off; the other one goes on."""
        self.pipeline.set_enabled(path_id, wanted)
        if path_id in self.panes:
            self.panes[path_id].heading.switch.setChecked(wanted)

    def reset_views(self) -> None:
        """Turns all 3D views back to the camera's own."""
        for pane in self.panes.values():
            pane.scene.reset()

    @property
    def picture(self) -> PictureView:
        """The picture of the first pane on the screen."""
        return self.pane_area.shown_panes[0].picture

    @property
    def mesh(self) -> MeshView:
        """The 3D view of the first pane on the screen."""
        return self.pane_area.shown_panes[0].scene

    def statistics(self, path_id: PathId) -> PathStatistics:
        """Rate and latency of a path, as far as it is on the screen."""
        return self.presenter.statistics(path_id)

    # what tools and panels use; ExtensionHost documents it

    @property
    def joined(self) -> JoinedResult | None:
        return self.presenter.joined

    @property
    def options(self) -> WindowOptions:
        return self._options

    @property
    def output_mode(self) -> OutputMode:
        return self.chooser.settings.mode

    @property
    def theme(self) -> Theme:
        return self._theme

    @property
    def parent_widget(self) -> QWidget:
        return self

    @property
    def overlay_area(self) -> QWidget:
        return self.pane_area

    @property
    def renderer_description(self) -> str:
        return f"{self.mesh.renderer_name}, {self.mesh.renderer_details}"

    def show_source_menu(self) -> None:
        self.bar.source.showMenu()

    def notify(self, sentence: str) -> None:
        self._status_messages.notify(sentence)

    def add_tool(self, text: str, act: Callable[[], object], *, shortcut: str = "", help_text: str = "") -> QAction:
        action = key_action(self, text, act, shortcut)
        action.setToolTip(help_text or text)
        self.bar.tools.menu().addAction(action)
        self.bar.tools.show()
        return action

    def add_submenu(self, menu: QMenu) -> None:
        self.bar.tools.menu().addMenu(menu)

    def add_panel(
        self,
        name: str,
        widget: QWidget,
        *,
        area: Qt.DockWidgetArea = Qt.DockWidgetArea.RightDockWidgetArea,
        visible: bool = False,
        shortcut: str = "",
    ) -> QDockWidget:
        dock = dock_panel(self, name, widget, area, visible=visible)
        action = panel_action(dock, shortcut)
        self.bar.panels.menu().addAction(action)
        self.bar.panels.show()
        self.addAction(action)
        return dock

    def rebind_key(self, shortcut: str, text: str, act: Callable[[], object]) -> None:
        (action,) = (action for action in self.actions() if action.shortcut().toString() == shortcut)
        action.triggered.disconnect()
        action.triggered.connect(lambda _checked: act())
        action.setAutoRepeat(False)  # a button is pressed once, however long the key is held
        action.setText(text)

    def key_actions(self) -> list[QAction]:
        return self.actions()

    def keep_state(self, key: str, save: Callable[[], Any], restore: Callable[[Any], None]) -> None:
        self._kept_state[key] = (save, restore)

    def saved_state(self) -> dict[str, Any]:
        return {key: save() for key, (save, _) in self._kept_state.items()}

    def restore_state(self, values: dict[str, Any]) -> None:
        for key, (_, restore) in self._kept_state.items():
            if key in values:
                restore(values[key])

    # the window's own state

    def restore_geometry(self) -> bool:
        """Restores size and place; False where they are unknown or another size was requested.

        Apart from the rest of the state, because it needs a window that is built.
        """
        if self._options.settings_file is None or self._options.size is not None:
            return False
        geometry = load_settings(self._options.settings_file).settings.geometry
        return bool(geometry) and self.restoreGeometry(_bytes(geometry))

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._theme_applier.apply(theme)
        for pane in self.panes.values():
            pane.set_theme(theme)
        for part in (self.bar, self.pane_area, self.compare_panel, self.output_panel):
            part.set_theme(theme)
        self.theme_changed.emit(theme)

    def follow_system_theme(self) -> None:
        """Takes the desktop's colours, unless the user chose some."""
        if self.follows_system:
            self.set_theme(system_theme())

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Disappears at once, then gives camera and engines back."""
        self.hide()
        self.closing.emit()
        self._numbers.stop()
        self._status_messages.stop()
        self.bar.source.watch.stop()
        if self._options.live_network is not None:
            self._options.live_network.break_off_loading()
        self.pipeline.close(_CLOSE_S)
        self._gate.shut()
        self.closed.emit()
        super().closeEvent(event)

    def _add_own_panels(self, *, both: bool) -> None:
        if both:
            self.add_panel("Output", self.output_panel, visible=True, shortcut="O")
        # the last one is in front
        self.add_panel("Comparison", self.compare_panel, visible=both, shortcut="C")

    def _keep_own_state(self) -> None:
        # view and output are taken up with the command line, which overrides them, and the geometry before the window
        # is shown; a start with one path has no choice of views and fewer panels, and leaves those of the last time
        if len(self.views) > 1:
            self.keep_state("view", lambda: self.pane_area.view, lambda _view: None)
            self.keep_state("panels", lambda: _text(self.saveState()), self._restore_panels)
        self.keep_state("output", lambda: self.chooser.settings.mode.value, lambda _mode: None)
        self.keep_state("geometry", lambda: _text(self.saveGeometry()), lambda _geometry: None)

    def _restore_panels(self, panels: str) -> None:
        if panels:
            self.restoreState(_bytes(panels))

    def _pull(self) -> None:
        self.pipeline.begin_pull()
        source = self.pipeline.source_state
        self.presenter.pull()
        self.bar.source.show_source(source.name, source.facts)
        self._status_messages.update(
            source, {path_id: self.presenter.situation(path_id) for path_id in self.pipeline.path_ids}
        )

    def _plan(self) -> None:
        """Passes the visible panes and their sizes to the paths' threads."""
        self.painter.change(picture_sizes_px={pane.name: pane.picture.size_px for pane in self.pane_area.shown_panes})
        self._caption_scenes()
        self.presenter.expect_other_panes()
        self.pipeline.redraw()

    def _caption_scenes(self) -> None:
        self.pane_area.caption_scenes(legend=self.painter.plan.by_disagreement and len(self.pipeline.path_ids) > 1)

    def _connect(self) -> None:
        # queued: the signal is emitted in other threads
        self._notifier.updated.connect(self._pull, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self.presenter.result_shown.connect(self.result_shown)
        self.presenter.output_turned.connect(self._numbers.mark_output)
        for pane in self.panes.values():
            pane.resized.connect(self._plan)
            pane.scene.redraw_requested.connect(self.pipeline.redraw)
        for path_id in self.pipeline.path_ids:
            self.panes[path_id].heading.switched.connect(lambda wanted, who=path_id: self.set_enabled(who, wanted))
        link_orbits([pane.scene for pane in self.panes.values()])
        install_controls(self)


def _text(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode("ascii")


def _bytes(text: str) -> QByteArray:
    return QByteArray.fromBase64(text.encode("ascii", errors="ignore"))
