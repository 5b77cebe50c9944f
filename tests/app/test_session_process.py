"""The process that works on a session: its output arrives whole, and it ends with its panel without an error."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PyQt6 import sip
from pytestqt.qtbot import QtBot
from windows import Open

from app.labelling.__main__ import _parser as labelling
from app.recording.__main__ import _parser as exchange
from app.ui.recording.record_panel import RecordPanel
from hand.embedded import load_embedded_model

SAYS_A_SHARE_AND_STAYS = (
    "import json, os, time; print(json.dumps({'stage': str(os.getpid()), 'share': 0.5}), flush=True); time.sleep(60)"
)
SPEAKS_IN_HALVES = (
    "import sys, time; sys.stdout.write('{\"kept\": 3, \"la'); sys.stdout.flush(); time.sleep(0.3); print('bels\": 4}')"
)

COLLECTED_AS_GARBAGE = """
import gc
from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QApplication
from app.ui.recording.session_process import SessionWork

application = QApplication([])
for _ in range(20):
    owner = QObject()
    owner.itself, owner.work = owner, SessionWork(owner)
    del owner
    gc.collect()
print("done")
"""


@pytest.fixture
def panel(tmp_path: Path) -> RecordPanel:
    return RecordPanel(load_embedded_model(), tmp_path / "sessions")


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_panel_that_is_destroyed_takes_its_work_along(qtbot: QtBot, panel: RecordPanel) -> None:
    work = panel.sessions.work
    with qtbot.waitSignal(work.progressed, timeout=20_000) as told:
        work.run([sys.executable, "-c", SAYS_A_SHARE_AND_STAYS])
    process = int(told.args[0].split(":")[0])
    assert lives(process)
    with qtbot.captureExceptions() as raised:
        sip.delete(panel)
        qtbot.wait(100)
    assert raised == []
    end = time.monotonic() + 5.0
    while lives(process) and time.monotonic() < end:
        time.sleep(0.01)
    assert not lives(process)


def test_python_may_collect_a_panel_and_its_work_as_garbage() -> None:
    # Python empties the functions and partials that it collects before Qt emits `destroyed`: none may be called there
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED_AS_GARBAGE],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr


def test_work_is_done_with_the_hand_model_of_the_window(
    open_window: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the work's process starts elsewhere
    file, session = tmp_path / "MANO_RIGHT.pkl", tmp_path / "session"
    panel = open_window(hand_model_file=Path(file.name)).findChild(RecordPanel)
    assert panel is not None
    begun: list[tuple[str, ...]] = []
    monkeypatch.setattr(panel.sessions.work, "start", lambda *words: begun.append(words))
    panel.sessions.label(session)
    panel.sessions.import_from(tmp_path / "clip.mp4")
    panel.sessions.export_to(session, tmp_path / "out", "freihand")
    assert [words[0] for words in begun] == [f"app.{name}" for name in ("labelling", "recording", "recording")]
    (labelled, imported, exported) = (
        parser.parse_args(words[1:]) for parser, words in zip((labelling(), exchange(), exchange()), begun, strict=True)
    )
    assert (labelled.hand_model, labelled.sessions) == (file, [session])
    assert (imported.hand_model, imported.what, imported.source) == (file, "import", tmp_path / "clip.mp4")
    assert (exported.hand_model, exported.what, exported.session) == (file, "export", session)


def test_a_line_that_comes_in_halves_is_read_whole(qtbot: QtBot, panel: RecordPanel) -> None:
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.notice, timeout=20_000) as said:
        panel.sessions.work.run([sys.executable, "-c", SPEAKS_IN_HALVES])
    assert said.args == ["3 of 4 labels are good enough for training."]
    qtbot.waitUntil(lambda: not panel.sessions.work.running, timeout=20_000)


def test_work_that_fails_says_why_and_makes_room_for_the_next(qtbot: QtBot, panel: RecordPanel) -> None:
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.notice, timeout=20_000) as said:
        panel.sessions.work.run([sys.executable, "-c", "import sys; sys.exit('The disk is full.')"])
        assert not panel.sessions.importer.isEnabled()
    assert said.args == ["The disk is full."]
    qtbot.waitUntil(lambda: not panel.sessions.work.running, timeout=20_000)
    assert panel.sessions.importer.isEnabled()
