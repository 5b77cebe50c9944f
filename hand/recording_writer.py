"""Writes a recording, in the order that makes every prefix of it valid."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import cv2

from hand.atomic_file import write_json_atomically
from hand.errors import RecordingError
from hand.recording import (
    COMPLETE_FILE,
    FRAMES_FOLDER,
    LABELS_FILE,
    SESSION_FILE,
    RecordedHand,
    SessionInfo,
    hand_to_json,
    picture_path,
    session_to_json,
)
from hand.types import Frame

DEFAULT_MIN_FREE_BYTES: Final = 500 << 20
_FRAMES_BETWEEN_DISK_CHECKS: Final = 30


class RecordingWriter:
    """Writes one session; as a context manager it is closed in the end, and marked complete if nothing was raised."""

    def __init__(
        self,
        folder: Path,
        info: SessionInfo,
        *,
        min_free_bytes: int = DEFAULT_MIN_FREE_BYTES,
        jpeg_quality: int = 95,
    ) -> None:
        """Creates the folder and writes session.json.

        Args:
            folder: must not exist yet, or be empty; it goes away again where the recording is refused.
            info: what holds for the whole session.
            min_free_bytes: recording stops before the disk has less.
            jpeg_quality: of the pictures.

        Raises:
            RecordingError: the folder is in use, cannot be written, or the disk is nearly full.
        """
        self.folder = folder
        self.info = info
        self.frames_written = 0
        self.frames_dropped = 0
        self._min_free_bytes = min_free_bytes
        self._jpeg_parameters = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
        self._unsynced: list[Path] = []
        try:
            if folder.exists() and any(folder.iterdir()):
                raise RecordingError(f"{folder} is not empty; choose a new folder for the recording.")
            # made here, exclusively: of two writers that found the folder empty, one is refused
            (folder / FRAMES_FOLDER).mkdir(parents=True)
        except FileExistsError:
            raise RecordingError(f"{folder} is in use by another recording; choose a new folder.") from None
        except OSError as error:
            raise _cannot_write(folder, error) from None
        try:
            self._check_free_disk()
            # unbuffered: each line reaches the system in one piece and survives the end of this process
            self._labels = (folder / LABELS_FILE).open("ab", buffering=0)
            write_json_atomically(folder / SESSION_FILE, session_to_json(info))
        except (OSError, RecordingError) as error:
            with suppress(AttributeError):
                self._labels.close()
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, RecordingError):
                raise
            raise _cannot_write(folder, error) from None

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._labels.close()

    def add(
        self,
        frame: Frame,
        hands: Sequence[RecordedHand],
        *,
        marker: str = "",
        timings_ms: Mapping[str, float] | None = None,
    ) -> None:
        """Writes one frame: its picture, then its line.

        Args:
            frame: a picture of the size that the session's intrinsics hold for.
            hands: what was found in it; see :func:`recorded_hand`.
            marker: what the user marked here.
            timings_ms: milliseconds per path and stage, as ``"ik/solver"``.

        Raises:
            RecordingError: the disk is full or gone, the picture has another size, or a number is not finite.
        """
        height, width = frame.image_rgb.shape[:2]
        wanted = (self.info.intrinsics.width_px, self.info.intrinsics.height_px)
        if (width, height) != wanted:
            raise RecordingError(f"This recording holds pictures of {wanted[0]} x {wanted[1]}, got {width} x {height}.")
        if self.frames_written % _FRAMES_BETWEEN_DISK_CHECKS == 0:
            self._check_free_disk()
        line: dict[str, Any] = {
            "frame": self.frames_written,
            "sequence": frame.sequence,
            "capture_time_ns": frame.capture_time_ns,
            "dropped_before": self.frames_dropped,
            "hands": [hand_to_json(hand) for hand in hands],
        }
        if marker:
            line["marker"] = marker
        if timings_ms:
            line["timings_ms"] = {stage: round(spent, 3) for stage, spent in timings_ms.items()}
        try:
            text = json.dumps(line, separators=(",", ":"), allow_nan=False)
        except ValueError:
            raise RecordingError(f"Frame {frame.sequence} has a hand with numbers that are not finite.") from None
        bgr = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(".jpg", bgr, self._jpeg_parameters)[1]
        picture = picture_path(self.folder, self.frames_written)
        try:
            picture.write_bytes(encoded.tobytes())
            self._append(text.encode() + b"\n")
        except OSError as error:
            with suppress(OSError):
                picture.unlink(missing_ok=True)
            if not self.frames_written:  # a session without a frame is none
                self._labels.close()
                shutil.rmtree(self.folder, ignore_errors=True)
            raise _cannot_write(self.folder, error) from None
        self._unsynced.append(picture)
        self.frames_written += 1

    def sync(self) -> None:
        """Flushes everything to the disk, so that a power cut cannot take it; pictures before their lines.

        Raises:
            RecordingError: the disk is full or gone.
        """
        try:
            for picture in self._unsynced:
                # opened for writing although nothing is written: Windows flushes no file that is open for reading alone
                with picture.open("rb+") as file:
                    os.fsync(file.fileno())
            os.fsync(self._labels.fileno())
        except OSError as error:
            raise _cannot_write(self.folder, error) from None
        self._unsynced.clear()

    def note_dropped(self, count: int) -> None:
        """Counts frames that came too fast to be written; the next line and COMPLETE carry the sum."""
        self.frames_dropped += count

    def close(self) -> None:
        """Marks the recording complete; may be called again.

        Raises:
            RecordingError: the disk is full or gone.
        """
        if self._labels.closed:
            return
        self.sync()
        try:
            self._labels.close()
            write_json_atomically(
                self.folder / COMPLETE_FILE, {"frames": self.frames_written, "dropped": self.frames_dropped}
            )
        except OSError as error:
            raise _cannot_write(self.folder, error) from None

    def _append(self, line: bytes) -> None:
        """Writes a whole line or nothing: a full disk may take a part of it, after which no other line may come."""
        start = self._labels.tell()
        written = 0
        try:
            while written < len(line):
                written += self._labels.write(line[written:]) or 0
        except OSError:
            with suppress(OSError):
                self._labels.truncate(start)
            raise

    def _check_free_disk(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < self._min_free_bytes:
            raise RecordingError(
                f"The disk of {self.folder} has {free >> 20} MiB left, less than the {self._min_free_bytes >> 20} MiB "
                "that a recording leaves free; free some space or choose another folder."
            )


def _cannot_write(folder: Path, error: OSError) -> RecordingError:
    return RecordingError(f"The recording {folder} cannot be written ({error.strerror or error}); check the disk.")
