"""The panel that compares both paths: numbers of the last seconds, curves, and the session as files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.palette import Theme
from app.pipeline.metrics.comparison import Comparison
from app.pipeline.metrics.comparison_numbers import SERIES_S, WINDOW_S, ComparisonNumbers, PathNumbers, Series
from app.pipeline.metrics.comparison_report import save_summary
from app.ui.panels.comparison_figure import save_session_picture
from app.ui.widgets.form_helpers import NOT_MEASURED, section
from app.ui.widgets.plots import JointPairPlot, JointPlot, TimePlot
from hand.types import PATH_IDS

PANEL_WIDTH_PX = 316

_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("frames_per_second", "Frames/s", "{:.1f}", "Results of the path per second"),
    ("work_ms", "Work, ms", "{:.1f}", "Time the path takes for a frame, median"),
    ("confidence", "Confidence", "{:.0%}", "How sure the path is of its hand, mean"),
    (
        "reprojection_px",
        "Reprojection, px",
        "{:.1f}",
        "Projected joints to MediaPipe's landmarks of the same frame, median; landmarks lie nearer to the skin than "
        "joints do, so this never reaches zero",
    ),
    ("jitter_mm", "Jitter, mm/f²", "{:.2f}", "Second difference of the joints relative to the wrist, mean"),
    ("hand_share", "Hand found", "{:.0%}", "Share of frames with a hand"),
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
        layout.addLayout(self._make_table())
        layout.addSpacing(4)
        self._disagreement = _value("Disagreement")
        layout.addLayout(
            _row("Disagreement", self._disagreement, "Mean distance of the joints, wrists laid onto each other")
        )
        self._placement = _value("Placement")
        layout.addLayout(_row("Placement", self._placement, "Distance of the wrists: one camera hardly measures depth"))
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
        buttons = QHBoxLayout()
        save = QPushButton("Save session…")
        save.setToolTip("The session as a table (CSV), a summary (JSON) and a picture (PNG)")
        save.clicked.connect(lambda _checked: self._ask_where_to_save())
        begin = QPushButton("Start anew")
        begin.setToolTip("Forget what was measured so far")
        begin.clicked.connect(lambda _checked: self._comparison.reset())
        buttons.addWidget(save)
        buttons.addWidget(begin)
        buttons.addStretch()
        layout.addLayout(buttons)

    def refresh(self, numbers: ComparisonNumbers, series: Series) -> None:
        """Shows these numbers and curves."""
        for path_id in PATH_IDS:
            for name, form in ((row[0], row[2]) for row in _ROWS):
                self._cells[path_id, name].setText(_text(getattr(numbers.paths[path_id], name), form))
        p95 = _text(numbers.disagreement_p95_mm, "{:.0f}")
        median = _text(numbers.disagreement_mm, "{:.1f} mm")
        self._disagreement.setText(f"{median}  (p95 {p95})" if numbers.compared else NOT_MEASURED)
        self._placement.setText(_text(numbers.placement_mm, "{:.0f} mm"))
        self.curve.show_curve("disagreement", *series.disagreement_mm)
        self.joints.show_joints(numbers.joints_mm)
        for name, form in ((row[0], row[2]) for row in _ROWS):
            self._cells["output", name].setText(_text(getattr(numbers.output, name), form))
        self.from_output.show_joints(numbers.from_output_mm)
        means = {path_id: _text(float(np.mean(values)), "{:.1f}") for path_id, values in numbers.from_output_mm.items()}
        self._from_output.setText(f"From fused, mm: network {means['network']}, IK {means['ik']}")

    def value(self, path_id: str, name: str) -> str:
        """A cell of the table."""
        return self._cells[path_id, name].text()

    @property
    def disagreement_text(self) -> str:
        """The line below the table."""
        return self._disagreement.text()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.curve.set_colors(theme, {"disagreement": theme.accent})
        self.joints.set_theme(theme)
        self.from_output.set_colors(theme, {"network": theme.network, "ik": theme.ik})
        colors = {"network": theme.network, "ik": theme.ik, "output": theme.accent}
        for column, label in self._heads.items():
            label.setStyleSheet(f"color: {colors[column]};")

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
        path, _ = QFileDialog.getSaveFileName(self, "Save the session", "session", "Sessions (*.csv *.json *.png)")
        if path:
            chosen = Path(path)
            self.save(chosen.with_suffix("") if chosen.suffix in (".csv", ".json", ".png") else chosen)

    def _make_table(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        self._heads: dict[str, QLabel] = {}
        self._cells: dict[tuple[str, str], QLabel] = {}
        right = Qt.AlignmentFlag.AlignRight
        for column, (path_id, name) in enumerate((("network", "Network"), ("ik", "IK"), ("output", "Output")), 1):
            self._heads[path_id] = QLabel(name)
            self._heads[path_id].setObjectName("value")
            grid.addWidget(self._heads[path_id], 0, column, right)
        grid.addWidget(section(f"Last {WINDOW_S:.0f} s"), 0, 0)
        for line, (field, name, _, explanation) in enumerate(_ROWS, 1):
            label = QLabel(name)
            label.setObjectName("small")
            label.setToolTip(explanation)
            grid.addWidget(label, line, 0)
            for column, path_id in enumerate((*PATH_IDS, "output"), 1):
                cell = _value(f"{name}, {path_id}")
                cell.setToolTip(explanation)
                cell.setMinimumWidth(46)
                cell.setAlignment(right)
                self._cells[path_id, field] = cell
                grid.addWidget(cell, line, column, right)
        return grid


def path_words(numbers: PathNumbers) -> str:
    """A path's numbers in the heading of its pane."""
    if not math.isfinite(numbers.frames_per_second):
        return ""
    return f"{numbers.frames_per_second:.0f}/s  ·  {numbers.work_ms:.0f} ms"


def _value(name: str) -> QLabel:
    label = QLabel(NOT_MEASURED)
    label.setObjectName("value")
    label.setAccessibleName(name)
    return label


def _row(name: str, value: QLabel, explanation: str) -> QHBoxLayout:
    label = QLabel(name)
    label.setObjectName("small")
    for widget in (label, value):
        widget.setToolTip(explanation)
    layout = QHBoxLayout()
    layout.addWidget(label)
    layout.addStretch()
    layout.addWidget(value)
    return layout


def _text(value: float, form: str) -> str:
    return form.format(value) if math.isfinite(value) else NOT_MEASURED
