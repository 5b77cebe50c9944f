from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation.compare_statistics import blocks_of_time, calibration_gap, error_jitter_mm, paired_change


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_a_clear_gain_is_called_better_and_its_size_is_right(rng: np.random.Generator) -> None:
    before = rng.uniform(8.0, 12.0, 600)
    change = paired_change(before, 0.7 * before + rng.normal(0.0, 0.1, 600), np.arange(600) // 20)
    assert change.verdict == "better"
    assert change.units == 30
    assert change.share == pytest.approx(-0.3, abs=0.01)
    assert change.low < change.share < change.high < 0.0


def test_a_clear_loss_is_called_worse(rng: np.random.Generator) -> None:
    before = rng.uniform(8.0, 12.0, 200)
    assert paired_change(before, before + 1.0, np.arange(200) // 10).verdict == "worse"


def test_the_same_error_is_no_difference(rng: np.random.Generator) -> None:
    error = rng.uniform(5.0, 15.0, 300)
    change = paired_change(error, error, np.arange(300) // 10)
    assert (change.verdict, change.share, change.low, change.high) == ("no clear difference", 0.0, 0.0, 0.0)


def test_frames_of_one_moment_count_as_one_measurement() -> None:
    # ten moments, five better and four worse by much: as a thousand frames that would seem certain
    per_block = np.array([-3.0, -3.0, -3.0, -3.0, -3.0, 2.5, 2.5, 2.5, 2.5, 0.0])
    before = np.full(1000, 10.0)
    after = before + np.repeat(per_block, 100)
    assert paired_change(before, after, np.arange(1000)).verdict == "better"
    assert paired_change(before, after, np.arange(1000) // 100).verdict == "no clear difference"


def test_three_moments_give_no_clear_difference() -> None:
    before = np.full(90, 10.0)
    assert paired_change(before, before / 2.0, np.arange(90) // 30).verdict == "no clear difference"


def test_interval_covers_the_true_change_at_its_nominal_rate() -> None:
    rng = np.random.default_rng(11)
    held = 0
    for trial in range(200):
        block_effect = rng.normal(-0.5, 1.0, 25)
        before = np.full(250, 10.0)
        after = before + np.repeat(block_effect, 10)
        change = paired_change(before, after, np.arange(250) // 10, seed=trial)
        held += change.low <= -0.05 <= change.high
    # 95 % in the limit; percentile intervals over 25 blocks are a little short
    assert 0.87 <= held / 200 <= 0.99


def test_blocks_are_of_one_session_and_one_stretch_of_time() -> None:
    session = np.array([0, 0, 0, 1, 1])
    block = blocks_of_time(session, np.array([0.0, 1.9, 2.1, 0.5, 1.0]), 2.0)
    assert block[0] == block[1]
    assert block[3] == block[4]
    assert len(set(block.tolist())) == 3


def test_calibration_gap_of_known_cases() -> None:
    good = np.array([1.0, 1.0, 1.0, 0.0])
    assert calibration_gap(np.full(4, 0.75), good) == pytest.approx(0.0)
    assert calibration_gap(np.full(4, 0.95), good) == pytest.approx(0.2)
    assert calibration_gap(np.array([1.0, 1.0, 1.0, 0.0]), good) == pytest.approx(0.0)


def test_jitter_ignores_offset_and_drift() -> None:
    frames = np.arange(60)
    drift = np.zeros((60, 21, 3))
    drift[..., 0] = 0.01 + 0.001 * frames[:, None]
    unit, time_s = np.zeros(60, int), frames / 30.0
    assert error_jitter_mm(drift, unit, time_s, 0.1) == pytest.approx(0.0, abs=1e-9)
    alternating = drift.copy()
    alternating[::2, :, 1] += 0.001
    # an alternation of 1 mm has second differences of 2 mm
    assert error_jitter_mm(alternating, unit, time_s, 0.1) == pytest.approx(2.0)
    assert np.isnan(error_jitter_mm(alternating, frames, time_s, 0.1))
    assert np.isnan(error_jitter_mm(alternating, unit, time_s * 100.0, 0.1))
