"""Where a stream goes, as the user writes it: ``udp:9000``, ``osc:192.168.1.20:9001,rate=15``, ``ws:8765,mesh``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from hand.errors import ConfigError

StreamKind = Literal["udp", "osc", "ws"]

LOCALHOST: Final = "127.0.0.1"
DEFAULT_RATE_HZ: Final = 60.0
"""Default limit of messages per second; a webcam gives 30."""

_KINDS: Final[dict[str, StreamKind]] = {"udp": "udp", "osc": "osc", "ws": "ws"}
_HIGHEST_RATE_HZ = 1000.0
_WANTED = "KIND:[HOST:]PORT[,mesh][,rate=N] with KIND udp, osc or ws, such as udp:9000 or ws:8765,mesh,rate=15"
_PATTERN = re.compile(
    r"(?P<kind>[a-z]+):(?:(?P<host>\[[0-9a-fA-F:.]+(?:%[\w.-]+)?\]|[^:,\[\]\s]+):)?(?P<port>\d+)(?P<options>(?:,.*)?)"
)


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """One stream of the user.

    Attributes:
        kind: JSON in UDP datagrams, OSC in UDP datagrams, or a WebSocket server.
        host: where datagrams go, or the address that the server listens at; this machine unless the user names another.
        port: UDP or TCP port.
        mesh: send the vertices too.
        rate_hz: most messages per second.
        origins: web origins beside this machine's own pages that may connect (ws).
    """

    kind: StreamKind
    port: int
    host: str = LOCALHOST
    mesh: bool = False
    rate_hz: float = DEFAULT_RATE_HZ
    origins: tuple[str, ...] = ()

    def describe(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}:{host}:{self.port}"


def parse_stream_address(text: str) -> StreamAddress:
    """Reads a stream as it stands on the command line.

    Args:
        text: ``KIND:[HOST:]PORT[,mesh][,rate=N]``; an IPv6 host stands in brackets.

    Raises:
        ConfigError: the text is something else.
    """
    match = _PATTERN.fullmatch(text.strip())
    kind = None if match is None else _KINDS.get(match["kind"])
    if match is None or kind is None:
        raise ConfigError(f"A stream is written as {_WANTED}, not {text!r}.")
    port = int(match["port"])
    if not 1 <= port <= 65535:
        raise ConfigError(f"A port lies between 1 and 65535, not {port} as in {text!r}.")
    mesh, rate_hz = _stream_options(match["options"], text)
    host = (match["host"] or LOCALHOST).strip("[]")
    return StreamAddress(kind, port, host, mesh, rate_hz)


def _stream_options(options: str, text: str) -> tuple[bool, float]:
    mesh, rate_hz = False, DEFAULT_RATE_HZ
    for option in filter(None, options.split(",")):
        name, _, value = option.strip().partition("=")
        if name == "mesh" and not value:
            mesh = True
        elif name == "rate" and re.fullmatch(r"\d+(\.\d+)?", value) and 0.0 < float(value) <= _HIGHEST_RATE_HZ:
            rate_hz = float(value)
        else:
            raise ConfigError(f"{option!r} in {text!r} is not understood; a stream is written as {_WANTED}.")
    return mesh, rate_hz
