"""The command that compiles ahead of the first start caches the kernels of both paths."""

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
    # the solver of IK, the refinement of the network's output, and the renderer
    for kernel in ("minimise", "_bend", "pose_hand", "draw_triangles"):
        assert kernel in kept


def test_failing_run_is_reported_and_does_not_fail_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "main_v2.py"
    program.write_text("import sys; sys.exit('no clip')", encoding="utf-8")
    monkeypatch.setattr(compile_kernels, "_PROGRAM", program)
    assert compile_kernels.main() == 0
    assert "--method network will be compiled at the first start instead (no clip)" in capsys.readouterr().out
