"""The capture thread: reads one source after the other, numbers and mirrors the frames, and recovers from losses.

It lives as long as the pipeline, and reads each source in a separate thread. Opening and reading may block, so no
caller waits for them: a new source is a request, and its outcome is read from :attr:`CaptureThread.state`. A source
with a driver that does not return when another one is requested is abandoned: the next one begins, and later frames of
the old one are dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Protocol

import cv2
import numpy as np
from jaxtyping import UInt8

from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.playback import Pacer, Playback
from app.process_memory import return_free_memory
from app.sources.base import EndOfSource, FrameSource, Picture, ReadFailure, SeekableSource, Shortfall, SourceFacts
from hand.errors import HandliveError
from hand.types import Frame

logger = logging.getLogger(__name__)

READ_FAILURE_BUDGET = 10
"""Failed reads in a row that are tolerated before a device counts as gone (as in lerobot's OpenCV camera)."""

ABANDON_S = 0.5
"""A source that does not return from its driver for so long holds up neither the next one nor the end."""

_ROTATE_CODES: Final = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}
_PAUSE_AFTER_FAILURE_S = 0.02
_RETRY_S = 1.0
_PAUSED_POLL_S = 0.02
_WAIT_SLICE_S = 0.05
_NS_PER_S = 1_000_000_000


class SourcePhase(Enum):
    """What the source is doing."""

    IDLE = "idle"
    OPENING = "opening"
    RUNNING = "running"
    LOST = "lost"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SourceState:
    """The source as the window shows it.

    Attributes:
        phase: what it is doing.
        name: of the source, for people.
        sentence: why it is not running, or a note while it is; else empty.
        facts: what it delivers, once it was open.
        frames: how many frames it gave since it was opened.
        read_failures: reads that gave no picture since it was opened.
        shortfall: what an ended file promised but did not hold, None where it was whole.
    """

    phase: SourcePhase = SourcePhase.IDLE
    name: str = ""
    sentence: str = ""
    facts: SourceFacts | None = None
    frames: int = 0
    read_failures: int = 0
    shortfall: Shortfall | None = None


@dataclass(slots=True, eq=False)
class _Turn:
    """One source's time in the capture thread.

    Attributes:
        source: what is read.
        over: another source or the end was requested.
    """

    source: FrameSource
    over: threading.Event = field(default_factory=threading.Event)


class FrameSink(Protocol):
    """Takes every captured frame: the inbox of a path, or a distributor."""

    def put(self, frame: Frame, /) -> None:
        """Takes a frame, in the capture thread; blocking here delays the capture."""


class CaptureThread(threading.Thread):
    """Feeds frames of the current source into mailboxes.

    Attributes:
        lens: the user's settings for intrinsics.
        mirror: frames are mirrored from the next one on.
        quarter_turns: right angles by which they are turned clockwise before that.
        playback: pause, speed and place of a file.
    """

    def __init__(
        self,
        sinks: Sequence[FrameSink],
        lens: IntrinsicsChoice,
        on_update: Callable[[], None],
        *,
        paced: bool = True,
        retry_s: float = _RETRY_S,
        hold: Callable[[], bool] = lambda: False,
    ) -> None:
        """Not yet started.

        Args:
            sinks: every frame goes into each of them.
            lens: the user's settings for intrinsics.
            on_update: called in this thread whenever there is another state.
            paced: files run at their own rate; otherwise as fast as they are taken.
            retry_s: interval at which a source that failed is tried again.
            hold: a paced file stays at its first picture while this is true, so that no frame is played before the
                paths start.
        """
        super().__init__(name="capture", daemon=True)
        self._sinks = sinks
        self.lens = lens
        self._on_update = on_update
        self._paced = paced
        self._retry_s = retry_s
        self._hold = hold
        self._lock = threading.Lock()
        self._request: FrameSource | None = None
        self._turn: _Turn | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._state = SourceState()
        self.mirror = False
        self.quarter_turns = 0
        self._begun_ns = self._latest_ns = self._arrived_ns = 0
        self._media_origin_ns: int | None = None
        self._sequence = -1
        self.playback = Playback()

    @property
    def state(self) -> SourceState:
        """The source's state; immutable, safe to read from any thread."""
        with self._lock:
            return self._state

    def switch_to(self, source: FrameSource) -> None:
        """Replaces the current source as soon as its read returns, or soon where it does not; it closes itself."""
        with self._lock:
            self._request = source
            self._state = SourceState(SourcePhase.OPENING, source.name)
            if self._turn is not None:
                self._turn.over.set()
            self._wake.set()
        self._on_update()

    def stop(self) -> None:
        """Requests that the thread close its source and end."""
        with self._lock:
            self._stopping = True
            if self._turn is not None:
                self._turn.over.set()
            self._wake.set()

    def run(self) -> None:
        """Plays one requested source after the other."""
        reader: threading.Thread | None = None
        while True:
            self._wake.wait()
            if reader is not None:
                reader.join(ABANDON_S)
                if reader.is_alive() and self._turn is not None:
                    logger.warning("%s does not answer and is left behind.", self._turn.source.name)
            with self._lock:
                self._wake.clear()
                self._turn = None
                if self._stopping:
                    return
                source, self._request = self._request, None
                if source is None:
                    continue
                self._turn = turn = _Turn(source)
            reader = threading.Thread(target=self._serve, args=(turn,), name="capture-source", daemon=True)
            reader.start()

    def _serve(self, turn: _Turn) -> None:
        """Plays a source until its end, or until it is replaced; opens it again whenever it comes back."""
        source = turn.source
        self._publish(turn, SourceState(SourcePhase.OPENING, source.name))
        return_free_memory()  # pictures of the source before had another size
        while not turn.over.is_set():
            try:
                finished = self._play(turn, source.open())
            except HandliveError as error:
                self._fail(turn, str(error))
                finished = False
            except Exception as error:
                logger.exception("source %s", source.name)
                sentence = (
                    f"{source.name} stopped with an unexpected error ({error}); choose it again, or another source."
                )
                self._fail(turn, sentence)
                finished = False
            finally:
                source.close()
            if finished or not self._wait_until_back(turn):
                return

    def _play(self, turn: _Turn, facts: SourceFacts) -> bool:
        """Reads until the end (True), an interruption (True) or a loss (False)."""
        source = turn.source
        if turn.over.is_set():
            return True
        rate = facts.frames_per_second if self._paced and not facts.live else 0.0
        seekable = source if isinstance(source, SeekableSource) else None
        self._begin_playback(seekable, facts)  # first, because it drops what is sought once the source is seen to run
        self._publish(turn, SourceState(SourcePhase.RUNNING, facts.name, facts.note, facts))
        self._begun_ns = max(time.monotonic_ns(), self._latest_ns + 1)
        self._media_origin_ns, self._sequence = None, -1
        speed = self.playback.state.speed
        pacer = Pacer(rate, speed)
        failures_in_a_row, place = 0, 0
        early: Picture | None = None  # read, but not due when the user paused
        while not turn.over.is_set():
            if self.playback.is_waiting() or (rate > 0.0 and self.state.frames == 1 and self._hold()):
                turn.over.wait(_PAUSED_POLL_S)
                continue
            if self.playback.state.speed != speed:
                speed = self.playback.state.speed
                pacer = Pacer(rate, speed)
            if seekable is not None and self._move(seekable):
                early, pacer, place = None, Pacer(rate, speed), seekable.position
                self._media_origin_ns = None
            read = early or source.read()
            early = None
            if turn.over.is_set():
                return True  # it may have been abandoned meanwhile, and another one counts its frames
            if isinstance(read, Picture) and not _is_whole(read.image_rgb):
                read = ReadFailure(f"{facts.name} gave a damaged picture.", skipped=not facts.live)
            if isinstance(read, Picture):
                failures_in_a_row = 0
                if not self._wait_until_due(turn, pacer.wait_s(read.media_time_ns), speed):
                    early = read
                    continue
                if seekable is not None:
                    # frames that could not be read keep their numbers
                    self._sequence += max(seekable.position - place, 1)
                    place = seekable.position
                else:
                    self._sequence += 1
                self._deliver(turn, read, facts)
                if seekable is not None:
                    self.playback.arrived_at(seekable.position - 1)
            elif isinstance(read, EndOfSource):
                self._end(turn, facts.name, read.shortfall)
                return True
            else:
                failures_in_a_row += not read.skipped
                if read.gone or failures_in_a_row > READ_FAILURE_BUDGET:
                    self._change(turn, SourcePhase.LOST, read.sentence)
                    return False
                self._count_failure(turn, read)
        return True

    def _begin_playback(self, source: SeekableSource | None, facts: SourceFacts) -> None:
        self.playback.begin(
            seekable=source is not None,
            length=0 if source is None else source.length,
            frames_per_second=facts.frames_per_second,
            loop=source is not None and source.loops,
        )

    def _move(self, source: SeekableSource) -> bool:
        """Carries out a seek request; True when the file was moved."""
        source.loops = self.playback.state.loop
        target = self.playback.take_target()
        if target is not None:
            source.seek(target)
        return target is not None

    def _wait_until_due(self, turn: _Turn, wait_s: float, speed: float) -> bool:
        """Waits; False when another request came before the end."""
        due_s = time.monotonic() + wait_s
        while (left_s := due_s - time.monotonic()) > 0.0:
            if turn.over.wait(min(left_s, _WAIT_SLICE_S)):
                return False
            playback = self.playback
            if playback.is_waiting() or playback.wants_another_place() or playback.state.speed != speed:
                return False
        return True

    def _end(self, turn: _Turn, name: str, shortfall: Shortfall | None) -> None:
        state = self.state
        sentence = f"The end of {name}." if shortfall is None else shortfall.sentence(name)
        if shortfall is None and not state.frames and state.read_failures:
            sentence = state.sentence or sentence  # of a source without a picture, its last failure is the reason
        self._publish(turn, replace(state, phase=SourcePhase.ENDED, sentence=sentence, shortfall=shortfall))

    def _time_of(self, picture: Picture, facts: SourceFacts, frames: int) -> int:
        """Capture time of a frame: by the file's own clock where it has one, later than all frames before it."""
        if facts.live:
            return picture.capture_time_ns
        media_ns = picture.media_time_ns
        period_ns = round(_NS_PER_S / facts.frames_per_second) if facts.frames_per_second > 0.0 else 1
        if media_ns is None:
            # read as fast as the machine can: what is smoothed over time must not depend on how fast that is
            if not self._paced and facts.frames_per_second > 0.0:
                return self._begun_ns + round(frames * _NS_PER_S / facts.frames_per_second)
            return picture.capture_time_ns
        if self._media_origin_ns is None or self._media_origin_ns + media_ns <= self._latest_ns:
            # another place of the file, or its beginning once more
            self._media_origin_ns = (self._latest_ns + period_ns if frames else self._begun_ns) - media_ns
        return self._media_origin_ns + media_ns

    def _deliver(self, turn: _Turn, picture: Picture, facts: SourceFacts) -> None:
        with self._lock:
            # the counter belongs to the current source, and no frame of a replaced one may change it
            if self._request is not None or turn is not self._turn:
                return
            state = self._state
        image, mirror = picture.image_rgb, self.mirror
        height, width = image.shape[:2]
        intrinsics = self.lens.intrinsics_for(width, height, facts.intrinsics)
        turns = self.quarter_turns
        if turns % 4:
            image, intrinsics = turn_picture(image, turns), intrinsics.turned(turns)
        if mirror:
            image, intrinsics = cv2.flip(image, 1), intrinsics.mirrored()
        time_ns = self._time_of(picture, facts, state.frames)
        self._latest_ns = time_ns
        # the clock may stand still between two pictures that are read as fast as possible, and frames are ordered by it
        arrived_ns = picture.capture_time_ns if facts.live else max(time.monotonic_ns(), self._arrived_ns + 1)
        self._arrived_ns = arrived_ns
        frame = Frame(self._sequence, time_ns, image, intrinsics, facts.name, mirror, facts.live, arrived_ns)
        for sink in self._sinks:
            sink.put(frame)
        # the sink wakes those who wait for frames; a second notification would wake the window twice
        self._publish(turn, replace(state, frames=state.frames + 1), notify=False)

    def _count_failure(self, turn: _Turn, failure: ReadFailure) -> None:
        state = self.state
        sentence = failure.sentence if failure.skipped else state.sentence
        self._publish(turn, replace(state, sentence=sentence, read_failures=state.read_failures + 1))
        if not failure.skipped:
            turn.over.wait(_PAUSE_AFTER_FAILURE_S)

    def _wait_until_back(self, turn: _Turn) -> bool:
        """Waits for the source or for something else to do; True when the source is worth another try."""
        while not turn.over.wait(self._retry_s):
            if turn.source.may_be_back():
                return True
        return False

    def _fail(self, turn: _Turn, sentence: str) -> None:
        """Sets the state after a failed opening; a source that was lost stays lost while it is tried again."""
        state = self.state
        if state.phase is SourcePhase.LOST:
            self._publish(turn, replace(state, sentence=sentence))
        else:
            self._publish(turn, SourceState(SourcePhase.FAILED, turn.source.name, sentence))

    def _change(self, turn: _Turn, phase: SourcePhase, sentence: str) -> None:
        self._publish(turn, replace(self.state, phase=phase, sentence=sentence))

    def _publish(self, turn: _Turn, state: SourceState, *, notify: bool = True) -> None:
        with self._lock:
            if self._request is not None or turn is not self._turn:
                return  # the user already chose another source, whose state stands
            self._state = state
        if notify:
            self._on_update()


def turn_picture(
    image_rgb: UInt8[np.ndarray, "height width 3"], quarter_turns: int
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """The picture, turned clockwise by so many right angles."""
    code = _ROTATE_CODES.get(quarter_turns % 4)
    return image_rgb if code is None else cv2.rotate(image_rgb, code)


def _is_whole(image: np.ndarray) -> bool:
    """Whether the pixels have three colours; drivers and decoders do not guarantee it."""
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0
