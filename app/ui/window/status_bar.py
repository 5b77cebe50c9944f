"""The line at the foot of the window: what comes in, how fast, how late, how well."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFontMetrics, QResizeEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.pipeline.metrics.path_statistics import PathSummary
from app.sources.base import SourceFacts
from app.ui.widgets.form_helpers import NOT_MEASURED, measured_text, styled
from hand.camera import Intrinsics
from hand.types import PathId


class StatusStrip(QWidget):
    """A row of named numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("bar")
        self.source = _Metric("Source", "Where the pictures come from", stretch=True)
        self.picture = _Metric("Picture", "Size and rate that the source really gives")
        self.lens = _Metric("Field of view", "Of the camera, along the longer side; set it with --fov or --intrinsics")
        self.rate = _Metric("Frames/s", "Frames per second on the screen, of each path")
        self.latency = _Metric(
            "Latency p50 / p95", "From the capture of a picture to its hand on the screen; of the later path"
        )
        self.residual = _Metric("Residual", "Median distance between the fitted joints and those seen in the picture")
        self.drops = _Metric("Dropped", "Frames skipped because a newer one was there, of each path")
        self.renderer = _Metric("3D view", "What draws the mesh; chosen by itself, --renderer overrides it")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2, 0, 2, 0)
        layout.setSpacing(14)
        metrics = (
            self.source,
            self.picture,
            self.lens,
            self.rate,
            self.latency,
            self.residual,
            self.drops,
            self.renderer,
        )
        for index, metric in enumerate(metrics):
            if index:
                divider = QFrame()
                divider.setObjectName("divider")
                divider.setFixedHeight(26)
                layout.addWidget(divider, alignment=Qt.AlignmentFlag.AlignVCenter)
            layout.addWidget(metric, 1 if metric is self.source else 0, Qt.AlignmentFlag.AlignVCenter)

    def show_source(self, name: str, facts: SourceFacts | None, intrinsics: Intrinsics | None) -> None:
        """What comes in.

        Args:
            name: of the source.
            facts: what it delivers, once it was open.
            intrinsics: of the last frame, because a folder's pictures differ.
        """
        self.source.set_value(name or NOT_MEASURED)
        if facts is None or intrinsics is None:
            self.picture.set_value(NOT_MEASURED)
            self.lens.set_value(NOT_MEASURED)
            return
        size = f"{intrinsics.width_px} × {intrinsics.height_px}"  # noqa: RUF001 - as sizes are written
        self.picture.set_value(f"{size} @ {facts.frames_per_second:.3g}" if facts.frames_per_second else size)
        degrees = f"{_field_of_view_deg(intrinsics):.0f}°"
        self.lens.set_value(f"{degrees} assumed" if intrinsics.assumed else degrees)

    def show_numbers(self, paths: Mapping[PathId, PathSummary], drops: Mapping[PathId, int]) -> None:
        """How fast, how late, how well.

        Args:
            paths: numbers of the paths on the screen, the first one first.
            drops: of each path.
        """
        summaries = list(paths.values())
        self.rate.set_value(_each(measured_text(summary.frames_per_second, "{:.1f}") for summary in summaries))
        worst = max(summaries, key=lambda summary: _finite(summary.latency_p50_ms), default=None)
        p50 = NOT_MEASURED if worst is None else measured_text(worst.latency_p50_ms, "{:.0f}")
        p95 = NOT_MEASURED if worst is None else measured_text(worst.latency_p95_ms, "{:.0f}")
        self.latency.set_value(NOT_MEASURED if p50 == NOT_MEASURED else f"{p50} / {p95} ms")
        pixels = [measured_text(summary.reprojection_px, "{:.1f}") for summary in summaries]
        measured = any(value != NOT_MEASURED for value in pixels)
        self.residual.set_value(f"{_each(pixels)} px" if measured else NOT_MEASURED)
        self.drops.set_value(_each(str(count) for count in drops.values()))


class _Metric(QWidget):
    """A name above a value; the value keeps the room it once needed, so that numbers do not push each other about."""

    def __init__(self, name: str, explanation: str, *, stretch: bool = False) -> None:
        super().__init__()
        self._text = ""
        self._stretch = stretch
        self._value = styled(NOT_MEASURED, "metricValue")
        self.setToolTip(explanation)
        self.setAccessibleName(name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(styled(name, "metricName"))
        layout.addWidget(self._value)
        if stretch:
            self._value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def value(self) -> str:
        """The whole value, also where only its beginning fits."""
        return self._text

    def set_value(self, text: str) -> None:
        if text == self._text:
            return
        self._text = text
        self.setAccessibleDescription(text)
        if self._stretch:
            self._elide()
            return
        self._value.setText(text)
        self._value.setMinimumWidth(max(self._value.minimumWidth(), self._value.sizeHint().width()))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fits a long name into its room."""
        super().resizeEvent(event)
        if self._stretch:
            self._elide()

    def _elide(self) -> None:
        metrics = QFontMetrics(self._value.font())
        self._value.setText(metrics.elidedText(self._text, Qt.TextElideMode.ElideMiddle, self._value.width()))


def _each(values: Iterable[str]) -> str:
    return "  |  ".join(values) or NOT_MEASURED


def _finite(value: float) -> float:
    return value if math.isfinite(value) else -1.0


def _field_of_view_deg(intrinsics: Intrinsics) -> float:
    half = max(intrinsics.width_px / intrinsics.fx_px, intrinsics.height_px / intrinsics.fy_px) / 2.0
    return 2.0 * math.degrees(math.atan(half))
