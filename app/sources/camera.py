"""A webcam through OpenCV: requests size and rate, reads back the real ones, and is found again after re-plugging."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import cv2

from app.sources.base import EndOfSource, Picture, ReadFailure, SourceFacts
from app.sources.calibration_store import saved_intrinsics
from app.sources.camera_list import CameraInfo, list_cameras
from hand.errors import SourceError

DEFAULT_SIZE_PX = (640, 480)
"""Requested when the user names no size: every webcam has it, and both paths keep up with it on two cores."""

DEFAULT_FRAMES_PER_SECOND = 30.0

_ON_LINUX = platform.system() == "Linux"
_BACKEND = cv2.CAP_V4L2 if _ON_LINUX else cv2.CAP_ANY


class CameraSource:
    """One webcam.

    It is chosen by number or by (part of its) name. After a loss it is found by the name it had, because a
    camera that is plugged in again often gets another number.
    """

    def __init__(
        self,
        wanted: int | str,
        *,
        size_px: tuple[int, int] | None = None,
        frames_per_second: float | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            wanted: OpenCV's number of the camera, or part of its name.
            size_px: width and height to request.
            frames_per_second: rate to request.
        """
        self._wanted = wanted
        self._size_px = size_px or DEFAULT_SIZE_PX
        self._frames_per_second = frames_per_second or DEFAULT_FRAMES_PER_SECOND
        self._chosen: CameraInfo | None = None
        self._capture: cv2.VideoCapture | None = None

    @property
    def name(self) -> str:
        """The camera's own name once it is known."""
        if self._chosen is not None:
            return self._chosen.name
        return f"Camera {self._wanted}" if isinstance(self._wanted, int) else self._wanted

    def open(self) -> SourceFacts:
        """Opens the camera and reads back its real format.

        Raises:
            SourceError: there is no such camera, or another program holds it.
        """
        self.close()
        self._chosen = self._find()
        capture = cv2.VideoCapture(self._chosen.index, _BACKEND)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"The camera {self._chosen.name} cannot be opened; close other programs that use it, "
                "check that you may use cameras (on Linux: the group 'video'), or choose another source."
            )
        width, height = self._size_px
        # compressed first: above VGA most webcams reach 30 frames per second over USB 2 only so
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_FPS, self._frames_per_second)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._capture = capture
        given = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        return SourceFacts(
            name=self._chosen.name,
            kind="camera",
            width_px=given[0],
            height_px=given[1],
            frames_per_second=rate if rate > 0 else 0.0,
            live=True,
            intrinsics=saved_intrinsics(self._chosen.name, *given) if min(given) > 0 else None,
            note=_difference((width, height), given, self._frames_per_second, rate),
        )

    def read(self) -> Picture | EndOfSource | ReadFailure:
        """Waits for the next picture."""
        if self._capture is None:
            return ReadFailure(f"The camera {self.name} is not open.")
        ok, image_bgr = self._capture.read()
        arrived_ns = time.monotonic_ns()
        if not ok or image_bgr is None or image_bgr.ndim != 3:
            return ReadFailure(f"The camera {self.name} gives no picture; check its cable, or choose another source.")
        return Picture(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), arrived_ns)

    def close(self) -> None:
        """Gives the camera back to other programs."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def may_be_back(self) -> bool:
        """On Linux, whether the device exists; elsewhere True, since only trying shows it."""
        if not _ON_LINUX:
            return True
        try:
            return Path(f"/dev/video{self._find().index}").exists()
        except SourceError:
            return False

    def _find(self) -> CameraInfo:
        if isinstance(self._wanted, int) and not _ON_LINUX:
            return CameraInfo(self._wanted, self.name)  # listing would open every other camera for a moment
        cameras = list_cameras()
        if self._chosen is not None:
            had = self._chosen
            named = [camera for camera in cameras if camera.name == had.name]
            # cameras of one make share a name: prefer the number it had
            if named:
                return next((camera for camera in named if camera.index == had.index), named[0])
        if isinstance(self._wanted, int):
            what, matches = f"camera number {self._wanted}", [c for c in cameras if c.index == self._wanted]
        else:
            name = self._wanted.casefold()
            what, matches = f"camera called {self._wanted}", [c for c in cameras if name in c.name.casefold()]
        if not matches:
            there = ", ".join(f"{camera.index} ({camera.name})" for camera in cameras) or "none"
            raise SourceError(f"There is no {what}; cameras found: {there}. Plug it in, or choose another source.")
        return matches[0]


def _difference(asked: tuple[int, int], given: tuple[int, int], asked_rate: float, given_rate: float) -> str:
    if asked == given and (given_rate <= 0 or abs(asked_rate - given_rate) < 0.5):
        return ""
    return (
        f"Requested {asked[0]} x {asked[1]} at {asked_rate:g} frames/s, "
        f"the camera gives {given[0]} x {given[1]} at {given_rate:g}."
    )
