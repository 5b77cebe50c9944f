"""The bar under the panes in a fake host: places asked for after the end of a file, and the speed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from app_fakes import write_clip
from fake_host import FakeHost, as_host
from pytestqt.qtbot import QtBot
from windows import PATIENCE_MS

from app.pipeline.capture_thread import SourcePhase
from app.pipeline.playback import SPEEDS
from app.sources.choose import ChosenSource
from app.sources.video import VideoSource
from app.ui.panels.playback_bar import PlaybackBar

FRAMES = 12


@pytest.fixture
def host(qtbot: QtBot) -> Iterator[FakeHost]:
    host = FakeHost()
    host.pipeline.start()
    yield host
    host.close()


@pytest.fixture
def bar(qtbot: QtBot, host: FakeHost) -> PlaybackBar:
    bar = PlaybackBar(as_host(host))
    qtbot.addWidget(bar)
    return bar


def play(host: FakeHost, file: Path) -> None:
    host.show_source(ChosenSource(VideoSource(write_clip(file, frames=FRAMES), frames_per_second=20.0)))


def play_to_the_end(qtbot: QtBot, host: FakeHost, file: Path) -> None:
    play(host, file)
    qtbot.waitUntil(lambda: host.pipeline.source_state.phase is SourcePhase.ENDED, timeout=PATIENCE_MS)


def test_last_of_several_places_asked_for_after_the_end_is_shown(
    qtbot: QtBot, host: FakeHost, bar: PlaybackBar, tmp_path: Path
) -> None:
    play_to_the_end(qtbot, host, tmp_path / "clip.mp4")
    for index in (9, 6, 4):
        bar.seek(index)
    bar.step(-1)
    assert host.replayed == 1

    def arrived() -> bool:
        bar.refresh()
        state = host.pipeline.playback.state
        return state.paused and state.position == 3

    qtbot.waitUntil(arrived, timeout=PATIENCE_MS)


def test_place_asked_for_in_a_file_that_does_not_open_again_is_dropped(
    qtbot: QtBot, host: FakeHost, bar: PlaybackBar, tmp_path: Path
) -> None:
    play_to_the_end(qtbot, host, tmp_path / "clip.mp4")
    (tmp_path / "clip.mp4").unlink()
    bar.step(-1)
    qtbot.waitUntil(lambda: host.pipeline.source_state.phase is SourcePhase.FAILED, timeout=PATIENCE_MS)
    bar.refresh()
    play(host, tmp_path / "clip.mp4")
    qtbot.waitUntil(lambda: host.pipeline.source_state.frames > 0, timeout=PATIENCE_MS)
    bar.refresh()
    assert not host.pipeline.playback.state.paused


def test_place_asked_for_in_one_file_is_not_taken_up_in_another(
    qtbot: QtBot, host: FakeHost, bar: PlaybackBar, tmp_path: Path
) -> None:
    play_to_the_end(qtbot, host, tmp_path / "clip.mp4")
    bar.step(-1)
    play(host, tmp_path / "other.mp4")
    qtbot.waitUntil(lambda: host.pipeline.source_state.frames > 0, timeout=PATIENCE_MS)
    bar.refresh()
    assert not host.pipeline.playback.state.paused


def test_speed_shown_is_the_speed_that_is_played(host: FakeHost, bar: PlaybackBar) -> None:
    for speed in (4.0, 1.0):
        host.pipeline.playback.set_speed(speed)
        bar.refresh()
        assert SPEEDS[bar.speed.currentIndex()] == speed
