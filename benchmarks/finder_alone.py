"""CPU of a hand finder alone on a clip, for a measurement that asks again and again: a line in, a number out.

    python -m benchmarks.finder_alone own|mediapipe CLIP

Each line on the standard input names a number of frames; the answer is the processor time of the whole process, its
engine's threads included, in milliseconds a frame. It runs as a process of its own because MediaPipe 0.10.21 needs an
interpreter with NumPy 1: with ``mediapipe`` it imports nothing of this repository. Decoding is not counted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

WARM_UP_FRAMES = 30


def frames_of(clip: str) -> Iterator[np.ndarray]:
    """The frames of a clip as RGB, again from its beginning after its end.

    Raises:
        SystemExit: it cannot be read.
    """
    capture = cv2.VideoCapture(clip)
    read_any = False
    while True:
        ok, image_bgr = capture.read()
        if ok:
            read_any = True
            yield cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
        elif not read_any:
            raise SystemExit(f"{clip} cannot be read as a video.")
        else:
            read_any = False
            capture.set(cv2.CAP_PROP_POS_FRAMES, 0)


def finder(kind: str) -> Callable[[np.ndarray], object]:
    """What looks for one hand in the frames of a video, following it from frame to frame."""
    if kind == "own":
        from ik_baseline.detector import HandDetector

        return HandDetector(1).detect
    from mediapipe.python.solutions import hands

    return hands.Hands(max_num_hands=1).process  # type: ignore[no-any-return]


def main() -> None:
    """Answers until the input ends."""
    cv2.setNumThreads(1)
    kind, clip = sys.argv[1:]
    find, frames = finder(kind), frames_of(clip)
    for _ in range(WARM_UP_FRAMES):
        find(next(frames))
    print("ready", flush=True)
    for line in sys.stdin:
        count, busy_s = int(line), 0.0
        for _ in range(count):
            image = next(frames)
            started_s = time.process_time()
            find(image)
            busy_s += time.process_time() - started_s
        print(busy_s / count * 1e3, flush=True)


if __name__ == "__main__":
    main()
