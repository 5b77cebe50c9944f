"""all_finite with a non-finite value at each position of an array, and rounded numbers of a report."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hand.finite import all_finite, rounded_or_none


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


def test_number_of_a_report_is_rounded_and_none_where_nothing_was_measured() -> None:
    assert [rounded_or_none(value) for value in (1.23456, math.nan, -math.inf)] == [1.2346, None, None]
    assert rounded_or_none(1.23456, 2) == 1.23
