"""The panel that compares both paths: numbers of the last seconds, curves, and the session as files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget

from app.palette import Theme
from app.pipeline.metrics.comparison import Comparison
from app.pipeline.metrics.comparison_numbers import SERIES_S, WINDOW_S, ComparisonNumbers, PathNumbers, Series
from app.pipeline.metrics.comparison_report import save_summary
from app.ui.panels.comparison_figure import save_session_picture
from app.ui.widgets.file_dialogs import agrees_to_replace
from app.ui.widgets.form_helpers import NOT_MEASURED, button, measured_text, named_value, row, section
from app.ui.widgets.path_table import PathTable, Row
from app.ui.widgets.plots import JointPairPlot, JointPlot, TimePlot
from hand.types import PATH_IDS

PANEL_WIDTH_PX = 316
_SUFFIXES = (".csv", ".json", ".png")
"""Of the files of a session."""

_ROWS = (
    Row("frames_per_second", "Frames/s", "{:.1f}", "Results of the path per second"),
    Row("work_ms", "Work, ms", "{:.1f}", "Time the path takes for a frame, median"),
    Row("confidence", "Confidence", "{:.0%}", "How sure the path is of its hand, mean"),
    Row(
        "reprojection_px",
        "Reprojection, px",
        "{:.1f}",
        "Projected joints to MediaPipe's landmarks of the same frame, median; landmarks lie nearer to the skin than "
        "joints do, so this never reaches zero",
    ),
    Row("jitter_mm", "Jitter, mm/f²", "{:.2f}", "Second difference of the joints relative to the wrist, mean"),
    Row("hand_share", "Hand found", "{:.0%}", "Share of frames with a hand"),
)


class ComparisonPanel(QWidget):
    """Numbers and curves of a :class:`Comparison`; :meth:`refresh` reads it."""

    def __init__(self, comparison: Comparison, notify: Callable[[str], None]) -> None:
        """Starts empty.

        Args:
            comparison: what is shown.
            notify: shows a sentence in the window.
        """
        super().__init__()
        self._comparison = comparison
        self._notify = notify
        self._theme: Theme | None = None
        self.source_name = ""
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(PANEL_WIDTH_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(6)
        self._table = PathTable(f"Last {WINDOW_S:.0f} s", _ROWS)
        layout.addLayout(self._table)
        layout.addSpacing(4)
        self._disagreement, self._placement = QLabel(NOT_MEASURED), QLabel(NOT_MEASURED)
        for label, name, explanation in (
            (self._disagreement, "Disagreement", "Mean distance of the joints, wrists laid onto each other"),
            (self._placement, "Placement", "Distance of the wrists: one camera hardly measures depth"),
        ):
            layout.addLayout(named_value(name, label, explanation))
        self.curve = TimePlot("Disagreement over the last seconds", ("disagreement",))
        self.joints = JointPlot()
        layout.addSpacing(2)
        layout.addWidget(section(f"Disagreement, mm, last {SERIES_S:.0f} s"))
        layout.addWidget(self.curve, 1)
        layout.addWidget(section(f"By joint, mm, last {WINDOW_S:.0f} s"))
        layout.addWidget(self.joints, 1)
        self.from_output = JointPairPlot("Distance of each path from the fused hand, by joint")
        self._from_output = section("")
        self._from_output.setToolTip(
            "Distance of each path's joints from the fused hand's, wrists laid onto each other"
        )
        layout.addWidget(self._from_output)
        layout.addWidget(self.from_output, 1)
        save = button(
            "Save session…",
            "The session as a table (CSV), a summary (JSON) and a picture (PNG)",
            self._ask_where_to_save,
        )
        begin = button("Start anew", "Forget what was measured so far", self._comparison.reset)
        layout.addLayout(row(save, begin, fills=False))

    def refresh(self, numbers: ComparisonNumbers, series: Series) -> None:
        """Shows these numbers and curves."""
        for path, values in (*numbers.paths.items(), ("output", numbers.output)):
            for quantity in _ROWS:
                self._table.show_value(path, quantity.key, getattr(values, quantity.key))
        p95 = measured_text(numbers.disagreement_p95_mm, "{:.0f}")
        median = measured_text(numbers.disagreement_mm, "{:.1f} mm")
        self._disagreement.setText(f"{median}  (p95 {p95})" if numbers.compared else NOT_MEASURED)
        self._placement.setText(measured_text(numbers.placement_mm, "{:.0f} mm"))
        self.curve.show_curve("disagreement", *series.disagreement_mm)
        self.joints.show_joints(numbers.joints_mm)
        self.from_output.show_joints(numbers.from_output_mm)
        network, ik = (measured_text(float(np.mean(numbers.from_output_mm[path])), "{:.1f}") for path in PATH_IDS)
        self._from_output.setText(f"From fused, mm: network {network}, IK {ik}")

    def value(self, path_id: str, name: str) -> str:
        """A cell of the table."""
        return self._table.text(path_id, name)

    @property
    def disagreement_text(self) -> str:
        """The line below the table."""
        return self._disagreement.text()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.curve.set_colors(theme, {"disagreement": theme.accent})
        self.joints.set_theme(theme)
        self.from_output.set_colors(theme, {"network": theme.network, "ik": theme.ik})
        self._table.set_theme(theme)

    def save(self, stem: Path) -> None:
        """Writes the session's files; the window shows their place, or the error.

        Args:
            stem: path without suffix.
        """
        try:
            table, _ = save_summary(self._comparison, self.source_name, stem)
            if self._theme is not None:
                save_session_picture(
                    self._comparison.rows(), self.source_name, self._theme, stem.with_name(stem.name + ".png")
                )
        except OSError as error:
            self._notify(f"The session cannot be saved: {error}; choose another folder.")
            return
        self._notify(f"The session is saved as {table.name}, .json and .png in {table.parent}.")

    def _ask_where_to_save(self) -> None:
        proposal = time.strftime("session_%Y-%m-%d_%H-%M-%S")
        name, _ = QFileDialog.getSaveFileName(self, "Save the session", proposal, "Sessions (*.csv *.json *.png)")
        if not name:
            return
        typed = Path(name)
        stem = typed.with_suffix("") if typed.suffix in _SUFFIXES else typed
        if agrees_to_replace(self, typed, [stem.with_name(stem.name + suffix) for suffix in _SUFFIXES]):
            self.save(stem)


def path_numbers_text(numbers: PathNumbers) -> str:
    """A path's numbers in the heading of its pane."""
    if not math.isfinite(numbers.frames_per_second):
        return ""
    return f"{numbers.frames_per_second:.0f}/s  ·  {numbers.work_ms:.0f} ms"
