"""The final labels of a recorded session: those computed and decided after it was recorded.

    offline.jsonl   result of a pass over the whole session: a header, then one line per hand; replaced as a whole
    review.jsonl    the user's decisions, one line per decision, appended; the last one on a frame counts

A frame's label is the first available of these: the hand the user corrected, the offline pass's, the ground truth of a
rendered session, the live estimate of MediaPipe + IK.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import numpy as np
from jaxtyping import Float

from hand.atomic_file import append_line, write_text_atomically
from hand.camera import Intrinsics, project
from hand.errors import RecordingError
from hand.recording import (
    MEASURED,
    RecordedFrame,
    RecordedHand,
    hand_from_json,
    hand_to_json,
    single_precision_list,
)
from hand.recording_reader import Recording, cut_torn_end, open_recording, read_lines

OFFLINE_FILE: Final = "offline.jsonl"
REVIEW_FILE: Final = "review.jsonl"
_SCHEMA: Final = 1

Status = Literal["kept", "rejected", "corrected"]
"""What becomes of a label: it is learned from, it is not, or it is because the user set it right."""

Decision = Literal["kept", "rejected", "corrected", "undecided"]
"""The user's decision on a frame; "undecided" withdraws an earlier one."""

_NO_FIGURES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class OfflineLabel:
    """One hand of the offline pass.

    Attributes:
        frame: index of its frame.
        hand: the hand; its origin is "offline".
        weight: how reliable the label is, 0 to 1; 0 rejects it.
        reasons: what counts against it, in short phrases for people.
        agreement: how far the estimates differ, by name, with their units in the names.
    """

    frame: int
    hand: RecordedHand
    weight: float
    reasons: tuple[str, ...] = ()
    agreement: Mapping[str, float] = field(default_factory=lambda: _NO_FIGURES)


@dataclass(frozen=True, slots=True, eq=False)
class OfflineLabels:
    """The result of one offline pass.

    Attributes:
        labels: in time order.
        shape: the person's shape.
        hand_model_digest: of the model that poses and shape refer to.
        made_with: settings and versions, for people.
    """

    labels: tuple[OfflineLabel, ...]
    shape: Float[np.ndarray, "10"]
    hand_model_digest: str
    made_with: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """The user's last decision on one frame.

    Attributes:
        frame: index of the frame.
        status: the decision.
        hand: the corrected hand, where it was corrected.
    """

    frame: int
    status: Decision
    hand: RecordedHand | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FrameLabel:
    """The final label of one hand of one frame.

    Attributes:
        frame: with the live estimates of all paths.
        hand: the label itself, with its origin.
        status: whether it is used for training.
        weight: how reliable it is, 0 to 1: 0 when rejected, 1 when the user corrected it.
        reasons: what counts against it, in short phrases for people.
        decided: the user decided about it, not the offline pass alone.
        agreement: how far the estimates differ, by name; empty without an offline pass.
    """

    frame: RecordedFrame
    hand: RecordedHand
    status: Status
    weight: float
    reasons: tuple[str, ...] = ()
    decided: bool = False
    agreement: Mapping[str, float] = field(default_factory=lambda: _NO_FIGURES)

    def joints_px(self, intrinsics: Intrinsics) -> Float[np.ndarray, "21 2"]:
        """Where the label's joints are in the picture.

        Args:
            intrinsics: of the session.
        """
        return project(np.asarray(self.hand.joints_m, np.float64), intrinsics)


@dataclass(frozen=True, slots=True, eq=False)
class SessionLabels:
    """A session and its final labels.

    Attributes:
        recording: the session.
        labels: in time order, one per hand and frame, rejected ones too.
        person_shape: the one shape that the offline pass found; None without one.
    """

    recording: Recording
    labels: tuple[FrameLabel, ...]
    person_shape: Float[np.ndarray, "10"] | None


def read_session_labels(folder: Path) -> SessionLabels:
    """Opens a session with its final labels.

    Raises:
        RecordingError: it is no recording, or one of its files is damaged before its end.
    """
    recording = open_recording(folder)
    offline = read_offline(folder)
    labels = final_labels(recording, offline, read_verdicts(folder))
    return SessionLabels(recording, labels, offline.shape if offline else None)


def final_labels(
    recording: Recording, offline: OfflineLabels | None, verdicts: Mapping[int, Verdict]
) -> tuple[FrameLabel, ...]:
    """The final label of every hand.

    Args:
        recording: the session.
        offline: result of the offline pass, if it ran.
        verdicts: the user's last decision on frames, by index.
    """
    found: dict[int, list[OfflineLabel]] = {}
    for label in offline.labels if offline else ():
        found.setdefault(label.frame, []).append(label)
    labels: list[FrameLabel] = []
    for frame in recording.frames:
        automatic = found.get(frame.index, []) if offline else without_offline(frame)
        labels.extend(frame_labels(frame, automatic, verdicts.get(frame.index)))
    return tuple(labels)


def frame_labels(frame: RecordedFrame, automatic: Sequence[OfflineLabel], verdict: Verdict | None) -> list[FrameLabel]:
    """The final labels of one frame's hands.

    Args:
        frame: the frame.
        automatic: the labels without the user's decision.
        verdict: the user's last decision, if there was one.
    """
    decided = verdict is not None and verdict.status != "undecided"
    labels = []
    for label in automatic:
        status: Status = "kept" if label.weight > 0.0 else "rejected"
        weight = label.weight
        if verdict is not None and verdict.status == "kept":
            # the user confirmed it: at least as good as a middling label
            status, weight = "kept", max(weight, 0.5)
        elif verdict is not None and verdict.status == "rejected":
            status, weight = "rejected", 0.0
        labels.append(FrameLabel(frame, label.hand, status, weight, label.reasons, decided, label.agreement))
    if verdict is not None and verdict.hand is not None:
        corrected = FrameLabel(frame, verdict.hand, "corrected", 1.0, (), True)
        labels = [corrected, *(label for label in labels if label.hand.side != verdict.hand.side)]
    return labels


def read_offline(folder: Path) -> OfflineLabels | None:
    """Reads the result of the offline pass; None where it never ran.

    Raises:
        RecordingError: the file is damaged.
    """
    path = folder / OFFLINE_FILE
    if not path.is_file():
        return None
    lines = read_lines(path, [])
    try:
        header = next(lines)
        if int(header["schema"]) > _SCHEMA:
            raise RecordingError(f"{path} was made by a newer program (schema {header['schema']}); update.")
        return OfflineLabels(
            labels=tuple(_offline_from_json(line) for line in lines),
            shape=np.array(header["shape"], np.float32).reshape(10),
            hand_model_digest=str(header["hand_model_digest"]),
            made_with=MappingProxyType({str(key): str(text) for key, text in header["made_with"].items()}),
        )
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise RecordingError(f"{path} is damaged ({error!r}); label the session again.") from None


def write_offline(folder: Path, offline: OfflineLabels) -> None:
    """Writes the result of an offline pass, and replaces that of an earlier one.

    Raises:
        RecordingError: the disk is full or gone; what was there before is untouched.
    """
    header = {
        "schema": _SCHEMA,
        "hand_model_digest": offline.hand_model_digest,
        "shape": single_precision_list(offline.shape),
        "made_with": dict(offline.made_with),
    }
    lines = [header, *(_offline_to_json(label) for label in offline.labels)]
    try:
        write_text_atomically(
            folder / OFFLINE_FILE,
            "".join(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n" for line in lines),
        )
    except OSError as error:
        raise RecordingError(
            f"The labels of {folder} cannot be written ({error.strerror or error}); check the disk."
        ) from None


def read_verdicts(folder: Path) -> dict[int, Verdict]:
    """The user's last decision on every frame that has one, by index.

    Raises:
        RecordingError: the file is damaged before its end.
    """
    path = folder / REVIEW_FILE
    verdicts: dict[int, Verdict] = {}
    if not path.is_file():
        return verdicts
    for number, line in enumerate(read_lines(path, []), 1):
        try:
            if line["status"] not in get_args(Decision):
                raise ValueError(f"status {line['status']!r}")
            hand = hand_from_json(line["hand"]) if "hand" in line else None
            frame = int(line["frame"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"{path}, line {number} is not a decision ({error!r}).") from None
        verdicts[frame] = Verdict(frame, line["status"], hand)
    return verdicts


def append_verdicts(folder: Path, verdicts: Iterable[Verdict]) -> None:
    """Adds decisions; they are on the disk when this returns.

    Raises:
        RecordingError: the disk is full or gone.
    """
    path = folder / REVIEW_FILE
    try:
        if path.is_file():
            cut_torn_end(path)
        lines = []
        for verdict in verdicts:
            line: dict[str, Any] = {"frame": verdict.frame, "status": verdict.status}
            if verdict.hand is not None:
                line["hand"] = hand_to_json(verdict.hand)
            lines.append(json.dumps(line, separators=(",", ":"), allow_nan=False))
        if lines:
            append_line(path, "\n".join(lines), sync=True)
    except OSError as error:
        raise RecordingError(
            f"Decisions about {folder} cannot be written ({error.strerror or error}); check the disk."
        ) from None


def without_offline(frame: RecordedFrame) -> list[OfflineLabel]:
    """The labels recorded with a frame: ground truth, or the measurement of two cameras, or else MediaPipe + IK."""
    for origin in (*MEASURED, "ik"):
        hands = [hand for hand in frame.hands if hand.origin == origin]
        if hands:
            return [OfflineLabel(frame.index, hand, hand.confidence) for hand in hands]
    return []


def _offline_to_json(label: OfflineLabel) -> dict[str, Any]:
    return {
        "frame": label.frame,
        "weight": round(label.weight, 4),
        "reasons": list(label.reasons),
        "agreement": {name: round(value, 4) for name, value in label.agreement.items()},
        "hand": hand_to_json(label.hand),
    }


def _offline_from_json(line: dict[str, Any]) -> OfflineLabel:
    return OfflineLabel(
        frame=int(line["frame"]),
        hand=hand_from_json(line["hand"]),
        weight=float(line["weight"]),
        reasons=tuple(str(reason) for reason in line["reasons"]),
        agreement=MappingProxyType({str(name): float(value) for name, value in line["agreement"].items()}),
    )
