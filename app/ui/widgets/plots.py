"""Small plots in the window's colours, a few times a second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QColor, QFont
from PyQt6.QtWidgets import QGraphicsItem

from app.palette import FINGER_COLORS, PALM_COLOR, Theme
from app.pipeline.metrics.comparison_numbers import SERIES_S
from hand.types import HandOrigin, PathId

_JOINTS = 21
_BAR_WIDTH = 0.72
_LONGEST_STEP_S = 1.0

_ROOM, _ROOMIEST = 1.15, 1.6
"""End of an axis over the highest value: when it is set, and the most that is left as it is. An axis that followed each
value would have to draw its numbers again each time."""

_OUTPUTS: dict[HandOrigin, float] = {"network": 1.0, "fused": 0.5, "ik": 0.0}
"""The values of ``Series.output``."""

_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")

_JOINT_TICKS = [(0.0, "Wrist"), *((2.5 + 4.0 * finger, name) for finger, name in enumerate(_FINGERS))]


class SmallPlot(pg.PlotWidget):  # type: ignore[misc] # pyqtgraph brings no types
    """A plot without mouse, menu or border."""

    def __init__(self, name: str, height_px: int = 120) -> None:
        """Empty.

        Args:
            name: for screen readers.
            height_px: fixed.
        """
        super().__init__()
        self._top = -1.0  # not set yet
        self.setAccessibleName(name)
        self.setMinimumHeight(height_px)
        self.setFrameShape(self.Shape.NoFrame)
        self.setMenuEnabled(False)
        self.setMouseEnabled(False, False)
        self.hideButtons()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        item = self.getPlotItem()
        item.setContentsMargins(0, 7, 2, 0)
        font = QFont(self.font())
        font.setPixelSize(10)
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.setTickFont(font)
            axis.setStyle(tickLength=-3, tickTextOffset=3)
            # kept as a picture until its numbers change: they were most of what a plot costs to paint
            axis.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        item.getAxis("left").setWidth(30)
        item.getAxis("bottom").setHeight(16)

    def show_up_to(self, highest: float, least: float) -> None:
        """Lets the vertical axis reach from 0 beyond a value, and leaves it alone while it nearly fits.

        Args:
            highest: value that has to fit in.
            least: where the axis ends at least.
        """
        if not highest <= self._top <= max(_ROOMIEST * highest, least):
            self._top = max(_ROOM * highest, least)
            self.setYRange(0.0, self._top, padding=0.0)

    def sizeHint(self) -> QSize:
        """Small: the panel decides how wide it is."""
        return QSize(200, self.minimumHeight())

    def set_theme(self, theme: Theme) -> None:
        self.setBackground(theme.surface)
        for side in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.muted))


class TimePlot(SmallPlot):
    """Curves of the last seconds; now is at the right."""

    def __init__(self, name: str, curves: tuple[str, ...], highest: float | None = None) -> None:
        """Empty.

        Args:
            name: for screen readers.
            curves: names of the curves.
            highest: end of the vertical axis; None follows the values.
        """
        super().__init__(name)
        self.setXRange(-SERIES_S, 0.0, padding=0.0)
        self.getPlotItem().getAxis("bottom").setTickSpacing(5.0, 1.0)
        self._highest = highest
        if highest is not None:
            self.setYRange(0.0, highest, padding=0.02)
        self._curves = {curve: self.plot(connect="finite") for curve in curves}

    def show_curve(self, curve: str, times_s: np.ndarray, values: np.ndarray) -> None:
        """Draws a curve, with a gap where nothing was measured for a while."""
        gaps = np.flatnonzero(np.diff(times_s) > _LONGEST_STEP_S) + 1
        self._curves[curve].setData(np.insert(times_s, gaps, times_s[gaps - 1]), np.insert(values, gaps, np.nan))
        if self._highest is None:
            self.show_up_to(max((_highest(item) for item in self._curves.values()), default=1.0), least=1.0)

    def set_colors(self, theme: Theme, colors: dict[str, str]) -> None:
        """Takes the colours of a theme.

        Args:
            theme: for everything else.
            colors: of the curves.
        """
        self.set_theme(theme)
        for curve, color in colors.items():
            self._curves[curve].setPen(pg.mkPen(color, width=1.6))


class ConfidencePlot(TimePlot):
    """Confidence of both paths, the thresholds, and below them which path was the output."""

    def __init__(self) -> None:
        super().__init__("Confidence of both paths over the last seconds", ("network", "ik"), 1.0)
        self.setMinimumHeight(150)
        self.setYRange(-0.12, 1.0, padding=0.02)
        self.getPlotItem().getAxis("left").setTicks([[(0.0, "0"), (0.5, "50 %"), (1.0, "100")]])
        self.getPlotItem().getAxis("left").setWidth(36)
        self._thresholds = [pg.InfiniteLine(0.0, angle=0) for _ in range(2)]
        for line in self._thresholds:
            self.addItem(line)
        self._strip: dict[HandOrigin, pg.PlotDataItem] = {}
        for path_id in _OUTPUTS:
            self._strip[path_id] = self.plot(connect="finite")

    def show_thresholds(self, leave_below: float, return_above: float) -> None:
        """Moves the dashed lines."""
        for line, value in zip(self._thresholds, (leave_below, return_above), strict=True):
            line.setValue(value)

    def show_output(self, times_s: np.ndarray, output: np.ndarray) -> None:
        """Draws the strip: 1 is the network, 0.5 the fused hand, 0 MediaPipe + IK, NaN none."""
        for path_id, value in _OUTPUTS.items():
            self._strip[path_id].setData(times_s, np.where(output == value, -0.08, np.nan))

    def set_colors(self, theme: Theme, colors: dict[str, str]) -> None:
        super().set_colors(theme, colors)
        colors = {**colors, "fused": theme.accent}
        for line in self._thresholds:
            line.setPen(pg.mkPen(theme.muted, width=1, style=Qt.PenStyle.DashLine))
        for path_id, item in self._strip.items():
            pen = pg.mkPen(colors[path_id], width=6)
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            item.setPen(pen)


class JointPairPlot(SmallPlot):
    """Two bars per joint, one for each path."""

    def __init__(self, name: str) -> None:
        """Empty.

        Args:
            name: for screen readers.
        """
        super().__init__(name)
        self.setXRange(-0.8, _JOINTS - 0.2, padding=0.0)
        self.getPlotItem().getAxis("bottom").setTicks([_JOINT_TICKS])
        self._bars: dict[PathId, pg.BarGraphItem] = {}
        shifts: dict[PathId, float] = {"network": -0.2, "ik": 0.2}
        for path_id, shift in shifts.items():
            bars = pg.BarGraphItem(x=np.arange(_JOINTS) + shift, height=np.zeros(_JOINTS), width=0.38, pen=None)
            self._bars[path_id] = bars
            self.addItem(bars)

    def show_joints(self, distances_mm: Mapping[PathId, np.ndarray]) -> None:
        highest = 0.0
        for path_id, bars in self._bars.items():
            values = np.nan_to_num(distances_mm[path_id])
            bars.setOpts(height=values)
            highest = max(highest, float(values.max()))
        self.show_up_to(highest, least=5.0)

    def set_colors(self, theme: Theme, colors: dict[PathId, str]) -> None:
        self.set_theme(theme)
        for path_id, bars in self._bars.items():
            bars.setOpts(brush=QColor(colors[path_id]))


class JointPlot(SmallPlot):
    """One bar per joint, in the colours of the fingers."""

    def __init__(self) -> None:
        super().__init__("Disagreement of each joint")
        self.setXRange(-0.8, _JOINTS - 0.2, padding=0.0)
        self.getPlotItem().getAxis("bottom").setTicks([_JOINT_TICKS])
        self._bars = pg.BarGraphItem(x=np.arange(_JOINTS), height=np.zeros(_JOINTS), width=_BAR_WIDTH, pen=None)
        self.addItem(self._bars)

    def show_joints(self, distances_mm: np.ndarray) -> None:
        values = np.nan_to_num(distances_mm)
        self._bars.setOpts(height=values)
        self.show_up_to(float(values.max()), least=5.0)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        palm = PALM_COLOR if theme.name == "dark" else theme.muted
        colors = [palm, *(color for color in FINGER_COLORS for _ in range(4))]
        self._bars.setOpts(brushes=[QColor(color) for color in colors])


def _highest(item: pg.PlotDataItem) -> float:
    values = item.yData
    if values is None or not len(values) or not np.isfinite(values).any():
        return 0.0
    return float(np.nanmax(values))
