"""UDP datagrams: one per frame, to one address, with or without a receiver."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from app.outputs.address import StreamAddress
from app.outputs.sink import SinkState
from app.pipeline.result_synchronizer import JoinedResult
from hand.errors import ConfigError

LARGEST_DATAGRAM_BYTES: Final = 65_507
"""What UDP over IPv4 carries; a system may send less, as macOS does unless the user changes it."""

FrameEncoder = Callable[[JoinedResult, bool], bytes]
"""Makes a datagram of a frame, with the mesh or without."""


class DatagramSink:
    """Sends datagrams. Nothing is queued: what the system does not take at once is lost, as datagrams may be."""

    def __init__(self, address: StreamAddress, encode_frame: FrameEncoder, about: bytes) -> None:
        """Opens nothing yet.

        Args:
            address: where to.
            encode_frame: makes a datagram of a frame.
            about: the datagram for those that came late.
        """
        self._address = address
        self._encode_frame = encode_frame
        self._about = about
        self._socket: socket.socket | None = None
        self._target: Any = None
        self._state = SinkState()

    @property
    def state(self) -> SinkState:
        return self._state

    def open(self) -> None:
        """Resolves the host, once.

        Raises:
            ConfigError: there is no such host, or this machine does not support its kind of address.
        """
        address = self._address
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise ConfigError(
                f"The stream {address.describe()} has nowhere to go: the host {address.host!r} is not known ({error})."
            ) from None
        # many systems name ::1 first for localhost, and most receivers listen to IPv4 alone
        family, _, _, _, self._target = next((one for one in found if one[0] == socket.AF_INET), found[0])
        try:
            # not connected: a connected socket reports errors while there is no receiver
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:  # such as an IPv6 address where IPv6 is switched off
            raise ConfigError(
                f"The stream {address.describe()} cannot be sent from this machine ({error.strerror or error}); "
                "choose another address."
            ) from None
        self._socket.setblocking(False)

    def send(self, joined: JoinedResult) -> None:
        """Sends one frame; a mesh that does not fit into a datagram is left out, and the state mentions it."""
        mesh = self._address.mesh
        if self._send(self._encode_frame(joined, mesh), ""):
            return
        sentence = "The mesh does not fit into a UDP datagram and is left out; use ws for meshes of this size."
        if not mesh or not self._send(self._encode_frame(joined, False), sentence):
            self._fail("the message is too large for a datagram")

    def send_about(self) -> None:
        """Sends what receivers need once, if a datagram carries it."""
        self._send(self._about, self._state.sentence)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes, sentence: str) -> bool:
        """Sends one datagram; False when it is larger than the system sends."""
        if self._socket is None:
            return True
        if len(data) > LARGEST_DATAGRAM_BYTES:
            return False
        try:
            self._socket.sendto(data, self._target)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return False
            self._fail(str(error.strerror or error))
            return True
        self._state = replace(self._state, sent=self._state.sent + 1, sentence=sentence)
        return True

    def _fail(self, why: str) -> None:
        sentence = f"The stream {self._address.describe()} cannot be sent ({why}); check the network and address."
        self._state = replace(self._state, sentence=sentence, failed=self._state.failed + 1, failure=why)
