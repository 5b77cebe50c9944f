"""The actions of the buttons at the head of the window and of its own keys; tools and panels add theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence
from PyQt6.QtWidgets import QWidget

from app.palette import DARK, LIGHT
from app.pipeline.capture_thread import SourcePhase
from app.pipeline.worker import PATH_NAMES
from app.ui.widgets.button_focus import press_focused_or
from hand.types import PATH_IDS

if TYPE_CHECKING:
    from app.ui.window.main_window import MainWindow


def install_controls(window: MainWindow) -> None:
    """Connects a window's buttons, and adds its keys, each as an action with a text for the list of shortcuts."""
    bar = window.bar
    bar.source.chosen.connect(window.choose)
    bar.source.watch.appeared.connect(partial(_notify_of_camera, window))
    bar.source.watch.start()
    bar.mirror.toggled.connect(lambda mirror: setattr(window.pipeline, "mirror", mirror))
    bar.views.chosen.connect(window.show_view)
    bar.overlay.toggled.connect(window.show_overlay_mesh)
    bar.difference.toggled.connect(window.show_disagreement)
    bar.reset.clicked.connect(lambda _checked: window.reset_views())
    bar.theme.clicked.connect(lambda _checked: _toggle_theme(window))
    keys: list[tuple[str, str, Callable[[], object]]] = [
        ("M", "Mirror the picture", bar.mirror.toggle),
        ("V", "Meshes or skeletons over the picture", bar.overlay.toggle),
        ("D", "Colour meshes by disagreement", bar.difference.toggle),
        ("R", "Reset the 3D views", window.reset_views),
        ("T", "Dark or light colours", partial(_toggle_theme, window)),
        ("L", "Show or hide the detector's landmarks", partial(_toggle_landmarks, window)),
        ("Space", "Play again at the end", partial(press_focused_or, partial(_replay_if_ended, window))),
        ("F11", "Full screen", partial(_toggle_full_screen, window)),
        ("Ctrl+Q", "Quit", window.close),
    ]
    keys += [(str(n), f"View: {view}", partial(window.show_view, view)) for n, view in enumerate(window.views, 1)]
    if len(window.pipeline.path_ids) > 1:
        for key, path_id in zip("NI", PATH_IDS, strict=True):
            switch = window.panes[path_id].heading.switch
            keys.append((key, f"Switch {PATH_NAMES[path_id]} off or on", switch.toggle))
    for key, text, act in keys:
        key_action(window, text, act, key)
    window.addActions(bar.source.actions_with_keys)


def key_action(window: QWidget, text: str, act: Callable[[], object], shortcut: str) -> QAction:
    """Adds an action to a window.

    Args:
        window: which.
        text: for menus and the list of shortcuts.
        act: what it does.
        shortcut: such as "Ctrl+Shift+S"; empty for none.
    """
    action = QAction(text, window)
    action.setShortcut(QKeySequence(shortcut))
    action.triggered.connect(lambda _checked: act())
    window.addAction(action)
    return action


def _notify_of_camera(window: MainWindow, name: str) -> None:
    """Shows that a camera was plugged in, unless it is the one that is waited for and goes on by itself."""
    if name != window.pipeline.source_state.name:
        window.notify(f"{name} was plugged in; choose it as the source.")


def _toggle_theme(window: MainWindow) -> None:
    """The other colours, from now on whatever the desktop is set to."""
    window.follows_system = False
    window.set_theme(LIGHT if window.theme is DARK else DARK)


def _toggle_landmarks(window: MainWindow) -> None:
    window.painter.change(landmarks=not window.painter.plan.landmarks)
    window.pipeline.redraw()


def _replay_if_ended(window: MainWindow) -> None:
    if window.pipeline.source_state.phase is SourcePhase.ENDED:
        window.replay()


def _toggle_full_screen(window: MainWindow) -> None:
    window.setWindowState(window.windowState() ^ Qt.WindowState.WindowFullScreen)
