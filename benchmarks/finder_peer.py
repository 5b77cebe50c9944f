"""MediaPipe in an interpreter of its own, frame by frame: pictures come over the standard input, hands and cost go
back.

    PYTHON_WITH_MEDIAPIPE benchmarks/finder_peer.py solutions|tasks HANDS video|still [BUNDLE]

It imports nothing of this repository, because 0.10.21 needs NumPy 1. Each picture is a line "HEIGHT WIDTH" and its RGB
bytes; the answer is one line of JSON with the hands (pixels, side, score) and the processor time of the whole process
in milliseconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Hand = tuple[list[tuple[float, float]], bool, float]


def solutions(hands: int, still: bool) -> Callable[[np.ndarray], list[Hand]]:
    """MediaPipe 0.10.21, which names the side of a selfie."""
    from mediapipe.python.solutions import hands as mediapipe_hands

    graph = mediapipe_hands.Hands(static_image_mode=still, max_num_hands=hands, model_complexity=1)

    def find(image: np.ndarray) -> list[Hand]:
        result = graph.process(image)
        found = zip(result.multi_hand_landmarks or (), result.multi_handedness or (), strict=True)
        return [_hand(one.landmark, side.classification[0], image, "Left") for one, side in found]

    return find


def tasks(hands: int, still: bool, bundle: str) -> Callable[[np.ndarray], list[Hand]]:
    """The HandLandmarker of a current release, which names the side that the picture shows."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    mode = vision.RunningMode.IMAGE if still else vision.RunningMode.VIDEO
    base = BaseOptions(model_asset_path=bundle)
    options = vision.HandLandmarkerOptions(base_options=base, running_mode=mode, num_hands=hands)
    landmarker = vision.HandLandmarker.create_from_options(options)
    clock = iter(range(0, 1 << 40, 33))

    def find(image: np.ndarray) -> list[Hand]:
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
        result = landmarker.detect(picture) if still else landmarker.detect_for_video(picture, next(clock))
        return [
            _hand(one, _Side(side[0].category_name, side[0].score), image, "Right")
            for one, side in zip(result.hand_landmarks, result.handedness, strict=True)
        ]

    return find


class _Side:
    def __init__(self, label: str, score: float) -> None:
        self.label, self.score = label, score


def _hand(landmarks: Any, side: Any, image: np.ndarray, right: str) -> Hand:
    height, width = image.shape[:2]
    points = [(point.x * width - 0.5, point.y * height - 0.5) for point in landmarks]
    return points, side.label == right, float(side.score)


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "w")  # what MediaPipe prints goes elsewhere
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    kind, hands, still = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "still"
    started_s = time.perf_counter()
    find = solutions(hands, still) if kind == "solutions" else tasks(hands, still, sys.argv[4])
    find(np.zeros((64, 64, 3), np.uint8))
    print(json.dumps({"start_s": time.perf_counter() - started_s}), file=answers, flush=True)
    while line := sys.stdin.buffer.readline():
        height, width = map(int, line.split())
        image = np.frombuffer(sys.stdin.buffer.read(height * width * 3), np.uint8).reshape(height, width, 3)
        busy_s = time.process_time()
        found = find(image)
        busy_s = time.process_time() - busy_s
        print(json.dumps({"hands": found, "cpu_ms": busy_s * 1e3}), file=answers, flush=True)


if __name__ == "__main__":
    main()
