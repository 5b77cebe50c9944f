"""The main window: both paths on the same frame, in the view the user chose, with panels at the edges."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QAction, QCloseEvent, QKeySequence
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QStatusBar, QTabBar, QTabWidget, QVBoxLayout, QWidget

from app.palette import DARK, LIGHT, Theme
from app.pipeline.capture import SourcePhase
from app.pipeline.comparison import BOTH, Comparison
from app.pipeline.joiner import JoinedResult
from app.pipeline.live import Composition, LivePipeline
from app.pipeline.output_hand import OutputChooser
from app.pipeline.statistics import PathStatistics
from app.pipeline.worker import PATH_NAMES, PathPhase
from app.rendering.display import show_picture
from app.rendering.hand_mesh import HandMeshBuilder
from app.rendering.screen import Display, OwnDrawing, PaneName, ScreenPainter
from app.sources.choose import DEMO, ChosenSource, UnusableSource, choose_source
from app.ui.comparison_panel import ComparisonPanel, path_words
from app.ui.extensions import install_extensions
from app.ui.mesh_backend import make_mesh_view
from app.ui.mesh_view import MeshView
from app.ui.narrator import Narrator, PathSituation, Remedies
from app.ui.output_panel import OutputPanel
from app.ui.pane import Pane, link_orbits
from app.ui.picture_view import PictureView
from app.ui.stage import Stage
from app.ui.status_strip import StatusStrip
from app.ui.style import SPACING_PX, palette, style_sheet, system_theme, theme_named
from app.ui.top_bar import TopBar
from app.ui.view_switch import VIEW_ORDER
from app.ui.window_options import ViewName, WindowOptions
from app.ui.wipe_view import WipeView
from hand.camera import Intrinsics
from hand.errors import SourceError
from hand.types import Frame, PathResult, Provider

_NUMBERS_EVERY_MS = 400
_NO_HAND_AFTER_NS = 700_000_000
_TITLES: dict[PaneName, str] = {
    "network": PATH_NAMES["network"],
    "ik": PATH_NAMES["ik"],
    "combined": "Both paths",
    "output": "Output",
}


class _NewsBell(QObject):
    """Carries the pipeline's news into the GUI thread; without content, so that nothing queues up."""

    rang = pyqtSignal()


class MainWindow(QMainWindow):
    """Owns the pipeline; pulls when told that there is news."""

    result_shown = pyqtSignal()
    """A new frame is on the screen, in both views of every pane."""
    _all_painted = pyqtSignal()
    closing = pyqtSignal()
    """The window closes; the pipeline still runs."""
    theme_changed = pyqtSignal(object)
    """Other colours, an :class:`app.palette.Theme`."""

    def __init__(self, options: WindowOptions) -> None:
        """Builds the window and starts the pipeline."""
        super().__init__()
        self._options = options
        self._chosen = options.chosen
        self._theme = theme_named(options.theme)
        self._follows_system = options.theme == "system"
        self._providers: tuple[Provider, ...] = tuple(options.paths)
        self._statistics = {provider: PathStatistics() for provider in self._providers}
        self._drops_before = dict.fromkeys(self._providers, 0)
        self._hand_seen_ns = dict.fromkeys(self._providers, 0)
        self._last_results: dict[Provider, PathResult] = {}
        self._unshown: dict[Provider, PathResult] = {}
        self._unpainted: set[str] = set()
        self._delivering: set[Provider] = set()
        self._joined: JoinedResult | None = None
        self._intrinsics: Intrinsics | None = None
        self.bar = TopBar()
        self.panes = self._make_panes()
        self.stage = Stage(self.panes, self._first_view())
        self.status = StatusStrip()
        self._lay_out()
        self.painter: ScreenPainter[Any] = ScreenPainter(
            HandMeshBuilder(options.model), {name: pane.scene.prepare for name, pane in self.panes.items()}
        )
        self.chooser = OutputChooser(options.model)
        self.comparison = Comparison()
        self._bell = _NewsBell(self)
        self.pipeline: LivePipeline[OwnDrawing[Any], Display[Any]] = LivePipeline(
            options.paths,
            self.painter.prepare,
            self._bell.rang.emit,
            lens=options.lens,
            retry_s=options.retry_s,
            compose=self.painter.compose,
            output=self.chooser,
        )
        self.pipeline.add_listener("comparison", self.comparison.record)
        remedies = Remedies(self.bar.source.showMenu, self.replay, lambda: self.choose(DEMO))
        self._narrator = Narrator(self.stage, remedies)
        self._numbers = QTimer(self)
        self._connect()
        self._add_own_panels()
        install_extensions(self)
        self.set_theme(self._theme)
        self.show_view(self.stage.view)
        self.pipeline.start()
        self._numbers.start(_NUMBERS_EVERY_MS)
        self.show_source(options.chosen)

    # what the user does

    def choose(self, text: str) -> None:
        """Switches to the source that a text names; what is wrong with it is said over the panes."""
        try:
            chosen = choose_source(text, self._options.wishes)
        except SourceError as error:
            chosen = ChosenSource(UnusableSource(text, str(error)))
        self.show_source(chosen)

    def show_source(self, chosen: ChosenSource) -> None:
        """Switches to a source."""
        self._chosen = chosen
        mirror = self._options.mirror if self._options.mirror is not None else chosen.is_camera
        self.bar.mirror.setChecked(mirror)
        self.pipeline.mirror = mirror
        for provider, statistics in self._statistics.items():
            statistics.reset()
            self._drops_before[provider] = self.pipeline.drops(provider)
        self._last_results, self._unshown, self._joined, self._intrinsics = {}, {}, None, None
        for pane in self.panes.values():
            pane.clear()
        self._narrator.notify(chosen.note)
        self.replay()

    def replay(self) -> None:
        """Plays the current source from its beginning."""
        self._hand_seen_ns = dict.fromkeys(self._providers, time.monotonic_ns())
        self.pipeline.show(self._chosen.source)

    def show_view(self, view: ViewName) -> None:
        """Shows the panes of a view; without a second path there is only one."""
        if view not in self._views():
            return
        self.stage.show_view(view)
        self.bar.views.show_choice(view)
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

    def set_wanted(self, provider: Provider, wanted: bool) -> None:
        """Switches a path on or off; the other one goes on."""
        self.pipeline.set_wanted(provider, wanted)
        if provider in self.panes:
            self.panes[provider].heading.switch.setChecked(wanted)

    @property
    def picture(self) -> PictureView:
        """The picture of the first pane on the screen."""
        return self.stage.shown_panes[0].picture

    @property
    def mesh(self) -> MeshView:
        """The 3D view of the first pane on the screen."""
        return self.stage.shown_panes[0].scene

    @property
    def joined(self) -> JoinedResult | None:
        """What the paths said about the frame on the screen."""
        return self._joined

    @property
    def options(self) -> WindowOptions:
        """What the window was started with."""
        return self._options

    @property
    def theme(self) -> Theme:
        """The colours in use; ``theme_changed`` tells of others."""
        return self._theme

    def notify(self, sentence: str) -> None:
        """Shows a sentence over the panes for a while."""
        self._narrator.notify(sentence)

    def statistics(self, provider: Provider) -> PathStatistics:
        """Rate and latency of a path, as far as it is on the screen."""
        return self._statistics[provider]

    def measure_anew(self) -> None:
        """Forgets rates, latencies and drops, and from now on forgets nothing; for benchmarks."""
        for provider in self._providers:
            self._statistics[provider] = PathStatistics(window=None)
            self._drops_before[provider] = self.pipeline.drops(provider)

    def drops(self, provider: Provider) -> int:
        """Frames that a path skipped since it delivers this source."""
        return self.pipeline.drops(provider) - self._drops_before[provider]

    # what extensions may add

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
        action = QAction(text, self)
        action.setShortcut(QKeySequence(shortcut))
        action.setToolTip(help_text or text)
        action.triggered.connect(lambda _checked: act())
        self.bar.tools.menu().addAction(action)
        self.bar.tools.show()
        self.addAction(action)
        return action

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
        dock = QDockWidget(name, self)
        dock.setObjectName(f"panel {name}")
        dock.setWidget(_with_margin(widget, area))
        # one that could not be closed would have its line in the menu switched off by Qt
        dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetClosable)
        dock.setTitleBarWidget(QWidget())  # the tab says its name
        neighbors = [other for other in self.findChildren(QDockWidget) if self.dockWidgetArea(other) == area]
        self.addDockWidget(area, dock)
        if neighbors:
            self.tabifyDockWidget(neighbors[-1], dock)
            for tabs in self.findChildren(QTabBar):
                tabs.setDrawBase(False)
                tabs.setExpanding(False)
        dock.setVisible(visible)
        action = dock.toggleViewAction()
        assert action is not None
        action.setShortcut(QKeySequence(shortcut))
        # a panel that is asked for comes to the front of its tabs
        action.triggered.connect(lambda shown: dock.raise_() if shown else None)
        self.bar.panels.menu().addAction(action)
        self.bar.panels.show()
        self.addAction(action)
        return dock

    def set_theme(self, theme: Theme) -> None:
        """Takes the colours of a theme."""
        self._theme = theme
        self.setPalette(palette(theme))
        self.setStyleSheet(style_sheet(theme))
        for pane in self.panes.values():
            pane.set_theme(theme)
        for part in (self.bar, self.stage, self.compare_panel, self.output_panel):
            part.set_theme(theme)
        self.theme_changed.emit(theme)

    def follow_system_theme(self) -> None:
        """Takes the desktop's colours, unless the user chose some."""
        if self._follows_system:
            self.set_theme(system_theme())

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Disappears at once, then gives camera and engines back."""
        self.hide()
        self.closing.emit()
        self._numbers.stop()
        self._narrator.stop()
        self.bar.source.stop()
        self.pipeline.close()
        super().closeEvent(event)

    # what the pipeline says

    def _pull(self) -> None:
        self.pipeline.begin_pull()
        source = self.pipeline.source_state
        composition = self.pipeline.take_composition()
        # while another source opens, what still comes belongs to the one before
        if composition is not None and source.phase is not SourcePhase.OPENING:
            self._show(composition)
        for provider in tuple(self._delivering):
            if self.pipeline.path_state(provider).phase is not PathPhase.RUNNING:
                self._delivering.remove(provider)
        if not self._delivering:
            self._show_bare_frame()
        self.bar.source.set_source_name(source.name)
        self._narrator.tell(source, {provider: self._situation(provider) for provider in self._providers})

    def _show(self, composition: Composition[Display[Any]]) -> None:
        for provider, result in composition.measured.items():
            if provider not in self._delivering:
                self._delivering.add(provider)
                self._drops_before[provider] = self.pipeline.drops(provider)  # while the engine was loading
            if result.states:
                self._hand_seen_ns[provider] = result.frame.capture_time_ns
            self._last_results[provider] = result
            self._unshown[provider] = result
        if not composition.joined.late:
            turned = self._joined is None or _who(self._joined) != _who(composition.joined)
            self._joined = composition.joined
            if turned:
                self._mark_output()
        self._intrinsics = composition.joined.frame.intrinsics
        for pane in self.stage.shown_panes:
            display = composition.panes.get(pane.name)
            if display is not None:
                # a view that was only turned gets the last frame once more, which is no new measurement
                fresh = pane.display is None or display.frame is not pane.display.frame
                pane.show_display(display, fresh=fresh)
                if fresh:
                    self._unpainted.add(pane.name)

    def _show_bare_frame(self) -> None:
        """The picture goes on while no path works."""
        frame: Frame | None = self.pipeline.take_frame()
        if frame is not None:
            self._intrinsics = frame.intrinsics
            self._unpainted.clear()
            for pane in self.stage.shown_panes:
                pane.show_bare(show_picture(frame.image_rgb, pane.picture.size_px))

    def _painted(self, name: str) -> None:
        if name not in self._unpainted:
            return
        self._unpainted.remove(name)
        now_ns = time.monotonic_ns()
        shown: tuple[Provider, ...] = tuple(p for p in self._providers if name == p or name in ("combined", "output"))
        for provider in shown:
            result = self._unshown.pop(provider, None)
            if result is not None:
                self._statistics[provider].record(result, now_ns)
        if not self._unpainted:
            self._all_painted.emit()

    def _situation(self, provider: Provider) -> PathSituation:
        result = self._last_results.get(provider)
        without = result is not None and (
            result.frame.capture_time_ns - self._hand_seen_ns[provider] > _NO_HAND_AFTER_NS
        )
        return PathSituation(
            self.pipeline.path_state(provider),
            provider in self._delivering,
            without,
            "" if result is None else result.message,
        )

    def _mark_output(self) -> None:
        """Says at the panes which hand counts, and why."""
        joined = self._joined
        output = joined.outputs[0] if joined is not None and joined.outputs else None
        for name, pane in self.panes.items():
            follows = output is not None and (name == output.provider or name in ("combined", "output"))
            pane.heading.mark(follows and name in self._providers and len(self._providers) > 1)
            if not follows or output is None or len(self._providers) == 1:
                pane.picture.word("")
            else:
                who = "" if output.provider == "network" else "IK, as "
                pane.picture.word(f"Output: {who}{output.reason}")

    def _show_numbers(self) -> None:
        state = self.pipeline.source_state
        self.status.show_source(state.name, state.facts, self._intrinsics)
        now_ns = time.monotonic_ns()
        shown = [provider for provider in self._providers if self._statistics[provider].frames]
        self.status.show_numbers(
            {provider: self._statistics[provider].summary(now_ns) for provider in shown},
            {provider: self.drops(provider) for provider in self._providers if provider in self._delivering},
        )
        self.status.renderer.set_value(self.mesh.renderer_name)
        self.status.renderer.setToolTip(self.mesh.renderer_details)
        numbers, series = self.comparison.numbers(), self.comparison.series()
        for provider in self._providers:
            words = path_words(numbers.paths[provider]) if provider in self._delivering else ""
            self.panes[provider].heading.set_numbers(words)
        self._mark_output()
        self.compare_panel.source_name = state.name
        if self.compare_panel.isVisible():
            self.compare_panel.refresh(numbers, series)
        if self.output_panel.isVisible():
            self.output_panel.refresh(self._joined, numbers, series)

    def _plan(self) -> None:
        """Tells the paths' threads what is on the screen."""
        self.painter.change(picture_sizes_px={pane.name: pane.picture.size_px for pane in self.stage.shown_panes})
        self._caption_scenes()
        self._unpainted.clear()
        self.pipeline.redraw()

    def _caption_scenes(self) -> None:
        legend = self.painter.plan.by_disagreement and len(self._providers) > 1
        for name, pane in self.panes.items():
            caption = "Network solid, IK translucent" if name == "combined" else ""
            pane.scene.caption(caption, legend=legend and name != "output")

    # how it is built

    def _make_panes(self) -> dict[PaneName, Pane]:
        names: list[PaneName] = list(self._providers)
        if len(self._providers) > 1:
            names = ["network", "ik", "combined", "output"]
        panes: dict[PaneName, Pane] = {}
        for name in names:
            picture = WipeView(PATH_NAMES["network"], PATH_NAMES["ik"]) if name == "combined" else PictureView()
            scene = make_mesh_view(self._options.renderer)
            switchable = len(self._providers) > 1 and name in self._providers
            panes[name] = Pane(name, _TITLES[name], picture, scene, switchable=switchable)
        return panes

    def _views(self) -> tuple[ViewName, ...]:
        return VIEW_ORDER if len(self._providers) > 1 else (self._providers[0],)

    def _first_view(self) -> ViewName:
        return self._options.view if self._options.view in self._views() else self._views()[0]

    def _lay_out(self) -> None:
        self.setWindowTitle("handlive")
        self.setDockOptions(QMainWindow.DockOption.AllowTabbedDocks)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        body = QWidget()
        body.setObjectName("body")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(SPACING_PX, SPACING_PX, SPACING_PX, 0)
        layout.addWidget(self.stage, 1)
        self.setCentralWidget(body)
        foot = QStatusBar()
        foot.setSizeGripEnabled(False)
        foot.setContentsMargins(SPACING_PX - 4, 0, SPACING_PX - 4, 0)
        foot.addWidget(self.status, 1)
        self.setStatusBar(foot)
        head = QWidget()
        head.setObjectName("bar")
        around = QVBoxLayout(head)
        around.setContentsMargins(SPACING_PX, SPACING_PX, SPACING_PX, 0)
        around.addWidget(self.bar)
        self.setMenuWidget(head)  # above the panels too
        only = len(self._providers) == 1
        self.bar.views.offer(self._views(), "There is only one path: no trained network is in use" if only else "")
        self.bar.views.setVisible(not only)
        self.bar.difference.setVisible(not only)

    def _add_own_panels(self) -> None:
        self.compare_panel = ComparisonPanel(self.comparison, self.notify)
        self.output_panel = OutputPanel(self.chooser)
        both = len(self._providers) > 1
        if both:
            self.add_panel("Output", self.output_panel, visible=True, shortcut="O")
        # the last one is in front
        self.add_panel("Comparison", self.compare_panel, visible=both, shortcut="C")

    def _connect(self) -> None:
        # queued: the bell rings in other threads
        self._bell.rang.connect(self._pull, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        # queued: a listener that changes the layout from inside a paint event takes OpenGL down
        self._all_painted.connect(self.result_shown, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self._numbers.timeout.connect(self._show_numbers)
        for pane in self.panes.values():
            pane.resized.connect(self._plan)
            pane.painted.connect(self._painted)
            pane.scene.redraw_wanted.connect(self._redraw)
        for provider in self._providers:
            heading = self.panes[provider].heading
            heading.switched.connect(lambda wanted, who=provider: self.set_wanted(who, wanted))
        link_orbits([pane.scene for pane in self.panes.values()])
        self.bar.source.chosen.connect(self.choose)
        self.bar.mirror.toggled.connect(self._set_mirror)
        self.bar.views.chosen.connect(self.show_view)
        self.bar.overlay.toggled.connect(self.show_overlay_mesh)
        self.bar.difference.toggled.connect(self.show_disagreement)
        self.bar.reset.clicked.connect(lambda _checked: self._reset_views())
        self.bar.theme.clicked.connect(lambda _checked: self._toggle_theme())
        keys: list[tuple[str, str, Callable[[], object]]] = [
            ("M", "Mirror the picture", self.bar.mirror.toggle),
            ("V", "Meshes or skeletons over the picture", self.bar.overlay.toggle),
            ("D", "Colour meshes by disagreement", self.bar.difference.toggle),
            ("R", "Reset the 3D views", self._reset_views),
            ("T", "Dark or light colours", self._toggle_theme),
            ("L", "Show or hide the detector's landmarks", self._toggle_landmarks),
            ("Space", "Play again at the end", self._replay_if_ended),
            ("F11", "Full screen", self._toggle_full_screen),
            ("Ctrl+Q", "Quit", self.close),
        ]
        keys += [(str(n), f"View: {view}", partial(self.show_view, view)) for n, view in enumerate(self._views(), 1)]
        if len(self._providers) > 1:
            for key, provider in zip("NI", BOTH, strict=True):
                switch = self.panes[provider].heading.switch
                keys.append((key, f"Switch {PATH_NAMES[provider]} off or on", switch.toggle))
        for key, text, act in keys:
            action = QAction(text, self)
            action.setShortcut(QKeySequence(key))
            action.triggered.connect(lambda _checked, act=act: act())
            self.addAction(action)
        self.addActions(self.bar.source.actions_with_keys)

    def _redraw(self) -> None:
        self.pipeline.redraw()

    def _reset_views(self) -> None:
        for pane in self.panes.values():
            pane.scene.reset()

    def _set_mirror(self, mirror: bool) -> None:
        self.pipeline.mirror = mirror

    def _toggle_theme(self) -> None:
        self._follows_system = False
        self.set_theme(LIGHT if self._theme is DARK else DARK)

    def _toggle_landmarks(self) -> None:
        self.painter.change(landmarks=not self.painter.plan.landmarks)
        self.pipeline.redraw()

    def _replay_if_ended(self) -> None:
        if self.pipeline.source_state.phase is SourcePhase.ENDED:
            self.replay()

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)


def _with_margin(widget: QWidget, area: Qt.DockWidgetArea) -> QWidget:
    """Puts a panel in line with the panes."""
    around = QWidget()
    layout = QVBoxLayout(around)
    left = 0 if area == Qt.DockWidgetArea.RightDockWidgetArea else SPACING_PX
    right = 0 if area == Qt.DockWidgetArea.LeftDockWidgetArea else SPACING_PX
    layout.setContentsMargins(left, 8, right, 0)
    layout.addWidget(widget)
    return around


def _who(joined: JoinedResult) -> Provider | None:
    return None if joined.output is None else joined.output.provider
