"""Enumeration of camera formats, with a fake V4L2 driver."""

from __future__ import annotations

import errno
import struct

import pytest

from app.sources.camera_formats import (
    ENUM_FORMATS,
    ENUM_INTERVALS,
    ENUM_SIZES,
    CameraFormat,
    camera_formats,
    offered_formats,
)

MJPG, YUYV = (int.from_bytes(name, "little") for name in (b"MJPG", b"YUYV"))


class Driver:
    """A fake V4L2 driver with offsets from linux/videodev2.h, independent of the product's struct layouts."""

    def __init__(self, offers: dict[int, dict[tuple[int, int], list[tuple[int, int]]]]) -> None:
        self.offers = offers

    def __call__(self, request: int, data: bytearray) -> None:
        (index,) = struct.unpack_from("=I", data, 0)
        try:
            if request == ENUM_FORMATS:
                assert len(data) == 64
                struct.pack_into("=I", data, 44, list(self.offers)[index])
            elif request == ENUM_SIZES:
                assert len(data) == 44
                (pixel_format,) = struct.unpack_from("=I", data, 4)
                struct.pack_into("=III", data, 8, 1, *list(self.offers[pixel_format])[index])
            else:
                assert request == ENUM_INTERVALS
                assert len(data) == 52
                pixel_format, width, height = struct.unpack_from("=III", data, 4)
                struct.pack_into("=III", data, 16, 1, *self.offers[pixel_format][width, height][index])
        except (IndexError, KeyError):
            raise OSError(errno.EINVAL, "no further entry") from None


def test_requests_are_the_kernels_own_numbers() -> None:
    # as a C compiler prints VIDIOC_ENUM_FMT, VIDIOC_ENUM_FRAMESIZES and VIDIOC_ENUM_FRAMEINTERVALS
    assert (ENUM_FORMATS, ENUM_SIZES, ENUM_INTERVALS) == (0xC0405602, 0xC02C564A, 0xC034564B)


def test_compressed_formats_are_preferred_to_raw_ones() -> None:
    driver = Driver(
        {
            YUYV: {(640, 480): [(1, 30)], (1280, 720): [(1, 10)]},
            MJPG: {(1280, 720): [(1, 60), (1, 30)], (640, 480): [(1001, 30000)]},
        }
    )
    assert offered_formats(driver) == (
        CameraFormat(640, 480, 30000 / 1001),
        CameraFormat(1280, 720, 30.0),
        CameraFormat(1280, 720, 60.0),
    )
    del driver.offers[MJPG]
    assert [str(offer) for offer in offered_formats(driver)] == [
        "640 × 480, 30 frames/s",  # noqa: RUF001
        "1280 × 720, 10 frames/s",  # noqa: RUF001
    ]


def test_camera_that_takes_any_size_offers_the_common_ones() -> None:
    def driver(request: int, data: bytearray) -> None:
        (index,) = struct.unpack_from("=I", data, 0)
        if index:
            raise OSError(errno.EINVAL, "no further entry")
        if request == ENUM_FORMATS:
            struct.pack_into("=I", data, 44, YUYV)
        elif request == ENUM_SIZES:  # stepwise, 160 to 1280 by 120 to 720
            struct.pack_into("=7I", data, 8, 3, 160, 1280, 2, 120, 720, 2)
        else:  # continuous, 1/30 to 1/5 second
            struct.pack_into("=7I", data, 16, 2, 1, 30, 1, 5, 1, 1)

    offers = offered_formats(driver)
    assert {(offer.width_px, offer.height_px) for offer in offers} == {(320, 240), (640, 480), (800, 600), (1280, 720)}
    assert {offer.frames_per_second for offer in offers} == {15.0, 30.0}


def test_driver_without_format_enumeration_offers_no_formats() -> None:
    def driver(_request: int, _data: bytearray) -> None:
        raise OSError(errno.ENOTTY, "no such request")

    assert offered_formats(driver) == ()


@pytest.mark.parametrize("system", ["Linux", "Windows"])
def test_missing_camera_and_unsupported_system_offer_no_formats(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    assert camera_formats(987) == ()
