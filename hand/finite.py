"""Whether numbers are finite: checked for every array of a hand, in every frame; and numbers for reports."""

from __future__ import annotations

import math

import numba
import numpy as np
from jaxtyping import Float


def all_finite(*arrays: Float[np.ndarray, "..."]) -> bool:
    """Whether no number of some arrays is NaN or infinite; one call for each, where NumPy takes two and an array."""
    return all(_is_finite(array.ravel()) for array in arrays)


def rounded_or_none(value: float, digits: int = 4) -> float | None:
    """A number for a report; None where nothing was measured, because JSON has no NaN."""
    return round(float(value), digits) if math.isfinite(value) else None


# keeps the interpreter lock: reacquiring it would take longer than the microsecond of work
@numba.njit(cache=True, error_model="numpy")
def _is_finite(numbers: np.ndarray) -> bool:
    finite = True
    for number in numbers:
        finite &= np.isfinite(number)
    return finite
