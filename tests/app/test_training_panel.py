"""The trainer panel: nothing else is started while a run works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.jobs.training import TrainingRun, TrainingRuns
from app.networks.library import NetworkLibrary
from app.ui.training.training_form import FineTuneForm
from app.ui.training.training_panel import FineTunePanel
from trainer.runs.run_folder import FineTuneRequest
from trainer.runs.run_history import RunHistory


@pytest.fixture
def panel(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FineTunePanel:
    request = replace(FineTuneRequest("base", "sessions"), train=("first",))
    monkeypatch.setattr(FineTuneForm, "request", lambda _form: request)
    library = NetworkLibrary(tmp_path / "base", tmp_path / "networks")
    made = FineTunePanel(library, tmp_path / "sessions", TrainingRuns(tmp_path / "runs"))
    qtbot.addWidget(made)
    return made


def buttons_in_use(panel: FineTunePanel) -> list[QPushButton]:
    return [button for button in (panel.form.start, panel.view.resume, panel.view.finish) if button.isEnabled()]


def test_nothing_else_is_started_while_a_run_works(
    panel: FineTunePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[FineTuneRequest] = []
    monkeypatch.setattr(TrainingRuns, "create", lambda _runs, request: created.append(request))
    panel.refresh()
    assert len(buttons_in_use(panel)) == 3
    at_work = TrainingRun(tmp_path, FineTuneRequest("base", "sessions"), RunHistory(tmp_path), running=True)
    monkeypatch.setattr(TrainingRuns, "at_work", lambda _runs: at_work)
    panel.form.started.emit()  # pressed before the panel has looked
    assert created == []
    panel.refresh()
    panel.form.recipes.button(1).click()  # which shows the hints anew
    assert buttons_in_use(panel) == []
