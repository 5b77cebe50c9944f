"""The pictures of a video, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8


def clip_pictures(path: Path) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """All pictures of a video in order, RGB."""
    video = cv2.VideoCapture(str(path))
    try:
        while (read := video.read())[0]:
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
    finally:
        video.release()
