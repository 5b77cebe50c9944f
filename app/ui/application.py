"""Starts Qt and the window, and ends both in order."""

from __future__ import annotations

import sys

from PyQt6.QtCore import QTimer
from PyQt6.QtGui import QGuiApplication, QSurfaceFormat
from PyQt6.QtWidgets import QApplication

from app.end_signals import on_end_signal, print_line
from app.ui.extensions import install_extensions
from app.ui.screenshot import Screenshot, after_results
from app.ui.views.opengl_support import opengl_format
from app.ui.window.main_window import MainWindow
from app.ui.window_options import WindowOptions

_DEFAULT_SIZE = (1360, 800)
_SCREEN_SHARE = 0.92
_FRAMES_BEFORE_SCREENSHOT = 60

_KEPT: list[object] = []
"""The application and its window, which live until the process ends: a thread that a driver or an engine holds may
still reach for them when the window has closed."""


def run_window(options: WindowOptions) -> int:
    """Shows the window until it is closed.

    Returns:
        The exit code; 2 when a requested screenshot could not be saved.
    """
    QSurfaceFormat.setDefaultFormat(opengl_format())
    application = QApplication(sys.argv[:1])
    application.setApplicationName("handlive")
    application.setDesktopFileName("handlive")
    application.setStyle("Fusion")
    window = MainWindow(options, install_extensions)
    _KEPT.extend((window, application))
    if not window.restore_geometry():
        window.resize(*_window_size(options))
    hints = QGuiApplication.styleHints()
    if hints is not None:
        hints.colorSchemeChanged.connect(lambda _scheme: window.follow_system_theme())
    window.show()
    shot = None
    if options.screenshot:
        frames = options.frames or _FRAMES_BEFORE_SCREENSHOT
        shot = Screenshot(
            window, window.result_shown, lambda: window.pane_area.message_text, options.screenshot, frames
        )
    elif options.frames:
        after_results(window.result_shown, options.frames, window.close)
    let_python_see_signals(application)
    code = application.exec()
    if shot is not None and not shot.saved:
        print_line(f"handlive: the screenshot could not be saved to {options.screenshot}.", error=True)
        return 2
    return code


def _window_size(options: WindowOptions) -> tuple[int, int]:
    if options.size is not None:
        return options.size
    screen = QGuiApplication.primaryScreen()
    if screen is None:
        return _DEFAULT_SIZE
    room = screen.availableGeometry()
    return (
        min(_DEFAULT_SIZE[0], int(room.width() * _SCREEN_SHARE)),
        min(_DEFAULT_SIZE[1], int(room.height() * _SCREEN_SHARE)),
    )


def let_python_see_signals(application: QApplication) -> None:
    """Lets Ctrl+C and its like close the window: Python handles signals only while Python code runs."""
    # by the event loop: windows that are closed before it runs do not end it
    on_end_signal(lambda: QTimer.singleShot(0, application.closeAllWindows))
    heartbeat = QTimer(application)
    heartbeat.timeout.connect(lambda: None)
    heartbeat.start(250)
