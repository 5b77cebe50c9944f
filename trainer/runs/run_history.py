"""The history of a training run, replayed from its events: the same for every reader, at any time.

The window follows a run with :meth:`RunHistory.update`; a report reads a run that is over with :func:`read_history`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hand.checked_files import FILE_FAULTS
from hand.errors import DataError
from trainer.runs.run_folder import EVENTS_FILE, LOCK_FILE, read_events


class RunPhase(Enum):
    """Where a run stands."""

    STARTING = "starting"
    TRAINING = "training"
    MEASURING = "measuring"
    FINISHED = "finished"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


RUNNING_PHASES = (RunPhase.STARTING, RunPhase.TRAINING, RunPhase.MEASURING)
"""A process is at work on the run."""

RESUMABLE_PHASES = (RunPhase.STOPPED, RunPhase.INTERRUPTED, RunPhase.FAILED)
"""The run can go on where it was."""


_STARTS = ("run_started", "hello")
"""Names of the event with which a process begins or resumes; the second one is of version 0.1.0."""

_NO_METRICS = ("event", "time", "step")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The averaged network at one moment of the run.

    Attributes:
        step: of the run.
        metrics: what was measured, by name.
    """

    step: int
    metrics: dict[str, float]

    @property
    def own_mm(self) -> float:
        """Aligned joint error on what was kept back of the training sessions; NaN without recordings."""
        return self.metrics.get("recordings_pa_mpjpe_mm", math.nan)

    @property
    def general_mm(self) -> float:
        """The same on unseen renderings."""
        return self.metrics.get("rendered_pa_mpjpe_mm", math.nan)


@dataclass(slots=True)
class RunHistory:
    """The events of a run, folded together; what a killed process did and its successor did again counts once.

    Attributes:
        folder: of the run.
        config: the recipe, as plain values; empty before the first process began.
        step: optimiser steps done.
        steps: of the whole run.
        losses: step and training loss, for the curve.
        evaluations: validation, for the curves.
        warnings: step and sentence.
        checkpoint_step: from which step the run would go on.
        seconds_left: of the training itself.
        stage: "training", "export" or "report"; empty before the first.
        pid: of the process that works on it, or did.
        sentence: of the finished run's report.
        verdict: of the report.
        metrics: headline metrics of the report.
        error: why it failed, in one sentence.
        lines: the log for people.
        damaged: lines that could not be read, or hold what no event has; they are left out.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    steps: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    checkpoint_step: int = 0
    seconds_left: float | None = None
    stage: str = ""
    pid: int | None = None
    sentence: str = ""
    verdict: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    error: str = ""
    lines: list[str] = field(default_factory=list)
    damaged: int = 0
    _read_to: int = 0
    _ended: str = ""

    def update(self) -> bool:
        """Reads what was written since the last time; returns whether there was anything."""
        before, named = self._read_to, self.damaged > 0
        events, self._read_to, damaged = read_events(self.folder / EVENTS_FILE, self._read_to)
        self.damaged += damaged
        for event in events:
            try:
                self._fold(event)
            except FILE_FAULTS:  # a value that no event has
                self.damaged += 1
        if self.damaged and not named:
            self.lines.append(f"Some lines of {EVENTS_FILE} are damaged and left out.")
        return self._read_to != before

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Every evaluated figure over the steps, by name."""
        names = dict.fromkeys(name for point in self.evaluations for name in point.metrics)
        return {
            name: [(point.step, point.metrics[name]) for point in self.evaluations if name in point.metrics]
            for name in names
        }

    def phase(self, running: bool) -> RunPhase:
        """Where the run stands.

        Args:
            running: whether a process is at work on it, see :func:`is_running`.
        """
        if running:
            if self.stage in ("export", "report") and not self.sentence:
                return RunPhase.MEASURING
            return RunPhase.TRAINING if self.step or self.steps else RunPhase.STARTING
        if self.sentence:
            return RunPhase.FINISHED
        if self.error:
            return RunPhase.FAILED
        return RunPhase.STOPPED if self._ended == "stopped" else RunPhase.INTERRUPTED

    def _fold(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "stage":
            self.stage, self.error, self._ended = str(event.get("name", "")), "", ""
            self.pid = int(event["pid"]) if "pid" in event else self.pid
            self.lines.append(
                {"training": "Started.", "export": "Exporting.", "report": "Comparing."}.get(self.stage, "")
            )
        elif kind in _STARTS:
            self._go_on(event)
        elif kind == "step":
            self.step = int(event["step"])
            self.seconds_left = event.get("seconds_left")
            if event.get("loss") is not None:
                self.losses.append((self.step, float(event["loss"])))
        elif kind == "evaluation":
            metrics = {name: value for name, value in event.items() if name not in _NO_METRICS and value is not None}
            evaluation = Evaluation(int(event["step"]), metrics)
            self.evaluations.append(evaluation)
            self.lines.append(
                f"Step {evaluation.step}: your hand {evaluation.own_mm:.1f} mm, others {evaluation.general_mm:.1f} mm."
            )
        elif kind == "warning":
            sentence = str(event.get("message", event.get("hint", "")))
            self.warnings.append((int(event.get("step") or 0), sentence))
        elif kind == "checkpoint":
            self.checkpoint_step = int(event["step"])
        elif kind == "end":
            self._ended, self.seconds_left = str(event.get("reason", "")), None
            self.lines.append(f"Training {self._ended} at step {event.get('step')}.")
        elif kind == "error":
            self.error = str(event.get("hint", "")) or "The training failed; see its log."
            self.lines.append(self.error)
        elif kind == "result":
            self.sentence, self.verdict = str(event.get("sentence", "")), str(event.get("verdict", ""))
            self.metrics = {str(key): float(value) for key, value in dict(event.get("figures", {})).items()}
            self.error = ""
            self.lines.append(self.sentence)

    def _go_on(self, event: dict[str, Any]) -> None:
        """A resumed run begins at its checkpoint: what a killed process did after that is done again."""
        self.step = int(event.get("step", 0))
        self.config = dict(event.get("config", {}))
        self.steps = int(self.config.get("steps", 0))
        self.losses = [point for point in self.losses if point[0] <= self.step]
        self.evaluations = [point for point in self.evaluations if point.step <= self.step]
        self.warnings = [point for point in self.warnings if point[0] <= self.step]
        if self.step:
            self.lines.append(f"Going on at step {self.step}.")


def read_history(folder: Path) -> RunHistory:
    """Reads the history of a run.

    Args:
        folder: of the run.

    Raises:
        DataError: no run has begun there.
    """
    history = RunHistory(folder)
    history.update()
    if not history.config:
        raise DataError(f"{folder} is no training: its {EVENTS_FILE} is missing or empty; give the --out of a fit.")
    return history


def is_running(folder: Path) -> bool:
    """Whether a process is at work on a run; the system gives its lock back however it ends."""
    path = folder / LOCK_FILE
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):
        return True
