"""A recorded motion in a fake host: it is kept until it is saved or discarded, and replaces no file unasked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_host import FakeHost, as_host
from PyQt6.QtWidgets import QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot
from windows import PATIENCE_MS

from app.motion.motion import Motion
from app.motion.save import save_motion
from app.ui.tools.motion_tool import UNSAVED_SENTENCE, MotionTool
from hand.errors import RecordingError

Answer = QMessageBox.StandardButton


@pytest.fixture
def host(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHost]:
    monkeypatch.setattr("app.ui.tools.motion_tool.motion_folder", lambda: tmp_path / "motions")
    host = FakeHost()
    host.start()
    yield host
    host.close()


@pytest.fixture
def record(qtbot: QtBot, host: FakeHost) -> Callable[[MotionTool], None]:
    """Records a hand between two presses."""

    def record(tool: MotionTool) -> None:
        tool.toggle()
        recorder = tool._recorder
        assert recorder is not None
        qtbot.waitUntil(lambda: not recorder.is_empty, timeout=PATIENCE_MS)
        tool.toggle()

    return record


def files_typed(monkeypatch: pytest.MonkeyPatch, *files: Path | None) -> None:
    """The user types these names in turn; None cancels the dialog."""
    names = iter(files)

    def typed(*_arguments: object) -> tuple[str, str]:
        name = next(names)
        return ("" if name is None else str(name)), "Animated mesh (*.glb)"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", typed)


def answers(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> list[str]:
    """The questions that are asked, each with this answer."""
    asked: list[str] = []

    def question(_parent: object, _title: str, text: str, *_buttons: object) -> Answer:
        asked.append(text)
        return answer

    monkeypatch.setattr(QMessageBox, "question", question)
    return asked


Record = Callable[[MotionTool], None]


@pytest.mark.parametrize("failure", ["cancelled", "not written"])
def test_motion_that_was_not_saved_is_offered_again(
    qtbot: QtBot, host: FakeHost, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: str
) -> None:
    (tmp_path / "blocked").write_text("in the way")
    first = None if failure == "cancelled" else tmp_path / "blocked" / "hand.npz"
    files_typed(monkeypatch, first, tmp_path / "hand.npz")
    asked = answers(monkeypatch, Answer.Save)
    tool = MotionTool(as_host(host))
    record(tool)
    qtbot.waitUntil(lambda: host.notices[-1].endswith(UNSAVED_SENTENCE), timeout=PATIENCE_MS)
    tool.toggle()
    assert len(asked) == 1
    assert not tool.recording
    qtbot.waitUntil(lambda: "saved to" in host.notices[-1], timeout=PATIENCE_MS)
    assert not tool.unsaved
    with np.load(tmp_path / "hand.npz") as arrays:
        assert len(arrays["right_frame"]) >= 1


def test_discarded_motion_makes_room_for_another_recording(
    host: FakeHost, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    files_typed(monkeypatch, None)
    answers(monkeypatch, Answer.Discard)
    tool = MotionTool(as_host(host))
    record(tool)
    tool.toggle()
    assert tool.recording
    assert not tool.unsaved


def test_unsaved_motion_is_kept_when_the_window_closes(
    host: FakeHost, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files_typed(monkeypatch, None)
    record(MotionTool(as_host(host)))
    host.close()
    assert len(list((tmp_path / "motions").glob("*.npz"))) == 1


def test_motion_whose_saving_fails_while_the_window_closes_is_kept(
    host: FakeHost, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closing = threading.Event()

    def save(motion: Motion, file: Path) -> tuple[Path, ...]:
        if file.suffix == ".glb":
            closing.wait()
            raise RecordingError("The disk is full; choose another place.")
        return save_motion(motion, file)

    monkeypatch.setattr("app.ui.tools.motion_tool.save_motion", save)
    files_typed(monkeypatch, tmp_path / "hand.glb")
    record(MotionTool(as_host(host)))
    host.closing.connect(closing.set)
    host.close()
    assert len(list((tmp_path / "motions").glob("*.npz"))) == 1


def test_folder_that_cannot_be_made_leaves_the_choice_of_another_file(
    qtbot: QtBot, host: FakeHost, record: Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "blocked").write_text("in the way")
    monkeypatch.setattr("app.ui.tools.motion_tool.motion_folder", lambda: tmp_path / "blocked" / "motions")
    files_typed(monkeypatch, tmp_path / "hand.npz")
    record(MotionTool(as_host(host)))
    qtbot.waitUntil(lambda: "saved to" in host.notices[-1], timeout=PATIENCE_MS)


@pytest.mark.parametrize(("typed", "there"), [("hand", "hand.glb"), ("hand.bvh", "hand_right.bvh")])
def test_file_whose_name_follows_from_the_typed_one_is_replaced_only_with_consent(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed: str, there: str
) -> None:
    (tmp_path / there).write_text("earlier")
    tool = MotionTool(as_host(host))
    for answer, wanted in ((Answer.No, None), (Answer.Yes, tmp_path / (typed if "." in typed else there))):
        files_typed(monkeypatch, tmp_path / typed)
        asked = answers(monkeypatch, answer)
        assert tool.ask_for_file() == wanted
        assert len(asked) == 1
        assert there in asked[0]


def test_name_that_the_dialog_asked_about_is_not_asked_about_again(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "hand.glb").write_text("earlier")
    files_typed(monkeypatch, tmp_path / "hand.glb")
    asked = answers(monkeypatch, Answer.No)
    assert MotionTool(as_host(host)).ask_for_file() == tmp_path / "hand.glb"
    assert asked == []
