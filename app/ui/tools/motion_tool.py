"""The tool that records the output hand's motion and saves it."""

from __future__ import annotations

import time
from pathlib import Path

from PyQt6.QtWidgets import QFileDialog

from app.motion.recorder import MotionRecorder
from app.motion.save import MOTION_SUFFIXES, save_motion
from app.pipeline.listeners import Listener
from app.pipeline.result_synchronizer import JoinedResult
from app.ui.extension_host import ExtensionHost
from app.ui.widgets.background_task import BackgroundTasks
from app.user_dirs import motion_folder

FILTERS = "Animated mesh (*.glb);;Skeleton (*.bvh);;Arrays (*.npz)"
STARTED_SENTENCE = "Recording the motion; press Ctrl+Shift+M again to stop and save."


class MotionTool:
    """Records between two presses of its action."""

    def __init__(self, host: ExtensionHost) -> None:
        """Adds its action.

        Args:
            host: where.
        """
        self._host = host
        self._recorder: MotionRecorder | None = None
        self._listener: Listener[JoinedResult] | None = None
        self._background = BackgroundTasks(host.parent_widget, host.notify)
        self.action = host.add_tool(
            "Record the motion",
            self.toggle,
            shortcut="Ctrl+Shift+M",
            help_text="Record the output hand, then save it as animated mesh, skeleton or arrays",
        )
        self.action.setCheckable(True)
        host.closing.connect(self._keep_on_closing)
        host.closed.connect(self._background.wait)

    @property
    def recording(self) -> bool:
        """Whether frames are being kept."""
        return self._recorder is not None

    def toggle(self) -> None:
        """Starts, or stops and opens a file dialog."""
        if self._recorder is None:
            self._recorder = MotionRecorder(self._host.options.model)
            self._listener = self._host.pipeline.add_listener("motion", self._recorder.take)
            self._host.notify(STARTED_SENTENCE)
        else:
            recorder = self._stop()
            file = self.ask_for_file()
            if file is not None:
                self.save(recorder, file)
        self.action.setChecked(self.recording)

    def ask_for_file(self) -> Path | None:
        """Opens a file dialog; None when the user cancels it."""
        folder = motion_folder()
        folder.mkdir(parents=True, exist_ok=True)
        proposal = folder / time.strftime("motion_%Y-%m-%d_%H-%M-%S.glb")
        name, chosen = QFileDialog.getSaveFileName(self._host.parent_widget, "Save the motion", str(proposal), FILTERS)
        if not name:
            return None
        file = Path(name)
        if file.suffix.lower() in MOTION_SUFFIXES:
            return file
        suffix = next((known for known in MOTION_SUFFIXES if known in chosen), ".glb")
        return file.with_name(file.name + suffix)

    def save(self, recorder: MotionRecorder, file: Path) -> None:
        """Writes a recording without holding up the window."""
        facts = self._host.pipeline.source_state.facts
        rate = facts.frames_per_second if facts is not None else 0.0

        def work() -> str:
            files = save_motion(recorder.motion(rate), file)
            return f"Motion of {recorder.frames} frames saved to {' and '.join(str(path) for path in files)}."

        self._background.start("save-motion", work, self._host.notify)

    def _stop(self) -> MotionRecorder:
        recorder, listener = self._recorder, self._listener
        assert recorder is not None
        assert listener is not None
        self._recorder = self._listener = None
        listener.close()
        return recorder

    def _keep_on_closing(self) -> None:
        """A recording that runs when the window closes is kept as arrays, without a dialog."""
        if self._recorder is not None:
            recorder = self._stop()
            file = motion_folder() / time.strftime("motion_%Y-%m-%d_%H-%M-%S.npz")
            self.save(recorder, file)


def install_motion_recording(host: ExtensionHost) -> None:
    MotionTool(host)
