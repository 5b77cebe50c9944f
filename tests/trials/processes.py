"""Starting the program's processes, and how they end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240.0
TRACEBACK = "Traceback (most recent call last)"


def start(command: list[str], **options: object) -> subprocess.Popen[str]:
    """A process whose output is kept; options are those of :class:`subprocess.Popen`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT, "env": environment}
    return subprocess.Popen(command, **{**defaults, **options})  # type: ignore[call-overload, no-any-return]


def ended(process: subprocess.Popen[str], patience_s: float = PATIENCE_S) -> tuple[int | None, str]:
    """Exit code and what it said; None where it had to be killed."""
    try:
        said = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()
        return None, "\n".join(said)
    return process.returncode, "\n".join(said)
