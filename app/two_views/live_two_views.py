"""A second camera beside the live pipeline: it has a pipeline of its own, and two threads that evaluate and draw.

Nothing of it exists while the second camera is off, so that it costs the first one nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from app.pipeline.capture_thread import SourcePhase
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.live import LivePipeline
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import output_chooser
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.result_synchronizer import JoinedResult
from app.rendering.skeleton import HandDrawing, overlay_skeleton
from app.sources.base import FrameSource
from app.two_views.live_pair import LivePair, PairFrame, PairReading
from app.two_views.movement_check import PairState
from app.two_views.pair_recorder import PairRecorder
from hand.model import HandModel
from hand.types import Frame, PathId

logger = logging.getLogger(__name__)

EVALUATE_EVERY_S: Final = 1.0
DRAW_EVERY_S: Final = 0.1
PICTURE_WIDTH_PX: Final = 480
_CLOSE_S: Final = 2.0

RgbPicture = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, slots=True, eq=False)
class PairPictures:
    """Both cameras' pictures of one moment, not mirrored, with the hand drawn in.

    Attributes:
        first: None before there is one.
        second: None likewise.
        measured: the hand is the triangulated one.
    """

    first: RgbPicture | None = None
    second: RgbPicture | None = None
    measured: bool = False


class LiveTwoViews:
    """The second camera while it is on: making the object switches it on, ``close`` switches it off.

    Attributes:
        watched: the pictures are visible; otherwise they are not drawn.
    """

    def __init__(
        self,
        make_source: Callable[[], FrameSource],
        paths: Mapping[PathId, PathFactory],
        model: HandModel,
        pair: LivePair,
        *,
        output_mode: OutputMode = OutputMode.FUSED,
        lens: IntrinsicsChoice | None = None,
        retry_s: float = 1.0,
    ) -> None:
        """Starts everything.

        Args:
            make_source: makes the source of the second camera; again for each time that a video restarts, because
                a source that does not return from its driver is left behind.
            paths: factories of its own paths.
            model: of the paths.
            pair: where both views come together.
            output_mode: which hand the second view's output follows.
            lens: the user's settings for the second camera's intrinsics.
            retry_s: interval at which a source that failed is tried again.
        """
        self.pair = pair
        self.watched = True
        self._make_source, self._model = make_source, model
        self._reading = PairReading(PairState.OPENING)
        self._pictures = PairPictures()
        self._recorder: PairRecorder | None = None
        self._over = threading.Event()
        self.pipeline: LivePipeline[None, None] = LivePipeline(
            paths,
            lambda _result: None,
            lambda: None,
            lens=lens,
            output=output_chooser(model, tuple(paths), output_mode),
            retry_s=retry_s,
        )
        self.pipeline.preview_enabled = False
        self.pipeline.add_listener("second camera", self._take_second, collect_s=DRAW_EVERY_S)
        self.pipeline.start()
        self.pipeline.show(make_source())
        self._threads = [
            threading.Thread(target=self._repeat, args=(self._evaluate, EVALUATE_EVERY_S), name="two-views-evaluation"),
            threading.Thread(target=self._repeat, args=(self._draw, DRAW_EVERY_S), name="two-views-draw"),
        ]
        for thread in self._threads:
            thread.start()

    def take_first(self, joined: JoinedResult) -> None:
        """Takes a result of the first camera's pipeline, in its listener's thread."""
        given, restarted = self.pair.add(0, joined)
        recorder = self._recorder
        if recorder is not None:
            recorder.offer(0, given)
        facts = self.pipeline.source_state.facts
        if restarted and facts is not None and not facts.live:
            self.pipeline.show(self._make_source())  # two videos of one take begin together

    @property
    def reading(self) -> PairReading:
        """State of the two cameras for people; safe to read from any thread."""
        state, reading = self.pipeline.source_state, self._reading
        if state.phase in (SourcePhase.IDLE, SourcePhase.OPENING) or self.pipeline.loading:
            return PairReading(PairState.OPENING, f"Opening {state.name}.")
        if state.phase in (SourcePhase.FAILED, SourcePhase.LOST):
            return replace(reading, state=PairState.SECOND_MISSING, sentence=state.sentence)
        if state.phase is SourcePhase.ENDED and not reading.errors:
            return replace(reading, state=PairState.SECOND_MISSING, sentence=state.sentence)
        return reading

    @property
    def pictures(self) -> PairPictures:
        """The newest pictures of both cameras; safe to read from any thread."""
        return self._pictures

    @property
    def recording_s(self) -> float | None:
        """For how long both views have been recorded; None while they are not."""
        recorder = self._recorder
        return None if recorder is None else recorder.seconds

    def start_recording(self, home: Path | None = None, hand_file: Path | None = None) -> None:
        """Records both views from now on.

        Args:
            home: where sessions are kept; the user's data folder when left out.
            hand_file: where the shape of the user's hand is kept; the user's own calibration when left out.

        Raises:
            RecordingError: the folders cannot be made.
        """
        self._recorder = PairRecorder(self._model, home, hand_file)

    def stop_recording(self) -> str:
        """Ends the recording and labels it; takes seconds.

        Returns:
            What was recorded, in a sentence.

        Raises:
            HandliveError: the sessions cannot be labelled; they are kept.
        """
        recorder, self._recorder = self._recorder, None
        return "" if recorder is None else recorder.stop(self.pair.calibration)

    def close(self) -> None:
        """Switches the second camera off; a recording that runs is kept, without labels."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.stop(None)
        self._over.set()
        self.pipeline.close(_CLOSE_S)
        for thread in self._threads:
            thread.join()

    def _take_second(self, joined: JoinedResult) -> None:
        given, _ = self.pair.add(1, joined)
        recorder = self._recorder
        if recorder is not None:
            recorder.offer(1, given)

    def _evaluate(self) -> None:
        def report(reading: PairReading) -> None:
            self._reading = reading

        self._reading = self.pair.step(report)

    def _draw(self) -> None:
        if self.watched:
            self._pictures = drawn(self.pair.frame())

    def _repeat(self, act: Callable[[], None], every_s: float) -> None:
        warned = False
        while not self._over.wait(every_s):
            try:
                act()
            except Exception:
                if not warned:  # once, not ten times a second
                    warned = True
                    logger.exception("%s", threading.current_thread().name)


def drawn(moment: PairFrame) -> PairPictures:
    """The pictures of a moment at the size in which the window shows them, with the hand in both.

    Args:
        moment: of both views.
    """
    pictures = [_with_hand(frame, joints) for frame, joints in zip(moment.frames, moment.joints_px, strict=True)]
    return PairPictures(pictures[0], pictures[1], moment.measured)


def _with_hand(frame: Frame | None, joints_px: Float[np.ndarray, "21 2"] | None) -> RgbPicture | None:
    if frame is None:
        return None
    height, width = frame.image_rgb.shape[:2]
    scale = PICTURE_WIDTH_PX / width
    size = (PICTURE_WIDTH_PX, max(round(height * scale), 1))
    picture = np.ascontiguousarray(cv2.resize(frame.image_rgb, size, interpolation=cv2.INTER_AREA))
    if joints_px is not None and np.isfinite(joints_px).any():
        known = joints_px[np.isfinite(joints_px).all(-1)]
        low, high = known.min(0), known.max(0)
        overlay_skeleton(picture, HandDrawing(joints_px, None, "", (0.0, 0.0), float((high - low).max())), scale)
    return picture
