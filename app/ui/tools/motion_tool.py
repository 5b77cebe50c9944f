"""The tool that records the output hand's motion and saves it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from PyQt6.QtWidgets import QFileDialog, QMessageBox

from app.motion.recorder import MotionRecorder
from app.motion.save import MOTION_SUFFIXES, save_motion
from app.pipeline.listeners import Listener
from app.pipeline.result_synchronizer import JoinedResult
from app.ui.extension_host import ExtensionHost
from app.ui.widgets.background_task import BackgroundTasks
from app.ui.widgets.file_dialogs import agrees_to_replace
from app.user_dirs import motion_folder

FILTERS = "Animated mesh (*.glb);;Skeleton (*.bvh);;Arrays (*.npz)"
STARTED_SENTENCE = "Recording the motion; press Ctrl+Shift+M again to stop and save."
UNSAVED_SENTENCE = "The motion is not saved yet; press Ctrl+Shift+M again to save or discard it."
SAVING_SENTENCE = "The last motion is still being saved; press Ctrl+Shift+M again once it is."
UNSAVED_QUESTION = "The last motion is not saved yet. Save it, or discard it and record another one?"


class MotionTool:
    """Records between two presses of its action, and keeps a motion until it is saved or discarded."""

    def __init__(self, host: ExtensionHost) -> None:
        """Adds its action.

        Args:
            host: where.
        """
        self._host = host
        self._recorder: MotionRecorder | None = None
        self._listener: Listener[JoinedResult] | None = None
        self._unsaved: MotionRecorder | None = None
        self._background = BackgroundTasks(host.parent_widget, self._report_failure)
        self.action = host.add_tool(
            "Record the motion",
            self.toggle,
            shortcut="Ctrl+Shift+M",
            help_text="Record the output hand, then save it as animated mesh, skeleton or arrays",
        )
        self.action.setCheckable(True)
        host.closing.connect(self._keep_on_closing)
        host.closed.connect(self._complete)

    @property
    def recording(self) -> bool:
        """Whether frames are being kept."""
        return self._recorder is not None

    @property
    def unsaved(self) -> bool:
        """Whether there is a motion that was recorded and is not in a file yet."""
        return self._unsaved is not None

    def toggle(self) -> None:
        """Starts, or stops and opens a file dialog; offers a motion that is not saved yet again."""
        if self._recorder is not None:
            self._ask_and_save(self._stop())
        elif self._background.busy:
            self._host.notify(SAVING_SENTENCE)
        elif self._unsaved is not None:
            self._offer_again(self._unsaved)
        else:
            self._start()
        self.action.setChecked(self.recording)

    def ask_for_file(self) -> Path | None:
        """Opens a file dialog; None when the user cancels it, or does not want to replace a file."""
        folder = motion_folder()
        with suppress(OSError):  # the dialog then begins in another folder
            folder.mkdir(parents=True, exist_ok=True)
        proposal = folder / time.strftime("motion_%Y-%m-%d_%H-%M-%S.glb")
        name, chosen = QFileDialog.getSaveFileName(self._host.parent_widget, "Save the motion", str(proposal), FILTERS)
        if not name:
            return None
        typed = file = Path(name)
        if file.suffix.lower() not in MOTION_SUFFIXES:
            suffix = next((known for known in MOTION_SUFFIXES if known in chosen), ".glb")
            file = file.with_name(file.name + suffix)
        return file if agrees_to_replace(self._host.parent_widget, typed, _files_of(file)) else None

    def save(self, recorder: MotionRecorder, file: Path) -> None:
        """Writes a recording without holding up the window."""
        facts = self._host.pipeline.source_state.facts
        rate = facts.frames_per_second if facts is not None else 0.0

        def work() -> str:
            files = save_motion(recorder.motion(rate), file)
            return f"Motion of {recorder.frames} frames saved to {' and '.join(str(path) for path in files)}."

        self._background.start("save-motion", work, self._report_success)

    def _start(self) -> None:
        self._recorder = MotionRecorder(self._host.options.model)
        self._listener = self._host.pipeline.add_listener("motion", self._recorder.take)
        self._host.notify(STARTED_SENTENCE)

    def _stop(self) -> MotionRecorder:
        recorder, listener = self._recorder, self._listener
        assert recorder is not None
        assert listener is not None
        self._recorder = self._listener = None
        listener.close()
        self._unsaved = None if recorder.is_empty else recorder
        return recorder

    def _ask_and_save(self, recorder: MotionRecorder) -> None:
        file = self.ask_for_file()
        if file is not None:
            self.save(recorder, file)
        elif self.unsaved:
            self._host.notify(UNSAVED_SENTENCE)

    def _offer_again(self, recorder: MotionRecorder) -> None:
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self._host.parent_widget,
            "Motion not saved",
            UNSAVED_QUESTION,
            buttons.Save | buttons.Discard | buttons.Cancel,
            buttons.Save,
        )
        if answer == buttons.Save:
            self._ask_and_save(recorder)
        elif answer == buttons.Discard:
            self._unsaved = None
            self._start()

    def _report_success(self, sentence: str) -> None:
        self._unsaved = None
        self._host.notify(sentence)

    def _report_failure(self, sentence: str) -> None:
        self._host.notify(f"{sentence} {UNSAVED_SENTENCE}" if self.unsaved else sentence)

    def _keep_on_closing(self) -> None:
        """A motion that is being recorded or not saved when the window closes is kept as arrays, without a dialog."""
        if self._recorder is not None:
            self._stop()
        self._keep_unsaved()

    def _complete(self) -> None:
        """Waits until the motion is written; one whose file turned out not to be writable is kept as arrays, too."""
        self._background.wait()
        self._keep_unsaved()
        self._background.wait()

    def _keep_unsaved(self) -> None:
        if self._unsaved is not None and not self._background.busy:
            self.save(self._unsaved, motion_folder() / time.strftime("motion_%Y-%m-%d_%H-%M-%S.npz"))


def _files_of(file: Path) -> tuple[Path, ...]:
    """What may be written under a name; a skeleton may take a file per hand."""
    if file.suffix.lower() != ".bvh":
        return (file,)
    return (file, *(file.with_name(f"{file.stem}_{side}{file.suffix}") for side in ("right", "left")))


def install_motion_recording(host: ExtensionHost) -> None:
    MotionTool(host)
