"""The one place that knows MediaPipe: pictures in, :class:`~hand.types.HandObservation` out.

MediaPipe is imported when a detector is made, never before, so nothing else in the product depends on it or pays for
its start; a later release, or its Tasks API, is a change to this file alone.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from hand.crop import crop_around
from hand.errors import DetectorError
from hand.mirror import Side
from hand.types import HandObservation

CROP_EXPANSION = 1.5
"""Side of the square around a hand over the longer side of its landmarks' box."""

SAME_HAND_DISTANCE = 0.25
"""Two results whose landmarks lie closer than this on average, over the smaller hand's size, are one hand found twice.

In the sixteen two-handed pictures of our development set, hands were at 1.0 and more.
"""

_STDERR_LOCK = threading.Lock()
_CHATTER = re.compile(r"[IWE]\d{4} |INFO: Created TensorFlow Lite|WARNING: All log messages before absl")


class HandDetector:
    """Finds hands with MediaPipe's hand landmark model.

    Belongs to the thread that made it. Close it, or use it with ``with``.
    """

    def __init__(
        self,
        max_hands: int = 1,
        *,
        still: bool = False,
        complexity: Literal[0, 1] = 1,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
    ) -> None:
        """Starts the detector and runs it once on an empty picture, so that the first real one is not late.

        Args:
            max_hands: 1 or 2. A choice with a price: asked for two, MediaPipe searches the whole picture for the second
                one on every frame in which it sees only one, 13.8 ms instead of 7 ms at 640 x 480 on one core.
            still: pictures are unrelated; otherwise they are frames of one video, and a hand is followed from frame to
                frame instead of being searched again.
            complexity: 0 for the lighter landmark model, 1 for the more exact one.
            min_detection_confidence: below this, 0 to 1, the search does not report a hand.
            min_tracking_confidence: below this, 0 to 1, a followed hand is given up and searched again.

        Raises:
            DetectorError: MediaPipe is missing or does not start.
        """
        if max_hands not in (1, 2):
            raise DetectorError(f"The hand detector looks for 1 or 2 hands, got {max_hands}.")
        self._hands: Any = None
        self._hand_seen = False
        with _quiet_stderr() as captured:
            try:
                from mediapipe.python.solutions import hands as mediapipe_hands

                self._hands = mediapipe_hands.Hands(
                    static_image_mode=still,
                    max_num_hands=max_hands,
                    model_complexity=complexity,
                    min_detection_confidence=min_detection_confidence,
                    min_tracking_confidence=min_tracking_confidence,
                )
                self._hands.process(np.zeros((64, 64, 3), np.uint8))
            except Exception as error:  # whatever it is, the user gets one sentence
                self.close()
                cause = str(error).strip().splitlines() or captured() or [type(error).__name__]
                raise DetectorError(
                    f"The hand detector (mediapipe 0.10.21) could not be started: {cause[0]}; install it with "
                    "`pip install mediapipe==0.10.21` and check that libGL and libEGL are present."
                ) from error

    def detect(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> tuple[HandObservation, ...]:
        """Finds the hands of one picture, the surest first.

        Args:
            image_rgb: RGB picture.

        Returns:
            One observation a hand; ``side`` is the hand as the picture shows it.

        Raises:
            DetectorError: the detector was closed.
        """
        if self._hands is None:
            raise DetectorError("The hand detector was closed; make a new one.")
        # the graph warns once more when its landmark part first runs, that is with the first hand
        with nullcontext() if self._hand_seen else _quiet_stderr():
            results = self._hands.process(np.ascontiguousarray(image_rgb))
        self._hand_seen = self._hand_seen or bool(results.multi_hand_landmarks)
        if not results.multi_hand_landmarks:
            return ()
        height, width = image_rgb.shape[:2]
        observations = [
            _observation(landmarks.landmark, world.landmark, handedness.classification[0], width, height)
            for landmarks, world, handedness in zip(
                results.multi_hand_landmarks, results.multi_hand_world_landmarks, results.multi_handedness, strict=True
            )
        ]
        return merge_duplicates(observations)

    def close(self) -> None:
        """Frees MediaPipe's graph and its threads; closing twice is fine."""
        hands, self._hands = self._hands, None
        if hands is not None:
            hands.close()

    def __enter__(self) -> HandDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def merge_duplicates(observations: Sequence[HandObservation]) -> tuple[HandObservation, ...]:
    """Keeps the surest of several results on the same hand; the surest hand comes first."""
    kept: list[HandObservation] = []
    for candidate in sorted(observations, key=lambda observation: -observation.score):
        if all(landmark_distance(candidate.landmarks_px, other.landmarks_px) > SAME_HAND_DISTANCE for other in kept):
            kept.append(candidate)
    return tuple(kept)


def landmark_distance(first_px: Float[np.ndarray, "21 2"], second_px: Float[np.ndarray, "21 2"]) -> float:
    """Mean distance of corresponding landmarks over the size of the smaller hand (longer side of its box)."""
    size = max(min(float(np.ptp(points, axis=0).max()) for points in (first_px, second_px)), 1e-6)
    return float(np.linalg.norm(first_px - second_px, axis=1).mean()) / size


def _observation(landmarks: Any, world: Any, handedness: Any, width: int, height: int) -> HandObservation:
    """One hand in the product's conventions."""
    # normalised x covers the picture's full width, whose left edge is pixel -0.5
    landmarks_px = np.array([(point.x * width - 0.5, point.y * height - 0.5) for point in landmarks])
    world_m = np.array([(point.x, point.y, point.z) for point in world])
    # MediaPipe names the side as if the picture were a selfie, i.e. mirrored
    side: Side = "left" if handedness.label == "Right" else "right"
    crop = crop_around(landmarks_px, CROP_EXPANSION, flipped=side == "left")
    return HandObservation(side, float(min(handedness.score, 1.0)), landmarks_px, world_m, crop)


@contextmanager
def _quiet_stderr() -> Iterator[Any]:
    """Keeps MediaPipe's start-up chatter, which C++ code writes to file descriptor 2, off the user's terminal.

    What others write meanwhile is passed on afterwards.

    Yields:
        A function that returns the lines captured so far, for an error message.
    """
    with _STDERR_LOCK, tempfile.TemporaryFile() as log:

        def lines() -> list[str]:
            log.seek(0)
            return log.read().decode(errors="replace").strip().splitlines()

        try:
            saved = os.dup(2)
        except OSError:  # a windowed program may have no stderr at all
            yield lines
            return
        os.dup2(log.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            foreign = [line for line in lines() if not _CHATTER.match(line)]
            if foreign:
                os.write(2, ("\n".join(foreign) + "\n").encode())
