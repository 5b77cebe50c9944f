"""Each path's error against the triangulated hand: a table, curves over time, bars by joint, and which is better."""

from __future__ import annotations

from typing import Final

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from app.palette import Theme
from app.pipeline.metrics.comparison_numbers import SERIES_S
from app.two_views.live_pair import PairReading
from app.two_views.path_errors import Measure, PathErrors, mean_by_joint
from app.two_views.report import NAMES
from app.ui.widgets.form_helpers import section, segments, wrapped
from app.ui.widgets.path_table import COLUMNS, PathTable, Row, column_colors
from app.ui.widgets.plots import JointPairPlot, TimePlot
from hand.types import PATH_IDS

_MEASURES: Final[tuple[Measure, ...]] = ("aligned_mm", "from_wrist_mm", "depth_mm", "picture")
_ROWS: Final = (
    Row("aligned_mm", "Aligned, mm", "{:.1f}", "Joint error after both hands were laid onto each other: form alone"),
    Row("from_wrist_mm", "From the wrist, mm", "{:.1f}", "Joint error with both wrists in one place: form and turn"),
    Row("depth_mm", "Distance, mm", "{:.0f}", "Error of the whole hand's distance from the camera"),
    Row("picture", "In the picture, %", "{:.1f}", "2D joint error over the longer side of the hand's box"),
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
        for number, row in enumerate(_ROWS):
            self.measure.addItem(row.title, row.key)
            self.measure.setItemData(number, row.explanation, Qt.ItemDataRole.ToolTipRole)
        self.measure.currentIndexChanged.connect(lambda _index: self._choose_measure())
        self.expected = wrapped("", "small")
        self.verdicts = wrapped("", "small")
        self.curve = TimePlot(
            "Error against the triangulated hand over the last seconds", tuple(path for path, _ in COLUMNS)
        )
        self.joints = JointPairPlot("Error against the triangulated hand by joint")
        self._joint_heading = section("By joint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(self._make_switch())
        self._table = PathTable("Error", _ROWS)
        layout.addLayout(self._table)
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
        return _MEASURES[max(self.measure.currentIndex(), 0)]

    def value(self, path: str, measure: Measure) -> str:
        """A cell of the table."""
        return self._table.text(path, measure)

    def set_theme(self, theme: Theme) -> None:
        self._table.set_theme(theme)
        self.curve.set_colors(theme, column_colors(theme))
        self.joints.set_colors(theme, {"network": theme.network, "ik": theme.ik})

    def _choose_measure(self) -> None:
        self.measure_chosen.emit(self.chosen_measure)
        self._refresh()

    def _refresh(self) -> None:
        reading, measure = self._reading, self.chosen_measure
        errors = {one.path: one for one in reading.errors if one.view == self._view}
        for path, _ in COLUMNS:
            one = errors.get(path)
            for name in _MEASURES:
                value = float("nan") if one is None else one.mean(name) * _PERCENT[name]
                self._table.show_value(path, name, value)
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
        for path, _ in COLUMNS:
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
        explanation = "Errors of what is seen by this camera"
        self._buttons = segments((("First camera", explanation), ("Second camera", explanation)))
        for view, button in enumerate(self._buttons):
            button.clicked.connect(lambda _checked, view=view: self.choose_view(view))
            group.addButton(button)
            layout.addWidget(button)
        self._buttons[0].setChecked(True)
        return layout


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
    rest = sentence.split(": ", 1)[1]
    return rest[0].upper() + rest[1:]
