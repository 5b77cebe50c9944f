"""Work on a session that takes minutes (labelling, import, export), in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

_ROOT = Path(__file__).resolve().parents[2]
_KILL_WITHIN_MS = 2000


class SessionWork(QObject):
    """Runs one command of this program at a time and passes on what it says as JSON lines."""

    said = pyqtSignal(str)
    """A sentence for the user."""

    progressed = pyqtSignal(str)
    """How far it is, in a few words; empty when it has ended."""

    changed = pyqtSignal()
    """It began or ended."""

    def __init__(self, parent: QObject) -> None:
        """Idle."""
        super().__init__(parent)
        self._process: QProcess | None = None

    @property
    def running(self) -> bool:
        """Whether something is at work."""
        return self._process is not None

    def start(self, *arguments: str) -> None:
        """Begins, unless something is at work already.

        Args:
            arguments: of the Python interpreter, such as "-m", "app.labelling".
        """
        if self._process is not None:
            return
        process = QProcess(self)
        process.setProgram(sys.executable)
        process.setArguments(list(arguments))
        process.setWorkingDirectory(str(_ROOT))
        process.readyReadStandardOutput.connect(lambda: self._read(process))
        process.finished.connect(lambda code, _status: self._end(process, code))
        self._process = process
        process.start()
        self.changed.emit()

    def kill(self) -> None:
        """Breaks off what is at work, without a word about it."""
        if self._process is not None:
            self._process.finished.disconnect()
            self._process.kill()
            self._process.waitForFinished(_KILL_WITHIN_MS)

    def _read(self, process: QProcess) -> None:
        for line in bytes(process.readAllStandardOutput().data()).splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if "share" in content:
                self.progressed.emit(f"{content['stage'].capitalize()}: {content['share']:.0%}")
            elif "kept" in content:
                self.said.emit(f"{content['kept']} of {content['labels']} labels are good enough to learn from.")
            elif "word" in content:
                self.said.emit(str(content["word"]))

    def _end(self, process: QProcess, code: int) -> None:
        if code != 0:
            words = bytes(process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
            self.said.emit(words[-1] if words else "The work was broken off; try again.")
        self._process = None
        self.progressed.emit("")
        process.deleteLater()
        self.changed.emit()
