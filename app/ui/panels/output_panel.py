"""The panel of the output: which path it follows and why, and from which confidence on it changes."""

from __future__ import annotations

from dataclasses import replace

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QComboBox, QLabel, QSlider, QVBoxLayout, QWidget

from app.output_texts import HAND_NAMES, MODE_NAMES, reason_text
from app.palette import Theme
from app.pipeline.metrics.comparison_numbers import SERIES_S, ComparisonNumbers, Series
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import OutputChooser, OutputSettings
from app.pipeline.result_synchronizer import JoinedResult
from app.ui.panels.comparison_panel import PANEL_WIDTH_PX
from app.ui.widgets.form_helpers import button, named_value, row, section, styled, wrapped
from app.ui.widgets.plots import ConfidencePlot

_STEP_MS = 50


class OutputPanel(QWidget):
    """Shows the output's state; its sliders change the chooser's settings at once."""

    def __init__(self, chooser: OutputChooser) -> None:
        """With the chooser's present settings.

        Args:
            chooser: its settings are changed.
        """
        super().__init__()
        self._chooser = chooser
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(PANEL_WIDTH_PX)
        self._who = styled("No hand", "paneTitle")
        self._why = wrapped("", "small")
        self._shares = styled("", "small")
        self.plot = ConfidencePlot()
        settings = chooser.settings
        percent = "{:.0f} %"
        self.leave = _Slider("IK takes over below", percent, round(100 * settings.leave_below), 100)
        self.back = _Slider("Network returns above", percent, round(100 * settings.return_above), 100)
        self.wait = _Slider("… once it was sure for", "{:.0f} ms", round(settings.return_after_ms), 2000, _STEP_MS)
        self.fade = _Slider("Cross-fade", "{:.0f} ms", round(settings.fade_ms), 1000, _STEP_MS)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(6)
        self.mode = QComboBox()
        self.mode.setAccessibleName("Which hand the output follows")
        self.mode.setToolTip("Which hand is the output: what other programs and recordings get")
        for mode, name in MODE_NAMES.items():
            self.mode.addItem(name, mode)
        self.mode.setCurrentIndex(list(MODE_NAMES).index(settings.mode))
        self.mode.currentIndexChanged.connect(lambda _index: self._apply())
        layout.addWidget(self.mode)
        layout.addWidget(self._who)
        layout.addWidget(self._why)
        layout.addWidget(self._shares)
        layout.addSpacing(4)
        layout.addWidget(section(f"Confidence and output, last {SERIES_S:.0f} s"))
        layout.addWidget(self.plot, 1)
        layout.addSpacing(4)
        for slider in (self.leave, self.back, self.wait, self.fade):
            layout.addWidget(slider)
        layout.addLayout(row(button("Defaults", "", self._set_defaults), fills=False))
        self.leave.slider.valueChanged.connect(lambda value: self._keep_order(value, self.back, raised=True))
        self.back.slider.valueChanged.connect(lambda value: self._keep_order(value, self.leave, raised=False))
        for slider in (self.leave, self.back, self.wait, self.fade):
            slider.slider.valueChanged.connect(lambda _value: self._apply())
        self._apply()

    def refresh(self, joined: JoinedResult | None, numbers: ComparisonNumbers, series: Series) -> None:
        """Shows this state, these numbers and curves."""
        output = joined.outputs[0] if joined is not None and joined.outputs else None
        self._who.setText("No hand" if output is None else HAND_NAMES[output.origin])
        self._why.setText("" if output is None else f"because {reason_text(output.reason)}")
        shares = numbers.output_shares
        changes = "1 change" if numbers.changes == 1 else f"{numbers.changes} changes"
        self._shares.setText(
            f"Fused {shares['fused']:.0%},  network {shares['network']:.0%},  IK {shares['ik']:.0%}  ·  {changes}"
        )
        for path_id, curve in series.confidence.items():
            self.plot.show_curve(path_id, *curve)
        self.plot.show_output(*series.output)

    def set_theme(self, theme: Theme) -> None:
        self.plot.set_colors(theme, {"network": theme.network, "ik": theme.ik})

    def _keep_order(self, value: int, other: _Slider, *, raised: bool) -> None:
        """The threshold to return is never below the one to leave: moving one takes the other along."""
        if (raised and other.value < value) or (not raised and other.value > value):
            other.slider.setValue(value)

    def _apply(self) -> None:
        leave, back = self.leave.value / 100.0, self.back.value / 100.0
        self.plot.show_thresholds(leave, back)
        mode: OutputMode = self.mode.currentData()
        for slider in (self.leave, self.back, self.wait):  # only this mode has thresholds
            slider.setVisible(mode is OutputMode.NETWORK_FIRST)
        if leave <= back:  # in between, while one takes the other along
            self._chooser.settings = replace(
                self._chooser.settings,
                leave_below=leave,
                return_above=back,
                return_after_ms=float(self.wait.value),
                fade_ms=float(self.fade.value),
                mode=mode,
            )

    def _set_defaults(self) -> None:
        settings = OutputSettings()
        self.mode.setCurrentIndex(list(MODE_NAMES).index(OutputMode.FUSED))
        self.back.slider.setValue(round(100 * settings.return_above))
        self.leave.slider.setValue(round(100 * settings.leave_below))
        self.wait.slider.setValue(round(settings.return_after_ms / _STEP_MS))
        self.fade.slider.setValue(round(settings.fade_ms / _STEP_MS))


class _Slider(QWidget):
    """A named slider from 0 on with its value."""

    def __init__(self, name: str, form: str, value: int, highest: int, step: int = 1) -> None:
        super().__init__()
        self._form, self._step = form, step
        self._value = QLabel()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(name)
        self.slider.setRange(0, highest // step)
        self.slider.valueChanged.connect(self._show)
        self.slider.setValue(round(value / step))
        self._show()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(named_value(name, self._value))
        layout.addWidget(self.slider)

    @property
    def value(self) -> int:
        """In the unit that is shown."""
        return self.slider.value() * self._step

    def _show(self) -> None:
        self._value.setText(self._form.format(self.value))
