"""Everything in the window that is a number or a curve, brought up to date a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QObject, QTimer

from app.output_texts import HAND_NAMES, reason_text
from app.pipeline.live import LivePipeline
from app.pipeline.metrics.comparison import Comparison
from app.ui.panels.comparison_panel import ComparisonPanel, path_numbers_text
from app.ui.panels.output_panel import OutputPanel
from app.ui.widgets.visibility import is_seen
from app.ui.window.pane_area import PaneArea
from app.ui.window.result_presenter import ResultPresenter
from app.ui.window.status_bar import StatusStrip

_EVERY_MS = 500
"""What changes more often can hardly be read."""


class MetricsRefresher:
    """Fills the strip at the foot, the headings of the panes and the panels that are open."""

    def __init__(
        self,
        pipeline: LivePipeline[Any, Any],
        presenter: ResultPresenter,
        pane_area: PaneArea,
        status: StatusStrip,
        comparison: Comparison,
        *,
        compare_panel: ComparisonPanel,
        output_panel: OutputPanel,
        renderer: Callable[[], tuple[str, str]],
        parent: QObject,
    ) -> None:
        """Prepares the timer without starting it.

        Args:
            pipeline: source and paths.
            presenter: results on the screen.
            pane_area: the panes that it shows have rates in their headings.
            status: the line at the foot.
            comparison: of the paths.
            compare_panel: refreshed while it is on the screen.
            output_panel: likewise.
            renderer: name and details of what draws the shown 3D view.
            parent: owns the timer.
        """
        self._pipeline = pipeline
        self._presenter = presenter
        self._pane_area = pane_area
        self._status = status
        self._comparison = comparison
        self._compare_panel = compare_panel
        self._output_panel = output_panel
        self._renderer = renderer
        self._timer = QTimer(parent)
        self._timer.timeout.connect(self.refresh)

    def start(self) -> None:
        self._timer.start(_EVERY_MS)

    def stop(self) -> None:
        self._timer.stop()

    def refresh(self) -> None:
        """Shows the present numbers."""
        presenter, status = self._presenter, self._status
        state = self._pipeline.source_state
        status.show_source(state.name, state.facts, presenter.intrinsics)
        now_ns = time.monotonic_ns()
        path_ids = self._pipeline.path_ids
        measured = [path_id for path_id in path_ids if presenter.statistics(path_id).frames]
        status.show_numbers(
            {path_id: presenter.statistics(path_id).summary(now_ns) for path_id in measured},
            {path_id: presenter.drops(path_id) for path_id in path_ids if path_id in presenter.delivering},
        )
        name, details = self._renderer()
        status.renderer.set_value(name)
        status.renderer.setToolTip(details)
        numbers = self._comparison.numbers()
        headings = {pane.name: pane.heading for pane in self._pane_area.shown_panes}
        for path_id in path_ids:
            if path_id in headings:
                text = path_numbers_text(numbers.paths[path_id]) if path_id in presenter.delivering else ""
                headings[path_id].set_numbers(text)
        self.mark_output()
        self._compare_panel.source_name = state.name
        if is_seen(self._compare_panel):
            self._compare_panel.refresh(numbers, self._comparison.series())
        if is_seen(self._output_panel):
            self._output_panel.refresh(presenter.joined, numbers, self._comparison.series())

    def mark_output(self) -> None:
        """Marks the panes of the output hand, with the reason why it is the output.

        Panes that are not shown are left alone: each new caption is drawn as a picture of its own.
        """
        joined, path_ids = self._presenter.joined, self._pipeline.path_ids
        output = joined.outputs[0] if joined is not None and joined.outputs else None
        for pane in self._pane_area.shown_panes:
            if pane.name == "output":
                origin = "" if output is None else f": {HAND_NAMES[output.origin]}"
                pane.heading.set_title(f"Output{origin}")
            follows = output is not None and (pane.name == output.origin or pane.name in ("combined", "output"))
            pane.heading.mark(follows and pane.name in path_ids and len(path_ids) > 1)
            if not follows or output is None or len(path_ids) == 1:
                pane.picture.caption("")
            else:
                who = "" if output.origin == "network" else f"{HAND_NAMES[output.origin]}, as "
                pane.picture.caption(f"Output: {who}{reason_text(output.reason)}")
