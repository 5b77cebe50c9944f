"""Loads and tries a network beside the live view, in a thread of its own."""

from __future__ import annotations

import threading
from pathlib import Path

from PyQt6.QtCore import QObject, Qt, pyqtSignal

from app.networks.live_network import LiveNetwork, LoadedNetwork, load_candidate
from app.networks.trial import Trial, try_network
from app.networks.vetting import NetworkVetting
from app.ui.widgets.signal_gate import SignalGate
from hand.errors import HandliveError

_CLOSE_S = 0.5


class NetworkTrial(QObject):
    """One trial at a time; the picture goes on meanwhile."""

    tried = pyqtSignal(object, object)
    """The :class:`LoadedNetwork` that was tried, and its :class:`Trial`."""

    failed = pyqtSignal(str)
    """Why the network cannot be tried, in one sentence."""

    _ended = pyqtSignal(object)

    def __init__(self, live: LiveNetwork, parent: QObject) -> None:
        """Idle.

        Args:
            live: the network that others are compared with.
            parent: owns this.
        """
        super().__init__(parent)
        self._live = live
        self._thread: threading.Thread | None = None
        self._trying = False
        self._vetting = NetworkVetting()
        self._gate = SignalGate()
        self._ended.connect(self._tell, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def start(self, folder: Path, verdict: str = "") -> None:
        """Begins, unless a trial is under way.

        Args:
            folder: of the network.
            verdict: of its report, if there is one.
        """
        if self._trying:
            return
        self._trying = True
        self._thread = threading.Thread(target=self._try, args=(folder, verdict), name="network-trial", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Breaks off a trial that is under way, and waits a moment for its thread, which ends with the program else."""
        self._vetting.break_off()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
        self._gate.shut()

    def _try(self, folder: Path, verdict: str) -> None:
        """In its own thread: nothing here touches a widget."""
        outcome: tuple[LoadedNetwork, Trial] | str
        try:
            candidate = load_candidate(folder, self._live.device, self._vetting)
            outcome = candidate, try_network(candidate, self._live.current(), verdict)
        except HandliveError as problem:
            outcome = str(problem)
        except Exception as problem:  # noqa: BLE001 - a stranger's network may break an engine in any way
            outcome = f"The network in {folder} cannot be tried ({problem}); do not use it."
        self._gate.emit(lambda: self._ended.emit(outcome))

    def _tell(self, outcome: tuple[LoadedNetwork, Trial] | str) -> None:
        self._trying = False
        if isinstance(outcome, str):
            self.failed.emit(outcome)
        else:
            self.tried.emit(*outcome)
