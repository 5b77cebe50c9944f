"""Finds faces, so that they can be made unrecognisable before a picture leaves the machine."""

from __future__ import annotations

from types import TracebackType
from typing import Final

import numpy as np
from jaxtyping import UInt8

from hand.errors import DetectorError
from ik_baseline.onnx_session import MODELS_DIR, PictureModel
from ik_baseline.ssd_detection import SsdDetector, anchor_centers

FaceBox = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; right and bottom are outside."""

LEAST_CONFIDENCE = 0.25
"""Low on purpose: a blurred cupboard costs nothing, a face that is missed does."""

_GROW = 0.35

_MODELS: Final = (("face_short_range.onnx", ((8, 2), (16, 6))), ("face_full_range.onnx", ((4, 1),)))
"""MediaPipe's two face models, for faces within two metres and beyond, with stride and anchors of their layers."""


class FaceFinder:
    """MediaPipe's two face models in ONNX Runtime; belongs to the thread that made it."""

    def __init__(self) -> None:
        """Loads both models.

        Raises:
            DetectorError: a model is missing or damaged, so nothing can be exported with faces blurred.
        """
        self._detectors: list[SsdDetector] = []
        for name, layers in _MODELS:
            model = PictureModel(MODELS_DIR / name, signed=True)
            self._detectors.append(SsdDetector(model, anchor_centers(model.width_px, layers), LEAST_CONFIDENCE))

    def find(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> list[FaceBox]:
        """Boxes around faces, with hair and chin.

        Raises:
            DetectorError: the finder was closed.
        """
        if not self._detectors:
            raise DetectorError("The face detector was closed; make a new one.")
        height, width = image_rgb.shape[:2]
        boxes = []
        for detector in self._detectors:
            faces, letterbox = detector.detect(image_rgb)
            for face in faces:
                (left, top), (right, bottom) = letterbox.to_picture(face.box.reshape(2, 2))
                grow_x, grow_y = _GROW * (right - left), _GROW * (bottom - top)
                boxes.append(
                    (
                        max(int(left - grow_x), 0),
                        max(int(top - 1.5 * grow_y), 0),
                        min(int(right + grow_x), width),
                        min(int(bottom + grow_y), height),
                    )
                )
        return [box for box in boxes if box[2] > box[0] and box[3] > box[1]]

    def close(self) -> None:
        """Frees the models; closing twice is fine."""
        self._detectors = []

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
