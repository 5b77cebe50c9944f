"""A session under review: filters, decisions, and undo.

Decisions are written as they are made. Everything that a window reads while it scrolls is kept in arrays, so that
twenty thousand frames take no longer than twenty.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from app.review.linked_view import LinkedView, linked_view
from hand.model import HandModel
from hand.recording import RecordedHand
from hand.recording_reader import Recording, open_recording
from hand.session_labels import (
    FrameLabel,
    OfflineLabel,
    Verdict,
    append_verdicts,
    frame_labels,
    read_offline,
    read_verdicts,
    without_offline,
)

Filter = Literal["all", "low agreement", "unusual pose", "near-duplicates", "rejected", "undecided", "marked"]

FILTERS: Final[dict[Filter, str]] = {
    "all": "All frames",
    "low agreement": "Low agreement",
    "unusual pose": "Unusual poses",
    "near-duplicates": "Near-duplicates",
    "rejected": "Rejected",
    "undecided": "Not looked at",
    "marked": "Marked while recording",
}
"""What can be looked at, and its name for people."""

LOW_AGREEMENT_SHARE: Final = 0.15
"""The labels of the lowest weights: this share of all."""

UNUSUAL_SHARE: Final = 0.05
"""The poses furthest from the others: this share of all."""

DUPLICATE_RAD: Final = 0.06
"""A pose that differs less than this on average from the last one that was not a duplicate teaches nothing new."""

_UNDO_STEPS: Final = 500
_STATUS_WORDS: Final = ("no hand", "kept", "rejected", "corrected")


class SessionReview:
    """The state of a review. Not shared between threads."""

    def __init__(self, folder: Path) -> None:
        """Opens a session.

        Raises:
            RecordingError: it is no recording, or one of its files is damaged.
        """
        self.folder = folder
        self.recording: Recording = open_recording(folder)
        self.linked: LinkedView | None = linked_view(folder)
        self._verdicts = read_verdicts(folder)
        self._number_of = {frame.index: number for number, frame in enumerate(self.recording.frames)}
        offline = read_offline(folder)
        self.labelled = offline is not None
        self._automatic: dict[int, list[OfflineLabel]] = {}
        for label in offline.labels if offline else ():
            self._automatic.setdefault(label.frame, []).append(label)
        count = len(self.recording.frames)
        self._weights = np.zeros(count)
        self._status = np.zeros(count, np.int8)
        self._decided = np.zeros(count, bool)
        poses = np.full((count, 45), np.nan)
        views = np.full((count, 3), np.nan)
        for number in range(count):
            labels = self.labels(number)
            self._note_labels(number, labels)
            if labels:
                poses[number], views[number] = labels[0].hand.pose_rad[3:], labels[0].hand.pose_rad[:3]
        self._unusual = _unusual(poses)
        self._duplicate = _duplicates(poses, views)
        self._marked = np.array([bool(frame.marker) for frame in self.recording.frames], bool)
        self._undo: list[list[Verdict]] = []  # what each decision replaced

    def __len__(self) -> int:
        return len(self.recording.frames)

    @property
    def confidence(self) -> Float[np.ndarray, " frames"]:
        """The weight of each frame's label: the timeline's curve."""
        return self._weights

    @property
    def status(self) -> Int[np.ndarray, " frames"]:
        """0 no hand, 1 kept, 2 rejected, 3 corrected."""
        return self._status

    @property
    def decided(self) -> Bool[np.ndarray, " frames"]:
        """Frames that the user decided about."""
        return self._decided

    @property
    def can_undo(self) -> bool:
        """Whether there is a decision to take back."""
        return bool(self._undo)

    def labels(self, number: int) -> list[FrameLabel]:
        """The labels of a frame's hands.

        Args:
            number: place of the frame in the session, from 0.
        """
        frame = self.recording.frames[number]
        automatic = self._automatic.get(frame.index, []) if self.labelled else without_offline(frame)
        return frame_labels(frame, automatic, self._verdicts.get(frame.index))

    def about(self, number: int) -> str:
        """What is known of a frame, for people.

        Args:
            number: place of the frame in the session, from 0.
        """
        labels = self.labels(number)
        if not labels:
            return "no hand was seen."
        label = labels[0]
        who = "you" if label.decided else "the labelling"
        reasons = f" ({', '.join(label.reasons)})" if label.reasons else ""
        return f"{_STATUS_WORDS[int(self._status[number])]} by {who}, weight {label.weight:.0%}{reasons}."

    def chosen(self, chosen: Filter) -> Int[np.ndarray, " some"]:
        """Numbers of the frames that a filter lets through, in time order."""
        seen = self._status > 0
        if chosen == "low agreement":
            weights = self._weights[seen & (self._weights > 0.0)]
            limit = np.quantile(weights, LOW_AGREEMENT_SHARE) if len(weights) else 0.0
            mask = seen & (self._weights <= limit) & (self._status != 3)
        elif chosen == "unusual pose":
            mask = self._unusual
        elif chosen == "near-duplicates":
            mask = self._duplicate
        elif chosen == "rejected":
            mask = self._status == 2
        elif chosen == "undecided":
            mask = seen & ~self._decided
        elif chosen == "marked":
            mask = self._marked
        else:
            mask = np.ones(len(self), bool)
        return np.flatnonzero(mask)

    def decide(self, numbers: Iterable[int], status: Literal["kept", "rejected", "undecided"]) -> None:
        """Keeps or rejects frames, or withdraws earlier decisions.

        A corrected frame counts as kept: to keep it leaves the hand that the user put there.

        Args:
            numbers: places of the frames in the session.
            status: what becomes of them.

        Raises:
            RecordingError: the decision cannot be written; it is not made then.
        """
        frames = [self.recording.frames[number].index for number in numbers]
        if status == "kept":
            frames = [index for index in frames if not self._is_corrected(index)]
        self._apply([Verdict(index, status) for index in frames])

    def correct(self, number: int, hand: RecordedHand) -> None:
        """Puts a hand that the user set right in the place of the label.

        Args:
            number: place of the frame.
            hand: its origin is "corrected", or "two_views" where both views determine its place.

        Raises:
            RecordingError: it cannot be written; nothing changes then.
        """
        self._apply([Verdict(self.recording.frames[number].index, "corrected", hand)])

    def undo(self) -> list[int]:
        """Takes the last decision back.

        Returns:
            The numbers of the frames that changed; none when there was nothing to take back.

        Raises:
            RecordingError: it cannot be written.
        """
        if not self._undo:
            return []
        before = self._undo[-1]
        self._apply(before, undoable=False)
        self._undo.pop()  # not before it is written: what failed can be tried again
        return [self._number_of[verdict.frame] for verdict in before]

    def counts(self) -> dict[str, int]:
        """How many frames are kept, rejected, corrected, and decided about."""
        return {
            "kept": int((self._status == 1).sum()),
            "rejected": int((self._status == 2).sum()),
            "corrected": int((self._status == 3).sum()),
            "decided": int(self._decided.sum()),
        }

    def _is_corrected(self, index: int) -> bool:
        verdict = self._verdicts.get(index)
        return verdict is not None and verdict.hand is not None

    def _apply(self, verdicts: list[Verdict], *, undoable: bool = True) -> None:
        if not verdicts:
            return
        before = [self._verdicts.get(v.frame, Verdict(v.frame, "undecided")) for v in verdicts]
        append_verdicts(self.folder, verdicts)
        if undoable:
            self._undo = [*self._undo[-_UNDO_STEPS:], before]
        for verdict in verdicts:
            self._verdicts[verdict.frame] = verdict
            number = self._number_of[verdict.frame]
            self._note_labels(number, self.labels(number))

    def _note_labels(self, number: int, labels: list[FrameLabel]) -> None:
        """Updates the arrays that a window reads while it scrolls."""
        code = {"kept": 1, "rejected": 2, "corrected": 3}
        self._status[number] = max((code[label.status] for label in labels), default=0)
        self._weights[number] = max((label.weight for label in labels), default=0.0)
        self._decided[number] = any(label.decided for label in labels)


def open_review(folder: Path, model: HandModel) -> SessionReview:
    """Opens a session for review, if its labels fit the hand model; with many frames that takes a second.

    Args:
        folder: of the session.
        model: hand model of its labels.

    Raises:
        RecordingError: it is no recording, is damaged, or was recorded with another hand model.
    """
    review = SessionReview(folder)
    review.recording.require_model(model, "open")
    return review


def _unusual(poses_rad: Float[np.ndarray, "frames 45"]) -> Bool[np.ndarray, " frames"]:
    """The poses furthest from the session's middle one, each angle over its usual spread."""
    known = np.isfinite(poses_rad[:, 0])
    if known.sum() < 20:
        return np.zeros(len(poses_rad), bool)
    middle = np.median(poses_rad[known], axis=0)
    spread = np.median(np.abs(poses_rad[known] - middle), axis=0) + 0.02
    away = np.full(len(poses_rad), -np.inf)
    away[known] = np.sqrt((((poses_rad[known] - middle) / spread) ** 2).mean(1))
    return np.asarray(away >= np.quantile(away[known], 1.0 - UNUSUAL_SHARE))


def _duplicates(
    poses_rad: Float[np.ndarray, "frames 45"], views_rad: Float[np.ndarray, "frames 3"]
) -> Bool[np.ndarray, " frames"]:
    """Frames that show what the last one that is none showed."""
    duplicate = np.zeros(len(poses_rad), bool)
    shown = np.hstack([poses_rad, views_rad])
    means = np.zeros((48, 2))  # one product for both means, because this runs for every frame
    means[:45, 0], means[45:, 1] = 1.0 / 45.0, 1.0 / 3.0
    last: Float[np.ndarray, "48"] | None = None
    for number in np.flatnonzero(np.isfinite(poses_rad[:, 0])):
        if last is not None:
            pose, view = np.abs(shown[number] - last) @ means
            if pose < DUPLICATE_RAD and view < DUPLICATE_RAD:
                duplicate[number] = True
                continue
        last = shown[number]
    return duplicate
