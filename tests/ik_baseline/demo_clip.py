"""Pictures of the shipped demo clip."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"


def demo_pictures(numbers: Collection[int]) -> list[np.ndarray]:
    """The frames with these numbers, ascending, RGB."""
    capture, pictures = cv2.VideoCapture(str(DEMO / "demo.mp4")), []
    try:
        for number in range(max(numbers) + 1):
            good, picture = capture.read()
            assert good
            if number in numbers:
                pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    return pictures
