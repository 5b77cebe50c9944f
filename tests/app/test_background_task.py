"""Work beside the window: what it says arrives, and reaches nobody who is gone."""

from __future__ import annotations

import threading

from PyQt6 import sip
from PyQt6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.ui.widgets.background_task import Background
from app.ui.widgets.signal_gate import SignalGate
from hand.errors import HandliveError


def test_the_sentence_of_a_job_arrives(qtbot: QtBot) -> None:
    parent = QObject()
    background = Background(parent)
    with qtbot.waitSignal(background.finished) as done:
        background.start("job", lambda: "It is done.")
    assert done.args == ["It is done."]

    def fail() -> str:
        raise HandliveError("The file is damaged.")

    with qtbot.waitSignal(background.finished) as done:
        background.start("job", fail)
    assert done.args == ["The file is damaged."]
    background.wait()


def test_a_job_that_outlives_the_patience_reaches_nobody(qtbot: QtBot) -> None:
    parent = QObject()
    background = Background(parent)
    said: list[str] = []
    background.finished.connect(said.append)
    go_on, ended = threading.Event(), threading.Event()

    def slow() -> str:
        go_on.wait(10.0)
        background.tell(lambda: said.append("told"))
        ended.set()
        return "too late"

    background.start("slow", slow)
    background.wait(0.01)
    go_on.set()
    assert ended.wait(10.0)
    background.wait()
    qtbot.wait(50)
    assert said == []


def test_a_shut_gate_keeps_threads_from_objects_that_are_gone(qtbot: QtBot) -> None:
    parent = QObject()
    gate = SignalGate()
    names: list[str] = []
    parent.objectNameChanged.connect(names.append)
    gate.emit(lambda: parent.objectNameChanged.emit("first"))
    gate.shut()
    sip.delete(parent)
    gate.emit(lambda: parent.objectNameChanged.emit("second"))  # would raise, and end the process in a thread
    assert names == ["first"]
