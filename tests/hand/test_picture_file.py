"""Picture files: an undecodable file reads as None, and a failed write keeps the old file."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from hand.picture_file import read_color, write_picture
from hand.picture_limits import LIMIT_VARIABLE


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


def test_a_picture_is_read_as_opencv_reads_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "new" / "a.png", picture())
    read = read_color(tmp_path / "new" / "a.png")
    assert read is not None
    np.testing.assert_array_equal(read, picture())
    np.testing.assert_array_equal(
        read_color(tmp_path / "new" / "a.png", cv2.IMREAD_GRAYSCALE), cv2.imread(str(tmp_path / "new" / "a.png"), 0)
    )


def test_picture_above_the_pixel_limit_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1500, 1500, 3), np.uint8))
    assert read_color(tmp_path / "a.png") is not None
    monkeypatch.setenv(LIMIT_VARIABLE, "2")
    assert read_color(tmp_path / "a.png") is None


def test_unreadable_picture_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    assert read_color(tmp_path / "a.jpg") is None
    assert read_color(tmp_path / "missing.jpg") is None
    assert read_color(tmp_path) is None
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        assert read_color(tmp_path / "pipe.jpg") is None


def test_failed_encoding_keeps_the_old_file(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", picture())
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises((OSError, cv2.error)):
        write_picture(tmp_path / "a.png", np.zeros((0, 0, 3), np.uint8))
    assert (tmp_path / "a.png").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]
