"""Starting the program's processes, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
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
    """Exit code and output; None where it had to be killed."""
    try:
        said = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()
        return None, "\n".join(said)
    return process.returncode, "\n".join(said)


def end_all_that_name(folder: Path, patience_s: float = PATIENCE_S) -> list[str]:
    """Waits until no process is left whose command names a folder, and kills those that do not end by themselves.

    Returns:
        The commands of the killed ones; none where the system does not show other processes (no /proc).
    """
    end_s = time.monotonic() + patience_s
    while (left := _naming(folder)) and time.monotonic() < end_s:
        time.sleep(0.5)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return list(left.values())


def _naming(folder: Path) -> dict[int, str]:
    commands: dict[int, str] = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if str(folder) in command:
            commands[int(file.parent.name)] = command
    return commands
