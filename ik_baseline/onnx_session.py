"""Opens one of the detector's ONNX models for live use: one thread, which does not spin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from assets import ASSETS_DIR
from hand.errors import DetectorError

MODELS_DIR = ASSETS_DIR / "hand_finder"


class PictureModel:
    """A model with one picture as input; belongs to the thread that made it."""

    def __init__(self, path: Path, *, signed: bool = False) -> None:
        """Loads the model and runs it once, so that the first picture is not delayed.

        Args:
            path: ONNX file with one input [1, 3, height, width], RGB.
            signed: the input goes from -1 to 1 and not from 0 to 1.

        Raises:
            DetectorError: the file is missing or damaged, or ONNX Runtime is.
        """
        self._scale, self._offset = (np.float32(1.0 / 127.5), -1.0) if signed else (np.float32(1.0 / 255.0), 0.0)
        try:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            # by default ONNX Runtime's threads spin between operators, which takes a core away from the other path
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            (picture,) = self._session.get_inputs()
            self._input: str = picture.name
            _, _, self.height_px, self.width_px = picture.shape
            # reused: fresh memory costs more than what is written into it
            self._bytes = np.empty((3, self.height_px, self.width_px), np.uint8)
            self._planes = np.empty((1, *self._bytes.shape), np.float32)
            self(np.zeros((self.height_px, self.width_px, 3), np.uint8))
        except Exception as error:  # whatever it is, the user gets one sentence
            cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise DetectorError(
                f"The hand detector could not load {path.name} ({cause}); install the program again, or check that "
                f"{path} is whole and that onnxruntime works."
            ) from error

    def __call__(self, picture_rgb: UInt8[np.ndarray, "height width 3"]) -> Sequence[Float[np.ndarray, "..."]]:
        """The model's outputs for a picture of exactly its size."""
        assert picture_rgb.shape == (self.height_px, self.width_px, 3), picture_rgb.shape
        # the channels are separated first: adjacent numbers are scaled many at a time
        cv2.split(picture_rgb, list(self._bytes))
        np.multiply(self._bytes, self._scale, out=self._planes[0], dtype=np.float32)
        if self._offset:
            self._planes += self._offset
        return self._session.run(None, {self._input: self._planes})
