"""A slider for the smoothing, and its effect on each path's jitter."""

from __future__ import annotations

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QFormLayout, QLabel, QSlider, QWidget

from app.pipeline.paths.smoothing import DEFAULT_STRENGTH, Smoothing
from app.pipeline.worker import PATH_NAMES
from app.ui.extension_host import ExtensionHost
from app.ui.theme.style_sheet import SPACING_PX
from hand.types import PathId

_STEPS = 20
_NUMBERS_EVERY_MS = 400


class SmoothingPanel(QWidget):
    """A slider, and one line per path."""

    def __init__(self, smoothing: Smoothing, path_ids: tuple[PathId, ...]) -> None:
        """Shows the smoothing.

        Args:
            smoothing: set by the slider.
            path_ids: the paths with jitter to show.
        """
        super().__init__()
        self._smoothing = smoothing
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setValue(round(smoothing.strength * _STEPS))
        self.slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.slider.setAccessibleName("Smoothing strength")
        self.slider.setToolTip(
            f"Calms both paths alike; 0 % is off, {DEFAULT_STRENGTH:.0%} the default. More is calmer and follows later."
        )
        self.slider.valueChanged.connect(self._turn)  # not for the value above: a step is coarser than the strength
        self.strength = QLabel()
        self.removed = {path_id: QLabel() for path_id in path_ids}
        layout = QFormLayout(self)
        layout.setContentsMargins(*(SPACING_PX,) * 4)
        layout.setSpacing(SPACING_PX)
        layout.addRow("Strength", self.slider)
        layout.addRow("", self.strength)
        for path_id, label in self.removed.items():
            label.setToolTip(
                "How far the joints leave a straight movement between frames, before and after the filter."
            )
            layout.addRow(PATH_NAMES[path_id], label)
        self._numbers = QTimer(self)
        self._numbers.timeout.connect(self.show_numbers)
        self._numbers.start(_NUMBERS_EVERY_MS)
        self._show_strength()

    def show_numbers(self) -> None:
        """Shows the filter's present effect."""
        for path_id, label in self.removed.items():
            jitter = self._smoothing.jitter(path_id)
            if jitter is None:
                label.setText("no hand yet")
            elif self._smoothing.strength <= 0.0:
                label.setText(f"jitter {jitter.raw_mm:.1f} mm")
            else:
                label.setText(f"jitter {jitter.raw_mm:.1f} to {jitter.smooth_mm:.1f} mm ({jitter.removed:.0%} less)")

    def _turn(self, step: int) -> None:
        self._smoothing.strength = step / _STEPS
        self._show_strength()

    def _show_strength(self) -> None:
        strength = self._smoothing.strength
        self.strength.setText("off" if strength <= 0.0 else f"{strength:.0%}")
        self.show_numbers()


def install_smoothing(host: ExtensionHost) -> None:
    """Adds the panel to a window."""
    panel = SmoothingPanel(host.options.smoothing, tuple(host.options.paths))
    host.add_panel("Smoothing", panel, shortcut="Ctrl+J")
