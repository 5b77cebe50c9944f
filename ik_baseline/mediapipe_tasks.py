"""The official ``mediapipe`` package as a hand detector: the HandLandmarker of its Tasks, with our models.

An option for comparisons, or for improvements of a later release. The package is imported when a detector
is made, never before.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from hand.crop import crop_around
from hand.errors import DetectorError
from hand.mirror import Side
from hand.types import HandObservation
from ik_baseline.detector import CROP_EXPANSION, merge_duplicates
from ik_baseline.onnx_session import MODELS_DIR

TASK_FILE = MODELS_DIR / "hand_landmarker.task"

_FRAME_MS = 33
"""Tasks require rising time stamps; their distance changes nothing."""

_STDERR_LOCK = threading.Lock()
_CHATTER = re.compile(r"[IWE]\d{4} |INFO: |WARNING: (All log messages before absl|Logging before InitGoogle)")


class MediaPipeTasksDetector:
    """Finds hands with the installed ``mediapipe`` package. Belongs to the thread that made it."""

    def __init__(self, max_hands: int = 1, *, still: bool = False) -> None:
        """Starts the HandLandmarker and runs it once, so that the first picture is not delayed.

        Args:
            max_hands: 1 or 2.
            still: pictures are unrelated; otherwise they are frames of one video.

        Raises:
            DetectorError: the package is missing or does not start.
        """
        self._landmarker: Any = None
        self._max_hands, self._still = max_hands, still
        self._time_ms = 0
        self._hand_seen = False
        self._start()

    def detect(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        last_seen_px: Sequence[Float[np.ndarray, "21 2"]] = (),
    ) -> tuple[HandObservation, ...]:
        """As ``HandDetector.detect``; ``last_seen_px`` is ignored, because Tasks take no regions."""
        if self._landmarker is None:
            raise DetectorError("The hand detector was closed; make a new one.")
        # the graph warns once more when its landmark part first runs, that is with the first hand
        with nullcontext() if self._hand_seen else _quiet_stderr():
            result = self._run(np.ascontiguousarray(image_rgb))
        self._hand_seen = self._hand_seen or bool(result.hand_landmarks)
        height, width = image_rgb.shape[:2]
        hands = zip(result.hand_landmarks, result.hand_world_landmarks, result.handedness, strict=True)
        return merge_duplicates([_observation(*hand, width, height) for hand in hands])

    def reset(self) -> None:
        """Stops following hands, as after a cut or another source."""
        if self._landmarker is not None and not self._still:
            self.close()
            self._start()

    def close(self) -> None:
        """Frees MediaPipe's graph and its threads; closing twice is fine."""
        landmarker, self._landmarker = self._landmarker, None
        if landmarker is not None:
            with _quiet_stderr():
                landmarker.close()

    def __enter__(self) -> MediaPipeTasksDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        with _quiet_stderr() as captured:
            try:
                from mediapipe.tasks.python import BaseOptions, vision

                mode = vision.RunningMode.IMAGE if self._still else vision.RunningMode.VIDEO
                self._landmarker = vision.HandLandmarker.create_from_options(
                    vision.HandLandmarkerOptions(
                        base_options=BaseOptions(model_asset_path=str(TASK_FILE)),
                        running_mode=mode,
                        num_hands=self._max_hands,
                    )
                )
                self._run(np.zeros((64, 64, 3), np.uint8))
            except Exception as error:  # whatever it is, the user gets one sentence
                self._landmarker = None
                cause = str(error).strip().splitlines() or captured() or [type(error).__name__]
                raise DetectorError(
                    f"The mediapipe package could not be started ({cause[0]}); install it with "
                    "pip install -c constraints.txt '.[mediapipe]', or leave --finder mediapipe out."
                ) from error

    def _run(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> Any:
        import mediapipe

        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image_rgb)
        if self._still:
            return self._landmarker.detect(picture)
        self._time_ms += _FRAME_MS
        return self._landmarker.detect_for_video(picture, self._time_ms)


def _observation(landmarks: Any, world: Any, handedness: Any, width: int, height: int) -> HandObservation:
    """One hand in the product's conventions."""
    # normalised x covers the picture's full width, and its left edge is pixel -0.5
    landmarks_px = np.array([(point.x * width - 0.5, point.y * height - 0.5) for point in landmarks])
    world_m = np.array([(point.x, point.y, point.z) for point in world])
    # Tasks name the side that the picture shows, where MediaPipe's earlier Solutions named that of a selfie
    side: Side = "right" if handedness[0].category_name == "Right" else "left"
    crop = crop_around(landmarks_px, CROP_EXPANSION, flipped=side == "left")
    return HandObservation(side, float(min(handedness[0].score, 1.0)), landmarks_px, world_m, crop)


@contextmanager
def _quiet_stderr() -> Iterator[Callable[[], list[str]]]:
    """Keeps MediaPipe's log, which C++ code writes to file descriptor 2, off the user's terminal.

    Output of other code meanwhile is passed on afterwards.

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
