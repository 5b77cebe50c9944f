"""Starts and ends the processes that train, and finds all runs there are.

The process is independent of the window: it has a session and a log of its own, and takes commands from a file. A
window that ends leaves it running; the next window can follow and stop it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from app.child_process import PRODUCT_FOLDER, child_environment, python_command
from hand.atomic_file import make_new_folder
from hand.errors import ConfigError, HandliveError
from trainer.runs.run_folder import REQUEST_FILE, STOP_FILE, FineTuneRequest, read_request, write_request
from trainer.runs.run_history import RUNNING_PHASES, RunHistory, RunPhase, is_running

TERMINATE_AFTER_S = 10.0
"""A process that was requested to stop and has not after so long may be terminated."""

KILL_AFTER_S = 5.0
"""One that was terminated and is still there after so long may be killed."""

_LOG_FILE = "log.txt"
_TAIL_BYTES = 4000
_STARTING_S = 60.0


@dataclass(slots=True, eq=False)
class TrainingRun:
    """One run, running or not.

    Attributes:
        folder: of the run.
        request: of the run.
        history: what it has done so far.
        running: its process is alive.
    """

    folder: Path
    request: FineTuneRequest
    history: RunHistory
    running: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _started_s: float = 0.0
    _asked_to_stop_s: float | None = None
    _terminated_s: float | None = None

    @property
    def phase(self) -> RunPhase:
        return self.history.phase(self.running)

    @property
    def may_terminate(self) -> bool:
        """It was requested to stop long ago and is still there."""
        return self.running and _long_ago(self._asked_to_stop_s, TERMINATE_AFTER_S)

    @property
    def may_kill(self) -> bool:
        """It was terminated long ago and is still there."""
        return self.running and _long_ago(self._terminated_s, KILL_AFTER_S)

    def refresh(self) -> bool:
        """Reads what the run has written, and whether its process lives; returns whether anything changed."""
        before = self.running
        self.running = is_running(self.folder) or self._is_starting()
        if not self.running:
            self._asked_to_stop_s = self._terminated_s = None
        return self.history.update() or before != self.running

    def start(self, *, finish: bool = False) -> None:
        """Starts the run, or lets it go on where it was.

        Args:
            finish: train no further; export and compare what there is.

        Raises:
            ConfigError: it is running already, or no process can be started.
        """
        if is_running(self.folder):
            raise ConfigError(f"The run {self.request.name} is at work already; wait for it, or stop it.")
        (self.folder / STOP_FILE).unlink(missing_ok=True)
        command = python_command("trainer", "finetune", "--run", str(self.folder.absolute()))
        try:
            with (self.folder / _LOG_FILE).open("ab") as log:
                self._process = subprocess.Popen(
                    [*command, "--finish"] if finish else command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    cwd=PRODUCT_FOLDER,
                    env=child_environment(),
                    # neither Ctrl+C in the window's terminal nor the window's end is meant for it
                    start_new_session=True,
                )
        except OSError as problem:
            raise ConfigError(f"No training process can be started ({problem.strerror}); free some memory.") from None
        self._started_s = time.monotonic()
        self.running = True

    def stop(self) -> None:
        """Requests that the process save and end."""
        (self.folder / STOP_FILE).touch()
        self._asked_to_stop_s = self._asked_to_stop_s or time.monotonic()

    def terminate(self) -> None:
        """Terminates a process that does not react; the last checkpoint stays."""
        self._signal(signal.SIGTERM)
        self._terminated_s = self._terminated_s or time.monotonic()

    def kill(self) -> None:
        """Kills a process that does not react to its termination either."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def note(self, name: str, notes: str) -> None:
        """Keeps the user's note about the run."""
        self.request = replace(self.request, name=name, notes=notes)
        write_request(self.folder, self.request)

    def log_tail(self) -> str:
        """The end of what the process printed."""
        try:
            return (self.folder / _LOG_FILE).read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return ""

    def _is_starting(self) -> bool:
        """A process takes some seconds to import its libraries before it holds the lock."""
        if self._process is None:
            return False
        return self._process.poll() is None and time.monotonic() - self._started_s < _STARTING_S

    def _signal(self, number: int) -> None:
        # by the number of its own process or, after another window's start, by the one in its folder; the lock proves
        # it lives
        pid = self._process.pid if self._process is not None else self.history.pid
        if pid is not None and is_running(self.folder):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


@dataclass(slots=True)
class TrainingRuns:
    """All runs in a folder, the newest first.

    Attributes:
        folder: where they lie.
        problems: a sentence for each folder that cannot be shown or gone on with, by its name.
    """

    folder: Path
    problems: dict[str, str] = field(default_factory=dict)
    _runs: dict[str, TrainingRun] = field(default_factory=dict)

    def refresh(self) -> list[TrainingRun]:
        """Lists the runs, and reads the state of each."""
        for path in self.folder.glob(f"*/{REQUEST_FILE}"):
            if path.parent.name not in self._runs:
                try:
                    self._add(path.parent, read_request(path.parent))
                    self.problems.pop(path.parent.name, None)
                except HandliveError as problem:
                    self.problems[path.parent.name] = str(problem)
        for run in self._runs.values():
            run.refresh()
        return sorted(self._runs.values(), key=lambda run: run.folder.name, reverse=True)

    def create(self, request: FineTuneRequest) -> TrainingRun:
        """A new run, not yet started; its process runs in a folder of its own, so paths are noted as absolute ones.

        Raises:
            ConfigError: its folder cannot be written.
        """
        base, recordings = (str(Path(place).absolute()) for place in (request.base, request.recordings))
        request = replace(request, base=base, recordings=recordings)
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        try:
            folder = make_new_folder(self.folder, stamp)
            write_request(folder, request)
        except OSError as problem:
            raise ConfigError(
                f"The run {self.folder / stamp} cannot be written ({problem.strerror}); check the disk."
            ) from None
        return self._add(folder, request)

    def at_work(self) -> TrainingRun | None:
        return next((run for run in self._runs.values() if run.phase in RUNNING_PHASES), None)

    def _add(self, folder: Path, request: FineTuneRequest) -> TrainingRun:
        run = TrainingRun(folder, request, RunHistory(folder))
        self._runs[folder.name] = run
        return run


def _long_ago(moment_s: float | None, seconds: float) -> bool:
    return moment_s is not None and time.monotonic() - moment_s >= seconds


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured guess.

    Attributes:
        seconds: of the whole run, its start and its report included.
        seconds_per_step: of training.
        steps: of training.
    """

    seconds: float
    seconds_per_step: float
    steps: int


class EstimateProcess:
    """Measures in the background; call :meth:`poll` now and then."""

    def __init__(self, request: FineTuneRequest, folder: Path) -> None:
        """Starts measuring.

        Args:
            request: of the run to be estimated.
            folder: where runs lie; nothing is written there.

        Raises:
            ConfigError: no process can be started.
        """
        command = python_command("trainer", "finetune", "--measure", "--run", str(folder.absolute() / "none"))
        command += ["--base", str(Path(request.base).absolute())]
        command += ["--recordings", str(Path(request.recordings).absolute()), "--recipe", request.recipe]
        for option, names in (("--train", request.train), ("--hold-out", request.held_out)):
            for name in names:
                command += [option, name]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=PRODUCT_FOLDER,
                env=child_environment(),
            )
        except OSError as problem:
            raise ConfigError(f"No process can be started to measure with ({problem.strerror}).") from None

    def poll(self) -> Estimate | None:
        """The estimate once it is there.

        Raises:
            ConfigError: the run could not even begin; the message gives the reason.
        """
        if self._process.poll() is None:
            return None
        output, message = self._process.communicate()
        try:
            content = json.loads(output.splitlines()[-1])
            return Estimate(float(content["seconds"]), float(content["seconds_per_step"]), int(content["steps"]))
        except (ValueError, KeyError, IndexError, TypeError):
            lines = message.decode(errors="replace").strip().splitlines()
            raise ConfigError(lines[-1] if lines else "The time could not be measured.") from None

    def close(self) -> None:
        """Ends a measurement that is not needed any more."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
