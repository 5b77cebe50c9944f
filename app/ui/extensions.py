"""What is in the window beside the two paths: each line of :func:`install_extensions` brings one tool or panel along.

An extension is a function that gets the window while it is built, before the pipeline starts and before the first
theme is set. It lives in a file of its own under ``app/ui`` and does everything through this:

* ``window.add_tool(text, act, shortcut=..., help_text=...)`` adds a line to the menu of tools and returns the action.
* ``window.add_panel(name, widget, shortcut=...)`` adds a panel at an edge of the window and returns the dock.
* ``window.pipeline.add_listener(name, callback)`` gives every
  :class:`app.pipeline.result_synchronizer.JoinedResult` to a callback in a thread of its own: the frame, the results
  of all paths, and the output hand. Never touch widgets there: emit a signal. The window closes what is left of the
  listeners.
* ``window.notify(sentence)`` says something over the picture for a while.
* ``window.show_source(chosen)`` and ``window.choose(text)`` switch the source.
* ``window.theme_changed`` brings the colours, also the first ones; ``window.closing`` comes while the pipeline still
  runs, to finish files and servers within a second; ``window.options`` has model, lens and command line.

Import the extension's module inside the function here, if it takes long to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.ui.window.main_window import MainWindow


def install_extensions(window: MainWindow) -> None:
    """Puts every extension into a window, in the order of the menus."""
    from app.ui.panels.camera_panel import install_lens
    from app.ui.panels.playback_bar import install_transport
    from app.ui.panels.smoothing_panel import install_smoothing
    from app.ui.panels.stream_panel import install_streams
    from app.ui.recording.record_panel import install_recorder
    from app.ui.tools.first_steps import install_guide
    from app.ui.tools.help import install_help
    from app.ui.tools.motion_tool import install_motion_recording
    from app.ui.tools.settings_persistence import install_settings
    from app.ui.tools.snapshot_tool import install_snapshots
    from app.ui.training.training_panel import install_teaching
    from app.ui.widgets.button_focus import install_keyboard

    install_smoothing(window)
    install_streams(window)
    install_lens(window)
    install_motion_recording(window)
    install_snapshots(window)
    install_transport(window)
    install_recorder(window)
    install_teaching(window)
    install_guide(window)
    install_help(window)
    install_keyboard(window)
    install_settings(window)  # the last, because it puts the panels of all others where they were
