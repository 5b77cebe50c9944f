"""Each path's error against the triangulated hand: a table, curves over time, bars by joint, and which is better."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QComboBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.palette import Theme
from app.pipeline.metrics.comparison_numbers import SERIES_S
from app.two_views.live_pair import PairReading
from app.two_views.path_errors import MEASURES, Measure, PathErrors, mean_by_joint
from app.two_views.report import NAMES
from app.ui.widgets.form_helpers import NOT_MEASURED, section, wrapped
from app.ui.widgets.plots import JointPairPlot, TimePlot
from hand.types import PATH_IDS

_PATHS: Final = (("network", "Network"), ("ik", "IK"), ("output", "Output"))

_ROWS: Final[tuple[tuple[Measure, str, str, str], ...]] = (
    ("aligned_mm", "Aligned, mm", "{:.1f}", "Joint error after both hands were laid onto each other: form alone"),
    ("from_wrist_mm", "From the wrist, mm", "{:.1f}", "Joint error with both wrists in one place: form and turn"),
    ("depth_mm", "Distance, mm", "{:.0f}", "Error of the whole hand's distance from the camera"),
    ("picture", "In the picture, %", "{:.1f}", "2D joint error over the longer side of the hand's box"),
)
_PERCENT: Final[dict[Measure, float]] = {"aligned_mm": 1.0, "from_wrist_mm": 1.0, "depth_mm": 1.0, "picture": 100.0}


class PathErrorsView(QWidget):
    """Shows the errors of one of the two views."""

    measure_chosen = pyqtSignal(str)
    """The measure by which paths are to be compared, a :data:`app.two_views.path_errors.Measure`."""

    def __init__(self) -> None:
        super().__init__()
        self._reading = PairReading()
        self._view = 0
        self.measure = QComboBox()
        self.measure.setAccessibleName("Measure")
        self.measure.setToolTip("What the curves, the bars and the comparison below are about")
        for name, text, _, explanation in _ROWS:
            self.measure.addItem(text, name)
            self.measure.setItemData(self.measure.count() - 1, explanation, Qt.ItemDataRole.ToolTipRole)
        self.measure.currentIndexChanged.connect(lambda _index: self._choose_measure())
        self.expected = wrapped("", "small")
        self.verdicts = wrapped("", "small")
        self.curve = TimePlot("Error against the triangulated hand over the last seconds", tuple(p for p, _ in _PATHS))
        self.joints = JointPairPlot("Error against the triangulated hand by joint")
        self._joint_heading = section("By joint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(self._make_switch())
        layout.addLayout(self._make_table())
        layout.addWidget(self.expected)
        layout.addWidget(self.measure)
        layout.addWidget(self.verdicts)
        layout.addWidget(section(f"Over the last {SERIES_S:.0f} s"))
        layout.addWidget(self.curve)
        layout.addWidget(self._joint_heading)
        layout.addWidget(self.joints)

    def show_reading(self, reading: PairReading) -> None:
        """Shows what was measured up to now."""
        self._reading = reading
        self._refresh()

    def choose_view(self, view: int) -> None:
        """Shows the errors of the first (0) or second (1) camera."""
        self._view = view
        self._buttons[view].setChecked(True)
        self._refresh()

    @property
    def chosen_measure(self) -> Measure:
        """What curves and bars are about."""
        return _ROWS[max(self.measure.currentIndex(), 0)][0]

    def value(self, path: str, measure: Measure) -> str:
        """A cell of the table."""
        return self._cells[path, measure].text()

    def set_theme(self, theme: Theme) -> None:
        colors = {"network": theme.network, "ik": theme.ik, "output": theme.accent}
        for path, head in self._heads.items():
            head.setStyleSheet(f"color: {colors[path]};")
        self.curve.set_colors(theme, colors)
        self.joints.set_colors(theme, {"network": theme.network, "ik": theme.ik})

    def _choose_measure(self) -> None:
        self.measure_chosen.emit(self.chosen_measure)
        self._refresh()

    def _refresh(self) -> None:
        reading, measure = self._reading, self.chosen_measure
        errors = {one.path: one for one in reading.errors if one.view == self._view}
        for path, _ in _PATHS:
            for name, _, form, _ in _ROWS:
                one = errors.get(path)
                value = float("nan") if one is None else one.mean(name) * _PERCENT[name]
                self._cells[path, name].setText(form.format(value) if math.isfinite(value) else NOT_MEASURED)
        frames = max((one.frames for one in errors.values()), default=0)
        self.expected.setText(
            f"Over {frames} frames of the last two minutes. The triangulated joints themselves are expected within "
            f"{reading.expected_mm:.1f} mm."
            if frames
            else "No frame was measured yet."
        )
        sentences = [
            one.sentence(NAMES) for one in reading.comparisons if one.view == self._view and one.measure == measure
        ]
        self.verdicts.setText("\n".join(_without_camera(sentence) for sentence in sentences))
        self.verdicts.setVisible(bool(sentences))
        for path, _ in _PATHS:
            times, values = _curve(errors.get(path), measure, reading.now_s)
            self.curve.show_curve(path, times, values)
        by_joint = measure != "depth_mm"
        self._joint_heading.setVisible(by_joint)
        self.joints.setVisible(by_joint)
        if by_joint:
            self.joints.show_joints({path: _by_joint(errors.get(path), measure) for path in PATH_IDS})

    def _make_switch(self) -> QHBoxLayout:
        layout = QHBoxLayout()
        layout.setSpacing(0)
        group = QButtonGroup(self)
        self._buttons: list[QPushButton] = []
        for view, (name, text) in enumerate((("first", "First camera"), ("last", "Second camera"))):
            button = QPushButton(text)
            button.setObjectName(name)
            button.setCheckable(True)
            button.setToolTip("Errors of what is seen by this camera")
            button.clicked.connect(lambda _checked, view=view: self.choose_view(view))
            group.addButton(button)
            layout.addWidget(button)
            self._buttons.append(button)
        self._buttons[0].setChecked(True)
        return layout

    def _make_table(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        grid.addWidget(section("Error"), 0, 0)
        self._heads: dict[str, QLabel] = {}
        self._cells: dict[tuple[str, Measure], QLabel] = {}
        right = Qt.AlignmentFlag.AlignRight
        for column, (path, name) in enumerate(_PATHS, 1):
            head = QLabel(name)
            head.setObjectName("value")
            self._heads[path] = head
            grid.addWidget(head, 0, column, right)
        for line, (measure, text, _, explanation) in enumerate(_ROWS, 1):
            label = QLabel(text)
            label.setObjectName("small")
            label.setToolTip(explanation)
            grid.addWidget(label, line, 0)
            for column, (path, name) in enumerate(_PATHS, 1):
                cell = QLabel(NOT_MEASURED)
                cell.setObjectName("value")
                cell.setAccessibleName(f"{MEASURES[measure]}, {name}")
                cell.setMinimumWidth(44)
                cell.setAlignment(right)
                self._cells[path, measure] = cell
                grid.addWidget(cell, line, column, right)
        return grid


def _curve(one: PathErrors | None, measure: Measure, now_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Times before now, and errors, of the stretch that the plot shows."""
    if one is None:
        return np.zeros(0), np.zeros(0)
    times = one.times_s - now_s
    shown = times >= -SERIES_S
    return times[shown], one.by_frame(measure)[shown] * _PERCENT[measure]


def _by_joint(one: PathErrors | None, measure: Measure) -> np.ndarray:
    """Bars of the plot, which shows NaN as no bar."""
    return np.zeros(21) if one is None else mean_by_joint(getattr(one, measure)) * _PERCENT[measure]


def _without_camera(sentence: str) -> str:
    """A comparison's sentence without the camera's name, which the switch above shows."""
    words = sentence.split(": ", 1)[1]
    return words[0].upper() + words[1:]
