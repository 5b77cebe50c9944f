"""A video file, as a player shows it: upright, with square pixels, every frame at its own time."""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import numpy as np

from app.sources.base import EndOfSource, Picture, ReadFailure, Shortfall, SourceFacts, SourceKind
from app.sources.files import file_signature, opencv_file_name, printable, printable_name
from app.sources.picture_files import MOST_SIDE_PX
from app.sources.pixel_shape import PixelShape
from hand.camera import Intrinsics
from hand.errors import SourceError
from hand.picture_limits import VIDEO_SHARE, too_large

VIDEO_SUFFIXES = (
    ".mp4",
    ".mov",
    ".m4v",
    ".avi",
    ".mkv",
    ".webm",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".3gp",
    ".mts",
    ".m2ts",
    ".ts",
    ".ogv",
    ".flv",
)
"""Suffixes by which videos are offered and distinguished from other files; whatever FFmpeg decodes can be opened."""

_FALLBACK_FRAMES_PER_SECOND = 30.0

FAILURE_BUDGET = 600
"""Reads in a row that may fail before the rest of a file counts as unreadable; each takes microseconds."""

_MISSING_AT_END_S = 0.25
"""What may be missing at the end before a file counts as cut off; containers only estimate their frames."""

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


class VideoSource:
    """A video file, frame by frame in order; the capture thread paces it by the times of its frames."""

    failure_budget = FAILURE_BUDGET

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
            frames_per_second: play at this rate instead of the file's own times.
            kind: what it is to the user.
            title: name for people instead of the file name.
            intrinsics: of the camera that took it, where known.
        """
        self._path = path
        self.loops = loop
        self._frames_per_second = frames_per_second
        self._kind = kind
        self._title = title or printable_name(path)
        self._intrinsics = intrinsics
        self._capture: cv2.VideoCapture | None = None
        self._first: np.ndarray | None = None
        self._shape = PixelShape((0, 0), (0, 0))
        self._signature: tuple[int, int] | None = None
        self._file_rate = self._rate = _FALLBACK_FRAMES_PER_SECOND
        self._length = self._position = self._attempts = self._pictures = 0
        self._times_ns: dict[int, int] = {}
        self._last_time_ns = -1
        self._steady = self._whole = True
        self._gap = self._damaged = False

    @property
    def length(self) -> int:
        """Number of frames, 0 where the file does not declare it."""
        return self._length

    @property
    def position(self) -> int:
        """Index of the frame that the next read gives."""
        return self._position

    def seek(self, index: int) -> None:
        """Goes to a frame; slow in files with few key frames, because all frames since the last one are decoded."""
        if self._capture is None:
            return
        index = max(0, min(index, self._length - 1) if self._length else index)
        self._begin(index)
        self._whole = False
        time_ns = self._times_ns.get(index)
        if self._steady or time_ns is None:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
            return
        # OpenCV counts in frames of the mean length and lands elsewhere where their lengths differ: begin before, and
        # go on to the time at which this frame was seen
        for seconds_before in (0.2, 2.0, 10.0, math.inf):
            begin = max(time_ns / _NS_PER_S - seconds_before, 0.0) * self._file_rate
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, min(int(begin), index))
            if self._read_up_to(time_ns):
                return

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
        capture = self._open_capture()
        size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        problem = too_large(*size, VIDEO_SHARE)
        if problem:
            capture.release()
            raise SourceError(f"{self._title} {problem}.")
        self._capture, self._times_ns, self._steady = capture, {}, True
        self._file_rate = _rate_or_fallback(float(capture.get(cv2.CAP_PROP_FPS)))
        self._rate = _rate_or_fallback(self._frames_per_second or self._file_rate)
        self._length = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        self._begin()
        self._first = self._decode()
        if self._first is None:
            self.close()
            raise SourceError(
                f"{self._title} cannot be read as a video; expected a file that FFmpeg decodes (mp4, mov, avi, "
                "mkv, webm), so check that it is complete, or choose another source."
            )
        height, width = self._first.shape[:2]
        self._shape = PixelShape.of(capture, width, height)
        if max(self._shape.shown_px) > MOST_SIDE_PX:
            self.close()
            width, height = self._shape.shown_px
            raise SourceError(
                f"{self._title} has {width} x {height} pixels, more than {MOST_SIDE_PX} along a side; scale it down, "
                "or choose another source."
            )
        return SourceFacts(
            name=self._title,
            kind=self._kind,
            width_px=self._shape.shown_px[0],
            height_px=self._shape.shown_px[1],
            frames_per_second=self._rate,
            frame_count=self._length if self._length and not self.loops else None,
            intrinsics=self._intrinsics,
            note=self._shape.note(self._title),
        )

    def read(self) -> Picture | EndOfSource | ReadFailure:
        """The next frame, or the end; a looping file starts again instead.

        Frames that cannot be decoded are skipped, and reported before the next one.
        """
        expected = self._position
        if self._first is None:
            self._first = self._decode()
        if self._first is None:
            return self._at_end()
        if self._gap:
            self._gap = False
            lost = _span(expected, self._position)
            return ReadFailure(f"{self._title} is damaged: {lost} cannot be read.", skipped=True)
        image_bgr, self._first = self._first, None
        index = self._position
        self._position += 1
        self._pictures += 1
        time_ns = self._times_ns.get(index, 0)
        if self._frames_per_second is not None:
            time_ns = round(index * _NS_PER_S / self._rate)
        shown_bgr = self._shape.stretched(image_bgr)
        return Picture(cv2.cvtColor(shown_bgr, cv2.COLOR_BGR2RGB), time.monotonic_ns(), time_ns)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
        self._capture = self._first = None

    def may_be_back(self) -> bool:
        """True once the file changed or appeared."""
        return file_signature(self._path) not in (None, self._signature)

    def _open_capture(self) -> cv2.VideoCapture:
        if not self._path.is_file():
            raise SourceError(
                f"There is no video file at {printable(self._path)}; check the path, or choose another source."
            )
        try:
            with opencv_file_name(self._path) as name:
                capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        except OSError as error:
            raise SourceError(f"{self._title} cannot be opened: {error.strerror or error}; rename the file.") from None
        # releases of OpenCV differ in whether they turn a phone's pictures upright by themselves
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        return capture

    def _read_up_to(self, time_ns: int) -> bool:
        """Decodes until the frame of this time, which the next read gives; False where OpenCV landed behind it."""
        assert self._capture is not None
        early = False
        for _ in range(FAILURE_BUDGET):
            ok, image_bgr = self._capture.read()
            late_ns = self._decoded_time_ns() - time_ns
            if not ok or (late_ns > _NS_PER_MS and not early):
                return False
            early = True
            if late_ns >= -_NS_PER_MS:
                self._first = image_bgr
                return True
        return False

    def _begin(self, index: int = 0) -> None:
        """The next frame decoded is this one."""
        self._first = None
        self._position = self._attempts = index
        self._last_time_ns = -1
        self._gap = False
        if index == 0:
            self._pictures, self._whole, self._damaged = 0, True, False

    def _decode(self) -> np.ndarray | None:
        """The next frame that can be decoded, with its index and time noted; None at the end."""
        if self._capture is None:
            return None
        for failures in range(self.failure_budget):
            ok, image_bgr = self._capture.read()
            if ok and image_bgr is not None:
                self._note(image_bgr, failed=failures > 0)
                return image_bgr
            if not self._length or self._position + failures >= self._length:
                return None
            self._attempts += 1
        return None

    def _note(self, image_bgr: np.ndarray, *, failed: bool) -> None:
        """Determines the index of the frame, and when it is shown."""
        time_ns = self._decoded_time_ns()
        if time_ns <= self._last_time_ns:  # a container without times, or one that damage confused
            time_ns = self._last_time_ns + round(_NS_PER_S / self._file_rate)
        by_time = time_ns * self._file_rate / _NS_PER_S
        if not failed and not self._damaged and abs(by_time - self._attempts) > 0.4:
            self._steady = False
        index = round(by_time) if self._steady else self._attempts
        if index > self._position:
            self._gap = self._damaged = True
        self._damaged |= failed
        self._position = max(index, self._position)
        self._attempts = max(self._attempts, self._position) + 1
        self._last_time_ns = self._times_ns[self._position] = time_ns

    def _decoded_time_ns(self) -> int:
        milliseconds = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) if self._capture is not None else 0.0
        return round(milliseconds * _NS_PER_MS) if math.isfinite(milliseconds) else 0

    def _at_end(self) -> Picture | EndOfSource | ReadFailure:
        shortfall = self._shortfall()
        if not self.loops or self._capture is None or self._position == 0:
            return EndOfSource(shortfall)
        self._begin()
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        return self.read() if shortfall is None else ReadFailure(shortfall.sentence(self._title), skipped=True)

    def _shortfall(self) -> Shortfall | None:
        """What is missing of a file that was read from its beginning on."""
        if not self._whole or not self._length:
            return None
        missing_at_end = self._length - self._position
        if self._damaged or missing_at_end > max(_MISSING_AT_END_S * self._file_rate, 2.0):
            return Shortfall(self._length, self._pictures)
        return None


def _span(first: int, behind: int) -> str:
    return f"frame {first}" if behind - first == 1 else f"frames {first} to {behind - 1}"


def _rate_or_fallback(rate: float) -> float:
    return rate if math.isfinite(rate) and 0 < rate <= 1000 else _FALLBACK_FRAMES_PER_SECOND
