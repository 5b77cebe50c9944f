"""The published hand-landmark network in ONNX Runtime, for any square of a picture; without torch.

The hand detector runs the same file on the same frame; where its reading is available, this one is not needed.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from assets import ASSETS_DIR
from hand.crop import SquareCrop, crop_picture
from hand.errors import CheckpointError
from hand.landmark_reading import LandmarkReading, reading_in_square

LANDMARK_FILE: Final = ASSETS_DIR / "hand_finder" / "hand_landmark.onnx"
"""The published network, converted."""

LANDMARK_PX: Final = 224
"""Side of its input; its last layer reads places out of pooled features, which holds at this size alone."""


class LandmarkReader:
    """Reads landmarks on one thread; belongs to the thread that made it."""

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            CheckpointError: its file is missing or damaged.
        """
        # imported here, so that reading the sizes does not load ONNX Runtime
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(LANDMARK_FILE), options, providers=["CPUExecutionProvider"]
            )
            self._input: str = self._session.get_inputs()[0].name
        except Exception as problem:  # noqa: BLE001 - ONNX Runtime raises types of its own that have no common base
            cause = (str(problem).strip() or type(problem).__name__).splitlines()[0]
            raise CheckpointError(
                f"The hand-landmark network {LANDMARK_FILE} cannot be loaded ({cause}); install the program again."
            ) from None

    def read(self, image_rgb: UInt8[np.ndarray, "height width 3"], square: SquareCrop) -> LandmarkReading:
        """Reads the landmarks of the hand in a square of a picture.

        Args:
            image_rgb: the picture.
            square: its hand should stand about upright.
        """
        seen = crop_picture(image_rgb, square, LANDMARK_PX, border=cv2.BORDER_REPLICATE)
        tensor = seen.transpose(2, 0, 1)[None] * np.float32(1.0 / 255.0)
        landmarks, presence, rightness, world = self._session.run(None, {self._input: tensor})
        return reading_in_square(
            np.asarray(landmarks, np.float64).reshape(21, 3),
            np.asarray(world, np.float64).reshape(21, 3),
            float(presence[0, 0]),
            float(rightness[0, 0]),
            square,
            LANDMARK_PX,
        )
