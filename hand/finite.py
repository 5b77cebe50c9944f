"""Whether numbers are finite: checked for every array of a hand, in every frame."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float


def all_finite(*arrays: Float[np.ndarray, "..."]) -> bool:
    """Whether no number of some arrays is NaN or infinite; one call for each, where NumPy takes two and an array."""
    return all(_is_finite(array.ravel()) for array in arrays)


# keeps the interpreter lock: reacquiring it would take longer than the microsecond of work
@numba.njit(cache=True, error_model="numpy")
def _is_finite(numbers: np.ndarray) -> bool:
    finite = True
    for number in numbers:
        finite &= np.isfinite(number)
    return finite
