"""Reads a recording, even if its writer was killed."""

from __future__ import annotations

import io
import json
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from hand.checked_files import FILE_FAULTS, LARGE_BYTES, fault_of, read_checked, read_json
from hand.errors import IntrinsicsError, RecordingError
from hand.model import HandModel
from hand.picture_limits import LARGEST_PICTURE_BYTES, decode_color
from hand.recording import (
    COMPLETE_FILE,
    FRAMES_FOLDER,
    LABELS_FILE,
    SCHEMA,
    SESSION_FILE,
    RecordedFrame,
    SessionInfo,
    frame_from_json,
    picture_name,
    picture_path,
    session_from_json,
)

_LAST_LINE_BYTES = 1 << 16
"""More than a line has that was written whole."""

_GROWTH_S = 0.05
"""A line is written within this time by a program that is at work."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A session that was opened for reading.

    Attributes:
        folder: where it lies.
        info: what holds for the whole session.
        frames: those with both label and picture.
        complete: the writer finished; otherwise it was killed, and this is what it had written.
        dropped: frames that the writer could not keep up with.
        repairs: one sentence for each fault that was found and repaired.
    """

    folder: Path
    info: SessionInfo
    frames: tuple[RecordedFrame, ...]
    complete: bool
    dropped: int
    repairs: tuple[str, ...]

    def picture_path(self, frame: RecordedFrame) -> Path:
        """The file of a frame's picture."""
        return picture_path(self.folder, frame.index)

    def picture(self, frame: RecordedFrame) -> UInt8[np.ndarray, "height width 3"]:
        """A frame's picture, RGB.

        Raises:
            RecordingError: the picture is damaged or its size differs from the session's.
        """
        path = self.picture_path(frame)
        try:
            bgr = decode_color(read_checked(path, LARGEST_PICTURE_BYTES))
        except FILE_FAULTS:
            bgr = None
        size = (self.info.intrinsics.height_px, self.info.intrinsics.width_px)
        if bgr is None or bgr.shape[:2] != size:
            raise RecordingError(f"The picture {path} is damaged or not {size[1]} x {size[0]}; leave this frame out.")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def require_model(self, model: HandModel, act: str) -> None:
        """Rejects a hand model that poses and shapes of this session do not refer to.

        Args:
            model: a right hand.
            act: what is to be done with the session, such as "label".

        Raises:
            RecordingError: it was recorded with another one.
        """
        if self.info.hand_model_digest != model.digest:
            raise RecordingError(
                f"{self.folder} was recorded with the hand model {self.info.hand_model}, not {model.name}; {act} it "
                "with that model."
            )


def open_recording(folder: Path) -> Recording:
    """Opens a recording; a torn last line is cut off its file, and ``repairs`` mentions it.

    Raises:
        RecordingError: not a recording, of a newer program, or damaged before its end.
    """
    info = _read_session(folder)
    repairs: list[str] = []
    pictures = _pictures(folder)
    frames: list[RecordedFrame] = []
    count = dropped = 0
    for count, line in enumerate(read_lines(folder / LABELS_FILE, repairs), 1):
        try:
            frame = frame_from_json(line)
            dropped = int(line.get("dropped_before", 0))
        except FILE_FAULTS as error:
            raise RecordingError(f"{folder / LABELS_FILE}, line {count} is not a frame ({error!r}).") from None
        if picture_name(frame.index) in pictures:
            frames.append(frame)
    if len(frames) < count:
        repairs.append(f"{count - len(frames)} of {count} frames have no picture and were left out.")
    complete = _read_complete(folder, count, repairs)
    dropped = int(complete["dropped"]) if complete else dropped
    return Recording(folder, info, tuple(frames), complete is not None, dropped, tuple(repairs))


def session_order(folder: Path) -> tuple[int, str]:
    """Sorts sessions as they were recorded: by their number, which does not depend on the clock, then by name.

    Sessions from before there were numbers, and damaged ones, come first.
    """
    with suppress(*FILE_FAULTS):
        number = read_json(folder / SESSION_FILE).get("number", 0)
        if type(number) is int and 0 <= number < 1 << 53:
            return number, folder.name
    return 0, folder.name


def _read_session(folder: Path) -> SessionInfo:
    path = folder / SESSION_FILE
    try:
        content = read_json(path)
        schema = int(content["schema"])
        if schema > SCHEMA:
            raise RecordingError(
                f"{folder} was recorded by a newer program (schema {schema}, this one reads up to {SCHEMA}); update."
            )
        return session_from_json(content)
    except FileNotFoundError:
        raise RecordingError(f"{folder} is not a recording: it has no {SESSION_FILE}.") from None
    except (*FILE_FAULTS, IntrinsicsError) as error:
        why = fault_of(error)
        raise RecordingError(f"{path} is damaged ({why}); the recording cannot be read without it.") from None


def read_lines(path: Path, repairs: list[str]) -> Iterator[dict[str, Any]]:
    """The lines of a file of JSON lines that are whole, one by one; a torn end is cut off the file after the last.

    Callers should not keep all of them: as dictionaries, those of a long session take several times its size and time.

    Args:
        path: the file.
        repairs: a sentence is added for what was missing or cut off, when the last line was read.

    Yields:
        What each line holds.

    Raises:
        RecordingError: the file cannot be read, or is damaged before its end.
    """
    try:
        data = read_checked(path, LARGE_BYTES)
    except FileNotFoundError:
        repairs.append(f"There is no {path.name}: the recording ended before its first frame.")
        return
    except FILE_FAULTS as error:
        raise RecordingError(f"{path} cannot be read ({fault_of(error)}); restore a copy.") from None
    number = whole_bytes = 0
    for raw in io.BytesIO(data):
        line = _parsed(raw) if raw.endswith(b"\n") else None
        if line is None:
            break
        number += 1
        whole_bytes += len(raw)
        yield line
    rest = data[whole_bytes:]
    if any(_parsed(raw) is not None for raw in rest.splitlines()[1:]):
        raise RecordingError(f"{path} is damaged at line {number + 1}, with whole lines after it; restore a copy.")
    if rest:
        repairs.append(f"The last line of {path.name} was torn ({len(rest)} bytes) and was cut off.")
        if not _cut(path, whole_bytes, len(data)):
            repairs[-1] = f"The last line of {path.name} is torn ({len(rest)} bytes) and was left out."


def _cut(path: Path, to_bytes: int, from_bytes: int) -> bool:
    """Cuts a file off unless it grows: then another program is just writing that line, and nothing is torn."""
    time.sleep(_GROWTH_S)
    try:
        with path.open("r+b") as file:
            if os.fstat(file.fileno()).st_size != from_bytes:
                return False
            file.truncate(to_bytes)
    except OSError:
        return False
    return True


def cut_torn_end(path: Path) -> None:
    """Cuts off what a killed program left of a line, before another one follows it.

    Raises:
        RecordingError: the file cannot be read, or is damaged before its end.
        OSError: the same.
    """
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _LAST_LINE_BYTES, 0))
        last = file.read().splitlines(keepends=True)[-1:]
    if not (last and last[0].endswith(b"\n") and _parsed(last[0]) is not None):
        deque(read_lines(path, []), maxlen=0)


def _pictures(folder: Path) -> set[str]:
    """Names of the pictures that are not empty, all at once: one by one they would take as long as the labels."""
    try:
        with os.scandir(folder / FRAMES_FOLDER) as entries:
            return {entry.name for entry in entries if entry.is_file() and entry.stat().st_size > 0}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise RecordingError(f"The pictures of {folder} cannot be read ({error.strerror or error}).") from None


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _read_complete(folder: Path, frames: int, repairs: list[str]) -> dict[str, Any] | None:
    path = folder / COMPLETE_FILE
    if not path.is_file():
        repairs.append(f"There is no {COMPLETE_FILE} file: the recording was cut short after {frames} frames.")
        return None
    try:
        content = read_json(path)
        promised, _ = int(content["frames"]), int(content["dropped"])
    except FILE_FAULTS:
        repairs.append(f"The {COMPLETE_FILE} file is damaged: the recording may be cut short.")
        return None
    if promised != frames:
        repairs.append(f"The {COMPLETE_FILE} file declares {promised} frames, but {LABELS_FILE} has {frames}.")
    return dict(content)
