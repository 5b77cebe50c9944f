"""Copies of a run in a second place, to resume from when the first is lost, as a Colab machine is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from hand.errors import DataError
from trainer.notebook.verified_copy import copy_verified
from trainer.runs.run_folder import BEST_FILE, EVENTS_FILE, STATE_FILE

KEPT_FILES: Final = (EVENTS_FILE, BEST_FILE, STATE_FILE)
"""What a run needs to go on and to be judged; the state last, so that a copy that has it has everything before it."""


LEAST_INTERVAL_S: Final = 600.0
"""Between two copies; the last checkpoint of a run is copied in any case."""


class RunBackup:
    """Copies a run's files when it has saved a checkpoint; made to be given to ``EventLog.listen``.

    A place that cannot be written does not stop the training: the trouble is noted and the next checkpoint tries again.
    """

    def __init__(self, run: Path, *places: Path) -> None:
        """Keeps the places.

        Args:
            run: the run's folder.
            places: folders for copies, such as one on a mounted drive and one on another disk.
        """
        self._run = run
        self._places = places
        self._copied_s = -float("inf")
        self.troubles = list[str]()

    def __call__(self, event: dict[str, Any]) -> None:
        due = event["event"] == "checkpoint" and time.monotonic() - self._copied_s >= LEAST_INTERVAL_S
        if due or event["event"] == "end":
            self.copy()

    def copy(self) -> None:
        """Copies what has changed to every place."""
        self._copied_s = time.monotonic()
        for place in self._places:
            try:
                for name in KEPT_FILES:
                    if (self._run / name).is_file():
                        copy_verified(self._run / name, place / name)
            except (OSError, DataError) as problem:
                self.troubles.append(f"No copy could be made in {place}: {problem}")

    def bring_back(self) -> Path | None:
        """Fetches the run from the first place that has it, if the run's own folder has lost it.

        Returns:
            Where it was fetched from; None where there was nothing to fetch, or no need.

        Raises:
            DataError: there is a copy and it cannot be read.
        """
        if (self._run / STATE_FILE).is_file():
            return None
        for place in self._places:
            if (place / STATE_FILE).is_file():
                for name in KEPT_FILES:
                    if (place / name).is_file():
                        copy_verified(place / name, self._run / name)
                return place
        return None
