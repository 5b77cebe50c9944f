"""The comparison's panel: a session that is saved replaces an earlier one with the user's consent only."""

from __future__ import annotations

from pathlib import Path

import pytest
from PyQt6.QtWidgets import QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from app.palette import DARK
from app.pipeline.metrics.comparison import Comparison
from app.ui.panels.comparison_panel import ComparisonPanel


@pytest.fixture
def panel(qtbot: QtBot) -> ComparisonPanel:
    made = ComparisonPanel(Comparison(), lambda _sentence: None)
    qtbot.addWidget(made)
    made.set_theme(DARK)
    return made


def test_each_session_gets_a_name_of_its_own(panel: ComparisonPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    proposals: list[str] = []

    def dialog(_parent: object, _title: str, proposal: str, _filter: str) -> tuple[str, str]:
        proposals.append(proposal)
        return "", ""

    times = iter(("2026-01-01_10-00-00", "2026-01-01_10-00-01"))
    monkeypatch.setattr(
        "app.ui.panels.comparison_panel.time.strftime", lambda form: form.replace("%Y-%m-%d_%H-%M-%S", next(times))
    )
    monkeypatch.setattr(QFileDialog, "getSaveFileName", dialog)
    panel._ask_where_to_save()
    panel._ask_where_to_save()
    assert proposals == ["session_2026-01-01_10-00-00", "session_2026-01-01_10-00-01"]


@pytest.mark.parametrize("typed", ["take", "take.png"])
def test_earlier_session_is_replaced_only_with_consent(
    panel: ComparisonPanel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: str
) -> None:
    (tmp_path / "take.csv").write_text("earlier")
    asked: list[str] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / typed), ""))
    for answer in (QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes):
        monkeypatch.setattr(
            QMessageBox, "question", lambda _parent, _title, text, answer=answer: asked.append(text) or answer
        )
        panel._ask_where_to_save()
        kept = answer == QMessageBox.StandardButton.No
        assert ((tmp_path / "take.csv").read_text() == "earlier") == kept
    assert all("take.csv" in text for text in asked)
    assert (tmp_path / "take.json").is_file()
