"""Network cameras: read, limited in time, found again, and never with their password in what is written."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from app_fakes import FakePath, plain_image, wait_until
from test_playback import Player, play  # noqa: F401

from app.headless import HeadlessRun, run_headless
from app.sources import address as address_module
from app.sources.address import AddressSource, is_address, public_address
from app.sources.base import Picture, ReadFailure
from app.sources.choose import SourceWishes, UnusableSource, choose_source
from app.sources.video import VideoSource
from hand.embedded import load_embedded_model
from hand.errors import SourceError

SECRET = "geheim"


class PhoneCamera:
    """A web server that sends JPEG pictures as phones' camera apps do, until it is told to fall silent."""

    def __init__(self, port: int = 0) -> None:
        self.silent = threading.Event()
        self.closing = threading.Event()
        self.authorizations: list[str | None] = []
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.authorizations.append(self.headers.get("Authorization"))
                if self.path.startswith("/locked") and self.headers.get("Authorization") is None:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                if self.path.startswith("/never"):
                    camera.closing.wait(10)
                    return
                if self.path.startswith("/page"):
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(b"<html>no video</html>")
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = 0
                while not camera.closing.is_set():
                    if camera.silent.is_set():
                        camera.closing.wait(0.02)
                        continue
                    data = cv2.imencode(".jpg", plain_image(60 + number % 100))[1].tobytes()
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
                    try:
                        self.wfile.write(head + data + b"\r\n")
                    except OSError:
                        return
                    number += 1
                    time.sleep(0.01)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def address(self, path: str = "video", user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}/{path}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., PhoneCamera]]:
    cameras: list[PhoneCamera] = []

    def start(port: int = 0) -> PhoneCamera:
        cameras.append(PhoneCamera(port))
        return cameras[-1]

    yield start
    for camera in cameras:
        if not camera.closing.is_set():
            camera.close()


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_module, "OPEN_TIMEOUT_MS", 1500)
    monkeypatch.setattr(address_module, "READ_TIMEOUT_MS", 700)


def test_a_phones_camera_is_a_live_source(serve: Callable[..., PhoneCamera]) -> None:
    source = AddressSource(serve().address())
    facts = source.open()
    pictures = [source.read() for _ in range(5)]
    source.close()
    assert (facts.live, facts.kind, facts.frame_count) == (True, "address", None)
    assert (facts.width_px, facts.height_px) == (320, 240)
    assert all(isinstance(picture, Picture) and picture.image_rgb.shape == (240, 320, 3) for picture in pictures)
    assert source.may_be_back()


def test_silence_is_noticed_and_nobody_waits_for_ever(serve: Callable[..., PhoneCamera]) -> None:
    camera = serve()
    source = AddressSource(camera.address())
    source.open()
    assert isinstance(source.read(), Picture)
    camera.silent.set()
    reads = [source.read() for _ in range(200)]
    source.close()
    failures = [read for read in reads if isinstance(read, ReadFailure)]
    assert failures
    assert failures[0].gone
    with pytest.raises(SourceError, match=r"No video came from http://127\.0\.0\.1"):
        AddressSource(camera.address("never")).open()
    with pytest.raises(SourceError, match=r"many phone apps serve it at http://PHONE:8080/video"):
        AddressSource(camera.address("page")).open()


def test_a_lost_camera_is_found_again(serve: Callable[..., PhoneCamera], play: type[Player]) -> None:  # noqa: F811
    first = serve()
    player = play(AddressSource(first.address()))
    wait_until(lambda: len(player.frames) > 3)
    first.close()
    wait_until(lambda: player.thread.state.phase.value in ("lost", "failed"))
    before = len(player.frames)
    serve(first.port)
    wait_until(lambda: len(player.frames) > before + 3)
    assert player.thread.state.phase.value == "running"
    times = [frame.capture_time_ns for frame in player.frames]
    assert times == sorted(times)
    assert all(frame.live for frame in player.frames)


def test_the_password_is_used_and_written_nowhere(
    serve: Callable[..., PhoneCamera],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    camera = serve()
    address = camera.address(f"locked?token={SECRET}", user=f"me:{SECRET}@")
    source = choose_source(address, SourceWishes()).source
    model = load_embedded_model()
    report = run_headless(HeadlessRun(source, {"ik": FakePath}, model, tmp_path / "r", frames=3, realtime=True))
    assert report["source"]["name"] == f"http://127.0.0.1:{camera.port}/locked"
    assert any(value and value.startswith("Basic ") for value in camera.authorizations)
    camera.close()
    sentences = []
    for wrong in (address, f"ftp://me:{SECRET}@host/x", f"http://me:{SECRET}@[::1/x"):
        with pytest.raises(SourceError) as refused:
            choose_source(wrong, SourceWishes()).source.open()
        sentences += [str(refused.value), UnusableSource(wrong, "").name]
    written = "".join(path.read_text() for path in (tmp_path / "r").glob("*.json"))
    out, err = capfd.readouterr()
    for text in (written, caplog.text, out, err, source.name, *sentences):
        assert SECRET not in text


def test_an_address_is_told_from_a_file() -> None:
    assert is_address("http://192.168.1.20:8080/video")
    assert is_address("RTSP://camera.local/stream")
    assert not is_address("C:\\clips\\hand.mp4")
    assert not is_address("clip:1.mp4")
    assert choose_source("rtsp://me:pw@camera.local:554/a?b=c", SourceWishes()).source.name == (
        "rtsp://camera.local:554/a"
    )
    assert isinstance(choose_source("clip:1.mp4", SourceWishes()).source, VideoSource)
    assert choose_source("http://x/y", SourceWishes()).is_live
    assert public_address("http://[fe80::1]:80/v") == "http://[fe80::1]:80/v"
    assert np.all([is_address(f"{scheme}://x") for scheme in ("http", "https", "rtsp", "rtsps")])
