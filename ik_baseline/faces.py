"""Finds faces, so that they can be made unrecognisable before a picture leaves the machine."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from hand.errors import DetectorError

FaceBox = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; right and bottom are outside."""

LEAST_CONFIDENCE = 0.25
"""Low on purpose: a blurred cupboard costs nothing, a face that is missed does."""

_GROW = 0.35


class FaceFinder:
    """MediaPipe's two face models, near and far; belongs to the thread that made it."""

    def __init__(self) -> None:
        """Starts both models.

        Raises:
            DetectorError: MediaPipe is missing or does not start.
        """
        self._models: list[Any] = []
        try:
            from mediapipe.python.solutions import face_detection

            for reach in (0, 1):
                self._models.append(
                    face_detection.FaceDetection(model_selection=reach, min_detection_confidence=LEAST_CONFIDENCE)
                )
        except Exception as error:  # whatever it is, nothing is exported without it
            self.close()
            raise DetectorError(
                f"The face detector (mediapipe 0.10.21) could not be started ({error}), so faces cannot be blurred."
            ) from error

    def find(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Boxes around faces, with hair and chin."""
        height, width = image_rgb.shape[:2]
        boxes = []
        for model in self._models:
            for found in model.process(image_rgb).detections or ():
                box = found.location_data.relative_bounding_box
                grow_x, grow_y = _GROW * box.width, _GROW * box.height
                left, top = (box.xmin - grow_x) * width, (box.ymin - 1.5 * grow_y) * height
                right, bottom = (box.xmin + box.width + grow_x) * width, (box.ymin + box.height + grow_y) * height
                boxes.append((max(int(left), 0), max(int(top), 0), min(int(right), width), min(int(bottom), height)))
        return [box for box in boxes if box[2] > box[0] and box[3] > box[1]]

    def close(self) -> None:
        """Frees the models."""
        models, self._models = self._models, []
        for model in models:
            model.close()

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
