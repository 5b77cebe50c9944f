"""Sources: what they read, and their errors when they cannot."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from app_fakes import plain_image, write_clip, write_picture

from app.sources.base import EndOfSource, FrameSource, Picture, ReadFailure
from app.sources.camera import CameraSource
from app.sources.camera_list import CameraInfo, list_linux_cameras
from app.sources.choose import NO_CAMERA_SENTENCE, SourceOptions, choose_source
from app.sources.picture_files import read_picture
from app.sources.pictures import FolderSource, PictureSource
from app.sources.video import VideoSource
from hand.errors import SourceError


def read_all(source: FrameSource, limit: int = 1000) -> list[Picture | ReadFailure]:
    reads: list[Picture | ReadFailure] = []
    while len(reads) < limit:
        read = source.read()
        if isinstance(read, EndOfSource):
            return reads
        reads.append(read)
    return reads


def test_video_gives_every_frame_once_in_order(tmp_path: Path) -> None:
    source = VideoSource(write_clip(tmp_path / "clip.mp4", frames=7, size=(240, 320)))
    facts = source.open()
    pictures = [read for read in read_all(source) if isinstance(read, Picture)]
    source.close()
    assert (facts.width_px, facts.height_px, facts.frame_count) == (240, 320, 7)
    assert facts.frames_per_second == pytest.approx(25)
    brightness = [float(picture.image_rgb.mean()) for picture in pictures]
    assert len(brightness) == 7
    assert brightness == sorted(brightness)
    assert pictures[0].image_rgb.shape == (320, 240, 3)


def test_looping_video_starts_again(tmp_path: Path) -> None:
    source = VideoSource(write_clip(tmp_path / "clip.mp4", frames=3), loop=True)
    source.open()
    reads = read_all(source, limit=8)
    source.close()
    brightness = [float(read.image_rgb.mean()) for read in reads if isinstance(read, Picture)]
    assert len(brightness) == 8
    assert brightness[3] == pytest.approx(brightness[0], abs=3)


def test_unreadable_video_is_refused_and_tried_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a video")
    source = VideoSource(path)
    with pytest.raises(SourceError, match=r"clip\.mp4 cannot be read as a video"):
        source.open()
    assert not source.may_be_back()
    write_clip(path)
    assert source.may_be_back()
    source.open()
    source.close()


def test_folder_skips_what_is_not_a_picture_and_reports_a_damaged_one(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"damaged")
    write_picture(tmp_path / "c.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    source = FolderSource(tmp_path)
    assert source.open().frame_count == 3
    first, second, third = read_all(source)
    assert isinstance(first, Picture)
    assert isinstance(third, Picture)
    assert isinstance(second, ReadFailure)
    assert second.skipped
    assert "b.png" in second.sentence


def test_picture_that_declares_an_absurd_size_is_refused(tmp_path: Path) -> None:
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 60_000, 40_000, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "huge.bmp").write_bytes(header)
    with pytest.raises(SourceError, match=r"huge\.bmp declares 60000 x 40000 pixels"):
        read_picture(tmp_path / "huge.bmp")


def test_a_video_too_wide_for_opencv_is_refused_in_a_sentence(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "wide.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (33_000, 16))
    writer.write(np.zeros((16, 33_000, 3), np.uint8))
    writer.release()
    with pytest.raises(SourceError, match=r"wide\.avi has 33000 x 16 pixels, more than 32766"):
        VideoSource(tmp_path / "wide.avi").open()


def test_empty_folder_is_refused_until_there_is_a_picture(tmp_path: Path) -> None:
    source = FolderSource(tmp_path)
    with pytest.raises(SourceError, match="no picture in the folder"):
        source.open()
    assert not source.may_be_back()
    write_picture(tmp_path / "a.png")
    assert source.may_be_back()


def test_picture_is_read_once_or_held(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png")
    once, held = PictureSource(path), PictureSource(path, hold=True)
    once.open()
    held.open()
    assert len(read_all(once)) == 1
    assert len(read_all(held, limit=5)) == 5


def test_pictures_are_rgb(tmp_path: Path) -> None:
    image_bgr = np.zeros((8, 8, 3), np.uint8)
    image_bgr[..., 0] = 200
    cv2.imwrite(str(tmp_path / "blue.png"), image_bgr)
    assert read_picture(tmp_path / "blue.png")[0, 0].tolist() == [0, 0, 200]


def test_linux_cameras_are_picture_nodes_with_a_device(tmp_path: Path) -> None:
    classes, devices = tmp_path / "classes", tmp_path / "dev"
    devices.mkdir()
    for number, index, name in ((10, "0", "USB Camera"), (11, "1", "USB Camera"), (2, "0", "Laptop Camera")):
        (classes / f"video{number}").mkdir(parents=True)
        (classes / f"video{number}" / "index").write_text(index + "\n")
        (classes / f"video{number}" / "name").write_text(name + "\n")
        (devices / f"video{number}").touch()
    (classes / "video5").mkdir()  # known to the kernel, but without a device file
    assert list_linux_cameras(classes, devices) == (CameraInfo(2, "Laptop Camera"), CameraInfo(10, "USB Camera"))


def test_linux_cameras_in_a_container_without_the_class_folder(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    assert list_linux_cameras(tmp_path / "missing", tmp_path) == (CameraInfo(0, "Camera 0"),)


class _FakeCapture:
    """Replaces cv2.VideoCapture: accepts every setting, but its size and rate stay the same."""

    indices: list[int] = []  # noqa: RUF012 - shared on purpose

    def __init__(self, index: int, _backend: int) -> None:
        self.indices.append(index)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, _what: int, _value: float) -> bool:
        return True

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0, cv2.CAP_PROP_FPS: 15.0}[what]

    def read(self) -> tuple[bool, np.ndarray]:
        return True, plain_image()

    def release(self) -> None:
        pass


def test_camera_reports_its_actual_format_and_is_found_by_name_after_replugging(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugged: tuple[CameraInfo, ...] = (CameraInfo(0, "Laptop Camera"), CameraInfo(2, "USB Camera"))
    monkeypatch.setattr("app.sources.camera.list_cameras", lambda: plugged)
    monkeypatch.setattr("app.sources.camera.cv2.VideoCapture", _FakeCapture)
    monkeypatch.setattr("app.sources.camera._ON_LINUX", False)
    _FakeCapture.indices.clear()
    source = CameraSource("usb", size_px=(1280, 720), frames_per_second=30)
    facts = source.open()
    assert (facts.width_px, facts.height_px, facts.frames_per_second) == (640, 480, 15)
    assert facts.note == "Requested 1280 x 720 at 30 frames/s, the camera gives 640 x 480 at 15."
    assert isinstance(source.read(), Picture)
    plugged = (CameraInfo(0, "Laptop Camera"), CameraInfo(4, "USB Camera"))
    source.open()
    source.close()
    assert _FakeCapture.indices == [2, 4]


def test_camera_held_by_another_program_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sources.camera.list_cameras", lambda: (CameraInfo(0, "Laptop Camera"),))
    monkeypatch.setattr("app.sources.camera.cv2.VideoCapture", _FakeCapture)
    monkeypatch.setattr(_FakeCapture, "isOpened", lambda _capture: False)
    with pytest.raises(SourceError, match="Laptop Camera cannot be opened; close other programs that use it"):
        CameraSource(0).open()


def test_error_for_a_missing_camera_lists_the_existing_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sources.camera._ON_LINUX", True)
    monkeypatch.setattr("app.sources.camera.list_cameras", lambda: (CameraInfo(0, "Laptop Camera"),))
    with pytest.raises(SourceError, match=r"no camera number 3; cameras found: 0 \(Laptop Camera\)"):
        CameraSource(3).open()


def test_choice_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source_options = SourceOptions()
    write_picture(tmp_path / "a.png")
    cameras: tuple[CameraInfo, ...] = ()
    monkeypatch.setattr("app.sources.choose.list_cameras", lambda: cameras)
    monkeypatch.setattr("app.sources.choose.first_camera", lambda: next(iter(cameras), None))
    assert choose_source(None, source_options).note == NO_CAMERA_SENTENCE
    assert choose_source("demo", source_options).source.name == "Demo clip"
    assert isinstance(choose_source(str(tmp_path), source_options).source, FolderSource)
    assert isinstance(choose_source(str(tmp_path / "a.png"), source_options).source, PictureSource)
    assert isinstance(choose_source(str(tmp_path / "not-yet.mp4"), source_options).source, VideoSource)
    assert choose_source("/dev/video3", source_options).is_camera
    with pytest.raises(SourceError, match="no camera, file or folder called 'usb'"):
        choose_source("usb", source_options)
    with pytest.raises(SourceError, match="cannot be used as a source"):
        choose_source("x" * 5000 + ".mp4", source_options)
    cameras = (CameraInfo(6, "USB Camera"),)
    assert choose_source("usb", source_options).is_camera
    assert choose_source(None, source_options).source.name == "Camera 6"


def test_camera_with_a_dot_in_its_name_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = (CameraInfo(0, "USB2.0 HD UVC WebCam"), CameraInfo(2, "hand.mp4 streamer"))
    monkeypatch.setattr("app.sources.choose.list_cameras", lambda: cameras)
    monkeypatch.chdir(tmp_path)
    assert choose_source("USB2.0 HD UVC WebCam", SourceOptions()).is_camera
    assert choose_source("usb2.0", SourceOptions()).is_camera
    assert isinstance(choose_source("usb3.0", SourceOptions()).source, VideoSource)
    (tmp_path / "hand.mp4").touch()  # an existing file takes precedence
    assert isinstance(choose_source("hand.mp4", SourceOptions()).source, VideoSource)


def test_digit_that_is_no_number_names_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sources.choose.list_cameras", tuple)
    with pytest.raises(SourceError, match="no camera, file or folder called '²'"):
        choose_source("²", SourceOptions())
