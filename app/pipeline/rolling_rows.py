"""The last rows of numbers in one array, so that what is shown of them a few times a second costs next to nothing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


class RollingRows:
    """Remembers the newest rows; the first column is a time that the others are asked by."""

    def __init__(self, columns: int, capacity: int) -> None:
        """Empty.

        Args:
            columns: of a row, the time included.
            capacity: rows that are remembered at most.
        """
        # twice the room, so that the rows lie in one piece and are moved only once per capacity
        self._rows = np.empty((2 * capacity, columns))
        self._capacity = capacity
        self._end = 0

    def append(self, *row: float | Float[np.ndarray, " N"]) -> None:
        """Adds a row; its parts are numbers and arrays of them, in the order of the columns."""
        if self._end == len(self._rows):
            self._rows[: self._capacity] = self._rows[self._capacity :]
            self._end = self._capacity
        self._rows[self._end] = np.hstack(row) if any(isinstance(part, np.ndarray) for part in row) else row
        self._end += 1

    def since(self, time_s: float) -> Float[np.ndarray, "rows columns"]:
        """A copy of the rows that are not older, in the order in which they came."""
        rows = self._rows[max(0, self._end - self._capacity) : self._end]
        return rows[rows[:, 0] >= time_s]
