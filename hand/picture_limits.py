"""How large a picture may be: checked in its header, before decoding takes the memory.

The header of a file of a hundred kilobytes may declare a thousand million pixels. A picture larger than
:func:`most_pixels` is refused; the environment variable ``HANDLIVE_MAX_MEGAPIXELS`` moves that limit. Import this
module before OpenCV: it also sets OpenCV's own limit, for formats whose header is not read here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import numpy as np

LIMIT_VARIABLE: Final = "HANDLIVE_MAX_MEGAPIXELS"
USUAL_MEGAPIXELS: Final = 128
"""Of a picture: three times what large cameras give, and 400 MB once decoded."""

VIDEO_SHARE: Final = 0.5
"""Of that, for a frame of a video, of which several are in memory at once."""

LARGEST_PICTURE_BYTES: Final = 512 << 20
"""Of one encoded picture."""

_OPENCV_VARIABLE: Final = "OPENCV_IO_MAX_IMAGE_PIXELS"
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG's frame header, which holds its size (ITU T.81, table B.1)."""


def most_pixels() -> int:
    """Of one picture, from the environment or the default."""
    with suppress(ValueError, OverflowError):
        wanted = float(os.environ.get(LIMIT_VARIABLE, USUAL_MEGAPIXELS))
        if 0.0 < wanted < 1e5:
            return round(wanted * 1e6)
    return USUAL_MEGAPIXELS * 1_000_000


def too_large(width_px: int, height_px: int, share: float = 1.0) -> str:
    """Why a picture of this size is refused, as the end of a sentence; empty where it is not.

    Args:
        width_px: from its header.
        height_px: likewise.
        share: of the limit that holds.
    """
    limit = most_pixels() * share
    if width_px * height_px <= limit:
        return ""
    return (
        f"declares {width_px} x {height_px} pixels, more than {limit / 1e6:g} million; make it smaller, or set "
        f"{LIMIT_VARIABLE} to more than {width_px * height_px / share / 1e6:.0f}"
    )


def header_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header of a JPEG or PNG; None for everything else."""
    if data.startswith(_PNG_START) and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not data.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            place += 1
            continue
        marker = data[place + 1]
        if marker == 0xFF or marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAMES:
            height, width = data[place + 5 : place + 7], data[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def decode_color(data: bytes, flags: int | None = None) -> np.ndarray | None:
    """A picture decoded by OpenCV, unless its header declares that it is too large; None where it cannot be decoded.

    Args:
        data: of a whole file.
        flags: OpenCV's; three colours, BGR, when None.
    """
    import cv2

    size = header_size(data)
    if not data or (size is not None and too_large(*size)):
        return None
    try:
        picture: np.ndarray | None = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR if flags is None else flags
        )
    except cv2.error:
        return None
    return picture


os.environ.setdefault(_OPENCV_VARIABLE, str(most_pixels()))
