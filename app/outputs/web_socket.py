"""A WebSocket server for browsers and scripts: the newest frame to every client, and no queue that could grow.

All clients are served by one thread with its own event loop. A client that reads slower than frames come misses frames;
one that takes nothing for a while is disconnected, so that it costs the others nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
import socket
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from app.outputs.address import StreamAddress
from app.outputs.messages import about_message, encode, hands_message
from app.outputs.sink import SinkState
from app.pipeline.result_synchronizer import JoinedResult
from hand.errors import ConfigError
from hand.model import HandModel

logger = logging.getLogger(__name__)

MOST_CLIENTS: Final = 16
PATIENCE_S: Final = 2.0
"""A client that takes no byte for so long is disconnected."""

_SEND_BUFFER_BYTES = 64 * 1024
"""Small, because what waits in the system's buffer is the past."""

_LARGEST_INCOMING_BYTES = 1024
"""Clients have no messages to send; any that arrive are read and dropped."""

_CLOSE_S = 0.5
_TRY_AGAIN_LATER = 1013
_LOCAL_PAGE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
"""Web pages that may listen: this machine's own. Programs send no origin; pages of other sites are refused, because a
browser would let any site read a server on this machine."""


@dataclass(eq=False)
class _Client:
    """What one connection is still to be sent; the newest frame replaces an older one."""

    newest: str = ""
    updated: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, text: str) -> None:
        self.newest = text
        self.updated.set()


class WebSocketSink:
    """Serves every client that connects."""

    def __init__(self, address: StreamAddress, model: HandModel, *, patience_s: float = PATIENCE_S) -> None:
        """Listens to nothing yet.

        Args:
            address: where to listen.
            model: right-hand model that poses and vertices refer to.
            patience_s: a client that takes no byte for so long is disconnected.
        """
        self._address = address
        self._about = encode(about_message(model, mesh=address.mesh)).decode()
        self._patience_s = patience_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._listening = threading.Event()
        self._refused: Exception | None = None
        self._clients: set[_Client] = set()
        self._sent = self._dropped = 0
        self._sentence = ""
        self._thread = threading.Thread(target=self._run, name="stream-ws", daemon=True)

    @property
    def state(self) -> SinkState:
        return SinkState(self._sent, len(self._clients), self._dropped, self._sentence)

    def open(self) -> None:
        """Starts to listen.

        Raises:
            ConfigError: the address or port cannot be used.
        """
        self._thread.start()
        self._listening.wait()
        if self._refused is not None:
            self._thread.join()
            unnameable = isinstance(self._refused, UnicodeError)  # whose message is about codecs
            why = "no host is called so" if unnameable else getattr(self._refused, "strerror", None) or self._refused
            raise ConfigError(
                f"The stream {self._address.describe()} cannot listen there ({why}); choose another port or address."
            )

    def send(self, joined: JoinedResult) -> None:
        """Offers one frame to every client."""
        if self._clients and self._loop is not None:
            text = encode(hands_message(joined, mesh=self._address.mesh)).decode()
            self._loop.call_soon_threadsafe(self._offer, text)

    def send_about(self) -> None:
        """Does nothing: every client receives it when it connects."""

    def close(self) -> None:
        """Closes the connections and stops listening."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def _offer(self, text: str) -> None:
        for client in self._clients:
            client.offer(text)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if self._listening.is_set():
                raise
            # an OSError, or a UnicodeError for what cannot be a host's name; open() waits for an answer in any case
            self._refused = error
            self._listening.set()

    async def _serve(self) -> None:
        server = await serve(
            self._serve_client,
            self._address.host,
            self._address.port,
            process_request=self._refuse_other_origins,
            compression=None,  # numbers of single frames hardly shrink, and it would take time from the hand paths
            max_size=_LARGEST_INCOMING_BYTES,
            open_timeout=self._patience_s,
            close_timeout=_CLOSE_S,
            logger=logger,
        )
        self._loop = asyncio.get_running_loop()
        async with server:
            self._listening.set()
            await self._closing.wait()

    def _refuse_other_origins(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuses pages of other origins; the response names the option that allows them."""
        origin = request.headers.get("Origin")
        if origin is None or origin in self._address.origins or _LOCAL_PAGE.fullmatch(origin):
            return None
        self._sentence = (
            f"A page of the origin {origin} was refused by {self._address.describe()}; allow it with "
            f"--stream-origin {shlex.quote(origin)}."
        )
        logger.warning(self._sentence)
        return connection.respond(HTTPStatus.FORBIDDEN, self._sentence + "\n")

    async def _serve_client(self, connection: ServerConnection) -> None:
        if len(self._clients) >= MOST_CLIENTS:
            await connection.close(_TRY_AGAIN_LATER, f"{MOST_CLIENTS} clients are connected already")
            return
        own_socket: socket.socket = connection.transport.get_extra_info("socket")
        own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        client = _Client()
        self._clients.add(client)
        reading = asyncio.create_task(_discard_messages(connection))
        # reading ends with the connection; the next send then fails, or a silent program would keep it for ever
        reading.add_done_callback(lambda _task: client.updated.set())
        try:
            await asyncio.wait_for(connection.send(self._about), self._patience_s)
            await self._feed(client, connection)
        except ConnectionClosed:
            pass
        except TimeoutError:
            self._dropped += 1
            connection.transport.abort()
        finally:
            self._clients.discard(client)
            reading.cancel()

    async def _feed(self, client: _Client, connection: ServerConnection) -> None:
        while True:
            await client.updated.wait()
            client.updated.clear()
            # waits while the client's buffers are full; what comes meanwhile replaces what was to come next
            await asyncio.wait_for(connection.send(client.newest), self._patience_s)
            self._sent += 1


async def _discard_messages(connection: ServerConnection) -> None:
    """Keeps reading: pings and close frames of a connection are only handled while it is read."""
    try:
        async for _ in connection:
            pass
    except ConnectionClosed:
        pass
