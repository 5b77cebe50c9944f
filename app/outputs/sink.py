"""The protocol between a stream and the thread that feeds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.pipeline.result_synchronizer import JoinedResult


@dataclass(frozen=True, slots=True)
class SinkState:
    """State of a stream for people.

    Attributes:
        sent: messages handed to the system or to a client.
        clients: number of receivers now; None where it is unknown, as with datagrams.
        dropped_clients: connections that were closed because they did not keep up.
        sentence: what is wrong, else empty.
        failed: messages that could not be sent.
        failure: why the last one of them could not.
    """

    sent: int = 0
    clients: int | None = None
    dropped_clients: int = 0
    sentence: str = ""
    failed: int = 0
    failure: str = ""


class Sink(Protocol):
    """One stream. ``open``, ``send`` and ``close`` come from one thread; ``state`` may be read from any."""

    @property
    def state(self) -> SinkState:
        """State of the stream."""

    def open(self) -> None:
        """Gets sockets ready.

        Raises:
            ConfigError: the address cannot be used; the message gives the reason.
        """

    def send(self, joined: JoinedResult) -> None:
        """Sends one frame's hands. Never waits for a receiver, and never raises for what a receiver does."""

    def send_about(self) -> None:
        """Sends what receivers need once, for those that came late."""

    def close(self) -> None:
        """Closes the sockets."""
