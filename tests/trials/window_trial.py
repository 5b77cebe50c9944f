"""Windows that are opened and closed many times, and windows that a signal closes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.end_signals import ENDING_SIGNALS
from tests.trials.counts import Finding, Outcome
from tests.trials.processes import ROOT, TRACEBACK, end_all_that_name, ended, start

_A_PROCESS = 10
"""Windows of one process."""

_LONGEST_S = 240.0
"""For each of them; on a machine that others load, engines take a minute to load."""

SLOW_S = 5.0
"""A window that takes longer to give camera and engines back hangs: the load of a machine explains no more."""


def try_openings(scratch: Path, seed: int, count: int) -> Iterator[Outcome]:
    """No window crashes while it opens, runs, closes, or when its process ends."""
    closed_s: list[float] = []
    for first in range(0, count, _A_PROCESS):
        folder = scratch / "user"
        wanted = min(_A_PROCESS, count - first)
        process = start(_command("opened", wanted, seed + first), env=_environment(folder))
        code, said = ended(process, _LONGEST_S * wanted)
        windows = _lines(said)
        closed_s += [float(window["closed_s"]) for window in windows]
        for window in windows:
            slow = float(window["closed_s"]) > SLOW_S
            detail = f"closed after {window['closed_s']} s: {said[-3000:]}" if slow else ""
            case = f"{first + int(window['window'])}: {window['kind']}"
            yield Outcome("openings", case, Finding.HANG if slow else None, detail)
        finding = None
        if code is None:
            finding = Finding.HANG
        elif code != 0:
            finding = Finding.CRASH
        elif TRACEBACK in said:
            finding = Finding.TRACEBACK
        elif len(windows) < wanted:
            finding = Finding.LOST
        detail = f"exit code {code} after {len(windows)} windows: {said.strip()[-1500:]}" if finding else ""
        yield Outcome("openings", f"process of windows {first} to {first + wanted - 1}", finding, detail)
        shutil.rmtree(folder, ignore_errors=True)
        # the training runs go on without their windows; they were stopped, and their folder is gone
        left = end_all_that_name(folder)
        detail = f"left behind: {'; '.join(left)}" if left else ""
        yield Outcome("openings", f"trainings of windows {first} on", Finding.HANG if left else None, detail)
    if closed_s:
        ordered = sorted(closed_s)
        print(f"{len(ordered)} windows closed: median {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s.")


def try_signals_to_windows(scratch: Path) -> Iterator[Outcome]:
    """However a window is requested to end, the session, the motion and the settings are complete."""
    for number in ENDING_SIGNALS:
        folder = scratch / "user"
        process = start(_command("signalled"), env=_environment(folder))
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        code, said = ended(process)
        complete = {
            "settings": list(folder.rglob("settings.json")),
            "session": list(folder.rglob("COMPLETE")),
            "motion": list(folder.rglob("motion_*.npz")),
        }
        missing = [name for name, files in complete.items() if len(files) != 1]
        finding, detail = None, ""
        if code is None:
            finding = Finding.HANG
        elif code != 0:
            finding, detail = Finding.CRASH, f"exit code {code}: {said.strip()[-1500:]}"
        elif missing:
            finding, detail = Finding.LOST, f"{', '.join(missing)} missing: {said.strip()[-300:]}"
        elif TRACEBACK in said:
            finding, detail = Finding.TRACEBACK, said.strip().splitlines()[-1]
        yield Outcome("signals", f"window, {signal.Signals(number).name}", finding, detail)
        shutil.rmtree(folder, ignore_errors=True)


def _command(*words: object) -> list[str]:
    return [sys.executable, "-X", "faulthandler", "-m", "tests.trials.window_process", *map(str, words)]


def _environment(folder: Path) -> dict[str, str]:
    """With the user's folders elsewhere, and a display of no screen where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        own["QT_QPA_PLATFORM"] = "offscreen"
    return os.environ | own | {"PYTHONPATH": str(ROOT)}


def _lines(said: str) -> list[dict[str, Any]]:
    lines = [line for line in said.splitlines() if line.startswith('{"window"')]
    return [json.loads(line) for line in lines]
