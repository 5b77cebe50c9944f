"""Videos and folders of pictures as sessions, as if they had been recorded: with the results of MediaPipe + IK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from app.machine import product_version
from app.pipeline.finite_hands import without_broken_hands
from app.pipeline.paths.hand_path import HandPath
from app.recording.recorder import recorded_hands
from app.recording.sessions import next_number
from app.sources.base import EndOfSource, Picture
from app.sources.files import printable_name
from app.sources.picture_files import read_picture
from app.sources.picture_listing import list_pictures
from app.sources.video import VideoSource
from hand.camera import Intrinsics
from hand.errors import SourceError
from hand.model import HandModel
from hand.recording import SessionInfo
from hand.recording_writer import RecordingWriter
from hand.types import Frame


def import_session(
    source: Path,
    folder: Path,
    model: HandModel,
    paths: list[HandPath],
    *,
    name: str = "",
    subfolders: bool = False,
    progress: Callable[[int], None] = lambda frames: None,
    warn: Callable[[str], None] = lambda sentence: None,
) -> int:
    """Makes a session of a video, or of all pictures of a folder.

    A session has one size: pictures of another one are scaled into the first one's, with black borders.

    Args:
        source: a video or a folder.
        folder: of the new session.
        model: hand model of the paths' estimates.
        paths: process every frame.
        name: given by the user; the source's own name when empty.
        subfolders: a folder's subfolders are read too.
        progress: called with the number of frames done.
        warn: called with one sentence for each part of the source that could not be read.

    Returns:
        How many frames there are.

    Raises:
        SourceError: the source cannot be read, or holds no picture.
        RecordingError: the session cannot be written.
    """
    pictures = _of_folder(source, warn, subfolders=subfolders) if source.is_dir() else _of_video(source, warn)
    first = next(pictures, None)
    if first is None:
        raise SourceError(f"{source} holds no picture that can be read; choose another one.")
    height, width = first.image_rgb.shape[:2]
    camera = Intrinsics.from_fov(width, height)
    title = printable_name(source)
    number, named = next_number(folder.parent), name or Path(title).stem
    info = SessionInfo(
        title,
        camera,
        False,
        model.name,
        model.digest,
        versions={"handlive": product_version()},
        name=named,
        number=number,
    )
    with RecordingWriter(folder, info) as writer:
        for number, imported in enumerate(chain([first], pictures)):
            picture = _fitted(imported.image_rgb, width, height)
            frame = Frame(imported.number, imported.time_ns, picture, camera, title)
            hands = []
            for path in paths:
                result = without_broken_hands(path.process(frame))
                hands += recorded_hands(result)
            writer.add(frame, hands)
            progress(number + 1)
    return writer.frames_written


@dataclass(frozen=True, slots=True, eq=False)
class _Imported:
    """One picture with its number and time in the file it is from."""

    number: int
    time_ns: int
    image_rgb: UInt8[np.ndarray, "h w 3"]


def _of_folder(folder: Path, warn: Callable[[str], None], *, subfolders: bool) -> Iterator[_Imported]:
    listing = list_pictures(folder, subfolders=subfolders)
    if listing.skipped:
        warn(listing.skipped)
    for number, path in enumerate(listing.files):
        try:
            picture = read_picture(path)
        except SourceError as error:
            warn(str(error))
            continue  # what is no picture is none of the session's
        yield _Imported(number, number * 500_000_000, picture)


def _of_video(path: Path, warn: Callable[[str], None]) -> Iterator[_Imported]:
    source = VideoSource(path)
    try:
        note = source.open().note
        if note:
            warn(note)
        while not isinstance(read := source.read(), EndOfSource):
            if isinstance(read, Picture):
                yield _Imported(source.position - 1, read.media_time_ns or 0, read.image_rgb)
        if read.shortfall is not None:
            warn(read.shortfall.sentence(source.name))
    finally:
        source.close()


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
