"""The text of a problem report: versions, machine, source, paths, and the last lines of the log."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.machine import describe_machine, product_version
from app.pipeline.live import LivePipeline

LINES_KEPT: Final = 500
_FORMAT = "%(asctime)s  %(levelname)-8s %(name)s: %(message)s"


class LogMemory(logging.Handler):
    """Keeps the last lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT, "%H:%M:%S"))
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._count = 0
        self._guard = threading.Lock()

    @property
    def count(self) -> int:
        """Number of lines in all, to detect new ones."""
        with self._guard:
            return self._count

    def lines(self) -> tuple[str, ...]:
        with self._guard:
            return tuple(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record; called by logging, from any thread."""
        text = self.format(record)
        with self._guard:
            self._lines.append(text)
            self._count += 1


def diagnostics_text(pipeline: LivePipeline[Any, Any], renderer: str, log: LogMemory, network: str = "") -> str:
    """Everything as text to be pasted into a report; the user's folder is written as ~."""
    source = pipeline.source_state
    machine = describe_machine()
    packages = machine.pop("packages")
    lines = [f"handlive {product_version()}", *(f"{name}: {value}" for name, value in machine.items())]
    if isinstance(packages, Mapping):
        lines.append("packages: " + ", ".join(f"{name} {version}" for name, version in packages.items()))
    lines += [f"3D view: {renderer}", f"source: {source.name or 'none'}, {source.phase.value}"]
    if source.facts is not None:
        facts = source.facts
        lines.append(f"  {facts.kind}, {facts.width_px} x {facts.height_px} at {facts.frames_per_second:g} per second")
    lines.append(f"  {source.frames} frames, {source.read_failures} failed reads. {source.sentence}".rstrip())
    for path_id in pipeline.path_ids:
        state = pipeline.path_state(path_id)
        lines.append(f"path {path_id}: {state.phase.value}, {state.failures} failures. {state.sentence}".rstrip())
    if network:
        lines.append(f"network runs on: {network}")
    lines += ["", "log:", *(log.lines() or ("(empty)",))]
    return "\n".join(lines).replace(str(Path.home()), "~") + "\n"
