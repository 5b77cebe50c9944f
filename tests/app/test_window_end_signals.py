"""Signals that request the window to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

_WINDOW = """
import os
from PyQt6.QtWidgets import QApplication, QWidget
from app.ui.application import let_python_see_signals

application = QApplication([])
window = QWidget()
window.show()
let_python_see_signals(application)
os.kill(os.getpid(), {number})
application.exec()
print("ended", window.isVisible())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_before_the_event_loop_runs_ends_the_window(name: str) -> None:
    script = _WINDOW.format(number=int(getattr(signal, name)))
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert ended.stdout.split() == ["ended", "False"], ended.stderr
