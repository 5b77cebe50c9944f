"""Recordings: data round trips, and the files of a killed process can be opened."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import signal
import stat
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hand.camera import Intrinsics
from hand.crop import SquareCrop
from hand.errors import RecordingError
from hand.recording import LABELS_FILE, RecordedHand, SessionInfo, recorded_hand
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.types import Frame, HandObservation, HandState

WIDTH, HEIGHT = 64, 48
ROOT = Path(__file__).resolve().parents[2]
INFO = SessionInfo(
    source_id="camera 0",
    intrinsics=Intrinsics.from_fov(WIDTH, HEIGHT),
    mirrored=True,
    hand_model="toy",
    hand_model_digest="0" * 64,
    versions={"handlive": "0.1.0"},
)


def _frame(sequence: int, width: int = WIDTH) -> Frame:
    image = np.full((HEIGHT, width, 3), (200, 30, 10), np.uint8)
    image[:, : 8 + sequence % 32] = (10, 30, 200)
    return Frame(sequence, 1_000 + sequence, image, INFO.intrinsics, "camera 0")


def _hand(seed: int) -> RecordedHand:
    random = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    return RecordedHand(
        "left" if seed % 2 else "right", "ik", 0.75, numbers(48), numbers(10), numbers(3), numbers(21, 3), 1.25
    )


def _record(folder: Path, frames: int = 5) -> Path:
    with RecordingWriter(folder, INFO) as writer:
        for k in range(frames):
            writer.add(_frame(10 + 2 * k), [_hand(k)] * (k % 3))
            writer.note_dropped(1)
    return folder


def _assert_same_hand(one: RecordedHand, other: RecordedHand) -> None:
    for name in RecordedHand.__dataclass_fields__:
        first, second = getattr(one, name), getattr(other, name)
        if isinstance(first, np.ndarray):
            np.testing.assert_array_equal(first, second, err_msg=name)
            assert second.dtype == np.float32
        elif isinstance(first, float) and math.isnan(first):
            assert math.isnan(second)
        else:
            assert first == second, name


def test_recording_round_trips(tmp_path: Path) -> None:
    recording = open_recording(_record(tmp_path / "session"))
    assert recording.info == INFO
    assert recording.complete
    assert recording.repairs == ()
    assert recording.dropped == 5
    assert [frame.index for frame in recording.frames] == [0, 1, 2, 3, 4]
    assert [frame.sequence for frame in recording.frames] == [10, 12, 14, 16, 18]
    assert [frame.capture_time_ns for frame in recording.frames] == [1010, 1012, 1014, 1016, 1018]
    for k, frame in enumerate(recording.frames):
        assert len(frame.hands) == k % 3
        for hand in frame.hands:
            _assert_same_hand(_hand(k), hand)
        picture, original = recording.picture(frame), _frame(frame.sequence).image_rgb
        assert np.abs(picture.astype(int) - original).mean() < 6, "JPEG, but the colours are in the right order"


def test_fsync_is_called_on_writable_handles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    modes: list[int] = []

    def note(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):  # folders are opened read-only, and not flushed on Windows
            modes.append(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE)

    monkeypatch.setattr(os, "fsync", note)
    _record(tmp_path / "session")
    assert len(modes) >= 6, "five pictures and the labels"
    assert os.O_RDONLY not in modes, "Windows cannot flush a read-only handle"


def test_recorded_hand_takes_landmarks_from_the_observation() -> None:
    random = np.random.default_rng(0)
    state = HandState(
        3, "right", random.normal(size=48), random.normal(size=10), np.zeros(3), random.normal(size=(21, 3)),
        np.zeros((9, 3)), 0.5, "network",
    )  # fmt: skip
    assert recorded_hand(state).landmarks_px is None
    observation = HandObservation("right", 0.9, np.ones((21, 2)), np.ones((21, 3)), SquareCrop(1.0, 2.0, 3.0))
    assert recorded_hand(state, observation).landmarks_px is observation.landmarks_px


def test_landmarks_and_unknown_reprojection_round_trip(tmp_path: Path) -> None:
    hand = replace(
        _hand(0), reprojection_px=float("nan"), landmarks_px=np.full((21, 2), 0.1, np.float32),
        world_landmarks_m=np.full((21, 3), 1 / 3, np.float32),
    )  # fmt: skip
    with RecordingWriter(tmp_path / "s", INFO) as writer:
        writer.add(_frame(0), [hand])
    _assert_same_hand(hand, open_recording(tmp_path / "s").frames[0].hands[0])


def test_the_order_on_disk_is_session_pictures_labels_complete(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "s", INFO)
    assert json.loads((tmp_path / "s" / "session.json").read_text())["schema"] == 1
    for k in range(3):
        writer.add(_frame(k), [_hand(k)])
        # flushed: another process can already read the frame
        assert len((tmp_path / "s" / "labels.jsonl").read_bytes().splitlines()) == k + 1
        assert (tmp_path / "s" / "frames" / f"{k:08d}.jpg").stat().st_size > 100
        assert not (tmp_path / "s" / "COMPLETE").exists()
    writer.close()
    writer.close()
    assert json.loads((tmp_path / "s" / "COMPLETE").read_text()) == {"frames": 3, "dropped": 0}


def test_an_exception_leaves_the_recording_incomplete(tmp_path: Path) -> None:
    def interrupted() -> None:
        with RecordingWriter(tmp_path / "s", INFO) as writer:
            writer.add(_frame(0), [])
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    recording = open_recording(tmp_path / "s")
    assert not recording.complete
    assert len(recording.frames) == 1
    assert "cut short after 1 frames" in recording.repairs[0]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_process_loses_no_written_frame(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.hand.test_recording import INFO, RecordingWriter, _frame, _hand\n"
        "writer = RecordingWriter(Path(sys.argv[2]), INFO)\n"
        "k = 0\n"
        "while True:\n"
        "    writer.add(_frame(k), [_hand(k)])\n"
        "    k += 1\n"
        "    print(k, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT), str(tmp_path / "s")], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert process.stdout is not None
    reported = 0
    for line in process.stdout:
        reported = int(line)
        if reported >= 25:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    recording = open_recording(tmp_path / "s")
    assert len(recording.frames) >= reported
    assert not recording.complete
    for frame in recording.frames[-2:]:
        recording.picture(frame)
        _assert_same_hand(_hand(frame.index), frame.hands[0])


def test_every_prefix_of_the_labels_is_valid(tmp_path: Path) -> None:
    folder = _record(tmp_path / "s", 3)
    labels = (folder / "labels.jsonl").read_bytes()
    (folder / "COMPLETE").unlink()
    ends = [k + 1 for k, byte in enumerate(labels) if byte == ord("\n")]
    for length in [*range(0, 60), *range(60, len(labels), 97), *ends, *(end - 1 for end in ends)]:
        (folder / "labels.jsonl").write_bytes(labels[:length])
        recording = open_recording(folder)
        whole = sum(end <= length for end in ends)
        assert len(recording.frames) == whole
        torn = length not in (0, *ends)
        assert any("was torn" in repair for repair in recording.repairs) == torn
        assert len((folder / "labels.jsonl").read_bytes()) == (ends[whole - 1] if whole else 0)
        assert not any("torn" in repair for repair in open_recording(folder).repairs), "the repair is permanent"


def test_a_tail_of_zeros_is_a_torn_tail(tmp_path: Path) -> None:
    """What a power failure leaves on some file systems."""
    folder = _record(tmp_path / "s", 3)
    with (folder / "labels.jsonl").open("ab") as file:
        file.write(b"\0" * 400 + b"\n")
    recording = open_recording(folder)
    assert len(recording.frames) == 3
    assert "torn (401 bytes)" in recording.repairs[0]


def test_damage_in_the_middle_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    folder = _record(tmp_path / "s", 4)
    lines = (folder / "labels.jsonl").read_bytes().splitlines(keepends=True)
    lines[1] = b'{"frame": 1, "seq\n'
    (folder / "labels.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(RecordingError, match="damaged at line 2"):
        open_recording(folder)
    assert (folder / "labels.jsonl").read_bytes() == b"".join(lines)
    lines[1] = b'{"frame": 1}\n'
    (folder / "labels.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(RecordingError, match="line 2 is not a frame"):
        open_recording(folder)


def test_missing_and_empty_pictures_are_left_out_and_reported(tmp_path: Path) -> None:
    folder = _record(tmp_path / "s", 5)
    (folder / "frames" / "00000001.jpg").unlink()
    (folder / "frames" / "00000003.jpg").write_bytes(b"")
    recording = open_recording(folder)
    assert [frame.index for frame in recording.frames] == [0, 2, 4]
    assert recording.repairs == ("2 of 5 frames have no picture and were left out.",)


def test_damaged_picture_raises_an_error_when_it_is_read(tmp_path: Path) -> None:
    folder = _record(tmp_path / "s", 2)
    (folder / "frames" / "00000001.jpg").write_bytes(b"not a picture")
    recording = open_recording(folder)
    recording.picture(recording.frames[0])
    with pytest.raises(RecordingError, match=r"00000001\.jpg is damaged"):
        recording.picture(recording.frames[1])


def test_frame_count_that_differs_from_the_complete_file_is_reported(tmp_path: Path) -> None:
    folder = _record(tmp_path / "s", 4)
    lines = (folder / "labels.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "labels.jsonl").write_bytes(b"".join(lines[:2]))
    recording = open_recording(folder)
    assert recording.repairs == ("The COMPLETE file declares 4 frames, but labels.jsonl has 2.",)
    (folder / "COMPLETE").write_bytes(b"")
    recording = open_recording(folder)
    assert not recording.complete
    assert "COMPLETE file is damaged" in recording.repairs[0]


def test_dropped_count_is_read_without_the_complete_file(tmp_path: Path) -> None:
    folder = _record(tmp_path / "s", 4)
    (folder / "COMPLETE").unlink()
    assert open_recording(folder).dropped == 3, "those before the last frame"


def test_read_only_recording_opens_without_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _record(tmp_path / "s", 2)
    with (folder / "labels.jsonl").open("ab") as file:
        file.write(b'{"frame":')
    original = Path.open

    def read_only(self: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if "+" in mode or "w" in mode or "a" in mode:
            raise PermissionError(13, "Permission denied")
        return original(self, mode, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", read_only)
    recording = open_recording(folder)
    assert len(recording.frames) == 2
    assert "is torn (9 bytes) and was left out" in recording.repairs[0]


def test_low_disk_space_stops_a_recording_at_its_start_and_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordingError, match="leaves free"):
        RecordingWriter(tmp_path / "s", INFO, min_free_bytes=1 << 62)
    writer = RecordingWriter(tmp_path / "t", INFO)
    writer.add(_frame(0), [])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    for k in range(1, 30):
        writer.add(_frame(k), [])
    with pytest.raises(RecordingError, match="has 1 MiB left, less than the 500 MiB"):
        writer.add(_frame(30), [])
    writer.close()
    assert len(open_recording(tmp_path / "t").frames) == 30


def test_invalid_folders_and_frames_are_refused(tmp_path: Path) -> None:
    _record(tmp_path / "s")
    with pytest.raises(RecordingError, match="is not empty"):
        RecordingWriter(tmp_path / "s", INFO)
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordingError, match="cannot be written"):
        RecordingWriter(tmp_path / "file" / "s", INFO)
    with RecordingWriter(tmp_path / "t", INFO) as writer:
        with pytest.raises(RecordingError, match="pictures of 64 x 48, got 32 x 48"):
            writer.add(_frame(0, 32), [])
        with pytest.raises(RecordingError, match="not finite"):
            writer.add(_frame(0), [replace(_hand(0), pose_rad=np.full(48, np.inf, np.float32))])
        writer.add(_frame(1), [])
    assert len(open_recording(tmp_path / "t").frames) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a recording"),
        ("{", "is damaged"),
        ('{"schema": 99}', "newer program"),
        ('{"schema": 1}', "is damaged"),
        ("[]", "is damaged"),
    ],
)
def test_a_folder_without_a_good_session_file_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "session.json").write_text(content)
    with pytest.raises(RecordingError, match=message):
        open_recording(tmp_path)


def test_a_session_without_frames_opens(tmp_path: Path) -> None:
    RecordingWriter(tmp_path / "s", INFO).close()
    recording = open_recording(tmp_path / "s")
    assert recording.complete
    assert recording.frames == ()
    (tmp_path / "s" / "labels.jsonl").unlink()
    assert "before its first frame" in open_recording(tmp_path / "s").repairs[0]


def test_opening_holds_one_line_at_a_time(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "s", INFO) as writer:
        writer.add(_frame(0), [_hand(1)])
    lines = (tmp_path / "s" / LABELS_FILE).read_bytes()
    (tmp_path / "s" / LABELS_FILE).write_bytes(lines * 60)
    tracemalloc.start()
    recording = open_recording(tmp_path / "s")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(recording.frames) == 60
    assert peak_bytes < 4 * 60 * len(lines)  # the file, and the arrays made of it


def test_full_disk_at_the_first_picture_leaves_no_session_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RecordingWriter(tmp_path / "session", INFO, min_free_bytes=0)

    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RecordingError, match="No space left"):
        writer.add(_frame(0), [])
    writer.close()
    assert not list(tmp_path.iterdir())
