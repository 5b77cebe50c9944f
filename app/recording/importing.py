"""Videos and folders of pictures as sessions, as if they had been recorded: with what MediaPipe + IK says of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import UInt8

from app.sources.base import EndOfSource, Picture
from app.sources.pictures import list_pictures, read_picture
from app.sources.video import VideoSource
from hand.camera import Intrinsics
from hand.errors import SourceError
from hand.model import HandModel
from hand.recording import SessionInfo, recorded_hand
from hand.recording_writer import RecordingWriter
from hand.types import Frame, PathResult


class HandPath(Protocol):
    """Finds hands in frames; ``ik_baseline.tracker.IkTracker`` and the live paths are some."""

    def process(self, frame: Frame) -> PathResult:
        """Everything it says about one frame."""


def import_session(
    source: Path,
    folder: Path,
    model: HandModel,
    paths: list[HandPath],
    *,
    name: str = "",
    progress: Callable[[int], None] = lambda frames: None,
) -> int:
    """Makes a session of a video, or of all pictures of a folder.

    A session has one size: pictures of another one are scaled into the first one's, with black borders.

    Args:
        source: a video or a folder.
        folder: of the new session.
        model: hand model of the paths' estimates.
        paths: what looks at every frame.
        name: what the user calls it; the source's own name when empty.
        progress: told how many frames are done.

    Returns:
        How many frames there are.

    Raises:
        SourceError: the source cannot be read, or holds no picture.
        RecordingError: the session cannot be written.
    """
    pictures = _of_folder(source) if source.is_dir() else _of_video(source)
    first = next(pictures, None)
    if first is None:
        raise SourceError(f"{source} holds no picture that can be read; choose another one.")
    height, width = first[0].shape[:2]
    camera = Intrinsics.from_fov(width, height)
    info = SessionInfo(source.name, camera, False, model.name, model.digest, name=name or source.stem)
    with RecordingWriter(folder, info) as writer:
        for number, (picture, time_ns) in enumerate(_with_first(first, pictures)):
            frame = Frame(number, time_ns, _fitted(picture, width, height), camera, source.name)
            hands = []
            for path in paths:
                result = path.process(frame)
                hands += [recorded_hand(s, o) for s, o in zip(result.states, result.observations, strict=False)]
            writer.add(frame, hands)
            progress(number + 1)
    return writer.frames_written


def _of_folder(folder: Path) -> Iterator[tuple[np.ndarray, int]]:
    for number, path in enumerate(list_pictures(folder)):
        try:
            picture = read_picture(path)
        except SourceError:
            continue  # what is no picture is none of the session's
        yield picture, number * 500_000_000


def _of_video(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    source = VideoSource(path)
    try:
        rate = source.open().frames_per_second or 30.0
        number = 0
        while not isinstance(read := source.read(), EndOfSource):
            if isinstance(read, Picture):
                yield read.image_rgb, round(number * 1e9 / rate)
            number += 1
    finally:
        source.close()


def _with_first(
    first: tuple[np.ndarray, int], rest: Iterator[tuple[np.ndarray, int]]
) -> Iterator[tuple[np.ndarray, int]]:
    yield first
    yield from rest


def _fitted(picture: UInt8[np.ndarray, "h w 3"], width: int, height: int) -> UInt8[np.ndarray, "height width 3"]:
    """The picture at this size, whole, with black borders where its form is another one."""
    rows, columns = picture.shape[:2]
    if (columns, rows) == (width, height):
        return picture.copy()
    scale = min(width / columns, height / rows)
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    result = np.zeros((height, width, 3), np.uint8)
    result[top : top + size[1], left : left + size[0]] = small
    return result
