"""How far an installation is, read from the lines that pip or uv print."""

from __future__ import annotations

import re
from typing import Final

from app.optional_parts.environment import normalised

_COLLECTING: Final = re.compile(r"^\s*(?:Collecting|Requirement already satisfied:)\s+([A-Za-z0-9._-]+)")
_DOWNLOADING: Final = re.compile(
    r"^\s*Downloading\s+(?:\S*/)?(?P<name>[^\s/]+?)(?:-[0-9][^\s/]*)?\s+\((?P<size>[0-9.]+)\s*(?P<unit>[kKMG]?i?B|bytes)\)"
)
_DOWNLOADED: Final = re.compile(r"^\s*Downloaded\s+(?P<name>\S+)")  # uv
_UNPACKING: Final = re.compile(r"^\s*Installing collected packages:\s*(?P<names>.+)$")
_PREPARED: Final = re.compile(r"^\s*Prepared\s+(?P<count>\d+)\s+packages?")  # uv, which then copies what it has

_UNITS_MB: Final = {
    "bytes": 1e-6, "b": 1e-6, "kb": 1e-3, "mb": 1.0, "gb": 1e3, "kib": 1.024e-3, "mib": 1.048576, "gib": 1073.741824,
}  # fmt: skip


class InstallerOutput:
    """Parses lines into the stage of the installer.

    Attributes:
        package: the one that was named last.
        announced_mb: size of all wheels with a started download.
        finished_mb: size of those that are downloaded, which only uv prints.
        unpacking: packages that are being unpacked, in that order, by their normalised names; empty before that stage.
        is_unpacking: that stage has begun.
    """

    def __init__(self) -> None:
        self.package = ""
        self.announced_mb = 0.0
        self.finished_mb = 0.0
        self.unpacking: tuple[str, ...] = ()
        self.is_unpacking = False
        self._sizes_mb: dict[str, float] = {}

    def feed(self, line: str) -> None:
        if match := _COLLECTING.match(line):
            self.package = match[1]
        elif match := _DOWNLOADING.match(line):
            self._begin_download(match["name"], float(match["size"]) * _UNITS_MB[match["unit"].lower()])
        elif match := _DOWNLOADED.match(line):
            self.finished_mb += self._sizes_mb.pop(match["name"], 0.0)
        elif match := _UNPACKING.match(line):
            self.unpacking = tuple(normalised(name.strip()) for name in match["names"].split(","))
            self.is_unpacking = True
        elif _PREPARED.match(line):
            self.is_unpacking = True

    def _begin_download(self, name: str, size_mb: float) -> None:
        self.package = name
        self.announced_mb += size_mb
        self._sizes_mb[name] = size_mb
