"""Pictures from a network address: a phone's camera app, an IP camera, a video on a web server."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import cv2

from app.sources.base import EndOfSource, Picture, ReadFailure, SourceFacts
from app.sources.pixel_shape import PixelShape
from app.sources.video import VideoSource
from hand.errors import SourceError

SCHEMES: Final = ("http", "https", "rtsp", "rtsps")
"""What phones' camera apps and IP cameras serve."""

OPEN_TIMEOUT_MS: Final = 5000
READ_TIMEOUT_MS: Final = 5000
"""After so long without a picture the connection counts as lost."""

_MOST_FRAMES: Final = 1e9
"""Of a stored video; FFmpeg counts a live stream's as none or as absurdly many."""

_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)})://\S+", re.IGNORECASE)
_CREDENTIALS = re.compile(r"[^\s/\\@]*:[^\s/\\@]*@")


def is_address(text: str) -> bool:
    """Whether a text is a network address and not a file's name."""
    return _ADDRESS.fullmatch(text.strip()) is not None


def public_address(address: str) -> str:
    """The address without secrets: without user, password, and what follows the path."""
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # a port that is no number, half a bracket
        return f"{address.split(':', 1)[0]} address"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}"


def without_secrets(text: str) -> str:
    """What a user typed for a source without user and password, also where it is not quite an address."""
    return public_address(text) if "://" in text else _CREDENTIALS.sub("", text)


class AddressSource:
    """A stream at a network address. Its name, and every sentence about it, leaves out user, password and query.

    FFmpeg does not check the certificates of ``https`` and ``rtsps``, which cameras sign themselves.

    Live streams set their own pace and are opened again after a loss; a video on a server is played once, as a file is.
    """

    def __init__(self, address: str) -> None:
        """Opens nothing yet.

        Args:
            address: with its scheme, such as ``http://192.168.1.20:8080/video`` or ``rtsp://camera.local/stream``.
        """
        self._address = address.strip()
        self._name = public_address(address)
        self._capture: cv2.VideoCapture | None = None
        self._shape = PixelShape((0, 0), (0, 0))
        self._video: _ServedVideo | None = None

    @property
    def name(self) -> str:
        """The address without its secrets."""
        return self._name

    def open(self) -> SourceFacts:
        """Connects, and waits for no longer than ``OPEN_TIMEOUT_MS`` each for the connection and the first picture.

        Raises:
            SourceError: there is no such host, or no video behind the address.
        """
        self.close()
        started_s = time.monotonic()
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
        capture = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            capture.release()
            raise SourceError(self._unreachable(time.monotonic() - started_s))
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        if 0 < float(capture.get(cv2.CAP_PROP_FRAME_COUNT)) < _MOST_FRAMES:
            self._video = _ServedVideo(self._name, capture)
            return self._video.open()
        self._capture = capture
        size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._shape = PixelShape.of(capture, *size)
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        return SourceFacts(
            name=self._name,
            kind="address",
            width_px=self._shape.shown_px[0],
            height_px=self._shape.shown_px[1],
            frames_per_second=rate if math.isfinite(rate) and 0 < rate <= 1000 else 0.0,
            live=True,
            note=self._shape.note(self._name),
        )

    def read(self) -> Picture | EndOfSource | ReadFailure:
        """Waits for the next picture, at most ``READ_TIMEOUT_MS``."""
        if self._video is not None:
            return self._video.read()
        if self._capture is None:
            return ReadFailure(f"{self._name} is not open.", gone=True)
        ok, image_bgr = self._capture.read()
        if not ok or image_bgr is None or image_bgr.ndim != 3:
            return ReadFailure(
                f"{self._name} sends no pictures any more; check the camera app and the network.", gone=True
            )
        return Picture(cv2.cvtColor(self._shape.stretched(image_bgr), cv2.COLOR_BGR2RGB), time.monotonic_ns())

    def _unreachable(self, waited_s: float) -> str:
        """The error message for the user; FFmpeg reports no reason."""
        limit_s = OPEN_TIMEOUT_MS / 1000
        what = (
            f"No video came from {self._name} within {limit_s:g} seconds"
            if waited_s > 0.9 * limit_s
            else f"There is no video at {self._name}, or it needs a user and password"
        )
        return (
            f"{what}; check that the camera app runs, that both devices are in one network, and the address: many "
            "phone apps serve it at http://PHONE:8080/video or http://PHONE:4747/video, many cameras at "
            "rtsp://USER:PASSWORD@CAMERA/stream."
        )

    def close(self) -> None:
        """Ends the connection."""
        if self._video is not None:
            self._video.close()
        if self._capture is not None:
            self._capture.release()
        self._video = self._capture = None

    def may_be_back(self) -> bool:
        """Always true: whether a server answers shows only in connecting to it."""
        return True


class _ServedVideo(VideoSource):
    """A video of known length on a server; its connection is open already."""

    failure_budget = 3
    """Each may wait for ``READ_TIMEOUT_MS``."""

    def __init__(self, name: str, capture: cv2.VideoCapture) -> None:
        super().__init__(Path(name), kind="address", title=name)
        self._served = capture

    def _open_capture(self) -> cv2.VideoCapture:
        return self._served
