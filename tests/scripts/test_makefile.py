"""The Makefile's list of short benchmarks against the first table of benchmarks/README.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_make_bench_runs_the_benchmarks_of_the_first_table() -> None:
    listed = re.search(r"^BENCHMARKS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed is not None
    first_table = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").split("These take longer")[0]
    assert listed[1].split() == re.findall(r"^\| `python -m benchmarks\.(\w+)` \|", first_table, re.MULTILINE)
