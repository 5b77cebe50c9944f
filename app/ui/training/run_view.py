"""One training run: what it is doing, its curves, its log, and what can be done about it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QPlainTextEdit, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.jobs.training import TrainingRun
from app.palette import Theme
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.form_helpers import row, wrapped
from app.ui.widgets.plots import SmallPlot
from trainer.runs.run_history import RESUMABLE_PHASES, RUNNING_PHASES, RunPhase

_LOG_LINES = 200


class RunView(QWidget):
    """Shows a run; buttons act on it."""

    failed = pyqtSignal(str)
    """A request failed; a sentence."""

    acted = pyqtSignal()
    """A run may have begun or ended."""

    def __init__(self) -> None:
        super().__init__()
        self._run: TrainingRun | None = None
        self.headline = wrapped("No run yet. Choose sessions above and start.", "value")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.curves = ValidationPlot()
        self.losses = LossPlot()
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(_LOG_LINES)
        self.log.setMinimumHeight(96)
        self.log.setAccessibleName("Log of the run")
        self.stop = QPushButton("Stop and save")
        self.resume = QPushButton("Go on")
        self.finish = QPushButton("Finish with what there is")
        self.stop.clicked.connect(lambda _checked: self._act(self._stop))
        self.resume.clicked.connect(lambda _checked: self._act(lambda run: run.start()))
        self.finish.clicked.connect(lambda _checked: self._act(lambda run: run.start(finish=True)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.headline)
        layout.addWidget(self.progress)
        layout.addLayout(row(self.stop, self.resume, self.finish, fills=False))
        layout.addWidget(
            wrapped("Joint error, mm: your hand (solid) in frames kept back, other hands (dashed)", "small")
        )
        layout.addWidget(self.curves)
        layout.addWidget(wrapped("Training loss", "small"))
        layout.addWidget(self.losses)
        layout.addWidget(self.log, 1)
        self.show_run(None)

    def show_run(self, run: TrainingRun | None) -> None:
        self._run = run
        phase = run.phase if run else None
        self.stop.setVisible(phase in RUNNING_PHASES)
        self.resume.setVisible(phase in RESUMABLE_PHASES)
        has_weights = run is not None and bool(run.history.evaluations)
        self.finish.setVisible(phase in (RunPhase.STOPPED, RunPhase.INTERRUPTED) and has_weights)
        self.progress.setVisible(phase in RUNNING_PHASES)
        if run is None:
            return
        history = run.history
        self.stop.setText("End it now" if run.may_kill or run.may_terminate else "Stop and save")
        self.progress.setRange(0, history.steps if phase is RunPhase.TRAINING else 0)
        self.progress.setValue(history.step)
        self.headline.setText(describe_run(run))
        self.curves.show_evaluations(
            np.array([point.step for point in history.evaluations], float),
            np.array([point.own_mm for point in history.evaluations]),
            np.array([point.general_mm for point in history.evaluations]),
            history.steps,
        )
        steps, losses = np.array(history.losses, float).reshape(-1, 2).T
        self.losses.show_losses(steps, losses, history.steps)
        text = "\n".join(history.lines[-_LOG_LINES:])
        if text != self.log.toPlainText():
            self.log.setPlainText(text)
            bar = self.log.verticalScrollBar()
            assert bar is not None
            bar.setValue(bar.maximum())

    def allow_training(self, allowed: bool) -> None:
        """Whether a run may be gone on with, which takes the training part and no other run at work."""
        for button in (self.resume, self.finish):
            button.setEnabled(allowed)

    def set_theme(self, theme: Theme) -> None:
        self.curves.set_theme(theme)
        self.losses.set_theme(theme)

    def _stop(self, run: TrainingRun) -> None:
        """Requests the end, then terminates, then kills; each step is offered only if the one before had no effect."""
        if run.may_kill:
            run.kill()
        elif run.may_terminate:
            run.terminate()
        else:
            run.stop()

    def _act(self, act: Callable[[TrainingRun], None]) -> None:
        if self._run is None:
            return
        try:
            act(self._run)
        except Exception as problem:  # noqa: BLE001 - a slot that raises would end the program; the sentence is shown
            self.failed.emit(str(problem))
        self._run.refresh()
        self.show_run(self._run)
        self.acted.emit()


class ValidationPlot(SmallPlot):
    """Both validation errors over the run."""

    def __init__(self) -> None:
        super().__init__("Validation errors over the run", 130)
        self._own = self.plot(symbol="o", symbolSize=6)
        self._general = self.plot(symbol="s", symbolSize=5)

    def show_evaluations(self, steps: np.ndarray, own_mm: np.ndarray, general_mm: np.ndarray, last: int) -> None:
        self._own.setData(steps, own_mm)
        self._general.setData(steps, general_mm)
        both = np.concatenate([own_mm, general_mm])
        highest = float(np.nanmax(both)) if np.isfinite(both).any() else 1.0
        self.setYRange(0.0, 1.15 * highest, padding=0.0)
        self.setXRange(0.0, max(last, 1), padding=0.02)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for item, color, style in (
            (self._own, theme.network, Qt.PenStyle.SolidLine),
            (self._general, theme.muted, Qt.PenStyle.DashLine),
        ):
            item.setPen(pg.mkPen(color, width=2, style=style))
            item.setSymbolBrush(color)
            item.setSymbolPen(None)


class LossPlot(SmallPlot):
    """The loss of the batches, which jumps, and its running mean, which shows the trend."""

    def __init__(self) -> None:
        super().__init__("Training loss over the run", 90)
        self._raw = self.plot()
        self._mean = self.plot()

    def show_losses(self, steps: np.ndarray, values: np.ndarray, last: int) -> None:
        self._raw.setData(steps, values)
        width = max(min(len(values) // 5, 15), 1)
        padded = np.concatenate([np.full(width - 1, values[0]), values]) if len(values) else values
        self._mean.setData(steps, np.convolve(padded, np.full(width, 1.0 / width), "valid") if len(values) else values)
        self.setXRange(0.0, max(last, 1), padding=0.02)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self._raw.setPen(pg.mkPen(theme.border, width=1))
        self._mean.setPen(pg.mkPen(theme.accent, width=2))


def describe_run(run: TrainingRun) -> str:
    """Where a run stands, in a sentence."""
    history, phase = run.history, run.phase
    if phase is RunPhase.FINISHED:
        return history.sentence
    if phase is RunPhase.FAILED:
        return history.error
    if run.may_terminate:
        return "It does not answer. Ending it loses nothing up to its last checkpoint."
    if phase is RunPhase.STARTING:
        return "Starting ..."
    if phase is RunPhase.MEASURING:
        return "Exporting the tuned network and comparing it with the one before ..."
    if phase is RunPhase.TRAINING:
        left = f", {duration(history.seconds_left)} left" if history.seconds_left else ""
        return f"Learning: step {history.step} of {history.steps}{left}. It goes on when this window is closed."
    place = f"at step {history.step} of {history.steps}" if history.steps else "before its first step"
    if phase is RunPhase.STOPPED:
        return f"Stopped {place}; it can go on."
    return f"Interrupted {place}; everything up to step {history.checkpoint_step} is kept, and it can go on."


def duration(seconds: float) -> str:
    """A time for people: "40 s", "6 min", "1 h 20 min"."""
    if seconds < 90.0:
        return f"{max(int(math.ceil(seconds / 10.0) * 10), 10)} s"
    minutes = math.ceil(seconds / 60.0)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
