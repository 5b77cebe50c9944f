"""Review windows: loaded by a thread, in the theme of the main window, and freed when they are closed."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from test_review import make_session
from windows import PATIENCE_MS, Open

from app.palette import DARK, LIGHT, Theme
from app.review.session_review import SessionReview, open_review
from app.ui.recording.record_panel import RecordPanel
from app.ui.review.review_window import ReviewWindow
from app.ui.theme.style_sheet import style_sheet
from app.ui.window.main_window import MainWindow
from hand.model import HandModel


def opened_review(qtbot: QtBot, window: MainWindow, folder: Path) -> ReviewWindow:
    panel = window.findChild(RecordPanel)
    assert panel is not None
    panel.review_requested.emit(folder)
    qtbot.waitUntil(lambda: window.findChild(ReviewWindow) is not None, timeout=PATIENCE_MS)
    review = window.findChild(ReviewWindow)
    assert review is not None
    return review


def color_of(review: ReviewWindow) -> str:
    return review.grab().toImage().pixelColor(3, 3).name()


def test_review_follows_the_theme_of_the_window_and_keeps_its_own_style_rules(
    qtbot: QtBot, open_window: Open, tmp_path: Path
) -> None:
    window = open_window()
    review = opened_review(qtbot, window, make_session(tmp_path / "s"))

    def has_theme(theme: Theme) -> bool:
        sheet = review.styleSheet()
        return sheet.startswith(style_sheet(theme)) and "ReviewWindow {" in sheet and color_of(review) == theme.window

    assert has_theme(DARK)
    for theme in (LIGHT, DARK):
        window.set_theme(theme)
        qtbot.wait(300)  # the hidden parts of the window follow one by one
        assert has_theme(theme)
        assert theme.surface in review.strip.styleSheet()
    review.close()


def test_closed_review_is_freed(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    review = opened_review(qtbot, window, make_session(tmp_path / "s"))
    session = weakref.ref(review.review)
    review.close()
    del review
    qtbot.waitUntil(lambda: window.findChild(ReviewWindow) is None, timeout=PATIENCE_MS)
    window.set_theme(LIGHT)
    qtbot.waitUntil(lambda: gc.collect() >= 0 and session() is None, timeout=20_000)


def test_session_is_read_by_a_thread_and_not_shown_after_the_window_was_closed(
    qtbot: QtBot, open_window: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, allowed = threading.Event(), threading.Event()

    def slow(folder: Path, model: HandModel) -> SessionReview:
        reading.set()
        assert allowed.wait(20.0)
        return open_review(folder, model)

    monkeypatch.setattr("app.ui.recording.record_panel.open_review", slow)
    window = open_window()
    panel = window.findChild(RecordPanel)
    assert panel is not None
    panel.review_requested.emit(make_session(tmp_path / "s"))  # returns at once
    assert reading.wait(20.0)
    threading.Timer(0.3, allowed.set).start()
    window.close()
    qtbot.wait(200)
    assert window.findChild(ReviewWindow) is None


def test_session_that_cannot_be_reviewed_is_reported(qtbot: QtBot, open_window: Open, tmp_path: Path) -> None:
    window = open_window()
    panel = window.findChild(RecordPanel)
    assert panel is not None
    panel.review_requested.emit(tmp_path)
    qtbot.waitUntil(lambda: str(tmp_path) in window.pane_area.notice_text, timeout=PATIENCE_MS)
