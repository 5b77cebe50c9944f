"""Camera servers on the loopback interface: MJPEG over HTTP, as phone apps send it, and JPEG over RTSP (IP cameras).

RTSP as in RFC 2326 with RTP interleaved in the same connection (its section 10.12), pictures as in RFC 2435.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
from app_fakes import plain_image

CERTIFICATE = Path(__file__).with_name("self_signed.pem")

_PERIOD_S = 0.01
_RTP_JPEG = 26
"""Payload type of JPEG (RFC 3551)."""
_RTP_PAYLOAD = 1200
_RTP_CLOCK_HZ = 90_000

_SILENCE_LIMIT_S = 20.0
"""A silent camera closes its connection after this time, so that a client that never disconnects fails the test."""


def jpeg(number: int) -> bytes:
    """A picture whose brightness encodes its number."""
    return bytes(cv2.imencode(".jpg", plain_image(60 + number % 100))[1].tobytes())


class _Camera:
    """Controls and state of both cameras."""

    def __init__(self) -> None:
        self.silent = threading.Event()
        """Set by a test to stop the pictures without closing the connection."""
        self.client_gone = threading.Event()
        """Set when a client of a silent camera has closed the connection."""
        self.closing = threading.Event()
        self.authorizations: list[str | None] = []

    def stay_silent(self, connection: socket.socket) -> None:
        """Sends nothing until the client disconnects, the camera is closed or the limit is reached."""
        connection.settimeout(0.05)
        end_s = time.monotonic() + _SILENCE_LIMIT_S
        while not self.closing.is_set() and time.monotonic() < end_s:
            try:
                if connection.recv(4096):
                    continue
            except TimeoutError:
                continue
            except OSError:
                pass
            self.client_gone.set()
            return


class PhoneCamera(_Camera):
    """An MJPEG server like those of phone camera apps; it stops sending while `silent` is set."""

    def __init__(self, port: int = 0, *, encrypted: bool = False) -> None:
        super().__init__()
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
                    camera.stay_silent(self.connection)
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
                        camera.stay_silent(self.connection)
                        return
                    data = jpeg(number)
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
                    try:
                        self.wfile.write(head + data + b"\r\n")
                    except OSError:
                        return
                    number += 1
                    time.sleep(_PERIOD_S)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = False
        self._scheme = "https" if encrypted else "http"
        if encrypted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def address(self, path: str = "video", user: str = "") -> str:
        return f"{self._scheme}://{user}127.0.0.1:{self.port}/{path}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RtspCamera(_Camera):
    """A server of one RTSP stream, ``/stream``; ``/locked`` needs credentials, ``/never`` gets no answer."""

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.connection.settimeout(10)
                try:
                    while not camera.closing.is_set() and self._answer():
                        pass
                except OSError:
                    return

            def _answer(self) -> bool:
                """Answers one request; returns False when the connection is to be closed."""
                request = self.rfile.readline().decode().split()
                if not request:
                    return False
                headers = {}
                while (line := self.rfile.readline().decode().strip()) != "":
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                method, address = request[0], request[1]
                camera.authorizations.append(headers.get("authorization"))
                if "/never" in address:
                    camera.stay_silent(self.connection)
                    return False
                reply = [f"CSeq: {headers['cseq']}", "Session: 1"]
                body, status = "", "200 OK"
                if "/locked" in address and "authorization" not in headers:
                    status = "401 Unauthorized"
                    reply.append('WWW-Authenticate: Basic realm="camera"')
                elif method == "OPTIONS":
                    reply.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
                elif method == "DESCRIBE":
                    body = f"v=0\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP {_RTP_JPEG}\r\na=control:track\r\n"
                    reply += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
                elif method == "SETUP":
                    reply.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
                self.wfile.write("\r\n".join([f"RTSP/1.0 {status}", *reply, "", body]).encode())
                if method == "PLAY" and status == "200 OK":
                    self._send_pictures()
                    return False
                return True

            def _send_pictures(self) -> None:
                sequence = number = 0
                while not camera.closing.is_set():
                    if camera.silent.is_set():
                        camera.stay_silent(self.connection)
                        return
                    for payload, last in rtp_payloads(jpeg(number)):
                        kind = _RTP_JPEG | (0x80 if last else 0)
                        timestamp = round(number * _PERIOD_S * _RTP_CLOCK_HZ)
                        packet = struct.pack(">BBHII", 0x80, kind, sequence % 65_536, timestamp, 1) + payload
                        self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                        sequence += 1
                    number += 1
                    time.sleep(_PERIOD_S)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def address(self, path: str = "stream", user: str = "") -> str:
        return f"rtsp://{user}127.0.0.1:{self.port}/{path}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def served_folder(folder: Path) -> Iterator[str]:
    """Serves the files of a folder over HTTP; yields its base address."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def rtp_payloads(data: bytes) -> list[tuple[bytes, bool]]:
    """RTP payloads of a baseline JPEG with 4:2:0 subsampling, each with a flag for the last one (RFC 2435, 3.1)."""
    tables, size_px, scan = b"", (0, 0), 0
    place = 2  # after the SOI marker
    while not scan:
        marker, length = struct.unpack_from(">HH", data, place)
        segment = data[place + 4 : place + 2 + length]
        if marker == 0xFFDB:
            tables += b"".join(segment[start + 1 : start + 65] for start in range(0, len(segment), 65))
        elif marker == 0xFFC0:
            size_px = struct.unpack_from(">HH", segment, 1)[::-1]
        elif marker == 0xFFDA:
            scan = place + 2 + length
        place += 2 + length
    pixels = data[scan:-2]  # without the EOI marker
    payloads = []
    for offset in range(0, len(pixels), _RTP_PAYLOAD):
        # type 1: 4:2:0; quality 255: the first payload contains the quantization tables
        head = struct.pack(">IBBBB", offset, 1, 255, size_px[0] // 8, size_px[1] // 8)
        if offset == 0:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        payloads.append((head + pixels[offset : offset + _RTP_PAYLOAD], offset + _RTP_PAYLOAD >= len(pixels)))
    return payloads


def free_port() -> int:
    """A port without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
