"""Events of a run: one JSON object per line, on the real stdout and in runs/<id>/events.jsonl.

The file is the reference: a watcher of the run (the window, a terminal) can start late, end, or
crash, and read the run again from the start. Event kinds: run_started, step, evaluation, checkpoint, warning, error,
end.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO


class EventLog:
    """Appends events to a run's file and repeats them on a stream."""

    def __init__(self, path: Path, stream: TextIO | None = None) -> None:
        """Keeps the file, which is opened with the first event; a resumed run appends to it.

        Args:
            path: events.jsonl of the run.
            stream: where to repeat each line; None for silence.
        """
        self._path = path
        self._file: TextIO | None = None
        self._stream = stream
        self._listeners = list[Callable[[dict[str, Any]], None]]()
        self._silent = False

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Gives every further event to a listener, as it stands in the file."""
        self._listeners.append(listener)

    def silence(self) -> None:
        """Drops every further event: of several processes that train together, one writes."""
        self._silent = True

    def emit(self, kind: str, **content: Any) -> None:
        """Writes one event; numbers that JSON cannot hold become null."""
        if self._silent:
            return
        event = {"event": kind, "time": round(time.time(), 3), **_plain(content)}
        line = json.dumps(event, allow_nan=False)
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(line + "\n")
        self._file.flush()
        if self._stream is not None:
            print(line, file=self._stream, flush=True)
        for listener in self._listeners:
            listener(event)

    def close(self) -> None:
        """Closes the file; the stream is not ours to close."""
        if self._file is not None:
            self._file.close()


def claim_stdout() -> TextIO:
    """Keeps the real stdout for events and sends everything else that prints to stderr.

    A library that prints to stdout would otherwise break the stream that the window reads.
    """
    sys.stdout.flush()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
