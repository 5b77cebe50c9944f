"""Processes: planted code, two writers on one folder, kills in the middle of writing, and signals."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app.child_process import child_environment, python_command
from app.end_signals import ENDING_SIGNALS
from hand.errors import HandliveError
from hand.recording_reader import open_recording
from tests.trials.counts import Finding, Outcome
from tests.trials.processes import PATIENCE_S, ROOT, TRACEBACK, ended, start

_SAVE = """
import sys
from pathlib import Path
from dataclasses import replace
from app.settings import Settings, load_settings, save_changes
from hand.atomic_file import append_line, make_new_folder
folder, name, turns = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for turn in range(turns):
    before = load_settings(folder / "settings.json").settings
    now = replace(before, smoothing=turn / turns) if name == "a" else replace(before, view="ik", guided=True)
    save_changes(before, now, folder / "settings.json")
    append_line(folder / "history.jsonl", name * 200)
    (make_new_folder(folder / "sessions", "same") / name).touch()
"""

_RECORD = """
import sys
from pathlib import Path
import numpy as np
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.recording import SessionInfo
from hand.recording_writer import RecordingWriter
from hand.types import Frame
model, camera = load_embedded_model(), Intrinsics.from_fov(64, 48)
writer = RecordingWriter(Path(sys.argv[1]), SessionInfo("a", camera, False, model.name, model.digest), min_free_bytes=0)
for number in range(100000):
    writer.add(Frame(number, number, np.full((48, 64, 3), number % 250, np.uint8), camera, "a"), [])
    print(number + 1, flush=True)
"""


def _python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


def try_two_writers(scratch: Path, turns: int) -> Iterator[Outcome]:
    """Two programs on one user folder: no save fails, no file is damaged, nothing of either is lost."""
    folder = scratch / "shared"
    folder.mkdir()
    writers = [start(_python(_SAVE, folder, name, turns)) for name in "ab"]
    damaged = 0
    while any(writer.poll() is None for writer in writers):
        try:
            json.loads((folder / "settings.json").read_text())
        except FileNotFoundError:
            pass
        except ValueError:
            damaged += 1
        time.sleep(0.002)
    failed = [said for code, said in map(ended, writers) if code != 0]
    yield _lost("two writers", "saves that failed", failed[0][-300:] if failed else "")
    yield _lost("two writers", "damaged reads", f"{damaged}" if damaged else "")
    lines = sorted((folder / "history.jsonl").read_text().split()) if not failed else []
    whole = lines == ["a" * 200] * turns + ["b" * 200] * turns
    yield _lost("two writers", "lines", "" if failed or whole else "lines were mixed or lost")
    kept = json.loads((folder / "settings.json").read_text())
    expected = (kept["view"], kept["guided"]) == ("ik", True) and kept["smoothing"] > 0.0
    yield _lost("two writers", "settings of both", "" if expected else str(kept))
    made = sorted(path.name for new in (folder / "sessions").iterdir() for path in new.iterdir())
    alone = all(len(list(new.iterdir())) == 1 for new in (folder / "sessions").iterdir())
    good = failed or (alone and made == ["a"] * turns + ["b"] * turns)
    yield _lost("two writers", "folders", "" if good else "two programs were given one folder")
    shutil.rmtree(folder)


def try_kills(scratch: Path, seed: int, kills: int) -> Iterator[Outcome]:
    """A recording that is killed keeps every frame that was written, and settings are the old or the new ones."""
    rng = random.Random(seed)
    for number in range(kills):
        folder = scratch / "killed"
        process = start(_python(_RECORD, folder))
        assert process.stdout is not None
        wanted, written = rng.randrange(1, 60), 0
        while written < wanted:
            written = int(process.stdout.readline() or wanted)
        time.sleep(rng.random() * 0.02)
        process.kill()
        said = process.communicate()[0].split()
        written = int(said[-1]) if said and said[-1].isdigit() else written
        try:
            kept = len(open_recording(folder).frames)
            problem = "" if kept >= written - 1 else f"{kept} of {written} frames"
        except HandliveError as sentence:
            problem = str(sentence)
        yield _lost("kills", f"recording {number}", problem)
        shutil.rmtree(folder)


def try_planted_code(scratch: Path) -> Iterator[Outcome]:
    """Children that stand in a folder full of modules of their libraries' names execute none of them."""
    folder = scratch / "planted"
    folder.mkdir()
    note = folder / "executed"
    for name in ("torch", "numpy", "cv2", "json", "runpy", "yaml", "onnxruntime", "sitecustomize"):
        (folder / f"{name}.py").write_text(f"open({str(note)!r}, 'a').write({name + ' '!r})\n")
    commands = {
        "trainer": python_command("trainer", "synthesize", "--help"),
        "app.labelling": python_command("app.labelling", "--help"),
        "app.recording": python_command("app.recording", "list", "--home", str(folder)),
        "app.networks.vetting_child": python_command("app.networks.vetting_child", str(folder), "1000000", "5"),
        "main_v2.py": [sys.executable, str(ROOT / "main_v2.py"), "--help"],
    }
    for name, command in commands.items():
        environment = child_environment()
        if name == "main_v2.py":  # a script whose packages lie beside it
            del environment["PYTHONSAFEPATH"]
        process = start(command, cwd=folder, env=environment, stdin=subprocess.PIPE)
        code, said = ended(process)
        detail = note.read_text() if note.exists() else ""
        note.unlink(missing_ok=True)
        finding = Finding.EXECUTED if detail else Finding.HANG if code is None else None
        if finding is None and TRACEBACK in said:
            finding, detail = Finding.TRACEBACK, said.strip().splitlines()[-1]
        yield Outcome("planted code", name, finding, detail)
    shutil.rmtree(folder)


def try_signals(scratch: Path) -> Iterator[Outcome]:
    """However a run is requested to end, its report and its motion are complete."""
    for number in ENDING_SIGNALS:
        folder = scratch / "ended"
        folder.mkdir()
        # forty seconds, with its first picture after five
        options = ["--headless", "--source", "demo", "--method", "ik", "--realtime", "--frames", "1200"]
        files = ["--report", str(folder / "report"), "--save-motion", str(folder / "motion.npz")]
        process = start([sys.executable, str(ROOT / "main_v2.py"), *options, "--loop", *files])
        end_s = time.monotonic() + PATIENCE_S
        while not list(folder.glob("report/*.jpg")) and process.poll() is None and time.monotonic() < end_s:
            time.sleep(0.05)
        process.send_signal(number)
        code, said = ended(process)
        report = folder / "report" / "report.json"
        there = report.is_file() and (folder / "motion.npz").is_file()
        finding = Finding.HANG if code is None else None if there else Finding.LOST
        if finding is None and json.loads(report.read_text())["end"] != "stopped":
            finding = Finding.HANG  # it went on to its last frame
        if finding is None and TRACEBACK in said:
            finding = Finding.TRACEBACK
        yield Outcome("signals", number.name, finding, said.strip()[-300:] if finding else "")
        shutil.rmtree(folder)


def _lost(group: str, case: str, problem: str) -> Outcome:
    return Outcome(group, case, Finding.LOST if problem else None, problem)
