"""The hostile trial in its short form; ``python -m tests.trials`` describes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.trials.counts import Finding, Outcome, table

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="the trial plants pipes, devices and links")
def test_short_hostile_trial_has_no_findings() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.trials", "--short"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_findings_are_counted_by_group() -> None:
    outcomes = [Outcome("a", "x"), Outcome("a", "y", Finding.LOST), Outcome("b", "z", Finding.HANG)]
    assert table(outcomes).splitlines()[2:] == [
        "| a | 2 | 0 | 0 | 0 | 0 | 1 | 0 |",
        "| b | 1 | 0 | 0 | 1 | 0 | 0 | 0 |",
        "| all | 3 | 0 | 0 | 1 | 0 | 1 | 0 |",
    ]
