"""What a recorder tells those who watch it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RecorderPhase(Enum):
    """What the recorder is doing."""

    WAITING = "waiting for the first frame"
    RECORDING = "recording"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RecorderState:
    """The recorder as the window shows it.

    Attributes:
        phase: what it is doing.
        sentence: why it failed, else empty.
        frames: written.
        with_hands: of them, how many have an estimate.
        dropped: frames that did not fit into the queue.
        marks: how many were set.
        seconds: from the first frame to the last, pauses left out.
    """

    phase: RecorderPhase = RecorderPhase.WAITING
    sentence: str = ""
    frames: int = 0
    with_hands: int = 0
    dropped: int = 0
    marks: int = 0
    seconds: float = 0.0
