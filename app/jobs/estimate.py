"""How long a run would take on this machine: a process of its own makes a few real steps and says so."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.child_process import PRODUCT_FOLDER, child_environment, python_command
from hand.errors import ConfigError
from trainer.runs.run_folder import FineTuneRequest


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
    """Measures in the background; ask :meth:`poll` now and then."""

    def __init__(self, request: FineTuneRequest, folder: Path) -> None:
        """Starts measuring.

        Args:
            request: what would be asked for.
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
            ConfigError: the run could not even begin; the sentence says why.
        """
        if self._process.poll() is None:
            return None
        output, complaint = self._process.communicate()
        try:
            content = json.loads(output.splitlines()[-1])
            return Estimate(float(content["seconds"]), float(content["seconds_per_step"]), int(content["steps"]))
        except (ValueError, KeyError, IndexError, TypeError):
            lines = complaint.decode(errors="replace").strip().splitlines()
            raise ConfigError(lines[-1] if lines else "The time could not be measured.") from None

    def close(self) -> None:
        """Ends a measurement that nobody waits for any more."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
