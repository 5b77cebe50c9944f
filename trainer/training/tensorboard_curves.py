"""Events as TensorBoard curves: a view for people beside events.jsonl, which stays the reference."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


class TensorBoardCurves:
    """Writes the numbers of a run's events as scalars; made to be given to ``EventLog.listen``."""

    def __init__(self, folder: Path) -> None:
        """Keeps the folder; nothing is written, and no library is loaded, before the run begins.

        Args:
            folder: for TensorBoard's files; a resumed run adds one.
        """
        self._folder = folder
        self._writer: Any = None

    def __call__(self, event: dict[str, Any]) -> None:
        kind, step = event["event"], event.get("step", 0)
        if kind == "run_started":
            self._open(step)
        elif self._writer is not None and kind == "step":
            self._draw({"loss": event["loss"], "samples_per_second": event["samples_per_second"]}, step)
            self._draw({f"terms/{name}": value for name, value in event["terms"].items()}, step)
        elif self._writer is not None and kind == "evaluation":
            metrics = {name: value for name, value in event.items() if name not in ("event", "time", "step")}
            self._draw({f"evaluation/{name}": value for name, value in metrics.items()}, step)

    def close(self) -> None:
        """Flushes and ends the writer's thread."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self, step: int) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            return
        # here and not above: it takes a second to load and is not needed to train
        from torch.utils.tensorboard import SummaryWriter

        # what a killed run drew beyond its last checkpoint is not shown
        self._writer = SummaryWriter(str(self._folder), purge_step=step + 1 if step else None)

    def _draw(self, values: dict[str, float | None], step: int) -> None:
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)
