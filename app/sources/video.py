"""A video file."""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import numpy as np

from app.sources.base import EndOfSource, Picture, ReadFailure, SourceFacts, SourceKind
from app.sources.files import file_signature
from hand.camera import Intrinsics
from hand.errors import SourceError

_FALLBACK_FRAMES_PER_SECOND = 30.0


class VideoSource:
    """A video file, frame by frame in order; the capture thread paces it by the file's own rate."""

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = False,
        frames_per_second: float | None = None,
        kind: SourceKind = "video",
        title: str = "",
        intrinsics: Intrinsics | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            path: the file.
            loop: start again at its end.
            frames_per_second: play at this rate instead of the file's own.
            kind: what it is to the user.
            title: name for people instead of the file name.
            intrinsics: of the camera that took it, where known.
        """
        self._path = path
        self.loops = loop
        self._frames_per_second = frames_per_second
        self._kind = kind
        self._title = title or path.name
        self._intrinsics = intrinsics
        self._capture: cv2.VideoCapture | None = None
        self._first: np.ndarray | None = None
        self._signature: tuple[int, int] | None = None
        self._length = self._position = 0

    @property
    def length(self) -> int:
        """Number of frames, 0 where the file does not say."""
        return self._length

    @property
    def position(self) -> int:
        """Index of the frame that the next read gives."""
        return self._position

    def seek(self, index: int) -> None:
        """Goes to a frame; slow in files with few key frames, because all frames since the last one are decoded."""
        if self._capture is not None:
            self._first = None
            self._position = max(0, min(index, self._length - 1) if self._length else index)
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, self._position)

    @property
    def name(self) -> str:
        """The file name or the given title."""
        return self._title

    def open(self) -> SourceFacts:
        """Opens the file and decodes its first frame, which alone proves that it can be read.

        Raises:
            SourceError: missing, or nothing in it can be decoded.
        """
        self.close()
        self._signature = file_signature(self._path)
        if not self._path.is_file():
            raise SourceError(f"There is no video file at {self._path}; check the path, or choose another source.")
        capture = cv2.VideoCapture(str(self._path))
        ok, first = capture.read() if capture.isOpened() else (False, None)
        if not ok or first is None:
            capture.release()
            raise SourceError(
                f"{self._path.name} cannot be read as a video; expected a file that FFmpeg decodes (mp4, mov, avi, "
                "mkv, webm), so check that it is complete, or choose another source."
            )
        self._capture, self._first = capture, first
        rate = self._frames_per_second or float(capture.get(cv2.CAP_PROP_FPS))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._length, self._position = max(count, 0), 0
        return SourceFacts(
            name=self._title,
            kind=self._kind,
            width_px=first.shape[1],
            height_px=first.shape[0],
            frames_per_second=rate if math.isfinite(rate) and 0 < rate <= 1000 else _FALLBACK_FRAMES_PER_SECOND,
            frame_count=count if count > 0 and not self.loops else None,
            intrinsics=self._intrinsics,
        )

    def read(self) -> Picture | EndOfSource | ReadFailure:
        """The next frame, or the end; a looping file starts again instead."""
        image_bgr = self._next()
        if image_bgr is None and self.loops and self._capture is not None:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            self._position = 0
            image_bgr = self._next()
        if image_bgr is None:
            return EndOfSource()
        self._position += 1
        return Picture(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), time.monotonic_ns())

    def close(self) -> None:
        """Closes the file."""
        if self._capture is not None:
            self._capture.release()
        self._capture = self._first = None

    def may_be_back(self) -> bool:
        """Once the file changed or appeared."""
        return file_signature(self._path) not in (None, self._signature)

    def _next(self) -> np.ndarray | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._capture is None:
            return None
        ok, image_bgr = self._capture.read()
        return image_bgr if ok else None
