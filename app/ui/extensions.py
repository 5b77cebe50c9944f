"""Which tools and panels the window has: each line of :func:`install_extensions` adds one.

An extension is a function that gets the :class:`app.ui.extension_host.ExtensionHost`, which has everything
that it may use. It has a file of its own under ``app/ui``; ``app/ui/panels/smoothing_panel.py`` is the shortest.
"""

from __future__ import annotations

from app.ui.extension_host import ExtensionHost
from app.ui.panels.camera_panel import install_camera
from app.ui.panels.playback_bar import install_playback
from app.ui.panels.smoothing_panel import install_smoothing
from app.ui.panels.stream_panel import install_streams
from app.ui.recording.record_panel import install_recorder
from app.ui.tools.first_steps import install_guide
from app.ui.tools.help import install_help
from app.ui.tools.motion_tool import install_motion_recording
from app.ui.tools.settings_persistence import install_settings
from app.ui.tools.snapshot_tool import install_snapshots
from app.ui.training.training_panel import install_finetuning
from app.ui.two_views.second_camera_panel import install_second_camera
from app.ui.widgets.button_focus import ButtonFocus


def install_extensions(host: ExtensionHost) -> None:
    """Adds every extension to a window, in the order of the menus."""
    install_smoothing(host)
    install_streams(host)
    install_camera(host)
    install_motion_recording(host)
    install_snapshots(host)
    install_playback(host)
    install_recorder(host)
    install_second_camera(host)
    install_finetuning(host)
    install_guide(host)
    install_help(host)
    ButtonFocus(host.parent_widget)  # when all buttons are there
    install_settings(host)  # the last, because it restores what all others keep
