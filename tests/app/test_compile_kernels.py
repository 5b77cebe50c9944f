"""The command that compiles before the first start leaves the kernels of both paths compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import compile_kernels

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_kernels_of_both_paths_are_kept(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "app.compile_kernels"], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "instead" not in done.stdout
    kept = " ".join(file.name for file in (tmp_path / "cache").rglob("*.nbc"))
    # the solver of the one path, the refinement of the other, and what draws both
    for kernel in ("minimise", "_bend", "pose_hand", "draw_triangles"):
        assert kernel in kept


def test_a_run_that_fails_is_named_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "main_v2.py"
    program.write_text("import sys; sys.exit('no clip')", encoding="utf-8")
    monkeypatch.setattr(compile_kernels, "_PROGRAM", program)
    assert compile_kernels.main() == 0
    assert "--method network will be compiled at the first start instead (no clip)" in capsys.readouterr().out
