"""Records the camera's frames and the paths' results in a thread of its own, without delaying them.

Frames come from the capture thread the moment they are taken, results a little later, from the paths. The recorder
keeps a frame until its result is there, or until it is clear that there will be none, and writes in order. The queue is
bounded: what does not fit is dropped, counted, shown, and noted in the recording. Once a second everything is handed to
the disk itself, so that a killed program, a full disk or a power cut costs a second at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest
from pathlib import Path
from typing import Final

from app.machine import product_version
from app.recording.sessions import next_number
from hand.camera import Intrinsics
from hand.errors import HandliveError
from hand.model import HandModel
from hand.recording import RecordedHand, SessionInfo, recorded_hand
from hand.recording_writer import DEFAULT_MIN_FREE_BYTES, RecordingWriter
from hand.types import Frame, HandState, PathId, PathResult


class RecorderPhase(Enum):
    """What the recorder is doing."""

    WAITING = "waiting for the first frame"
    RECORDING = "recording"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RecorderState:
    """The recorder as the window shows it.

    Attributes:
        phase: what it is doing.
        sentence: why it failed, else empty.
        frames: written.
        with_hands: of them, how many have an estimate.
        dropped: frames that did not fit into the queue.
        marks: how many were set.
        seconds: from the first frame to the last, pauses left out.
    """

    phase: RecorderPhase = RecorderPhase.WAITING
    sentence: str = ""
    frames: int = 0
    with_hands: int = 0
    dropped: int = 0
    marks: int = 0
    seconds: float = 0.0


logger = logging.getLogger(__name__)

QUEUE_FRAMES: Final = 90
"""Frames that wait at most: three seconds at 30 a second, 83 MB at 640 x 480."""

PATIENCE_S: Final = 0.6
"""How long a frame waits for its result."""

SYNC_S: Final = 0.9
_JPEG_QUALITY: Final = 92
_EARLY_RESULTS: Final = 32
_OTHER_SOURCE_SENTENCE: Final = (
    "The source changed while it was recorded, began anew, or got another lens, so the recording ended there."
)


@dataclass(slots=True)
class _Waiting:
    """A frame on its way to the disk."""

    frame: Frame
    since_s: float
    results: Mapping[PathId, PathResult] | None = None
    marker: str = ""
    fused: tuple[HandState, ...] = ()


class SessionRecorder:
    """Records one session: make it, feed it from any threads, stop it."""

    def __init__(
        self,
        folder: Path,
        model: HandModel,
        *,
        name: str = "",
        pair: str = "",
        min_free_bytes: int = DEFAULT_MIN_FREE_BYTES,
        queue_frames: int = QUEUE_FRAMES,
        paused: bool = False,
    ) -> None:
        """Starts the thread; the folder is made with the first frame.

        Args:
            folder: of the new session.
            model: hand model of the paths' estimates.
            name: given by the user.
            pair: name of the take, where another recorder records it from a second camera.
            min_free_bytes: recording does not start, and stops, with less free on the disk.
            queue_frames: how many frames wait at most.
            paused: begins with a pause.
        """
        self.folder = folder
        self._model = model
        self._name = name
        self._pair = pair
        self._min_free_bytes = min_free_bytes
        self._queue_frames = queue_frames
        self._condition = threading.Condition()
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()
        self._answered = -1  # results up to this frame are there, or will never be
        self._early: OrderedDict[int, tuple[Frame, Mapping[PathId, PathResult], tuple[HandState, ...]]] = OrderedDict()
        self._marker = ""
        self._unnoted_drops = 0
        self._stopping = False
        self._paused = paused
        self._state = RecorderState(RecorderPhase.PAUSED if paused else RecorderPhase.WAITING)
        self._source: tuple[str, bool, tuple[int, ...], Intrinsics] | None = None
        self._newest = -1  # sequence number of the last frame that was offered, also in a pause
        self._last_time_ns: int | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def state(self) -> RecorderState:
        """State of the recorder; immutable, safe to read from any thread."""
        with self._condition:
            return self._state

    @property
    def paused(self) -> bool:
        """Whether the recording is paused."""
        with self._condition:
            return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        with self._condition:
            self._paused = paused
            if self._state.phase in (RecorderPhase.WAITING, RecorderPhase.RECORDING, RecorderPhase.PAUSED):
                going_on = RecorderPhase.RECORDING if self._state.frames else RecorderPhase.WAITING
                self._state = replace(self._state, phase=RecorderPhase.PAUSED if paused else going_on)

    def mark(self, text: str = "mark") -> None:
        """Marks the next frame."""
        with self._condition:
            self._marker = text
            self._state = replace(self._state, marks=self._state.marks + 1)

    def offer_frame(self, frame: Frame) -> None:
        """Takes a frame; never waits."""
        with self._condition:
            if self._stopping or self._state.phase is RecorderPhase.FAILED:
                return
            # a source that restarts counts from 0 again, and results of its frames would seem to be long there
            restarted, self._newest = frame.sequence <= self._newest, frame.sequence
            if self._source is not None and restarted:
                self._fail_locked(_OTHER_SOURCE_SENTENCE)
                return
            if self._paused:
                return
            # a session has one camera: its lens is written down once, and labels are projected with it
            source = (frame.source_id, frame.mirrored, frame.image_rgb.shape, frame.intrinsics)
            if self._source is None:
                self._source = source
            elif source != self._source:
                self._fail_locked(_OTHER_SOURCE_SENTENCE)
                return
            if len(self._waiting) >= self._queue_frames:
                self._unnoted_drops += 1
                self._state = replace(self._state, dropped=self._state.dropped + 1)
                return
            marker, self._marker = self._marker, ""
            self._waiting[frame.sequence] = _Waiting(frame, time.monotonic(), marker=marker)
            early = self._early.pop(frame.sequence, None)
            if early is not None and early[0] is frame:
                self._answer(frame, early[1], early[2])
            self._condition.notify_all()

    def offer_result(
        self, frame: Frame, results: Mapping[PathId, PathResult], fused: tuple[HandState, ...] = ()
    ) -> None:
        """Takes the paths' results about a frame, in the order of the frames; never waits.

        Frames and results come by different threads, so a result may be here before its frame is.

        Args:
            frame: the picture.
            results: by path.
            fused: hands that were fused from both, which are kept beside theirs.
        """
        with self._condition:
            entry = self._waiting.get(frame.sequence)
            if entry is None:
                self._early[frame.sequence] = (frame, results, fused)
                while len(self._early) > _EARLY_RESULTS:
                    self._early.popitem(last=False)
            elif entry.frame is frame:  # and not one of the same number from before the source restarted
                self._answer(frame, results, fused)
                self._condition.notify_all()

    def stop(self, timeout_s: float = 10.0) -> RecorderState:
        """Writes what is queued, marks the recording complete, and ends the thread."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._thread.join(timeout_s)
        return self.state

    def _answer(self, frame: Frame, results: Mapping[PathId, PathResult], fused: tuple[HandState, ...]) -> None:
        entry = self._waiting[frame.sequence]
        entry.results = {**(entry.results or {}), **results}
        entry.fused = entry.fused or fused
        self._answered = max(self._answered, frame.sequence)

    def _run(self) -> None:
        writer: RecordingWriter | None = None
        synced_s = time.monotonic()
        try:
            while True:
                entry = self._next_entry()
                if entry is not None:
                    writer = writer or self._begin(entry.frame)
                    self._write(writer, entry)
                if writer is not None and time.monotonic() - synced_s > SYNC_S:
                    writer.sync()
                    synced_s = time.monotonic()
                if entry is None and self._finished():
                    break
            if writer is not None:
                self._note_drops(writer)
                writer.close()
            self._end(RecorderPhase.STOPPED)
        except HandliveError as error:
            self._end(RecorderPhase.FAILED, f"{error} What was recorded until then is kept.")
        except Exception as error:
            logger.exception("recorder")
            self._end(RecorderPhase.FAILED, f"The recorder stopped with an error ({type(error).__name__}: {error}).")

    def _next_entry(self) -> _Waiting | None:
        """The first frame, once its result is there or will never be; None after a short while without one."""
        with self._condition:
            self._condition.wait_for(self._first_is_ready, timeout=0.1)
            return self._waiting.popitem(last=False)[1] if self._first_is_ready() else None

    def _first_is_ready(self) -> bool:
        if not self._waiting:
            return False
        sequence, entry = next(iter(self._waiting.items()))
        late = time.monotonic() - entry.since_s > PATIENCE_S
        return self._stopping or late or sequence <= self._answered

    def _finished(self) -> bool:
        with self._condition:
            ended = self._stopping or self._state.phase is RecorderPhase.FAILED
            return ended and not self._waiting

    def _begin(self, frame: Frame) -> RecordingWriter:
        info = SessionInfo(
            source_id=frame.source_id,
            intrinsics=frame.intrinsics,
            mirrored=frame.mirrored,
            hand_model=self._model.name,
            hand_model_digest=self._model.digest,
            versions={"handlive": product_version()},
            name=self._name,
            number=next_number(self.folder.parent),
            pair=self._pair,
        )
        return RecordingWriter(self.folder, info, min_free_bytes=self._min_free_bytes, jpeg_quality=_JPEG_QUALITY)

    def _write(self, writer: RecordingWriter, entry: _Waiting) -> None:
        self._note_drops(writer)
        hands, timings_ms = _hands_and_timings(entry.results or {}, entry.fused)
        writer.add(entry.frame, hands, marker=entry.marker, timings_ms=timings_ms)
        time_ns, before_ns = entry.frame.capture_time_ns, self._last_time_ns
        self._last_time_ns = time_ns
        passed_s = 0.0 if before_ns is None else min((time_ns - before_ns) / 1e9, 0.5)
        with self._condition:
            state = self._state
            waiting = state.phase is RecorderPhase.WAITING
            self._state = replace(
                state,
                phase=RecorderPhase.RECORDING if waiting else state.phase,
                frames=state.frames + 1,
                with_hands=state.with_hands + bool(hands),
                seconds=state.seconds + passed_s,
            )

    def _note_drops(self, writer: RecordingWriter) -> None:
        with self._condition:
            dropped, self._unnoted_drops = self._unnoted_drops, 0
        writer.note_dropped(dropped)

    def _end(self, phase: RecorderPhase, sentence: str = "") -> None:
        with self._condition:
            self._stopping = True
            self._waiting.clear()
            if self._state.phase is not RecorderPhase.FAILED:
                self._state = replace(self._state, phase=phase, sentence=sentence)
            nothing = not self._state.frames
        if nothing:
            with suppress(OSError):  # not there, or not empty
                self.folder.rmdir()

    def _fail_locked(self, sentence: str) -> None:
        """Ends the session with what is queued; called with the lock held."""
        self._stopping = True
        self._state = replace(self._state, phase=RecorderPhase.FAILED, sentence=sentence)
        self._condition.notify_all()


def recorded_hands(result: PathResult) -> list[RecordedHand]:
    """The hands of a path in recorded form, each with its observation where there is one.

    They are those before the filter for the eye, which delays a moving hand: labels are made from them.
    """
    states = result.unfiltered or result.states
    return [recorded_hand(state, seen) for state, seen in zip_longest(states, result.observations[: len(states)])]


def _hands_and_timings(
    results: Mapping[PathId, PathResult], fused: tuple[HandState, ...]
) -> tuple[list[RecordedHand], dict[str, float]]:
    """The hands of all paths and the fused ones, and the paths' times by path and stage."""
    hands: list[RecordedHand] = []
    timings_ms: dict[str, float] = {}
    for path_id, result in results.items():
        hands += recorded_hands(result)
        timings_ms.update({f"{path_id}/{stage}": spent for stage, spent in result.timings_ms.items()})
    hands += [recorded_hand(state) for state in fused]
    return hands, timings_ms
