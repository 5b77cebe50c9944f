"""The pixel limit is checked against the header, before a picture is decoded."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from app.sources.picture_files import read_picture
from hand.errors import SourceError
from hand.picture_limits import LIMIT_VARIABLE, USUAL_MEGAPIXELS, decode_color, header_size, most_pixels, too_large


def png_bomb(width: int, height: int) -> bytes:
    """A small PNG whose header claims the given size; its pixel data is far shorter than that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("size", [(1, 1), (640, 481), (3, 700)])
def test_headers_are_read_as_opencv_wrote_them(suffix: str, size: tuple[int, int]) -> None:
    width, height = size
    data = cv2.imencode(suffix, np.full((height, width, 3), 90, np.uint8))[1].tobytes()
    assert header_size(data) == size
    picture = decode_color(data)
    assert picture is not None
    assert picture.shape == (height, width, 3)


def test_size_of_a_progressive_jpeg_with_exif_is_read() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (321, 123)).save(stream, "JPEG", progressive=True, exif=b"Exif\x00\x00" + bytes(500))
    assert header_size(stream.getvalue()) == (321, 123)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\x00\x00" * 9, b"\x89PNG\r\n\x1a\n"]
)
def test_truncated_header_gives_no_size_and_no_picture(data: bytes) -> None:
    assert header_size(data) is None
    assert decode_color(data) is None


def test_bomb_is_refused_and_the_limit_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT_VARIABLE, raising=False)
    assert most_pixels() == USUAL_MEGAPIXELS * 1_000_000
    file = tmp_path / "bomb.png"
    file.write_bytes(png_bomb(30_000, 30_000))
    assert decode_color(file.read_bytes()) is None
    with pytest.raises(
        SourceError, match=f"30000 x 30000 pixels, more than 128 million.*{LIMIT_VARIABLE} to more than 900"
    ):
        read_picture(file)
    monkeypatch.setenv(LIMIT_VARIABLE, "901")
    assert too_large(30_000, 30_000) == ""


@pytest.mark.parametrize("word", ["", "none", "nan", "-3", "1e400", "0"])
def test_invalid_limit_falls_back_to_the_default(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, word)
    assert most_pixels() == USUAL_MEGAPIXELS * 1_000_000
