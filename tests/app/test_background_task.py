"""Background tasks: results are delivered in the GUI thread, and never to a deleted receiver."""

from __future__ import annotations

import threading

from PyQt6 import sip
from PyQt6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.ui.widgets.background_task import BackgroundTasks
from app.ui.widgets.signal_gate import SignalGate
from hand.errors import HandliveError


def fail() -> str:
    raise HandliveError("The file is damaged.")


def test_results_and_failures_arrive_in_the_thread_of_the_window(qtbot: QtBot) -> None:
    parent = QObject()
    received: list[tuple[str, threading.Thread]] = []
    failed: list[str] = []
    tasks = BackgroundTasks(parent, failed.append)
    tasks.start("good", lambda: threading.current_thread().name, lambda name: received.append((name, _this_thread())))
    tasks.start("bad", fail, failed.append)
    tasks.start("broken", lambda: 1 // 0, failed.append)
    assert tasks.busy
    qtbot.waitUntil(lambda: not tasks.busy, timeout=20_000)
    assert received == [("good", threading.main_thread())]
    assert sorted(failed) == [
        "That failed with an unexpected error (integer division or modulo by zero); the log has the details.",
        "The file is damaged.",
    ]


def _this_thread() -> threading.Thread:
    return threading.current_thread()


def test_wait_returns_after_the_results_are_delivered() -> None:
    parent = QObject()
    received: list[int] = []
    tasks = BackgroundTasks(parent, received.append)
    tasks.start("one", lambda: 1, received.append)
    tasks.wait()
    assert received == [1]
    assert not tasks.busy


def test_result_is_not_delivered_after_the_task_is_abandoned_or_its_owner_deleted(qtbot: QtBot) -> None:
    for end in (lambda tasks: tasks.abandon(0.01), lambda tasks: tasks.parent().deleteLater()):
        parent = QObject()
        received: list[str] = []
        tasks = BackgroundTasks(parent, received.append)
        go_on = threading.Event()

        def slow(go_on: threading.Event = go_on) -> str:
            go_on.wait(10.0)
            return "too late"

        tasks.start("slow", slow, received.append)
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "slow")
        end(tasks)
        qtbot.wait(30)
        go_on.set()
        thread.join(10.0)
        qtbot.wait(60)
        assert received == []


def test_shut_signal_gate_blocks_signals_of_deleted_objects(qtbot: QtBot) -> None:
    parent = QObject()
    gate = SignalGate()
    names: list[str] = []
    parent.objectNameChanged.connect(names.append)
    gate.emit(lambda: parent.objectNameChanged.emit("first"))
    gate.shut()
    sip.delete(parent)
    # would raise RuntimeError here, and could crash the process in another thread
    gate.emit(lambda: parent.objectNameChanged.emit("second"))
    assert names == ["first"]
