"""One of two live views: the paths' results of the last seconds, its newest pictures, and a few to keep."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

import numpy as np

from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.scene_view import as_seen_by_camera
from app.sources.base import SourceFacts
from app.two_views.evidence import OUTPUT, PATHS, ViewTrack, ViewTrackBuilder
from app.two_views.view_recording import ViewRecording, first_hands, picture_to_keep
from hand.types import Frame

KEPT_S: Final = 120.0
"""So much of the past is evaluated, and calibrated from."""

_NEWEST_FRAMES: Final = 24
"""Pictures that wait for their moment to be seen by the other view: most of a second, 22 MB at 640 x 480."""


class LiveView:
    """Collects one view from a listener's thread, for a worker in another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._builder = ViewTrackBuilder((*PATHS, OUTPUT))
        self._frames: deque[tuple[float, Frame]] = deque(maxlen=_NEWEST_FRAMES)
        self._pictures: dict[float, bytes] = {}
        self._last: Frame | None = None

    def add(self, joined: JoinedResult) -> tuple[JoinedResult, bool]:
        """Takes the paths' results for a frame.

        Args:
            joined: of this view, mirrored or not.

        Returns:
            The same about the picture as the camera gave it, and whether the view restarted with it: another source,
            another lens, or a file at another place, with a clock that does not relate to the other view any more.
        """
        given = as_seen_by_camera(joined, picture=True)
        frame = given.frame
        time_s = frame.capture_time_ns / 1e9
        with self._lock:
            restarted = self._last is not None and _restarted(self._last, frame)
            if restarted:
                self._forget()
            if self._last is None or time_s > self._last.capture_time_ns / 1e9:
                self._builder.add(time_s, first_hands(given), frame.intrinsics)
                self._builder.forget_before(time_s - KEPT_S)
                self._frames.append((time_s, frame))
                self._last = frame
        return given, restarted

    def forget(self) -> None:
        """Drops what was collected; the source goes on."""
        with self._lock:
            self._forget()

    @property
    def last(self) -> Frame | None:
        """The newest frame; None before the first one."""
        with self._lock:
            return self._last

    def track(self, since_s: float = -np.inf) -> ViewTrack:
        """What was seen.

        Args:
            since_s: only from here on.
        """
        with self._lock:
            return self._builder.track(since_s)

    def frame_near(self, time_s: float) -> Frame | None:
        """The frame nearest to a moment among the newest; None where there is none."""
        with self._lock:
            return min(self._frames, key=lambda entry: abs(entry[0] - time_s), default=(0.0, None))[1]

    def keep_picture(self, frame: Frame) -> None:
        """Keeps a frame's picture for a report."""
        picture = picture_to_keep(frame)
        time_s = frame.capture_time_ns / 1e9
        with self._lock:
            self._pictures = {kept: data for kept, data in self._pictures.items() if kept >= time_s - KEPT_S}
            self._pictures[time_s] = picture

    def recording(self) -> ViewRecording:
        """What a report is written from; something was seen."""
        with self._lock:
            last = self._last
            assert last is not None
            facts = SourceFacts(
                last.source_id,
                "camera" if last.live else "video",
                last.intrinsics.width_px,
                last.intrinsics.height_px,
                0.0,
                live=last.live,
            )
            return ViewRecording(facts, last.intrinsics, self._builder.track(), dict(self._pictures))

    def _forget(self) -> None:
        self._builder = ViewTrackBuilder((*PATHS, OUTPUT))
        self._frames.clear()
        self._pictures = {}
        self._last = None


def _restarted(before: Frame, frame: Frame) -> bool:
    if (before.source_id, before.intrinsics) != (frame.source_id, frame.intrinsics):
        return True
    # a camera that was unplugged counts from 0 again, but its clock is still the machine's
    return not frame.live and frame.sequence <= before.sequence
