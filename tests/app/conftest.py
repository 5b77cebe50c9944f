"""Every test of the app fails when it leaves a timer or a window behind (modelled on napari's tests)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.environment import load_opencv

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from windows import Open

load_opencv()
if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.platform.startswith("linux"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def no_leaked_qt_objects() -> Iterator[None]:
    """Top-level windows and running timers that outlive a test keep their pipelines alive."""
    yield
    widgets_module = sys.modules.get("PyQt6.QtWidgets")
    if widgets_module is None or widgets_module.QApplication.instance() is None:
        return
    from PyQt6.QtCore import QEvent, QTimer
    from PyQt6.QtWidgets import QApplication

    application = QApplication.instance()
    assert isinstance(application, QApplication)
    for _ in range(3):  # deleteLater takes effect when events are processed
        application.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        application.processEvents()
    visible = [widget for widget in application.topLevelWidgets() if widget.isVisible()]
    running = [
        timer
        for widget in application.allWidgets()
        for timer in widget.findChildren(QTimer)
        if timer.isActive() and not widget.isVisible()
    ]
    names = [f"{type(widget).__name__} {widget.objectName()}" for widget in visible]
    for widget in visible:
        widget.close()
        widget.deleteLater()
    assert not names, f"windows left open: {names}"
    assert not running, f"timers left running: {[timer.objectName() or repr(timer) for timer in running]}"


@pytest.fixture(autouse=True)
def trusted_networks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loads networks without vetting them in a child process, except in tests marked ``vetting``.

    A child process for each network would double the duration of the tests.
    """
    monkeypatch.setattr("app.networks.vetting.vetted_file", lambda: tmp_path / "vetted.txt")
    if request.node.get_closest_marker("vetting") is None:
        monkeypatch.setattr("app.networks.vetting.NetworkVetting.vet", lambda _self, _folder: None)


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Open]:
    """Opens windows on fakes (:func:`windows.make_window`) and closes them after the test."""
    from windows import make_window

    opened = []

    def open_it(*args: object, **options: object) -> object:
        opened.append(make_window(*args, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_it  # type: ignore[misc]
    for window in opened:
        window.close()
        window.deleteLater()
