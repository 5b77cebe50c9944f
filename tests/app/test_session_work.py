"""The process that works on a session: what it says arrives whole, and it does not outlive its panel noisily."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PyQt6 import sip
from pytestqt.qtbot import QtBot

from app.ui.record_panel import RecordPanel
from hand.embedded import load_embedded_model

SAYS_A_SHARE_AND_STAYS = (
    "import json, os, time; print(json.dumps({'stage': str(os.getpid()), 'share': 0.5}), flush=True); time.sleep(60)"
)
SPEAKS_IN_HALVES = (
    "import sys, time; sys.stdout.write('{\"kept\": 3, \"la'); sys.stdout.flush(); time.sleep(0.3); print('bels\": 4}')"
)


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
        work.start("-c", SAYS_A_SHARE_AND_STAYS)
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


def test_a_line_that_comes_in_halves_is_read_whole(qtbot: QtBot, panel: RecordPanel) -> None:
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.said, timeout=20_000) as said:
        panel.sessions.work.start("-c", SPEAKS_IN_HALVES)
    assert said.args == ["3 of 4 labels are good enough to learn from."]
    qtbot.waitUntil(lambda: not panel.sessions.work.running, timeout=20_000)


def test_work_that_fails_says_why_and_makes_room_for_the_next(qtbot: QtBot, panel: RecordPanel) -> None:
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.said, timeout=20_000) as said:
        panel.sessions.work.start("-c", "import sys; sys.exit('The disk is full.')")
        assert not panel.sessions.importer.isEnabled()
    assert said.args == ["The disk is full."]
    qtbot.waitUntil(lambda: not panel.sessions.work.running, timeout=20_000)
    assert panel.sessions.importer.isEnabled()
