"""One hand detection for both paths: the IK path's detections of a frame, for the network path on that frame.

Both paths read the landmarks of the same hands with the same network. Where both run, the IK path detects, and the
network path takes its readings: each frame costs one landmark inference instead of two, and both paths are about the
same hands.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from app.pipeline.paths.hand_path import HandPath, PathFactory
from hand.types import Frame, HandObservation

KEPT_FRAMES: Final = 3
"""Number of frames with detections kept for a slower network path."""

START_WAIT_S: Final = 0.004
"""How long an idle detector is given to take up the frame that the network path has: both are woken for it at once."""

LONGEST_WAIT_S: Final = 0.1
"""How long a running detection is awaited; several times what one takes."""

ACTIVE_S: Final = 0.3
"""A detector that took up no frame for longer is switched off, or has failed: it is not awaited."""

OPENING_WAIT_S: Final = 60.0
"""How long a network path that takes every frame waits for a detector that is still loading."""

Detections = tuple[HandObservation, ...]


class SharedDetections:
    """Detections by frame; the detector's thread writes, the network path's thread reads.

    A live network path never waits for a detector that is busy with another frame: it then reads the landmarks itself.
    """

    def __init__(self, *, every_frame: bool = False) -> None:
        """Starts empty.

        Args:
            every_frame: both paths process every frame, so each is waited for, and results do not depend on timing.
        """
        self._every_frame = every_frame
        self._condition = threading.Condition()
        self._done: deque[tuple[Frame, Detections]] = deque(maxlen=KEPT_FRAMES)
        self._current: Frame | None = None
        self._opened: bool | None = None
        self._last_start_s = -ACTIVE_S

    def opened(self) -> None:
        """Called when the detector is loaded."""
        with self._condition:
            self._opened = True
            self._condition.notify_all()

    def closed(self) -> None:
        """Called when the detector is gone, whether it was loaded or not; another one may open."""
        with self._condition:
            self._opened = False
            self._current = None
            self._condition.notify_all()

    def started(self, frame: Frame) -> None:
        """Called when the detector starts on a frame."""
        with self._condition:
            self._current = frame
            self._last_start_s = time.monotonic()
            self._condition.notify_all()

    def detected(self, frame: Frame, observations: Detections) -> None:
        """Called when the detector is done with a frame."""
        with self._condition:
            self._done.append((frame, observations))
            self._current = None
            self._condition.notify_all()

    def of(self, frame: Frame) -> Detections | None:
        """Returns the detections of a frame; waits for a detector that is working on it.

        Args:
            frame: the network path's.

        Returns:
            The observations, or None where the detector does not process this frame, or not soon.
        """
        asked_s = time.monotonic()
        with self._condition:
            while True:
                for known, observations in self._done:
                    if known is frame:
                        return observations
                left_s = self._wait_limit_s(frame, asked_s) - (time.monotonic() - asked_s)
                if left_s <= 0.0:
                    return None
                self._condition.wait(left_s)

    def _wait_limit_s(self, frame: Frame, asked_s: float) -> float:
        """How long waiting for the detections is worth it at present."""
        if self._opened is False:
            return 0.0
        if self._every_frame:
            return OPENING_WAIT_S
        if self._current is frame:
            return LONGEST_WAIT_S
        idle = self._current is None and self._opened is True
        return START_WAIT_S if idle and asked_s - self._last_start_s < ACTIVE_S else 0.0


def announcing(make: PathFactory, shared: SharedDetections) -> PathFactory:
    """The same paths; from when one is made until it is closed, its detections are waited for.

    Args:
        make: makes paths that report their detections to ``shared``.
        shared: read by the network path.
    """

    def make_and_open() -> HandPath:
        try:
            path = make()
        except BaseException:
            shared.closed()
            raise
        shared.opened()
        return _ClosesShared(path, shared)

    return make_and_open


class _ClosesShared:
    """A path that ends the wait for its detections when it is closed."""

    def __init__(self, path: HandPath, shared: SharedDetections) -> None:
        self._path = path
        self._shared = shared
        self.process = path.process
        self.reset = path.reset

    def close(self) -> None:
        self._shared.closed()
        self._path.close()
