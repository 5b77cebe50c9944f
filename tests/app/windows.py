"""Helpers for tests of the window; the fixture ``open_window`` is in conftest.py."""

from __future__ import annotations

from collections.abc import Callable

from app_fakes import FakePath, FakeSource
from pytestqt.qtbot import QtBot

from app.pipeline.paths.hand_path import PathFactory
from app.sources.base import FrameSource
from app.sources.choose import ChosenSource
from app.ui.extensions import install_extensions
from app.ui.window.main_window import MainWindow
from app.ui.window_options import WindowOptions
from hand.embedded import load_embedded_model
from hand.types import PathId

PATIENCE_MS = 90_000
"""Far above the usual time, because the first window of a fresh checkout compiles its kernels."""

Open = Callable[..., MainWindow]


def make_window(
    source: FrameSource | None = None,
    paths: dict[PathId, PathFactory] | None = None,
    *,
    note: str = "",
    size: tuple[int, int] = (1000, 600),
    **options: object,
) -> MainWindow:
    """A shown window on fakes.

    Args:
        source: an endless fake when left out.
        paths: a fake "ik" alone when left out.
        note: about the source.
        size: of the window.
        options: further fields of its options.
    """
    window = MainWindow(
        WindowOptions(
            chosen=ChosenSource(source or FakeSource(forever=True, frames_per_second=60.0), note=note),
            model=load_embedded_model(),
            paths=paths or {"ik": FakePath},
            renderer="software",
            retry_s=0.02,
            **{"theme": "dark", **options},  # type: ignore[arg-type]
        ),
        install_extensions,
    )
    window.resize(*size)
    window.show()
    return window


def wait_for_result(qtbot: QtBot, window: MainWindow) -> None:
    """Waits until another frame is on the screen."""
    with qtbot.waitSignal(window.result_shown, timeout=PATIENCE_MS):
        pass
