"""The thread that feeds all streams: takes the newest output and gives it to each of them at its own rate."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from app.outputs.address import StreamAddress
from app.outputs.datagrams import DatagramSink
from app.outputs.messages import about_message, encode, hands_message
from app.outputs.osc import osc_sink
from app.outputs.sink import Sink, SinkState
from app.outputs.web_socket import WebSocketSink
from app.pipeline.mailbox import Mailbox
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.scene_view import as_seen_by_camera
from hand.model import HandModel

logger = logging.getLogger(__name__)

ABOUT_EVERY_S: Final = 2.0
"""Receivers of datagrams that came late wait so long for names and units."""


class Streams:
    """All streams of a run. ``publish`` may be called from any thread and never waits."""

    def __init__(self, addresses: Sequence[StreamAddress], model: HandModel) -> None:
        """Opens nothing yet.

        Args:
            addresses: where hands go.
            model: right-hand model that poses and vertices refer to.
        """
        self._addresses = tuple(addresses)
        self._sinks = tuple(_sink(address, model) for address in addresses)
        self._rates = tuple(RateLimit(address.rate_hz) for address in addresses)
        self._inbox: Mailbox[JoinedResult] = Mailbox()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def open(self) -> None:
        """Opens every stream and starts to send.

        Raises:
            ConfigError: one of them cannot be opened; none is open then.
        """
        for index, sink in enumerate(self._sinks):
            try:
                sink.open()
            except Exception:
                for opened in self._sinks[:index]:
                    opened.close()
                raise
        self._thread.start()

    def publish(self, joined: JoinedResult) -> None:
        """Leaves one frame's hands to be sent; a newer one replaces it if sending is slower than frames come.

        What came too late for its frame is left out, so that receivers get every frame at most once and in order.
        """
        if not joined.late:
            self._inbox.put(joined)

    def states(self) -> tuple[tuple[StreamAddress, SinkState], ...]:
        return tuple((address, sink.state) for address, sink in zip(self._addresses, self._sinks, strict=True))

    def close(self) -> None:
        """Sends nothing more and gives all sockets back."""
        self._stopping.set()
        self._inbox.close()
        if self._thread.ident is not None:
            self._thread.join()
            for sink in self._sinks:
                sink.close()

    def _run(self) -> None:
        about_due_s = time.monotonic()
        while not self._stopping.is_set():
            joined = self._inbox.take(timeout_s=ABOUT_EVERY_S)
            now_s = time.monotonic()
            if now_s >= about_due_s:
                about_due_s = now_s + ABOUT_EVERY_S
                for sink in self._sinks:
                    sink.send_about()
            if joined is None:
                continue
            joined = as_seen_by_camera(joined)
            for sink, rate in zip(self._sinks, self._rates, strict=True):
                if rate.allows(now_s):
                    self._send(sink, joined)

    @staticmethod
    def _send(sink: Sink, joined: JoinedResult) -> None:
        try:
            sink.send(joined)
        except Exception:  # one stream's trouble is not the others'
            logger.exception("a stream could not send a frame")


@contextmanager
def open_streams(addresses: Sequence[StreamAddress], model: HandModel) -> Iterator[Streams]:
    """Streams for as long as a run takes.

    Raises:
        ConfigError: one of them cannot be opened.
    """
    streams = Streams(addresses, model)
    streams.open()
    try:
        yield streams
    finally:
        streams.close()


def _sink(address: StreamAddress, model: HandModel) -> Sink:
    if address.kind == "udp":
        return udp_json_sink(address, model)
    if address.kind == "osc":
        return osc_sink(address, model)
    return WebSocketSink(address, model)


def udp_json_sink(address: StreamAddress, model: HandModel) -> DatagramSink:
    """A stream of JSON datagrams.

    Args:
        address: where to.
        model: right-hand model that poses and vertices refer to.
    """
    return DatagramSink(
        address,
        lambda joined, mesh: encode(hands_message(joined, mesh=mesh)),
        encode(about_message(model, mesh=address.mesh)),
    )


class RateLimit:
    """Limits a rate: decides which moments may be used."""

    def __init__(self, rate_hz: float) -> None:
        """The first moment is always allowed.

        Args:
            rate_hz: most per second.
        """
        self._period_s = 1.0 / rate_hz
        self._due_s = -math.inf

    def allows(self, now_s: float) -> bool:
        """Whether something may be sent now; asking counts as sending.

        Due times stand on a grid, so that 30 of 60 frames a second are every other frame in spite of their jitter.
        """
        # a quarter of the period early is tolerated: frames jitter about the grid
        if now_s < self._due_s - 0.25 * self._period_s:
            return False
        behind = now_s > self._due_s + self._period_s
        self._due_s = (now_s if behind else self._due_s) + self._period_s
        return True
