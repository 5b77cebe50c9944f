"""Two sources at once: each through both paths, until both have ended or enough was seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from app.machine import product_version
from app.pipeline.capture_thread import SourcePhase, SourceState
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.live import LivePipeline
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import output_chooser
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.result_synchronizer import JoinedResult
from app.recording.recorder import recorded_hands
from app.sources.base import FrameSource, SourceFacts
from app.two_views.evidence import OUTPUT, PATHS, ViewTrack, ViewTrackBuilder
from hand.camera import Intrinsics
from hand.errors import RecordingError, SourceError
from hand.model import HandModel
from hand.recording import SessionInfo
from hand.recording_writer import RecordingWriter
from hand.types import Frame, HandState, PathId

KEPT_PICTURES_PER_SECOND: Final = 2.0
_POLL_S: Final = 0.2
_JPEG_QUALITY: Final = 88


@dataclass(frozen=True, slots=True, eq=False)
class ViewInput:
    """One of the two sources with its paths.

    Attributes:
        source: a camera, an address, a file.
        paths: factories of its own paths.
        lens: the user's settings for intrinsics.
        quarter_turns: right angles by which pictures are turned clockwise.
        output_mode: which hand the output follows.
        session: folder of a new session that everything is recorded into; None records nothing.
        take: name of the take in both sessions.
    """

    source: FrameSource
    paths: Mapping[PathId, PathFactory]
    lens: IntrinsicsChoice = field(default_factory=IntrinsicsChoice)
    quarter_turns: int = 0
    output_mode: OutputMode = OutputMode.FUSED
    session: Path | None = None
    take: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ViewRecording:
    """Result of one view.

    Attributes:
        facts: of the source.
        intrinsics: of its pictures.
        track: what the paths and the output made of them, on a clock that begins with the first frame of a file and
            is the machine's own for a camera.
        pictures: some of the pictures as JPEG, by time.
        sentence: how the source ended; mostly empty.
    """

    facts: SourceFacts
    intrinsics: Intrinsics
    track: ViewTrack
    pictures: Mapping[float, bytes]
    sentence: str = ""

    def picture_near(self, time_s: float) -> tuple[float, UInt8[np.ndarray, "height width 3"]]:
        """The kept picture that is nearest to a moment, RGB, and when it was taken."""
        nearest = min(self.pictures, key=lambda kept: abs(kept - time_s))
        decoded = cv2.imdecode(np.frombuffer(self.pictures[nearest], np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None  # written by this program
        return nearest, np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def first_hands(joined: JoinedResult) -> dict[str, HandState | None]:
    """The output hand and the first hand of each path, before the filter: it delays a moving hand."""
    hands: dict[str, HandState | None] = {OUTPUT: joined.output}
    for path, result in joined.results.items():
        hands[path] = next(iter(result.unfiltered or result.states), None)
    return hands


def picture_to_keep(frame: Frame) -> bytes:
    """A frame's picture as JPEG, as :class:`ViewRecording` keeps it."""
    bgr = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


class _View:
    """Collects one source's results, and keeps pictures for labels, while its pipeline runs."""

    def __init__(self, view: ViewInput, model: HandModel, updated: threading.Event, *, live: bool) -> None:
        self._lock = threading.Lock()
        self._builder = ViewTrackBuilder((*PATHS, OUTPUT))
        self._pictures: dict[float, bytes] = {}
        self._intrinsics: Intrinsics | None = None
        self._live = live
        self._begin_ns: int | None = None
        self._last_s = -1.0
        self._source = view.source
        self._session, self._take_name, self._model = view.session, view.take, model
        self._writer: RecordingWriter | None = None
        self._failure: RecordingError | None = None
        self._finished: dict[PathId, int] = dict.fromkeys(view.paths, 0)
        self.pipeline: LivePipeline[None, None] = LivePipeline(
            dict(view.paths),
            lambda _result: None,
            updated.set,
            lens=view.lens,
            every_frame=not live,
            output=output_chooser(model, tuple(view.paths), view.output_mode),
        )
        self.pipeline.quarter_turns = view.quarter_turns
        self.pipeline.preview_enabled = False
        self.pipeline.add_listener("two views", self._take)

    def show_source(self) -> None:
        self.pipeline.show(self._source)

    def done(self, state: SourceState) -> bool:
        """Whether nothing more comes of the state's source."""
        if state.phase in (SourcePhase.FAILED, SourcePhase.LOST):
            return not self._live or state.phase is SourcePhase.FAILED
        if state.phase is not SourcePhase.ENDED:
            return False
        return all(
            finished + self.pipeline.path_state(path).lost_frames >= state.frames
            for path, finished in self._finished.items()
        )

    def drain(self) -> None:
        """Takes results that are not needed, so that the pipeline goes on."""
        for path in self.pipeline.path_ids:
            while self.pipeline.take_update(path) is not None:
                self._finished[path] += 1

    def recording(self, state: SourceState) -> ViewRecording:
        """What was seen.

        Raises:
            SourceError: nothing.
            RecordingError: the session could not be written.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._writer is not None:
                self._writer.close()
            if state.facts is None or self._intrinsics is None or not len(self._builder):
                raise SourceError(state.sentence or f"{self._source.name} gave no picture; check the source.")
            return ViewRecording(
                state.facts, self._intrinsics, self._builder.track(), dict(self._pictures), state.sentence
            )

    def _take(self, joined: JoinedResult) -> None:
        if joined.late:
            return
        frame = joined.frame
        with self._lock:
            if self._begin_ns is None:
                self._begin_ns = 0 if self._live else frame.capture_time_ns
            time_s = (frame.capture_time_ns - self._begin_ns) / 1e9
            if time_s <= self._last_s:
                return
            self._last_s = time_s
            self._intrinsics = frame.intrinsics
            self._builder.add(time_s, first_hands(joined), frame.intrinsics)
            self._record(joined)
            if not self._pictures or time_s - max(self._pictures) >= 1.0 / KEPT_PICTURES_PER_SECOND:
                self._pictures[time_s] = picture_to_keep(frame)

    def _record(self, joined: JoinedResult) -> None:
        if self._session is None or self._failure is not None:
            return
        frame = joined.frame
        try:
            if self._writer is None:
                info = SessionInfo(
                    frame.source_id,
                    frame.intrinsics,
                    frame.mirrored,
                    self._model.name,
                    self._model.digest,
                    versions={"handlive": product_version()},
                    pair=self._take_name,
                )
                self._writer = RecordingWriter(self._session, info)
            self._writer.add(frame, [hand for result in joined.results.values() for hand in recorded_hands(result)])
        except RecordingError as error:
            self._failure = error


def record_views(
    views: tuple[ViewInput, ViewInput],
    model: HandModel,
    *,
    live: bool,
    seconds: float | None = None,
) -> tuple[ViewRecording, ViewRecording]:
    """Runs two sources beside each other.

    A camera that drops out is waited for, and goes on where it comes back; its frames are missing meanwhile.

    Args:
        views: the two sources.
        model: of the paths.
        live: cameras or addresses, on the machine's clock, with frames that may be dropped; two files otherwise.
        seconds: of a live run; files run to their end.

    Raises:
        SourceError: a source gives no picture.
        RecordingError: a session could not be written.
    """
    updated = threading.Event()
    running = tuple(_View(view, model, updated, live=live) for view in views)
    try:
        for view in running:
            view.pipeline.start()
        while any(view.pipeline.loading for view in running):
            updated.wait(_POLL_S)
            updated.clear()
            for view in running:
                view.pipeline.begin_pull()
        for view in running:
            view.show_source()
        begun = time.monotonic()
        while True:
            updated.wait(_POLL_S)
            updated.clear()
            states = [view.pipeline.source_state for view in running]
            for view in running:
                view.pipeline.begin_pull()
                view.drain()
            if all(view.done(state) for view, state in zip(running, states, strict=True)):
                break
            if live and seconds is not None and time.monotonic() - begun >= seconds:
                break
    finally:
        states = [view.pipeline.source_state for view in running]
        for view in running:
            view.pipeline.close()
    one, other = (view.recording(state) for view, state in zip(running, states, strict=True))
    return one, other
