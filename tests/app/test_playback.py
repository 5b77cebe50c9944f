"""Playback of files: pausing, stepping, seeking, looping, speed and rotation."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from app_fakes import FakeSource, plain_image, wait_until, write_clip, write_picture

from app.pipeline.capture_thread import CaptureThread, SourcePhase, turn_picture
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.mailbox import Mailbox
from app.pipeline.playback import Playback
from app.sources.base import Picture, SeekableSource
from app.sources.pictures import FolderSource
from app.sources.video import VideoSource
from hand.camera import Intrinsics, project
from hand.types import Frame

FRAMES = 12


def frame_index(image: np.ndarray) -> int:
    """The index of this frame of :func:`write_clip`."""
    return round((float(image.mean()) - 40) / 10)


class Player:
    """A capture thread and every frame that it delivered."""

    def __init__(self, source: object) -> None:
        self.frames: list[Frame] = []
        self.news = threading.Event()
        sink: Mailbox[Frame] = Mailbox()
        sink.put = self.frames.append  # type: ignore[method-assign]
        self.thread = CaptureThread([sink], IntrinsicsChoice(), self.news.set, retry_s=0.02)
        self.thread.start()
        self.thread.switch_to(source)  # type: ignore[arg-type]

    @property
    def shown(self) -> list[int]:
        return [frame_index(frame.image_rgb) for frame in self.frames]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", frames=FRAMES)


@pytest.fixture
def play() -> Iterator[type[Player]]:
    players: list[Player] = []

    class Watched(Player):
        def __init__(self, source: object) -> None:
            super().__init__(source)
            players.append(self)

    yield Watched
    for player in players:
        player.thread.stop()
        player.thread.join()


def test_video_seeks_to_exactly_the_frame(clip: Path) -> None:
    source = VideoSource(clip)
    assert isinstance(source, SeekableSource)
    source.open()
    for index in (7, 0, 11, 3, 3):
        source.seek(index)
        read = source.read()
        assert isinstance(read, Picture)
        assert frame_index(read.image_rgb) == index
        assert source.position == index + 1
    source.seek(999)
    read = source.read()
    assert isinstance(read, Picture)
    assert frame_index(read.image_rgb) == FRAMES - 1
    source.close()


def test_folder_seeks_too(tmp_path: Path) -> None:
    for index in range(4):
        write_picture(tmp_path / f"{index}.png", np.full((60, 80, 3), 40 + 10 * index, np.uint8))
    source = FolderSource(tmp_path)
    source.open()
    source.seek(2)
    read = source.read()
    assert isinstance(read, Picture)
    assert frame_index(read.image_rgb) == 2
    assert (source.length, source.position) == (4, 3)


def test_paused_file_stands_still_steps_and_seeks(clip: Path, play: type[Player]) -> None:
    player = play(VideoSource(clip, frames_per_second=100.0))
    playback = player.thread.playback
    wait_until(lambda: len(player.frames) >= 2)
    playback.pause(True)
    wait_until(playback.is_waiting)
    playback.seek(5)
    wait_until(lambda: playback.state.position == 5)
    assert player.shown[-1] == 5
    playback.step(1)
    wait_until(lambda: playback.state.position == 6)
    playback.step(-1)
    playback.step(-1)
    wait_until(lambda: playback.state.position == 4)
    assert player.shown[-1] == 4
    count = len(player.frames)
    time.sleep(0.1)  # ten frames at this rate
    assert len(player.frames) == count
    playback.pause(False)
    wait_until(lambda: player.thread.state.phase is SourcePhase.ENDED)
    assert player.shown[count:] == [5, 6, 7, 8, 9, 10, 11]
    sequences = [frame.sequence for frame in player.frames]
    assert sequences == sorted(set(sequences))  # the results of both paths are joined by them


def test_looping_file_restarts_until_looping_is_switched_off(clip: Path, play: type[Player]) -> None:
    player = play(VideoSource(clip, loop=True, frames_per_second=500.0))
    wait_until(lambda: len(player.frames) > 2 * FRAMES)
    assert player.thread.playback.state.loop
    assert player.thread.playback.state.length == FRAMES
    player.thread.playback.set_loop(False)
    wait_until(lambda: player.thread.state.phase is SourcePhase.ENDED)
    assert player.shown[-1] == FRAMES - 1
    assert player.shown[: FRAMES + 1] == [*range(FRAMES), 0]


def test_pause_does_not_carry_over_to_another_source(clip: Path, play: type[Player]) -> None:
    player = play(VideoSource(clip, loop=True, frames_per_second=200.0))
    wait_until(lambda: len(player.frames) >= 1)
    player.thread.playback.pause(True)
    wait_until(player.thread.playback.is_waiting)
    player.thread.switch_to(FakeSource(forever=True, live=True))
    count = len(player.frames)
    wait_until(lambda: len(player.frames) > count + 3)
    assert not player.thread.playback.state.seekable


def test_camera_cannot_be_paused() -> None:
    playback = Playback()
    playback.begin(seekable=False, length=0, frames_per_second=30.0, loop=False)
    playback.pause(True)
    assert not playback.is_waiting()


def test_speed_is_clamped_to_its_range() -> None:
    playback = Playback()
    playback.set_speed(100.0)
    assert playback.state.speed == 4.0
    playback.set_speed(0.0)
    assert playback.state.speed == 0.1


def test_source_closed_in_the_middle_of_a_pause(clip: Path, play: type[Player]) -> None:
    player = play(VideoSource(clip, loop=True, frames_per_second=200.0))
    wait_until(lambda: len(player.frames) >= 1)
    player.thread.playback.pause(True)
    wait_until(player.thread.playback.is_waiting)
    player.thread.stop()
    player.thread.join(5.0)
    assert not player.thread.is_alive()


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_turned_picture_and_turned_camera_agree(turns: int) -> None:
    camera = Intrinsics(300.0, 310.0, 100.0, 70.0, 200, 150)
    point = np.array([0.07, -0.05, 0.5])
    x, y = project(point, camera).round().astype(int)
    image = np.zeros((150, 200, 3), np.uint8)
    image[y, x] = 255
    turned = turn_picture(image, turns)
    (row,), (column,) = np.nonzero(turned[:, :, 0])
    # the same point in the axes of a camera that was turned the other way about its own line of sight
    angle = turns * np.pi / 2
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    new = camera.turned(turns)
    assert (new.width_px, new.height_px) == (turned.shape[1], turned.shape[0])
    np.testing.assert_allclose(project(about_z @ point, new), [column, row], atol=0.51)


def test_capture_turns_before_it_mirrors(play: type[Player]) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[0, 0] = 255
    player = play(FakeSource([image], forever=True))
    player.thread.quarter_turns, player.thread.mirror = 1, True
    count = len(player.frames)
    wait_until(lambda: len(player.frames) > count + 2)
    frame = player.frames[-1]
    np.testing.assert_array_equal(frame.image_rgb, cv2.flip(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), 1))
    assert (frame.intrinsics.width_px, frame.intrinsics.height_px) == (240, 320)


def test_place_that_is_sought_as_soon_as_the_source_runs_is_shown(clip: Path) -> None:
    sink: Mailbox[Frame] = Mailbox()
    frames: list[Frame] = []
    sink.put = frames.append  # type: ignore[method-assign]
    sought: list[int] = []

    def seek_once() -> None:
        if thread.state.phase is SourcePhase.RUNNING and not sought:
            sought.append(7)
            thread.playback.seek(7)

    thread = CaptureThread([sink], IntrinsicsChoice(), seek_once, retry_s=0.02)
    thread.start()
    thread.switch_to(VideoSource(clip, frames_per_second=500.0))
    wait_until(lambda: thread.state.phase is SourcePhase.ENDED)
    thread.stop()
    thread.join()
    assert frame_index(frames[0].image_rgb) == 7


def test_frames_arrive_one_after_the_other_even_while_the_clock_stands_still(
    play: type[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic_ns", lambda: 1_000)
    player = play(FakeSource([plain_image()] * 5))
    wait_until(lambda: player.thread.state.phase is SourcePhase.ENDED)
    assert (np.diff([frame.arrival_time_ns for frame in player.frames]) > 0).all()


@pytest.mark.parametrize("loop", [False, True])
def test_folder_without_a_readable_picture_ends_with_the_reason(tmp_path: Path, play: type[Player], loop: bool) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"damaged")
    player = play(FolderSource(tmp_path, loop=loop))
    wait_until(lambda: player.thread.state.phase is SourcePhase.ENDED)
    assert (player.thread.state.frames, player.thread.state.read_failures) == (0, 2)
    assert "b.png" in player.thread.state.sentence
