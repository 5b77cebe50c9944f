"""The sizes and rates that a camera offers, from the kernel's video interface (V4L2); not available elsewhere.

The requests and structures are those of linux/videodev2.h. A camera can be queried while another program uses it.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

COMMON_SIZES_PX: Final = ((320, 240), (640, 480), (800, 600), (1280, 720), (1920, 1080))
"""Offered of a camera that takes any size within limits."""

COMMON_RATES: Final = (15.0, 30.0, 60.0)
"""Offered of a camera that takes any rate within limits."""

_MOST_ENTRIES = 64
"""Limit for a driver that never ends its list."""

_VIDEO_CAPTURE = 1
_DISCRETE = 1
_MJPG = int.from_bytes(b"MJPG", "little")

# index, type, flags, description, pixel format, media bus code, reserved
_FORMAT = struct.Struct("=III32sII12x")
# index, pixel format, type, then a size (width, height) or limits (least, most and step of width, then of height)
_SIZE = struct.Struct("=III6I8x")
# index, pixel format, width, height, type, then an interval or limits (shortest, longest, step), each as a fraction
_INTERVAL = struct.Struct("=IIIII6I8x")


def _request(number: int, layout: struct.Struct) -> int:
    """_IOWR('V', number, a structure of this size)."""
    return 3 << 30 | layout.size << 16 | ord("V") << 8 | number


ENUM_FORMATS: Final = _request(2, _FORMAT)
ENUM_SIZES: Final = _request(74, _SIZE)
ENUM_INTERVALS: Final = _request(75, _INTERVAL)

Ask = Callable[[int, bytearray], object]
"""Fills a structure for a request, as ``fcntl.ioctl`` does; ``OSError`` when there is no further entry."""


@dataclass(frozen=True, slots=True, order=True)
class CameraFormat:
    """One format of a camera.

    Attributes:
        width_px: picture width.
        height_px: picture height.
        frames_per_second: the rate.
    """

    width_px: int
    height_px: int
    frames_per_second: float

    def __str__(self) -> str:
        return f"{self.width_px} × {self.height_px}, {self.frames_per_second:.3g} frames/s"  # noqa: RUF001


def camera_formats(index: int) -> tuple[CameraFormat, ...]:
    """The formats of a camera, small pictures first; none where the system or the driver does not list them.

    Args:
        index: OpenCV's number of the camera.
    """
    if platform.system() != "Linux":
        return ()
    import fcntl  # only Unix has it

    try:
        device = os.open(f"/dev/video{index}", os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return ()
    try:
        return offered_formats(lambda request, data: fcntl.ioctl(device, request, data))
    finally:
        os.close(device)


def offered_formats(ask: Ask) -> tuple[CameraFormat, ...]:
    """The formats that a driver lists.

    Of cameras that compress, :class:`app.sources.camera.CameraSource` requests compressed formats only, so only these
    count.

    Args:
        ask: the driver's ioctl.
    """
    pixel_formats = [fields[4] for fields in _entries(ask, ENUM_FORMATS, _FORMAT, _VIDEO_CAPTURE)]
    wanted = [_MJPG] if _MJPG in pixel_formats else pixel_formats
    found = {
        CameraFormat(width, height, rate)
        for pixel_format in wanted
        for width, height in _sizes(ask, pixel_format)
        for rate in _rates(ask, pixel_format, width, height)
    }
    return tuple(sorted(found))


def _sizes(ask: Ask, pixel_format: int) -> Iterator[tuple[int, int]]:
    for _, _, kind, *sizes in _entries(ask, ENUM_SIZES, _SIZE, pixel_format):
        if kind == _DISCRETE:
            yield sizes[0], sizes[1]
            continue
        least_width, most_width, _, least_height, most_height, _ = sizes
        for width, height in COMMON_SIZES_PX:
            if least_width <= width <= most_width and least_height <= height <= most_height:
                yield width, height
        return


def _rates(ask: Ask, pixel_format: int, width: int, height: int) -> Iterator[float]:
    entries = _entries(ask, ENUM_INTERVALS, _INTERVAL, pixel_format, width, height)
    for *_, kind, first_over, first_under, last_over, last_under, _, _ in entries:
        if kind == _DISCRETE:
            if first_over and first_under:
                yield first_under / first_over
            continue
        fastest = first_under / max(first_over, 1)
        slowest = last_under / max(last_over, 1)
        yield from (rate for rate in COMMON_RATES if slowest <= rate <= fastest)
        return


def _entries(ask: Ask, request: int, layout: struct.Struct, *key: int) -> Iterator[tuple[int, ...]]:
    """Queries one entry after the other until the driver has no more; the key follows the entry's number."""
    for index in range(_MOST_ENTRIES):
        data = bytearray(layout.size)
        struct.pack_into(f"={1 + len(key)}I", data, 0, index, *key)
        try:
            ask(request, data)
        except OSError:
            return
        yield layout.unpack(data)
