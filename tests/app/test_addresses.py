"""Network cameras: reading, timeouts, reconnection, and no password in any output."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, found, plain_image, wait_until
from network_cameras import PhoneCamera, RtspCamera, free_port, served_folder
from test_playback import Player, play  # noqa: F401
from video_files import put_index_first, set_frame_times, set_pixel_ratio, turn, write_video

from app import headless as headless_module
from app.command_line import run
from app.headless import HeadlessRun, run_headless
from app.motion.recorder import MotionRecorder
from app.motion.save import save_motion
from app.pipeline.capture_thread import SourcePhase
from app.recording.recorder import SessionRecorder
from app.sources import address as address_module
from app.sources.address import AddressSource, is_address, public_address
from app.sources.base import EndOfSource, Picture, ReadFailure, Shortfall
from app.sources.choose import SourceOptions, UnusableSource, choose_source
from app.sources.video import VideoSource
from hand.embedded import load_embedded_model
from hand.errors import SourceError
from hand.types import Frame, PathResult

MODEL = load_embedded_model()
SECRET = "geheim"


Camera = PhoneCamera | RtspCamera
Serve = Callable[..., Camera]
KINDS = ("http", "https", "rtsp")


@pytest.fixture
def serve() -> Iterator[Serve]:
    cameras: list[Camera] = []

    def start(kind: str = "http", port: int = 0) -> Camera:
        cameras.append(RtspCamera(port) if kind == "rtsp" else PhoneCamera(port, encrypted=kind == "https"))
        return cameras[-1]

    yield start
    for camera in cameras:
        if not camera.closing.is_set():
            camera.close()


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_module, "OPEN_TIMEOUT_MS", 1500)
    monkeypatch.setattr(address_module, "READ_TIMEOUT_MS", 700)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_camera_is_a_live_source(serve: Serve, kind: str) -> None:
    """A self-signed certificate is accepted."""
    source = AddressSource(serve(kind).address())
    facts = source.open()
    pictures = [source.read() for _ in range(5)]
    source.close()
    assert (facts.live, facts.kind, facts.frame_count) == (True, "address", None)
    assert (facts.width_px, facts.height_px) == (320, 240)
    assert all(isinstance(picture, Picture) and picture.image_rgb.shape == (240, 320, 3) for picture in pictures)
    assert source.may_be_back()


@pytest.mark.parametrize("kind", KINDS)
def test_silent_camera_is_a_read_failure_and_its_connection_is_closed(serve: Serve, kind: str) -> None:
    camera = serve(kind)
    source = AddressSource(camera.address())
    source.open()
    assert isinstance(source.read(), Picture)
    camera.silent.set()
    while isinstance(read := source.read(), Picture):
        pass
    source.close()
    assert isinstance(read, ReadFailure)
    assert read.gone
    wait_until(camera.client_gone.is_set)


@pytest.mark.parametrize("kind", KINDS)
def test_camera_that_never_answers_is_refused_after_the_open_timeout(serve: Serve, kind: str) -> None:
    camera = serve(kind)
    with pytest.raises(SourceError, match=rf"No video came from {kind}://127\.0\.0\.1:\d+/never within 1.5 seconds"):
        AddressSource(camera.address("never")).open()
    wait_until(camera.client_gone.is_set)


def test_web_page_and_closed_port_are_refused_with_a_hint(serve: Serve) -> None:
    for address in (serve().address("page"), f"rtsp://127.0.0.1:{free_port()}/stream"):
        with pytest.raises(SourceError, match=r"There is no video at .*many phone apps serve it at http://PHONE:8080"):
            AddressSource(address).open()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_camera_stays_lost_until_it_is_found_again(
    serve: Serve,
    play: type[Player],  # noqa: F811
    kind: str,
) -> None:
    first = serve(kind)
    player = play(AddressSource(first.address()))
    wait_until(lambda: len(player.frames) > 3)
    first.close()
    wait_until(lambda: player.thread.state.phase is SourcePhase.LOST)
    before = len(player.frames)
    # an attempt to reconnect fails
    wait_until(lambda: player.thread.state.sentence.startswith("There is no video at"))
    assert player.thread.state.phase is SourcePhase.LOST
    serve(kind, first.port)
    wait_until(lambda: len(player.frames) > before + 3)
    assert player.thread.state.phase is SourcePhase.RUNNING
    times = [frame.capture_time_ns for frame in player.frames]
    assert times == sorted(times)
    assert all(frame.live for frame in player.frames)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_when_its_camera_is_back(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(headless_module, "RECONNECTION_S", 60.0)
    first = serve(kind)
    seen: list[int] = []

    def behave(frame: Frame) -> PathResult:
        seen.append(frame.sequence)
        if len(seen) == 5:
            first.closing.set()
            threading.Thread(target=lambda: (first.close(), serve(kind, first.port))).start()
        return found(frame)

    source = AddressSource(first.address())
    run = HeadlessRun(source, {"ik": lambda: FakePath(behave)}, MODEL, tmp_path / "r", frames=12, realtime=True)
    report = run_headless(run)
    assert (report["end"], report["frames"]) == ("complete", 12)


def test_a_run_whose_camera_stays_away_is_incomplete(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headless_module, "RECONNECTION_S", 0.5)
    camera = serve()

    def behave(frame: Frame) -> PathResult:
        camera.silent.set()
        return found(frame)

    source = AddressSource(camera.address())
    run = HeadlessRun(source, {"ik": lambda: FakePath(behave)}, MODEL, tmp_path / "r", frames=500, realtime=True)
    report = run_headless(run)
    assert report["end"] == "incomplete"
    assert 0 < report["frames"] < 500
    assert any("sends no pictures any more" in note for note in report["notes"])


@pytest.mark.parametrize("kind", KINDS)
def test_password_is_sent_to_the_camera_and_written_nowhere(
    serve: Serve,
    kind: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    camera = serve(kind)
    address = camera.address(f"locked?token={SECRET}", user=f"me:{SECRET}@")
    source = choose_source(address, SourceOptions()).source
    motion, session = MotionRecorder(MODEL), SessionRecorder(tmp_path / "session", MODEL, min_free_bytes=0)
    listeners = {"motion": motion.take, "session": lambda joined: session.offer_frame(joined.frame)}
    report = run_headless(
        HeadlessRun(source, {"ik": FakePath}, MODEL, tmp_path / "r", frames=3, realtime=True, listeners=listeners)
    )
    assert session.stop().frames > 0
    save_motion(motion.motion(25.0), tmp_path / "motion.npz")
    assert report["source"]["name"] == f"{kind}://127.0.0.1:{camera.port}/locked"
    assert any(value and value.startswith("Basic ") for value in camera.authorizations)
    camera.close()
    sentences = []
    malformed_addresses = (
        "ftp://me:{}@host/x",
        "http://me:{}@[::1/x",
        "me:{}@192.168.1.20:8080/video.mp4",
        "http//me:{}@host/x",
    )
    for wrong in (address, *(text.format(SECRET) for text in malformed_addresses)):
        with pytest.raises(SourceError) as refused:
            choose_source(wrong, SourceOptions()).source.open()
        sentences += [str(refused.value), UnusableSource(wrong, "").name]
    with np.load(tmp_path / "motion.npz") as arrays:
        assert SECRET not in str(arrays["about"])
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 4
    assert not [data for data in written if SECRET.encode() in data]
    out, err = capfd.readouterr()
    for text in (caplog.text, out, err, source.name, *sentences):
        assert SECRET not in text


def test_a_run_takes_its_address_from_the_command_line(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.command_line._paths", lambda *_, **__: {"ik": FakePath})
    camera = serve()
    arguments = ["--headless", "--source", camera.address(), "--frames", "4", "--report", str(tmp_path / "r")]
    assert run(arguments) == 0
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert (report["source"]["kind"], report["mode"], report["frames"]) == ("address", "real time", 4)
    assert f"Headless run of http://127.0.0.1:{camera.port}/video: 4 frames" in capsys.readouterr().out


UNEVEN_MS = [40] * 20 + [100] * 20


@pytest.fixture
def served_video(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A portrait video with variable frame times and non-square pixels, and its address on a web server."""
    video = write_video(tmp_path / "video.mp4", [plain_image(40 + 4 * index) for index in range(len(UNEVEN_MS))])
    set_frame_times(video, UNEVEN_MS)
    set_pixel_ratio(video, 64, 45)
    turn(video, 90)
    put_index_first(video)
    with served_folder(tmp_path) as address:
        yield video, f"{address}/video.mp4"


def test_a_video_on_a_server_is_read_as_a_file_is(served_video: tuple[Path, str]) -> None:
    video, address = served_video
    file, served = VideoSource(video), AddressSource(address)
    file_facts, served_facts = file.open(), served.open()
    assert replace(served_facts, name="", kind="video", note="") == replace(file_facts, name="", note="")
    assert (served_facts.width_px, served_facts.height_px, served_facts.live) == (240, 455, False)
    assert "not square" in served_facts.note
    for time_ms in np.cumsum([0, *UNEVEN_MS[:-1]]):
        wanted, picture = file.read(), served.read()
        assert isinstance(wanted, Picture)
        assert isinstance(picture, Picture)
        np.testing.assert_array_equal(picture.image_rgb, wanted.image_rgb)
        assert picture.media_time_ns == time_ms * 1_000_000
    assert served.read() == EndOfSource()
    file.close()
    served.close()


def test_truncated_video_on_a_server_reports_its_missing_frames(served_video: tuple[Path, str]) -> None:
    video, address = served_video
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 6 // 10])
    source = AddressSource(address)
    source.open()
    count = 0
    while not isinstance(read := source.read(), EndOfSource):
        count += isinstance(read, Picture)
    source.close()
    assert 10 < count < len(UNEVEN_MS) - 5
    assert read.shortfall == Shortfall(len(UNEVEN_MS), count)


def test_addresses_are_distinguished_from_file_paths() -> None:
    assert is_address("http://192.168.1.20:8080/video")
    assert is_address("RTSP://camera.local/stream")
    assert not is_address("C:\\clips\\hand.mp4")
    assert not is_address("clip:1.mp4")
    assert choose_source("rtsp://me:pw@camera.local:554/a?b=c", SourceOptions()).source.name == (
        "rtsp://camera.local:554/a"
    )
    assert isinstance(choose_source("clip:1.mp4", SourceOptions()).source, VideoSource)
    assert choose_source("http://x/y", SourceOptions()).is_live
    assert public_address("http://[fe80::1]:80/v") == "http://[fe80::1]:80/v"
    assert np.all([is_address(f"{scheme}://x") for scheme in ("http", "https", "rtsp", "rtsps")])
