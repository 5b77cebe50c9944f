"""Final labels: precedence of user verdicts, offline labels and recorded hands, and the files they are stored in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hand.camera import Intrinsics, project
from hand.errors import RecordingError
from hand.recording import Recorded, RecordedHand, SessionInfo
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.session_labels import (
    OFFLINE_FILE,
    REVIEW_FILE,
    OfflineLabel,
    OfflineLabels,
    Verdict,
    append_verdicts,
    read_offline,
    read_session_labels,
    read_verdicts,
    write_offline,
)
from hand.types import Frame

CAMERA = Intrinsics.from_fov(64, 48)


def _hand(origin: Recorded, value: float = 0.0, confidence: float = 0.7) -> RecordedHand:
    joints = np.linspace(0.0, 0.1, 63).reshape(21, 3)
    joints[:, 2] += 0.4 + value
    numbers = (np.full(48, value), np.full(10, value), np.zeros(3), joints)
    return RecordedHand("right", origin, confidence, *(array.astype(np.float32) for array in numbers))


def _session(folder: Path, hands: list[list[RecordedHand]]) -> Path:
    info = SessionInfo("camera 0", CAMERA, False, "toy", "0" * 64, name="Monday")
    with RecordingWriter(folder, info) as writer:
        for number, found in enumerate(hands):
            picture = np.full((48, 64, 3), 90, np.uint8)
            writer.add(Frame(number, number * 33, picture, CAMERA, "camera 0"), found)
    return folder


def _offline(*labels: OfflineLabel) -> OfflineLabels:
    return OfflineLabels(labels, np.arange(10, dtype=np.float32) / 3, "d" * 64, {"program": "1"})


def test_label_without_offline_pass_is_the_truth_or_else_the_ik_hand(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik"), _hand("truth", 0.1, 1.0)], [_hand("network"), _hand("ik")], []])
    session = read_session_labels(folder)
    assert [label.hand.origin for label in session.labels] == ["truth", "ik"]
    assert [label.weight for label in session.labels] == [1.0, pytest.approx(0.7)]
    assert session.person_shape is None
    assert session.recording.info.name == "Monday"


def test_user_verdicts_override_offline_labels_and_those_override_recorded_hands(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik"), _hand("truth", 0.5, 1.0)] for _ in range(5)])
    weights = (0.9, 0.8, 0.0, 0.0, 0.6)
    write_offline(
        folder,
        _offline(*(OfflineLabel(k, _hand("offline", 0.1), weight, ("shaky",)) for k, weight in enumerate(weights))),
    )
    append_verdicts(folder, [Verdict(1, "rejected"), Verdict(3, "kept"), Verdict(4, "corrected", _hand("corrected"))])
    session = read_session_labels(folder)
    assert [label.status for label in session.labels] == ["kept", "rejected", "rejected", "kept", "corrected"]
    assert [label.weight for label in session.labels] == pytest.approx([0.9, 0.0, 0.0, 0.5, 1.0])
    assert [label.decided for label in session.labels] == [False, True, False, True, True]
    assert [label.hand.origin for label in session.labels] == ["offline"] * 4 + ["corrected"]
    np.testing.assert_array_equal(session.person_shape, np.arange(10, dtype=np.float32) / 3)
    np.testing.assert_allclose(
        session.labels[0].joints_px(CAMERA), project(session.labels[0].hand.joints_m.astype(float), CAMERA)
    )


def test_undecided_verdict_reverts_an_earlier_one(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik")]] * 2)
    append_verdicts(folder, [Verdict(0, "rejected"), Verdict(1, "corrected", _hand("corrected"))])
    append_verdicts(folder, [Verdict(0, "undecided"), Verdict(1, "undecided")])
    assert {verdict.status for verdict in read_verdicts(folder).values()} == {"undecided"}
    assert [(label.status, label.decided) for label in read_session_labels(folder).labels] == [("kept", False)] * 2


def test_offline_labels_round_trip(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik")]])
    label = OfflineLabel(0, _hand("offline", 1 / 3), 0.25, ("landmarks jump",), {"network_mm": 12.5})
    write_offline(folder, _offline(label))
    back = read_offline(folder)
    assert back is not None
    assert (back.labels[0].weight, back.labels[0].reasons) == (0.25, ("landmarks jump",))
    assert dict(back.labels[0].agreement) == {"network_mm": 12.5}
    np.testing.assert_array_equal(back.labels[0].hand.pose_rad, label.hand.pose_rad)


def test_torn_verdict_line_is_skipped_and_the_next_one_is_read(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik")]] * 3)
    append_verdicts(folder, [Verdict(0, "rejected")])
    with (folder / REVIEW_FILE).open("ab") as file:
        file.write(b'{"frame":1,"sta')
    append_verdicts(folder, [Verdict(2, "rejected")])
    assert sorted(read_verdicts(folder)) == [0, 2]


def test_damaged_files_raise_an_error_naming_the_fault(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik")]])
    (folder / OFFLINE_FILE).write_text('{"schema":1}\n')
    with pytest.raises(RecordingError, match="label the session again"):
        read_session_labels(folder)
    (folder / OFFLINE_FILE).unlink()
    (folder / REVIEW_FILE).write_text('{"frame":0,"status":"perhaps"}\n{"frame":0,"status":"kept"}\n')
    with pytest.raises(RecordingError, match="line 1 is not a decision"):
        read_session_labels(folder)


def test_recording_without_names_and_markers_opens(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik")]])
    content = json.loads((folder / "session.json").read_text())
    assert content.pop("name") == "Monday"
    (folder / "session.json").write_text(json.dumps(content))
    recording = open_recording(folder)
    assert (recording.info.name, recording.frames[0].marker, dict(recording.frames[0].timings_ms)) == ("", "", {})


def test_verdict_after_a_line_of_zeros_is_read(tmp_path: Path) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik")]] * 3)
    append_verdicts(folder, [Verdict(0, "rejected"), Verdict(1, "corrected", _hand("corrected"))])
    with (folder / REVIEW_FILE).open("ab") as file:
        file.write(b"\0" * 100_000 + b"\n")  # longer than the tail that is read first, and it ends like a line
    append_verdicts(folder, [Verdict(2, "rejected")])
    assert sorted(read_verdicts(folder)) == [0, 1, 2]


def test_appending_a_verdict_does_not_read_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _session(tmp_path / "s", [[_hand("ik")]])
    append_verdicts(folder, [Verdict(0, "rejected")])

    def read_all(*_: object) -> None:
        raise AssertionError("the whole file was read")

    with monkeypatch.context() as patched:
        for module in ("hand.recording_reader", "hand.session_labels"):
            patched.setattr(f"{module}.read_lines", read_all)
        append_verdicts(folder, [Verdict(0, "kept")])
    assert read_verdicts(folder)[0].status == "kept"
