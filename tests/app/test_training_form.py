"""The role of each session in the form while sessions are added and labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from app.recording.sessions import SessionSummary
from app.ui.training.training_form import FineTuneForm

HOME = Path("recordings")


def rows(count: int, *, labelled: bool = True) -> list[SessionSummary]:
    return [SessionSummary(HOME / f"s{number}", f"Session {number}", 100, labelled) for number in range(1, count + 1)]


def choose(qtbot: QtBot, form: FineTuneForm, row: int, key: Qt.Key) -> None:
    """Chooses a role as a user does, by key."""
    role = form.sessions.itemWidget(form.sessions.topLevelItem(row), 2)
    assert isinstance(role, QComboBox)
    qtbot.keyClick(role, key)


def test_only_the_newest_session_is_held_out_and_chosen_roles_are_kept(qtbot: QtBot) -> None:
    form = FineTuneForm()
    qtbot.addWidget(form)
    for count in range(1, 5):
        form.show_sessions(HOME, rows(count))
    assert list(form.roles().values()) == ["learn", "learn", "learn", "held out"]
    choose(qtbot, form, 0, Qt.Key.Key_End)
    choose(qtbot, form, 3, Qt.Key.Key_Down)
    form.show_sessions(HOME, rows(6))
    assert list(form.roles().values()) == ["leave out", "learn", "learn", "leave out", "learn", "held out"]


def test_title_of_a_session_changes_when_it_is_labelled(qtbot: QtBot) -> None:
    form = FineTuneForm()
    qtbot.addWidget(form)
    first, second = rows(2, labelled=False)

    def titles() -> list[str]:
        items = [form.sessions.topLevelItem(number) for number in range(form.sessions.topLevelItemCount())]
        return [item.text(0) for item in items if item is not None]

    form.show_sessions(HOME, [first, second])
    assert titles() == ["Session 1 (not labelled yet)", "Session 2 (not labelled yet)"]
    choose(qtbot, form, 1, Qt.Key.Key_Home)
    form.show_sessions(HOME, [replace(first, labelled=True), second])
    assert titles() == ["Session 1", "Session 2 (not labelled yet)"]
    assert list(form.roles().values()) == ["learn", "learn"]
