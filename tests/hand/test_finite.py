"""all_finite with a non-finite value at each position of an array."""

from __future__ import annotations

import numpy as np
import pytest

from hand.finite import all_finite


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_single_non_finite_value_is_found_at_every_position(precision: type[np.floating]) -> None:
    whole = np.random.default_rng(0).normal(size=(7, 3)).astype(precision)
    largest = np.full(5, np.finfo(precision).max, precision)  # whose sum would not be finite
    assert all_finite(whole, largest, whole.T, whole[::2], np.empty((0, 3), precision))
    for bad in (np.nan, np.inf, -np.inf):
        for place in np.ndindex(whole.shape):
            broken = whole.copy()
            broken[place] = bad
            assert not all_finite(largest, broken)
            assert not all_finite(broken.T, largest)


def test_no_arrays_count_as_finite() -> None:
    assert all_finite()
