"""Videos with rotation, pixel ratio, uneven frame times or damage, made by editing the MP4 boxes that OpenCV writes.

Boxes are those of ISO/IEC 14496-12: four bytes of size, four of type, the content.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")
_TO_MATRIX = 40
_SAMPLE_ENTRY = 8 + 78
"""Bytes of a visual sample entry before its child boxes: the box header and the fixed fields."""

_TURNS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Entries a, b, c, d of a track's matrix for a picture to be turned clockwise."""


def write_video(path: Path, frames: Sequence[np.ndarray], codec: str = "mp4v", rate: float = 25.0) -> Path:
    """RGB pictures as a video."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def turn(path: Path, clockwise_deg: int) -> None:
    """Sets the track's rotation for players."""
    a, b, c, d = (value << 16 for value in _TURNS[clockwise_deg])
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    _edit(path, b"tkhd", lambda box: box[:_TO_MATRIX] + matrix + box[_TO_MATRIX + len(matrix) :])


def set_frame_times(path: Path, durations_ms: Sequence[int]) -> None:
    """Gives every frame a duration of its own."""
    entries = b"".join(struct.pack(">II", 1, duration) for duration in durations_ms)
    _edit(path, b"stts", lambda _: struct.pack(">II", 0, len(durations_ms)) + entries)
    total = sum(durations_ms)
    _edit(path, b"mdhd", lambda box: box[:12] + struct.pack(">II", 1000, total) + box[20:])
    _edit(path, b"elst", lambda box: box[:8] + struct.pack(">I", total) + box[12:])


def set_pixel_ratio(path: Path, width: int, height: int) -> None:
    """Sets the width and height of a pixel."""
    ratio = struct.pack(">I4sII", 16, b"pasp", width, height)

    def with_ratio(box: bytes) -> bytes:
        (size,) = struct.unpack_from(">I", box, 8)
        entry = box[8 : 8 + size]
        kept = b"".join(_packed(kind, content) for kind, content in _boxes(entry[_SAMPLE_ENTRY:]) if kind != b"pasp")
        entry = entry[4:_SAMPLE_ENTRY] + kept + ratio
        return box[:8] + struct.pack(">I", len(entry) + 4) + entry

    _edit(path, b"stsd", with_ratio)


def put_index_first(path: Path) -> None:
    """Moves the index (moov) before the pictures, as in files for the web."""
    boxes = list(_boxes(path.read_bytes()))
    index = next(content for kind, content in boxes if kind == b"moov")
    shift = len(index) + 8

    def moved(box: bytes) -> bytes:
        (count,) = struct.unpack_from(">I", box, 4)
        offsets = struct.unpack_from(f">{count}I", box, 8)
        return box[:8] + struct.pack(f">{count}I", *(offset + shift for offset in offsets))

    index = _edited(index, b"stco", moved)
    others = [(kind, content) for kind, content in boxes if kind not in (b"moov", b"ftyp")]
    first = [(kind, content) for kind, content in boxes if kind == b"ftyp"]
    path.write_bytes(b"".join(_packed(*box) for box in [*first, (b"moov", index), *others]))


def spoil_frames(path: Path, first: int, end: int) -> None:
    """Overwrites the frames from ``first`` to before ``end``, as a bad sector does."""
    data = bytearray(path.read_bytes())
    sizes = _table(bytes(data), b"stsz", 12)
    (start,) = _table(bytes(data), b"stco", 8)[:1]
    offset = start + sum(sizes[:first])
    length = sum(sizes[first:end])
    data[offset : offset + length] = b"\xa5" * length
    path.write_bytes(bytes(data))


def _table(data: bytes, kind: bytes, skipped: int) -> tuple[int, ...]:
    found: list[bytes] = []
    _edited(data, kind, lambda box: found.append(box) or box)  # type: ignore[func-returns-value]
    (count,) = struct.unpack_from(">I", found[0], skipped - 4)
    return struct.unpack_from(f">{count}I", found[0], skipped)


def _edit(path: Path, kind: bytes, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(_edited(path.read_bytes(), kind, change))


def _edited(data: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    parts = []
    for name, content in _boxes(data):
        new = content
        if name in _CONTAINERS:
            new = _edited(content, kind, change)
        elif name == kind:
            new = change(content)
        parts.append(_packed(name, new))
    return b"".join(parts)


def _packed(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + size]
        place += size
