"""Lists the cameras: from the kernel on Linux, by trying the first few numbers elsewhere."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

_HIGHEST_PROBED_INDEX = 4


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """One camera of this machine.

    Attributes:
        index: the number OpenCV opens it by.
        name: for people; cameras of one make share it.
    """

    index: int
    name: str


def list_cameras() -> tuple[CameraInfo, ...]:
    """The cameras in the order of their numbers; away from Linux this opens each and takes a moment."""
    if platform.system() == "Linux":
        return list_linux_cameras()
    return tuple(_probe_cameras())


def first_camera() -> CameraInfo | None:
    """The camera with the lowest number, or None; away from Linux only as many are tried as needed."""
    if platform.system() == "Linux":
        return next(iter(list_linux_cameras()), None)
    return next(_probe_cameras(), None)


def list_linux_cameras(
    classes: Path = Path("/sys/class/video4linux"), devices: Path = Path("/dev")
) -> tuple[CameraInfo, ...]:
    """Cameras that the kernel lists and that have a device file.

    A webcam registers several nodes (picture, metadata); the picture is the node whose ``index`` is 0. In a container
    the class folder can be missing while the devices are there; then the device files alone count.

    Args:
        classes: the kernel's list of video nodes.
        devices: where device files live.
    """
    cameras = []
    for device in devices.glob("video*"):
        match = re.fullmatch(r"video(\d+)", device.name)
        if match is None:
            continue
        facts = classes / device.name
        if _first_line(facts / "index", "0") != "0":
            continue
        index = int(match[1])
        cameras.append(CameraInfo(index, _first_line(facts / "name", f"Camera {index}")))
    return tuple(sorted(cameras, key=lambda camera: camera.index))


def _first_line(file: Path, otherwise: str) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return otherwise
    return lines[0].strip() if lines and lines[0].strip() else otherwise


def _probe_cameras() -> Iterator[CameraInfo]:
    for index in range(_HIGHEST_PROBED_INDEX + 1):
        capture = cv2.VideoCapture(index)
        is_camera = capture.isOpened()
        capture.release()
        if is_camera:
            yield CameraInfo(index, f"Camera {index}")
