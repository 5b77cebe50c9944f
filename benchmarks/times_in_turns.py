"""Times of several functions that do the same work, measured in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

ROUNDS: Final = 15
CALLS_PER_TURN: Final = 20


def times_in_turns_ms(steps: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Milliseconds of every call, by name.

    The functions take turns of :data:`CALLS_PER_TURN` calls for :data:`ROUNDS` rounds, so that a busy moment of the
    machine affects all of them; a round before warms up.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(ROUNDS + 1):
        for name, run in steps.items():
            for _ in range(CALLS_PER_TURN):
                start = time.perf_counter()
                run()
                if round_number:
                    times[name].append((time.perf_counter() - start) * 1e3)
    return times
