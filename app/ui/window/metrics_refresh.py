"""Everything in the window that is a number or a curve, brought up to date a few times a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QWidget

from app.output_texts import HAND_NAMES, reason_text
from app.ui.panels.comparison_panel import path_words

if TYPE_CHECKING:
    from app.ui.window.main_window import MainWindow

_EVERY_MS = 400


class NumberBoard:
    """Fills the strip at the foot, the headings of the panes and the panels that are open."""

    def __init__(self, window: MainWindow) -> None:
        """For a window whose parts are all there."""
        self._window = window
        self._timer = QTimer(window)
        self._timer.timeout.connect(self.refresh)

    def start(self) -> None:
        """Refreshes from now on."""
        self._timer.start(_EVERY_MS)

    def stop(self) -> None:
        """Refreshes no more."""
        self._timer.stop()

    def refresh(self) -> None:
        """Shows the present numbers."""
        window, feed = self._window, self._window.feed
        state = window.pipeline.source_state
        window.status.show_source(state.name, state.facts, feed.intrinsics)
        now_ns = time.monotonic_ns()
        providers = window.pipeline.providers
        shown = [provider for provider in providers if feed.statistics(provider).frames]
        window.status.show_numbers(
            {provider: feed.statistics(provider).summary(now_ns) for provider in shown},
            {provider: feed.drops(provider) for provider in providers if provider in feed.delivering},
        )
        window.status.renderer.set_value(window.mesh.renderer_name)
        window.status.renderer.setToolTip(window.mesh.renderer_details)
        numbers = window.comparison.numbers()
        for provider in providers:
            words = path_words(numbers.paths[provider]) if provider in feed.delivering else ""
            window.panes[provider].heading.set_numbers(words)
        self.mark_output()
        window.compare_panel.source_name = state.name
        if _is_seen(window.compare_panel):
            window.compare_panel.refresh(numbers, window.comparison.series())
        if _is_seen(window.output_panel):
            window.output_panel.refresh(feed.joined, numbers, window.comparison.series())

    def mark_output(self) -> None:
        """Says at the panes which hand counts, and why."""
        joined, providers = self._window.feed.joined, self._window.pipeline.providers
        output = joined.outputs[0] if joined is not None and joined.outputs else None
        if "output" in self._window.panes:
            whose = "" if output is None else f": {HAND_NAMES[output.provider]}"
            self._window.panes["output"].heading.set_title(f"Output{whose}")
        for name, pane in self._window.panes.items():
            follows = output is not None and (name == output.provider or name in ("combined", "output"))
            pane.heading.mark(follows and name in providers and len(providers) > 1)
            if not follows or output is None or len(providers) == 1:
                pane.picture.word("")
            else:
                who = "" if output.provider == "network" else f"{HAND_NAMES[output.provider]}, as "
                pane.picture.word(f"Output: {who}{reason_text(output.reason)}")


def _is_seen(panel: QWidget) -> bool:
    """Whether any of it is on the screen; Qt calls a panel behind another tab visible and only moves it away."""
    return panel.isVisible() and not panel.visibleRegion().isEmpty()
