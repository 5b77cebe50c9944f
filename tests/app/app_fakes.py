"""Sources and paths with scripted behaviour."""

from __future__ import annotations

import _thread
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from app.sources.base import EndOfSource, Picture, ReadFailure, SourceFacts
from hand.camera import project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.errors import SourceError
from hand.layer import HandLayer
from hand.mirror import Side
from hand.types import Frame, HandObservation, HandState, PathResult

WIDTH, HEIGHT = 320, 240

# palm towards the camera, fingers up: the rest hand lies along -x with its palm towards -y
_UPRIGHT = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def plain_image(value: int = 90) -> np.ndarray:
    """A uniform grey image with a white leftmost column, which makes mirroring visible."""
    image = np.full((HEIGHT, WIDTH, 3), value, np.uint8)
    image[:, 0] = 255
    return image


class FakeSource:
    """Returns scripted pictures and failures, then the end; clearing `plugged` simulates an unplugged camera."""

    def __init__(
        self,
        script: Sequence[np.ndarray | ReadFailure] = (),
        *,
        name: str = "Fake",
        live: bool = False,
        forever: bool = False,
        frames_per_second: float = 200.0,
        on_read: Callable[[], None] | None = None,
    ) -> None:
        self.script = list(script) or [plain_image()]
        self.live, self.forever = live, forever
        self.frames_per_second = frames_per_second
        self.plugged = threading.Event()
        self.plugged.set()
        self.on_read = on_read
        self.opened = self.closed = 0
        self._name = name
        self._next = 0
        self._open = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> SourceFacts:
        if not self.plugged.is_set():
            raise SourceError(f"{self._name} is not plugged in.")
        self.opened += 1
        self._open, self._next = True, 0
        kind = "camera" if self.live else "video"
        count = None if self.forever else len(self.script)
        return SourceFacts(self._name, kind, WIDTH, HEIGHT, self.frames_per_second, frame_count=count, live=self.live)

    def read(self) -> Picture | EndOfSource | ReadFailure:
        if self.on_read is not None:
            self.on_read()
        if not self.plugged.is_set():
            return ReadFailure(f"{self._name} gives no picture; check its cable.")
        if self.live:
            time.sleep(0.002)
        if self._next >= len(self.script):
            if not self.forever:
                return EndOfSource()
            self._next = 0
        item = self.script[self._next]
        self._next += 1
        return item if isinstance(item, ReadFailure) else Picture(item.copy(), time.monotonic_ns())

    def close(self) -> None:
        self.closed += self._open
        self._open = False

    def may_be_back(self) -> bool:
        return self.plugged.is_set()


def hand_state(frame: Frame, side: Side = "right", offset_m: float = 0.0) -> HandState:
    """A real posed hand half a metre in front of the camera."""
    model = load_embedded_model(side)
    layer = HandLayer(model)
    pose = np.zeros(48, np.float32)
    pose[:3] = cv2.Rodrigues(_UPRIGHT)[0].ravel()
    geometry = layer(pose, np.zeros(10, np.float32), np.array([offset_m, 0.06, 0.55], np.float32))
    return HandState(
        sequence=frame.sequence,
        side=side,
        pose_rad=pose,
        shape=np.zeros(10, np.float32),
        camera_translation_m=np.array([offset_m, 0.06, 0.55], np.float32),
        joints_m=geometry.joints_m,
        vertices_m=geometry.vertices_m,
        confidence=0.9,
        origin="ik",
        reprojection_px=1.25,
        timings_ms={"solve": 0.5},
    )


class FakePath:
    """Returns one known hand for every frame, or the result of `behave`."""

    def __init__(self, behave: Callable[[Frame], PathResult] | None = None, side: Side = "right") -> None:
        self.behave = behave
        self.side = side
        self.processed: list[int] = []
        self.closed = 0
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def process(self, frame: Frame) -> PathResult:
        self.processed.append(frame.sequence)
        if self.behave is not None:
            return self.behave(frame)
        return found(frame, self.side)

    def close(self) -> None:
        self.closed += 1


def found(frame: Frame, side: Side = "right") -> PathResult:
    """A result with one hand whose joints project 2 px left of and above the detector's landmarks."""
    state = hand_state(frame, side)
    landmarks = project(np.asarray(state.joints_m, float), frame.intrinsics) + 2.0
    seen = HandObservation(side, 0.9, landmarks, np.asarray(state.joints_m), crop_around(landmarks, 1.5))
    return PathResult(frame, "ik", (state,), (seen,), {"detect": 1.0, "solve": 0.5})


def nothing(frame: Frame) -> PathResult:
    """A result without a hand."""
    return PathResult(frame, "ik", ())


def press_ctrl_c_at(picture: int) -> Callable[[], None]:
    """For a source's ``on_read``: interrupts the main thread when this picture is read."""
    reads = itertools.count(1)

    def read() -> None:
        if next(reads) == picture:
            _thread.interrupt_main()

    return read


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Waits for a condition that other threads fulfil, and fails after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition was not fulfilled in time"
        time.sleep(0.002)


def write_clip(path: Path, frames: int = 12, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """Writes a short video of uniform frames that get brighter."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, size)
    assert writer.isOpened()
    for index in range(frames):
        writer.write(np.full((size[1], size[0], 3), 40 + 10 * index, np.uint8))
    writer.release()
    return path


def write_picture(path: Path, image: np.ndarray | None = None) -> Path:
    """Writes a picture file, by default of :func:`plain_image`."""
    assert cv2.imwrite(str(path), plain_image() if image is None else image)
    return path
