"""Whether anything the user does holds the window's thread up: the longest single event of every action.

    xvfb-run -a python -m benchmarks.responsiveness

The real window plays the demo clip with both paths on while every view, panel and tool is used once, sources are
switched, and the window is resized. An event may take 50 ms, its drawing included. The processor's time is what the
thread itself worked; the clock's includes what other processes of a busy machine took from it.
"""

# ruff: noqa: E402 - the process is prepared before OpenCV and Qt are imported
from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.environment import prepare_process

prepare_process()

import cv2
import numpy as np
from PyQt6.QtCore import QEvent, QObject, QTimer
from PyQt6.QtGui import QAction, QSurfaceFormat
from PyQt6.QtWidgets import QApplication, QDockWidget

from app.machine import describe_machine
from app.palette import DARK, LIGHT
from app.sources.demo import DEMO_CLIP
from app.ui.views.opengl_support import opengl_format
from app.ui.window.main_window import MainWindow
from benchmarks.demo_window import open_window, wait, wait_for_hands

LIMIT_MS = 50.0
SETTLE_S = 1.2

_HOLDS_THE_WINDOW = ("Shortcuts", "Snapshot", "Inspect", "Record or stop", "Save motion", "Copy")
"""Tools that open a dialog of their own, or that the tests cover with real files."""


@dataclass(slots=True)
class Longest:
    """The longest event so far.

    Attributes:
        wall_ms: by the clock.
        work_ms: by the thread's own time.
        what: whom it was for, and its kind.
    """

    wall_ms: float = 0.0
    work_ms: float = 0.0
    what: str = ""


class TimedApplication(QApplication):
    """Measures every event on its way to whom it is for."""

    longest = Longest()
    _depth = 0

    def notify(self, receiver: QObject | None, event: QEvent | None) -> bool:
        """Delivers an event; one inside another counts with that one."""
        if self._depth:
            return super().notify(receiver, event)
        # both may be gone afterwards
        what = f"{type(receiver).__name__}, {event.type().name if event is not None else ''}"
        self._depth += 1
        wall_s, work_s = time.perf_counter(), time.thread_time()
        try:
            return super().notify(receiver, event)
        finally:
            work_s, wall_s = time.thread_time() - work_s, time.perf_counter() - wall_s
            self._depth -= 1
            if work_s * 1e3 > self.longest.work_ms:
                self.longest = Longest(wall_s * 1e3, work_s * 1e3, what)


def actions(window: MainWindow, folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that is done, with its name."""
    for view in window.views:
        yield f"view: {view}", partial(window.show_view, view)
    yield "view: back", partial(window.show_view, "side by side")
    yield "meshes over the pictures", partial(window.show_overlay_mesh, True)
    yield "colours of disagreement", partial(window.show_disagreement, True)
    yield "light", partial(window.set_theme, LIGHT)
    yield "dark", partial(window.set_theme, DARK)
    for dock in window.findChildren(QDockWidget):
        yield f"panel: {dock.windowTitle()}", partial(_show_in_front, dock)
    menu = window.bar.tools.menu()
    for action in menu.actions() if menu is not None else ():
        if action.isEnabled() and not action.text().startswith(_HOLDS_THE_WINDOW):
            yield f"tool: {action.text()}", partial(QAction.trigger, action)
    for name, text in (("no such file", folder / "gone.mp4"), ("folder", folder), ("clip", DEMO_CLIP)):
        yield f"source: {name}", partial(window.choose, str(text))
    yield "larger", partial(window.resize, 1500, 900)
    yield "smaller", partial(window.resize, 1100, 640)


def _show_in_front(dock: QDockWidget) -> None:
    dock.show()
    dock.raise_()


def main() -> None:
    """Measures and prints."""
    QSurfaceFormat.setDefaultFormat(opengl_format())
    application = TimedApplication(sys.argv[:1])
    application.setStyle("Fusion")
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores; load before the start: {os.getloadavg()[0]:.1f}")
    window = open_window()
    wait_for_hands(window)
    print("| action | longest event, work ms | clock ms | which |\n|---|---|---|---|")
    too_long = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(3):
            cv2.imwrite(str(Path(scratch) / f"{number}.png"), np.full((480, 640, 3), 90 * number, np.uint8))
        for name, act in [("nothing", lambda: None), *actions(window, Path(scratch))]:
            application.longest = Longest()
            QTimer.singleShot(0, act)
            wait(SETTLE_S)
            longest = application.longest
            too_long += longest.work_ms > LIMIT_MS
            print(f"| {name} | {longest.work_ms:.1f} | {longest.wall_ms:.1f} | {longest.what} |", flush=True)
    window.close()
    print(f"actions above {LIMIT_MS:g} ms of work: {too_long}")


if __name__ == "__main__":
    main()
