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

PRINTS_PROGRESS_AND_SLEEPS = (
    "import json, os, time; print(json.dumps({'stage': str(os.getpid()), 'share': 0.5}), flush=True); time.sleep(60)"
)
PRINTS_A_LINE_IN_TWO_PARTS = (
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


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_destroyed_panel_ends_its_process(qtbot: QtBot, panel: RecordPanel) -> None:
    work = panel.sessions.work
    with qtbot.waitSignal(work.progressed, timeout=20_000) as emitted:
        work.run([sys.executable, "-c", PRINTS_PROGRESS_AND_SLEEPS])
    process = int(emitted.args[0].split(":")[0])
    assert is_running(process)
    with qtbot.captureExceptions() as raised:
        sip.delete(panel)
        qtbot.wait(100)
    assert raised == []
    end = time.monotonic() + 5.0
    while is_running(process) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(process)


def test_panel_and_its_process_can_be_garbage_collected() -> None:
    # Python clears the functions and partials it collects before Qt emits `destroyed`, so it must not call any of them
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED_AS_GARBAGE],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr


def test_process_gets_the_hand_model_of_the_window(
    open_window: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the work's process starts elsewhere
    file, session = tmp_path / "MANO_RIGHT.pkl", tmp_path / "session"
    panel = open_window(hand_model_file=Path(file.name)).findChild(RecordPanel)
    assert panel is not None
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(panel.sessions.work, "start", lambda *words: started.append(words))
    panel.sessions.label(session)
    panel.sessions.import_from(tmp_path / "clip.mp4")
    panel.sessions.export_to(session, tmp_path / "out", "freihand")
    assert [words[0] for words in started] == [f"app.{name}" for name in ("labelling", "recording", "recording")]
    (labelled, imported, exported) = (
        parser.parse_args(words[1:])
        for parser, words in zip((labelling(), exchange(), exchange()), started, strict=True)
    )
    assert (labelled.hand_model, labelled.sessions) == (file, [session])
    assert (imported.hand_model, imported.what, imported.source) == (file, "import", tmp_path / "clip.mp4")
    assert (exported.hand_model, exported.what, exported.session) == (file, "export", session)


def test_line_that_arrives_in_two_parts_is_read_whole(qtbot: QtBot, panel: RecordPanel) -> None:
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.notice, timeout=20_000) as emitted:
        panel.sessions.work.run([sys.executable, "-c", PRINTS_A_LINE_IN_TWO_PARTS])
    assert emitted.args == ["3 of 4 labels are good enough for training."]
    qtbot.waitUntil(lambda: not panel.sessions.work.running, timeout=20_000)


def test_failed_process_is_reported_and_another_can_start(qtbot: QtBot, panel: RecordPanel) -> None:
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.notice, timeout=20_000) as emitted:
        panel.sessions.work.run([sys.executable, "-c", "import sys; sys.exit('The disk is full.')"])
        assert not panel.sessions.importer.isEnabled()
    assert emitted.args == ["The disk is full."]
    qtbot.waitUntil(lambda: not panel.sessions.work.running, timeout=20_000)
    assert panel.sessions.importer.isEnabled()


def test_process_that_cannot_be_started_is_reported_and_another_can_start(
    qtbot: QtBot, panel: RecordPanel, tmp_path: Path
) -> None:
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.notice, timeout=20_000) as emitted:
        panel.sessions.work.run([str(tmp_path / "missing")])
    assert "cannot be started" in emitted.args[0]
    assert not panel.sessions.work.running
    assert panel.sessions.importer.isEnabled()
