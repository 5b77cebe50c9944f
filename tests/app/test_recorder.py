"""The recorder: results joined to frames, callers that never wait, and recovery after a kill or a full disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from app.machine import product_version
from app.recording.recorder import RecorderPhase, SessionRecorder
from app.recording.sessions import delete_session, list_sessions, new_session_folder
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import RecordingError
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.types import Frame, HandState, PathResult

CAMERA = Intrinsics.from_fov(64, 48)
MODEL = load_embedded_model()
ROOT = Path(__file__).resolve().parents[2]


def _frame(sequence: int, source: str = "camera 0") -> Frame:
    picture = np.random.default_rng(sequence).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return Frame(sequence, sequence * 33_333_333, picture, CAMERA, source)


def _result(frame: Frame) -> PathResult:
    state = HandState(
        frame.sequence, "right", np.full(48, 0.01 * frame.sequence), np.zeros(10), np.zeros(3), np.ones((21, 3)),
        np.zeros((9, 3)), 0.8, "ik",
    )  # fmt: skip
    return PathResult(frame, "ik", (state,), timings_ms={"solver": 0.4})


def _until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.005)


def test_every_frame_is_written_with_its_result(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, name="Own hand", min_free_bytes=0)
    frames = [_frame(k) for k in range(12)]
    for frame in frames:
        recorder.offer_frame(frame)
        if frame.sequence == 6:
            recorder.mark("look here")
    for frame in frames[::3]:  # a path that takes every third frame
        recorder.offer_result(frame, {"ik": _result(frame)})
    state = recorder.stop()
    assert (state.phase, state.frames, state.with_hands, state.dropped) == (RecorderPhase.STOPPED, 12, 4, 0)
    assert state.seconds == pytest.approx(11 / 30, abs=1e-3)
    recording = open_recording(tmp_path / "s")
    assert recording.complete
    assert recording.info.name == "Own hand"
    assert recording.info.versions == {"handlive": product_version()}
    assert [frame.sequence for frame in recording.frames] == list(range(12))
    assert [bool(frame.hands) for frame in recording.frames] == [k % 3 == 0 for k in range(12)]
    assert recording.frames[3].hands[0].pose_rad[0] == pytest.approx(0.03)
    assert recording.frames[3].timings_ms == {"ik/solver": pytest.approx(0.4)}
    assert [frame.marker for frame in recording.frames if frame.marker] == ["look here"]


def test_results_may_come_before_their_frames_but_not_from_another_run(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    frames = [_frame(k) for k in range(6)]
    before = _frame(5)  # the last frame of the previous run, with the same sequence number
    recorder.offer_result(before, {"ik": _result(before)})
    for frame in frames[:3]:
        recorder.offer_result(frame, {"ik": _result(frame)})
    for frame in frames:
        recorder.offer_frame(frame)
    for frame in frames[3:5]:
        recorder.offer_result(frame, {"ik": _result(frame)})
    recorder.stop()
    assert [bool(frame.hands) for frame in open_recording(tmp_path / "s").frames] == [True] * 5 + [False]


def test_frames_beyond_the_queue_are_dropped_and_their_count_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_add = RecordingWriter.add

    def slow_add(self: RecordingWriter, *arguments: object, **more: object) -> None:
        time.sleep(0.05)
        real_add(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(RecordingWriter, "add", slow_add)
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0, queue_frames=5)
    started = time.monotonic()
    for k in range(40):
        recorder.offer_frame(_frame(k))
    assert time.monotonic() - started < 1.0, "offer_frame waited for the disk"
    state = recorder.stop()
    assert state.dropped >= 30
    recording = open_recording(tmp_path / "s")
    assert (len(recording.frames), recording.dropped) == (state.frames, state.dropped)
    assert state.frames + state.dropped == 40


def test_frames_during_a_pause_are_not_recorded(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    for k in range(9):
        recorder.paused = 3 <= k < 6
        recorder.offer_frame(_frame(k))
    assert recorder.stop().frames == 6
    assert [frame.sequence for frame in open_recording(tmp_path / "s").frames] == [0, 1, 2, 6, 7, 8]


def test_change_of_source_ends_the_session_with_a_message(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    recorder.offer_frame(_frame(0))
    recorder.offer_frame(_frame(1, "another camera"))
    _until(lambda: not recorder._thread.is_alive())
    assert recorder.state.phase is RecorderPhase.FAILED
    assert "source changed" in recorder.state.sentence
    assert len(open_recording(tmp_path / "s").frames) == 1


@pytest.mark.parametrize("paused", [False, True])
def test_restarted_source_ends_the_session_even_with_an_empty_queue(tmp_path: Path, paused: bool) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    for k in range(5):
        frame = _frame(k)
        recorder.offer_frame(frame)
        recorder.offer_result(frame, {"ik": _result(frame)})
    _until(lambda: recorder.state.frames == 5)  # the queue is empty, as after a camera was unplugged for a while
    recorder.paused = paused
    recorder.offer_frame(_frame(0))
    _until(lambda: not recorder._thread.is_alive())
    assert recorder.state.phase is RecorderPhase.FAILED
    assert "began anew" in recorder.state.sentence
    frames = open_recording(tmp_path / "s").frames
    assert [(frame.sequence, bool(frame.hands)) for frame in frames] == [(k, True) for k in range(5)]


def test_source_may_restart_before_anything_is_recorded(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0, paused=True)
    for k in (0, 1, 2, 0, 1):
        recorder.offer_frame(_frame(k))
    recorder.paused = False
    recorder.offer_frame(_frame(2))
    state = recorder.stop()
    assert (state.phase, state.frames) == (RecorderPhase.STOPPED, 1)


def test_change_of_intrinsics_ends_the_session(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    recorder.offer_frame(_frame(0))
    recorder.offer_frame(replace(_frame(1), intrinsics=Intrinsics.from_fov(64, 48, 90.0)))
    _until(lambda: not recorder._thread.is_alive())
    assert "another lens" in recorder.state.sentence
    recording = open_recording(tmp_path / "s")
    assert (len(recording.frames), recording.info.intrinsics) == (1, CAMERA)


def test_recording_does_not_start_on_a_nearly_full_disk(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=1 << 60)
    recorder.offer_frame(_frame(0))
    _until(lambda: recorder.state.phase is RecorderPhase.FAILED)
    assert "free some space" in recorder.state.sentence
    recorder.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system with room for some hundred frames."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    place = tmp_path / "disk"
    place.mkdir()
    if mount is None or umount is None or os.name != "posix":
        pytest.skip("there is no mount")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("only an administrator can mount a small disk")
    try:
        yield place
    finally:
        subprocess.run([umount, str(place)], check=True)


def test_full_disk_loses_only_the_last_frame(small_disk: Path) -> None:
    recorder = SessionRecorder(small_disk / "s", MODEL, min_free_bytes=0)
    offered = 0
    while recorder.state.phase is not RecorderPhase.FAILED and offered < 3000:
        recorder.offer_frame(_frame(offered))
        recorder.offer_result(_frame(offered), {"ik": _result(_frame(offered))})
        offered += 1
        time.sleep(0.002)
    assert recorder.state.phase is RecorderPhase.FAILED
    assert "No space left" in recorder.state.sentence
    assert "is kept" in recorder.state.sentence
    recording = open_recording(small_disk / "s")
    assert len(recording.frames) == recorder.state.frames > 20
    assert not recording.complete
    assert any("cut short" in repair for repair in recording.repairs)
    assert recording.picture(recording.frames[-1]).shape == (48, 64, 3)


def test_write_error_within_a_line_leaves_a_readable_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    real = RecordingWriter._append
    lines = 0

    def breaking(self: RecordingWriter, line: bytes) -> None:
        nonlocal lines
        lines += 1
        if lines > 4:
            self._labels.write(line[: len(line) // 2])
            raise OSError(28, "No space left on device")
        real(self, line)

    monkeypatch.setattr(RecordingWriter, "_append", breaking)
    for k in range(8):
        recorder.offer_frame(_frame(k))
    state = recorder.stop()
    assert state.phase is RecorderPhase.FAILED
    recording = open_recording(tmp_path / "s")
    assert len(recording.frames) == 4
    assert any("torn" in repair for repair in recording.repairs)


_CHILD = """
import sys, time
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_recorder import _frame, _result, MODEL
from app.recording.recorder import SessionRecorder
recorder = SessionRecorder(Path(sys.argv[1]), MODEL, min_free_bytes=0)
start = time.monotonic()
for k in range(10_000):
    frame = _frame(k)
    recorder.offer_frame(frame)
    recorder.offer_result(frame, {{"ik": _result(frame)}})
    print(k, flush=True)
    time.sleep(max(0.0, start + k / 30 - time.monotonic()))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills the way POSIX does")
def test_a_killed_process_loses_at_most_a_second(tmp_path: Path) -> None:
    code = _CHILD.format(root=str(ROOT), tests=str(Path(__file__).parent))
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    offered = -1
    while offered < 60:
        offered = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    offered += len(child.stdout.read().split())
    child.stdout.close()
    recording = open_recording(tmp_path / "s")
    assert not recording.complete
    assert any("cut short" in repair for repair in recording.repairs)
    assert offered + 1 - len(recording.frames) <= 30, "more than a second of frames is gone"
    assert all(recording.picture(frame) is not None for frame in recording.frames)


def test_sessions_are_listed_and_really_deleted(tmp_path: Path) -> None:
    folder = new_session_folder("Left hand / evening", tmp_path)
    assert folder.name.endswith("_Left-hand-evening")
    recorder = SessionRecorder(folder, MODEL, name="Left hand / evening", min_free_bytes=0)
    for k in range(31):
        recorder.offer_frame(_frame(k))
    recorder.stop()
    (entry,) = list_sessions(tmp_path)
    assert (entry.name, entry.frames, entry.labelled, entry.problem) == ("Left hand / evening", 31, False, "")
    assert entry.seconds == pytest.approx(1.0, abs=1e-3)
    assert entry.bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    delete_session(folder)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RecordingError, match="not a recording"):
        delete_session(tmp_path)


def test_remains_of_a_failed_deletion_are_named_and_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    recorder.offer_frame(_frame(0))
    recorder.stop()

    def refuse(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(RecordingError) as refused:
        delete_session(tmp_path / "s")
    (left,) = tmp_path.iterdir()
    assert str(refused.value).startswith(f"{left} cannot be deleted (Permission denied)")
    assert list_sessions(tmp_path) == []


def test_recordings_that_begin_in_the_same_second_get_two_folders(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5)
    recorders = [SessionRecorder(new_session_folder("a", tmp_path, now), MODEL, min_free_bytes=0) for _ in range(2)]
    for recorder in recorders:
        recorder.offer_frame(_frame(0))
    assert [recorder.stop().frames for recorder in recorders] == [1, 1]
    assert [entry.frames for entry in list_sessions(tmp_path)] == [1, 1]


def test_a_recording_that_is_refused_or_empty_leaves_no_folder(tmp_path: Path) -> None:
    SessionRecorder(new_session_folder("a", tmp_path), MODEL).stop()
    refused = SessionRecorder(new_session_folder("b", tmp_path), MODEL, min_free_bytes=1 << 60)
    refused.offer_frame(_frame(0))
    assert "MiB left" in refused.stop().sentence
    assert list(tmp_path.iterdir()) == []


def test_sessions_are_listed_newest_first_regardless_of_their_dates(tmp_path: Path) -> None:
    for name, day in (("first", 20), ("second", 3), ("third", 11)):
        recorder = SessionRecorder(new_session_folder(name, tmp_path, datetime(2026, 1, day)), MODEL, min_free_bytes=0)
        recorder.offer_frame(_frame(0))
        assert recorder.stop().frames == 1
    assert [entry.folder.name.split("_")[-1] for entry in list_sessions(tmp_path)] == ["third", "second", "first"]


def test_damaged_session_does_not_hide_the_others(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        recorder = SessionRecorder(tmp_path / name, MODEL, min_free_bytes=0)
        recorder.offer_frame(_frame(0))
        recorder.stop()
    labels = tmp_path / "bad" / "labels.jsonl"
    for damage in (
        b'{"frame": 1e400}\n',
        b"[" * 90_000 + b"\n",
        b'{"frame": 0, "sequence": 0, "capture_time_ns": NaN}\n',
    ):
        labels.write_bytes(damage)
        problems = {entry.folder.name: entry.problem for entry in list_sessions(tmp_path)}
        assert set(problems) == {"good", "bad"}
        assert problems["good"] == ""
        assert problems["bad"]


def test_hands_are_recorded_as_they_were_before_the_filter(tmp_path: Path) -> None:
    recorder = SessionRecorder(tmp_path / "s", MODEL, min_free_bytes=0)
    frame = _frame(1)
    result = _result(frame)
    delayed = replace(result.states[0], joints_m=np.zeros((21, 3)))
    recorder.offer_frame(frame)
    recorder.offer_result(frame, {"ik": replace(result, states=(delayed,), unfiltered=result.states)})
    recorder.stop()
    (hand,) = open_recording(tmp_path / "s").frames[0].hands
    np.testing.assert_array_equal(hand.joints_m, result.states[0].joints_m)
