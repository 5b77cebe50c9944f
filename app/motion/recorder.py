"""Keeps the output hands of every frame, until they are exported as a motion."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.motion.motion import HandTrack, Motion
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.scene_view import as_seen_by_camera
from hand.errors import RecordingError
from hand.mirror import Side
from hand.model import HandModel
from hand.types import HandState

MOST_FRAMES: Final = 108_000
"""An hour at 30 frames a second and some 150 MB; what comes later is not kept."""

SMALLEST_STEP_NS: Final = 1_000_000
"""Pictures of a camera can come in bursts, or within one tick of a coarse clock; in a motion they are a millisecond
apart at least, which single-precision times of an animation file still tell apart after an hour."""

_NS_PER_S = 1e9
_NO_MESH = np.empty((0, 3), np.float32)
_SIDES: tuple[Side, ...] = ("right", "left")


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    frame: int
    capture_ns: int
    state: HandState


class MotionRecorder:
    """Takes results from one thread, and gives the motion to any."""

    def __init__(self, model: HandModel) -> None:
        """Starts empty.

        Args:
            model: right-hand model that poses refer to.
        """
        self._model = model
        self._lock = threading.Lock()
        self._begin("")

    def _begin(self, source: str) -> None:
        self._source = source
        self._samples: list[_Sample] = []
        self._frames = 0
        self._last, self._offset = -1, 0
        self._last_ns: int | None = None

    @property
    def frames(self) -> int:
        """Frames taken so far, with or without a hand."""
        with self._lock:
            return self._frames

    @property
    def is_empty(self) -> bool:
        """Whether no frame had a hand."""
        with self._lock:
            return not self._samples

    def take(self, joined: JoinedResult) -> None:
        """Keeps a frame's output hands; a change of source starts the motion again, because its time does too.

        Of mirrored pictures it keeps the person's own hands, as :func:`app.pipeline.scene_view.as_seen_by_camera` does.
        """
        if joined.late:
            return
        joined = as_seen_by_camera(joined)
        frame = joined.frame
        with self._lock:
            if frame.source_id != self._source:
                self._begin(frame.source_id)
            if self._frames >= MOST_FRAMES:
                return
            if self._offset + frame.sequence <= self._last:
                self._offset = self._last + 1  # the source started again, and the motion goes on
            self._last = self._offset + frame.sequence
            self._frames += 1
            time_ns = frame.capture_time_ns
            if self._last_ns is not None:
                time_ns = max(time_ns, self._last_ns + SMALLEST_STEP_NS)
            self._last_ns = time_ns
            for output in joined.outputs:
                state = replace(output.state, vertices_m=_NO_MESH)  # it follows from pose and shape
                self._samples.append(_Sample(self._last, time_ns, state))

    def motion(self, frames_per_second: float = 0.0) -> Motion:
        """What was recorded so far.

        Args:
            frames_per_second: of the source; 0 where unknown.

        Raises:
            RecordingError: there was no hand.
        """
        with self._lock:
            samples, source, seen = list(self._samples), self._source, self._frames
        if not samples:
            raise RecordingError(
                f"There is no motion to save: no hand was found in {seen} frames; record while a hand is in view."
            )
        start_ns = min(sample.capture_ns for sample in samples)
        tracks = [_track(side, [s for s in samples if s.state.side == side], start_ns) for side in _SIDES]
        found = tuple(track for track in tracks if track is not None)
        return Motion(self._model, source, frames_per_second or _median_rate(found), found)


def _track(side: Side, samples: list[_Sample], start_ns: int) -> HandTrack | None:
    """The hand of one side; of two hands of one side in a frame the more certain one counts."""
    best: dict[int, _Sample] = {}
    for sample in samples:
        rival = best.get(sample.frame)
        if rival is None or rival.state.confidence < sample.state.confidence:
            best[sample.frame] = sample
    kept = sorted(best.values(), key=lambda sample: sample.frame)
    if not kept:
        return None
    states = [sample.state for sample in kept]
    return HandTrack(
        side=side,
        frames=np.array([sample.frame for sample in kept]),
        times_s=np.array([(sample.capture_ns - start_ns) / _NS_PER_S for sample in kept]),
        poses_rad=np.array([state.pose_rad for state in states], np.float64),
        shapes=np.array([state.shape for state in states], np.float64),
        translations_m=np.array([state.camera_translation_m for state in states], np.float64),
        joints_m=np.array([state.joints_m for state in states], np.float64),
        confidences=np.array([state.confidence for state in states], np.float64),
        methods=tuple(state.origin for state in states),
    )


def _median_rate(tracks: tuple[HandTrack, ...]) -> float:
    steps = np.concatenate([np.diff(track.times_s) / np.maximum(np.diff(track.frames), 1) for track in tracks])
    steps = steps[steps > 0]
    return float(1.0 / np.median(steps)) if len(steps) else 30.0
