"""From the pipeline onto the panes: pulls new results, shows them, and measures when they are painted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from PyQt6.QtCore import QObject, Qt, pyqtSignal

from app.pipeline.capture_thread import SourcePhase
from app.pipeline.live import LivePipeline
from app.pipeline.metrics.path_statistics import PathStatistics
from app.pipeline.result_synchronizer import Composition, JoinedResult
from app.pipeline.worker import PathPhase
from app.rendering.display import show_picture
from app.rendering.pane_renderer import Display, OwnDrawing
from app.ui.window.pane import Pane
from app.ui.window.pane_area import PaneArea
from app.ui.window.status_messages import PathSituation
from hand.camera import Intrinsics
from hand.types import HandOrigin, PathId, PathResult

_NO_HAND_AFTER_NS = 700_000_000


class ResultPresenter(QObject):
    """The result on the screen, and statistics of the results so far."""

    result_shown = pyqtSignal()
    """A new frame is on the screen, in both views of every pane."""
    output_turned = pyqtSignal()
    """Another path is the output."""
    _all_painted = pyqtSignal()

    def __init__(
        self,
        pipeline: LivePipeline[OwnDrawing[Any], Display[Any]],
        pane_area: PaneArea,
        panes: Sequence[Pane],
        parent: QObject,
    ) -> None:
        """Starts empty.

        Args:
            pipeline: where everything comes from.
            pane_area: with the panes on the screen.
            panes: all there are.
            parent: owns it.
        """
        super().__init__(parent)
        self._pipeline = pipeline
        self._pane_area = pane_area
        self._panes = panes
        self._path_ids = pipeline.path_ids
        self._statistics = {path_id: PathStatistics() for path_id in self._path_ids}
        self._drops_before = dict.fromkeys(self._path_ids, 0)
        self._hand_seen_ns = dict.fromkeys(self._path_ids, 0)
        self._last_results: dict[PathId, PathResult] = {}
        self._unshown: dict[PathId, PathResult] = {}
        self._unpainted: set[str] = set()
        self._source_begun_ns = 0
        self.delivering: set[PathId] = set()
        """Paths that have given results since they started."""
        self.joined: JoinedResult | None = None
        """The paths' results for the frame on the screen."""
        self.intrinsics: Intrinsics | None = None
        """Of the frame on the screen."""
        # queued: a listener that changes the layout from inside a paint event takes OpenGL down
        self._all_painted.connect(self.result_shown, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]
        for pane in panes:
            pane.painted.connect(self._painted)

    def begin_source(self) -> None:
        """Removes what belongs to the previous source; called before another one is shown."""
        self._source_begun_ns = time.monotonic_ns()
        for path_id, statistics in self._statistics.items():
            statistics.reset()
            self._drops_before[path_id] = self._pipeline.drops(path_id)
        self._last_results, self._unshown, self.joined, self.intrinsics = {}, {}, None, None
        for pane in self._panes:
            pane.clear()

    def await_hands(self) -> None:
        """Starts to measure for how long no hand has been found."""
        self._hand_seen_ns = dict.fromkeys(self._path_ids, time.monotonic_ns())

    def expect_other_panes(self) -> None:
        """Panes or their sizes changed: what was to be painted is not awaited any more."""
        self._unpainted.clear()

    def pull(self) -> None:
        """Shows what is new."""
        composition = self._pipeline.take_composition()
        if composition is not None and not self._is_of_source_before(composition):
            self._show(composition)
        for path_id in tuple(self.delivering):
            if self._pipeline.path_state(path_id).phase is not PathPhase.RUNNING:
                self.delivering.remove(path_id)
        self._pipeline.preview_enabled = not self.delivering
        if not self.delivering:
            self._show_bare_frame()

    def statistics(self, path_id: PathId) -> PathStatistics:
        """Rate and latency of a path, as far as it is on the screen."""
        return self._statistics[path_id]

    def measure_anew(self) -> None:
        """Resets rates, latencies and drops, and keeps them from now on; for benchmarks."""
        for path_id in self._path_ids:
            self._statistics[path_id] = PathStatistics(window=None)
            self._drops_before[path_id] = self._pipeline.drops(path_id)

    def drops(self, path_id: PathId) -> int:
        """Frames that a path skipped since it delivers this source."""
        return self._pipeline.drops(path_id) - self._drops_before[path_id]

    def situation(self, path_id: PathId) -> PathSituation:
        """Message about a path."""
        result = self._last_results.get(path_id)
        without = result is not None and (
            result.frame.arrival_time_ns - self._hand_seen_ns[path_id] > _NO_HAND_AFTER_NS
        )
        return PathSituation(
            self._pipeline.path_state(path_id),
            path_id in self.delivering,
            without,
            "" if result is None else result.message,
        )

    def _is_of_source_before(self, composition: Composition[Display[Any]]) -> bool:
        """Whether it was still at work when another source was chosen; a redrawn view may ask for it long after."""
        if self._pipeline.source_state.phase is SourcePhase.OPENING:
            return True
        return composition.joined.frame.arrival_time_ns < self._source_begun_ns

    def _show(self, composition: Composition[Display[Any]]) -> None:
        for path_id, result in composition.measured.items():
            if path_id not in self.delivering:
                self.delivering.add(path_id)
                self._drops_before[path_id] = self._pipeline.drops(path_id)  # while the engine was loading
            if result.states:
                self._hand_seen_ns[path_id] = result.frame.arrival_time_ns
            self._last_results[path_id] = result
            self._unshown[path_id] = result
        if not composition.joined.late:
            turned = self.joined is None or _who(self.joined) != _who(composition.joined)
            self.joined = composition.joined
            if turned:
                self.output_turned.emit()
        self.intrinsics = composition.joined.frame.intrinsics
        for pane in self._pane_area.shown_panes:
            display = composition.panes.get(pane.name)
            if display is not None:
                # a view that was only turned gets the last frame once more, which is no new measurement
                fresh = pane.display is None or display.frame is not pane.display.frame
                pane.show_display(display, fresh=fresh)
                if fresh:
                    self._unpainted.add(pane.name)

    def _show_bare_frame(self) -> None:
        """The picture goes on while no path works."""
        frame = self._pipeline.take_frame()
        if frame is not None:
            self.intrinsics = frame.intrinsics
            self._unpainted.clear()
            for pane in self._pane_area.shown_panes:
                pane.show_bare(show_picture(frame.image_rgb, pane.picture.size_px))

    def _painted(self, name: str) -> None:
        if name not in self._unpainted:
            return
        self._unpainted.remove(name)
        now_ns = time.monotonic_ns()
        shown = (p for p in self._path_ids if name == p or name in ("combined", "output"))
        for path_id in shown:
            result = self._unshown.pop(path_id, None)
            if result is not None:
                self._statistics[path_id].record(result, now_ns)
        if not self._unpainted:
            self._all_painted.emit()


def _who(joined: JoinedResult) -> HandOrigin | None:
    return None if joined.output is None else joined.output.origin
