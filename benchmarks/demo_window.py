"""What measurements of the real window share: opening it, waiting while it runs, and until both paths see hands."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QEventLoop, QTimer
from PyQt6.QtGui import QSurfaceFormat
from PyQt6.QtWidgets import QApplication

from app.networks.live_network import LiveNetwork
from app.outputs.address import parse_stream_address
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, chosen_paths
from app.sources.choose import ChosenSource, SourceOptions, choose_source
from app.sources.demo import DEMO_CLIP
from app.ui.extensions import install_extensions
from app.ui.views.opengl_support import opengl_format
from app.ui.window.main_window import MainWindow
from app.ui.window_options import WindowOptions
from hand.embedded import load_embedded_model

_LONGEST_START_S = 300.0

_KEPT: list[QApplication] = []
"""Applications are never taken apart: one that goes before its windows crashes or hangs now and then."""


def make_application() -> QApplication:
    """Qt as the program starts it."""
    QSurfaceFormat.setDefaultFormat(opengl_format())
    application = QApplication(sys.argv[:1])
    application.setApplicationName("handlive")
    application.setStyle("Fusion")
    _KEPT.append(application)
    return application


def open_window(
    chosen: ChosenSource | None = None, streams: Sequence[str] = (), settings_file: Path | None = None
) -> MainWindow:
    """The window with both paths and all panels, shown; there must be an application.

    Args:
        chosen: what it shows; the demo clip over and over, 30 frames a second, when None.
        streams: as ``--stream`` takes them.
        settings_file: where choices are kept.
    """
    source_options = SourceOptions(frames_per_second=30.0, loop=True)
    model = load_embedded_model()
    live_network = LiveNetwork(SHIPPED_NETWORK_DIR)
    window = MainWindow(
        WindowOptions(
            chosen=chosen or choose_source(str(DEMO_CLIP), source_options),
            model=model,
            paths=chosen_paths("both", None, model, 1, warn=print, live_network=live_network),
            live_network=live_network,
            source_options=source_options,
            theme="dark",
            streams=tuple(map(parse_stream_address, streams)),
            settings_file=settings_file,
        ),
        install_extensions,
    )
    window.resize(1280, 720)
    window.show()
    return window


def close_measured(window: MainWindow) -> tuple[float, float]:
    """Closes a window as its user does.

    Returns:
        Seconds until camera and engines were given back or left behind, and until no file was being written any more.
    """
    given_back_s = 0.0
    close = window.pipeline.close

    def measured(patience_s: float) -> None:
        nonlocal given_back_s
        close(patience_s)
        given_back_s = time.monotonic() - started_s

    window.pipeline.close = measured  # type: ignore[method-assign]
    started_s = time.monotonic()
    window.close()
    return given_back_s, time.monotonic() - started_s


def wait(seconds: float) -> None:
    """Runs the windows for so long."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1e3), loop.quit)
    loop.exec()


def wait_for_hands(window: MainWindow) -> None:
    """Waits until every path has given ten results; engines take a while to load.

    Raises:
        SystemExit: nothing came.
    """
    started = time.monotonic()
    while any(window.statistics(path_id).frames < 10 for path_id in window.pipeline.path_ids):
        if time.monotonic() - started > _LONGEST_START_S:
            raise SystemExit("The paths gave no results; see the messages above.")
        wait(0.5)
