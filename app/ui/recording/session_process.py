"""Work on a session that takes minutes (labelling, import, export), in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence

from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, pyqtSignal

from app.child_process import PRODUCT_FOLDER, child_environment, python_command

_KILL_WITHIN_MS = 2000


class SessionWork(QObject):
    """Runs one command of this program at a time and passes on its JSON lines."""

    notice = pyqtSignal(str)
    """A sentence for the user."""

    progressed = pyqtSignal(str)
    """How far it is, in a few words; empty when it has ended."""

    changed = pyqtSignal()
    """It began or ended."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._process = QProcess(self)
        self._process.setWorkingDirectory(str(PRODUCT_FOLDER))
        environment = QProcessEnvironment()
        for name, value in child_environment().items():
            environment.insert(name, value)
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._end)
        self._process.errorOccurred.connect(self._report_missing_start)

    @property
    def running(self) -> bool:
        return self._process.state() is not QProcess.ProcessState.NotRunning

    def start(self, module: str, *arguments: str) -> None:
        """Runs one of the program's modules, unless a process is running already.

        Args:
            module: as for ``python -m``, such as "app.labelling".
            arguments: of the module; paths among them absolute.
        """
        self.run(python_command(module, *arguments))

    def run(self, command: Sequence[str]) -> None:
        """Runs a command that reports as the program's modules do, unless a process is running already."""
        if not self.running:
            self._process.setProgram(command[0])
            self._process.setArguments(list(command[1:]))
            self._process.start()
            self.changed.emit()

    def kill(self) -> None:
        """Aborts the command, without a message."""
        _end_quietly(self._process)

    def _read(self) -> None:
        while self._process.canReadLine():  # never half a line
            line = bytes(self._process.readLine().data())
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if "share" in content:
                self.progressed.emit(f"{content['stage'].capitalize()}: {content['share']:.0%}")
            elif "kept" in content:
                self.notice.emit(f"{content['kept']} of {content['labels']} labels are good enough for training.")
            elif "word" in content:
                self.notice.emit(str(content["word"]))

    def _report_missing_start(self, error: QProcess.ProcessError) -> None:
        """A process that never started does not finish either."""
        if error is QProcess.ProcessError.FailedToStart:
            program, reason = self._process.program(), self._process.errorString()
            self.notice.emit(
                f"The work cannot be started: {program} does not run ({reason}); free memory and try again."
            )
            self.progressed.emit("")
            self.changed.emit()

    def _end(self, code: int) -> None:
        if code != 0:
            lines = bytes(self._process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
            self.notice.emit(lines[-1] if lines else "The work was broken off; try again.")
        self.progressed.emit("")
        self.changed.emit()


def _end_quietly(process: QProcess) -> None:
    if process.state() is not QProcess.ProcessState.NotRunning:
        process.blockSignals(True)
        process.kill()
        process.blockSignals(not process.waitForFinished(_KILL_WITHIN_MS))
