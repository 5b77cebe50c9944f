"""The main window: the picture on the left, the hand in 3D on the right, numbers below."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QAction, QCloseEvent, QKeySequence
from PyQt6.QtWidgets import QDockWidget, QMainWindow, QSplitter, QVBoxLayout, QWidget

from app.palette import DARK, LIGHT, Theme
from app.pipeline.capture import SourcePhase
from app.pipeline.live import LivePipeline
from app.pipeline.output_hand import OutputChooser
from app.pipeline.statistics import PathStatistics
from app.pipeline.worker import PATH_NAMES, PathPhase, PathUpdate
from app.rendering.display import Display, DisplayPreparer, show_picture
from app.rendering.hand_mesh import HandMeshBuilder
from app.sources.choose import DEMO, ChosenSource, UnusableSource, choose_source
from app.ui.extensions import install_extensions
from app.ui.mesh_backend import make_mesh_view
from app.ui.mesh_view import MeshView
from app.ui.narrator import Narrator, Remedies
from app.ui.picture_view import PictureView
from app.ui.status_strip import StatusStrip
from app.ui.style import SPACING_PX, palette, style_sheet, system_theme, theme_named
from app.ui.top_bar import TopBar
from app.ui.window_options import WindowOptions
from hand.camera import Intrinsics
from hand.errors import SourceError
from hand.types import Provider

_NUMBERS_EVERY_MS = 400
_NO_HAND_AFTER_NS = 700_000_000
_PICTURE_SHARE = 62


class _NewsBell(QObject):
    """Carries the pipeline's news into the GUI thread; without content, so that nothing queues up."""

    rang = pyqtSignal()


class MainWindow(QMainWindow):
    """Owns the pipeline; pulls when told that there is news."""

    result_shown = pyqtSignal()
    """A result is on the screen, in both views."""
    closing = pyqtSignal()
    """The window closes; the pipeline still runs."""
    theme_changed = pyqtSignal(object)
    """Other colours, an :class:`app.palette.Theme`."""

    def __init__(self, options: WindowOptions) -> None:
        """Builds the window and starts the pipeline."""
        super().__init__()
        self._options = options
        self._provider: Provider = options.provider
        self._chosen = options.chosen
        self._theme = theme_named(options.theme)
        self._follows_system = options.theme == "system"
        self._statistics = PathStatistics()
        self._unpainted: set[str] = set()
        self._update: PathUpdate[Display[Any]] | None = None
        self._path_delivers = False
        self._drops_before = 0
        self._hand_seen_ns = 0
        self._intrinsics: Intrinsics | None = None
        self.bar = TopBar()
        self.picture = PictureView()
        self.mesh: MeshView = make_mesh_view(options.renderer, PATH_NAMES[options.provider])
        self.status = StatusStrip()
        self._lay_out()
        self._preparer: DisplayPreparer[Any] = DisplayPreparer(HandMeshBuilder(options.model), self.mesh.prepare)
        self._bell = _NewsBell(self)
        self.pipeline: LivePipeline[Display[Any], Any] = LivePipeline(
            {self._provider: options.paths[self._provider]},
            self._preparer,
            self._bell.rang.emit,
            lens=options.lens,
            retry_s=options.retry_s,
            output=OutputChooser(options.model),
        )
        remedies = Remedies(self.bar.source.showMenu, self.replay, lambda: self.choose(DEMO))
        self._narrator = Narrator(self.picture, self._provider, remedies)
        self._numbers = QTimer(self)
        self._connect()
        install_extensions(self)
        self.set_theme(self._theme)
        self.pipeline.start()
        self._numbers.start(_NUMBERS_EVERY_MS)
        self.show_source(options.chosen)

    # what the user does

    def choose(self, text: str) -> None:
        """Switches to the source that a text names; what is wrong with it is said in the picture area."""
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
        self._statistics.reset()
        self._drops_before = self.pipeline.drops(self._provider)
        self._update, self._intrinsics = None, None
        self.picture.clear()
        self.mesh.clear()
        self._narrator.notify(chosen.note)
        self.replay()

    def replay(self) -> None:
        """Plays the current source from its beginning."""
        self._hand_seen_ns = time.monotonic_ns()
        self.pipeline.show(self._chosen.source)

    @property
    def options(self) -> WindowOptions:
        """What the window was started with."""
        return self._options

    @property
    def theme(self) -> Theme:
        """The colours in use; ``theme_changed`` tells of others."""
        return self._theme

    def notify(self, sentence: str) -> None:
        """Shows a sentence over the picture for a while."""
        self._narrator.notify(sentence)

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
        dock.setWidget(widget)
        dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetClosable)
        neighbors = [other for other in self.findChildren(QDockWidget) if self.dockWidgetArea(other) == area]
        self.addDockWidget(area, dock)
        if neighbors:
            self.tabifyDockWidget(neighbors[-1], dock)
        dock.setVisible(visible)
        action = dock.toggleViewAction()
        assert action is not None
        action.setShortcut(QKeySequence(shortcut))
        self.bar.panels.menu().addAction(action)
        self.bar.panels.show()
        self.addAction(action)
        return dock

    def set_theme(self, theme: Theme) -> None:
        """Takes the colours of a theme."""
        self._theme = theme
        self.setPalette(palette(theme))
        self.setStyleSheet(style_sheet(theme))
        for part in (self.bar, self.picture, self.mesh):
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
        source, path = self.pipeline.source_state, self.pipeline.path_state(self._provider)
        update = self.pipeline.take_update(self._provider)
        # while another source opens, what still comes belongs to the one before
        if update is not None and source.phase is not SourcePhase.OPENING:
            if not self._path_delivers:
                self._path_delivers = True
                self._drops_before = self.pipeline.drops(self._provider)  # while the engine was loading
            self._show_update(update)
        if path.phase is PathPhase.FAILED:
            self._path_delivers = False
        if not self._path_delivers:
            self._show_bare_frame()
        self.bar.source.set_source_name(source.name)
        self._narrator.tell(
            source,
            path,
            path_delivers=self._path_delivers,
            no_hand=self._is_without_hand(),
            path_word=self._update.result.message if self._update else "",
        )

    def _show_update(self, update: PathUpdate[Display[Any]]) -> None:
        frame = update.result.frame
        if update.result.states:
            self._hand_seen_ns = frame.capture_time_ns
        # a view that was only turned gets the last result once more, which is no new measurement
        fresh = self._update is None or update.result is not self._update.result
        self._update = update
        self._intrinsics = frame.intrinsics
        self._unpainted = {"picture", "mesh"} if fresh else set()
        self.picture.show_picture(update.prepared.picture)
        self.mesh.show_mesh(update.prepared.mesh)

    def _show_bare_frame(self) -> None:
        """The picture goes on while no path works."""
        frame = self.pipeline.take_frame()
        if frame is not None:
            self._intrinsics = frame.intrinsics
            self._unpainted.clear()
            self.picture.show_picture(show_picture(frame.image_rgb, self.picture.size_px))
            self.mesh.clear()

    def _painted(self, view: str) -> None:
        if view not in self._unpainted or self._update is None:
            return
        self._unpainted.remove(view)
        if not self._unpainted:
            self._statistics.record(self._update.result, time.monotonic_ns())
            self.result_shown.emit()

    def _is_without_hand(self) -> bool:
        if self._update is None:
            return False
        return self._update.result.frame.capture_time_ns - self._hand_seen_ns > _NO_HAND_AFTER_NS

    def _show_numbers(self) -> None:
        state = self.pipeline.source_state
        self.status.show_source(state.name, state.facts, self._intrinsics)
        self.status.show_numbers(
            self._statistics.summary(time.monotonic_ns()), self.pipeline.drops(self._provider) - self._drops_before
        )
        self.status.renderer.set_value(self.mesh.renderer_name)
        self.status.renderer.setToolTip(self.mesh.renderer_details)

    def _resize_pictures(self) -> None:
        self._preparer.view_size_px = self.picture.size_px
        self.pipeline.redraw()

    # how it is built

    def _lay_out(self) -> None:
        self.setWindowTitle("handlive")
        views = QSplitter(Qt.Orientation.Horizontal)
        views.setHandleWidth(SPACING_PX)
        views.setChildrenCollapsible(False)
        views.addWidget(self.picture)
        views.addWidget(self.mesh.widget)
        views.setStretchFactor(0, 3)
        views.setStretchFactor(1, 2)
        views.setSizes([_PICTURE_SHARE, 100 - _PICTURE_SHARE])
        body = QWidget()
        body.setObjectName("body")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(SPACING_PX, SPACING_PX, SPACING_PX, SPACING_PX)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self.bar)
        layout.addWidget(views, 1)
        layout.addWidget(self.status)
        self.setCentralWidget(body)

    def _connect(self) -> None:
        # queued: the bell rings in other threads
        self._bell.rang.connect(self._pull, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        self._numbers.timeout.connect(self._show_numbers)
        self.picture.resized.connect(self._resize_pictures)
        self.picture.painted.connect(lambda: self._painted("picture"))
        self.mesh.painted.connect(lambda: self._painted("mesh"))
        self.mesh.redraw_wanted.connect(self.pipeline.redraw)
        self.bar.source.chosen.connect(self.choose)
        self.bar.mirror.toggled.connect(self._set_mirror)
        self.bar.reset.clicked.connect(lambda _checked: self.mesh.reset())
        self.bar.theme.clicked.connect(lambda _checked: self._toggle_theme())
        for keys, act in (
            ("M", self.bar.mirror.toggle),
            ("R", self.mesh.reset),
            ("T", self._toggle_theme),
            ("L", self._toggle_landmarks),
            ("Space", self._replay_if_ended),
            ("F11", self._toggle_full_screen),
            ("Ctrl+Q", self.close),
        ):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked, act=act: act())
            self.addAction(action)
        self.addActions(self.bar.source.actions_with_keys)

    def _set_mirror(self, mirror: bool) -> None:
        self.pipeline.mirror = mirror

    def _toggle_theme(self) -> None:
        self._follows_system = False
        self.set_theme(LIGHT if self._theme is DARK else DARK)

    def _toggle_landmarks(self) -> None:
        self.picture.landmarks_shown = not self.picture.landmarks_shown
        self.picture.update()

    def _replay_if_ended(self) -> None:
        if self.pipeline.source_state.phase is SourcePhase.ENDED:
            self.replay()

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)
