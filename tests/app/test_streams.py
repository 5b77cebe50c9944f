"""Streams to other programs, received by real clients on this machine."""

from __future__ import annotations

import base64
import errno
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, hand_state, plain_image, wait_until, write_clip
from pythonosc.osc_bundle import OscBundle
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from app.arguments import parse
from app.headless import HeadlessRun, run_headless
from app.outputs.address import LOCALHOST, StreamAddress, parse_stream_address
from app.outputs.datagrams import LARGEST_DATAGRAM_BYTES
from app.outputs.streams import RateLimit, Streams, open_streams
from app.outputs.web_socket import MOST_CLIENTS, WebSocketSink
from app.pipeline.output_reason import OutputCause, OutputReason
from app.pipeline.output_selector import OutputHand
from app.pipeline.result_synchronizer import JoinedResult
from app.sources.video import VideoSource
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.joints import JOINT_NAMES
from hand.types import Frame, HandState

MODEL = load_embedded_model()
UNLIMITED_HZ = 1e9


def make_frame(sequence: int = 0) -> Frame:
    return Frame(sequence, time.monotonic_ns(), plain_image(), Intrinsics.from_fov(320, 240), "Fake", live=True)


HANDS = tuple(
    OutputHand(hand_state(make_frame(), side), OutputReason(OutputCause.ONLY_PATH)) for side in ("right", "left")
)


def output(sequence: int = 0, *, hands: int = 1) -> JoinedResult:
    return JoinedResult(make_frame(sequence), {}, HANDS[:hands])


def states_of(joined: JoinedResult) -> list[HandState]:
    return [output.state for output in joined.outputs]


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOCALHOST, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((LOCALHOST, 0))
        listening.settimeout(10)
        yield listening


def streams(*addresses: StreamAddress) -> AbstractContextManager[Streams]:
    return open_streams(addresses, MODEL)


def receive_json(receiver: socket.socket, schema: str) -> dict:
    while True:
        content = json.loads(receiver.recv(LARGEST_DATAGRAM_BYTES + 1))
        if content["schema"] == schema:
            return content


def unpack(content: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(content["base64"]), content["dtype"]).reshape(content["shape"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("udp:9000", StreamAddress("udp", 9000)),
        ("osc:192.168.1.20:9001,rate=15", StreamAddress("osc", 9001, "192.168.1.20", rate_hz=15)),
        ("ws:8765,mesh", StreamAddress("ws", 8765, mesh=True)),
        ("ws:0.0.0.0:8765,rate=12.5,mesh", StreamAddress("ws", 8765, "0.0.0.0", mesh=True, rate_hz=12.5)),
        ("udp:[::1]:9000", StreamAddress("udp", 9000, "::1")),
        ("udp:[fe80::1%eth0]:9000", StreamAddress("udp", 9000, "fe80::1%eth0")),
        ("udp:studio.local:9000", StreamAddress("udp", 9000, "studio.local")),
    ],
)
def test_valid_address_is_parsed(text: str, wanted: StreamAddress) -> None:
    assert parse_stream_address(text) == wanted
    assert parse_stream_address(wanted.describe()).host == wanted.host


@pytest.mark.parametrize(
    "text",
    ["", "udp", "udp:", "udp:x", "tcp:9000", "udp:0", "udp:70000", "ws:8765,fast", "ws:8765,rate=0", "udp:9000 mesh"],
)
def test_invalid_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_stream_address(text)
    assert str(refused.value).endswith(".")


def test_default_host_is_localhost() -> None:
    assert parse_stream_address("ws:8765").host == parse_stream_address("udp:1").host == "127.0.0.1"


def test_udp_message_has_the_hands_of_the_output(receiver: socket.socket) -> None:
    sent = output(7, hands=2)
    with streams(StreamAddress("udp", receiver.getsockname()[1])) as running:
        running.publish(sent)
        about = receive_json(receiver, "handlive.about")
        content = receive_json(receiver, "handlive.hands")
    assert content["version"] == about["version"] == 1
    assert (content["sequence"], content["source"], content["mirrored"]) == (7, "Fake", False)
    assert content["capture_time_ns"] == sent.frame.capture_time_ns
    assert abs(content["capture_unix_s"] - time.time()) < 60
    assert content["camera"]["fx_px"] == pytest.approx(sent.frame.intrinsics.fx_px, abs=1e-3)
    assert [hand["side"] for hand in content["hands"]] == ["right", "left"]
    for hand, state in zip(content["hands"], states_of(sent), strict=True):
        np.testing.assert_allclose(hand["joints_m"], state.joints_m, atol=1e-5)
        np.testing.assert_allclose(hand["pose_rad"], state.pose_rad, atol=1e-5)
        np.testing.assert_allclose(hand["camera_translation_m"], state.camera_translation_m, atol=1e-5)
        assert (hand["method"], hand["reason"]) == ("ik", "it is the path that was chosen")
        assert "vertices_m" not in hand
    assert about["joint_names"] == list(JOINT_NAMES)
    assert about["hand_model"] == {"name": MODEL.name, "digest": MODEL.digest, "vertices": MODEL.vertex_count}


def test_udp_mesh_comes_with_its_triangles(receiver: socket.socket) -> None:
    sent = output(hands=2)
    with streams(StreamAddress("udp", receiver.getsockname()[1], mesh=True)) as running:
        running.publish(sent)
        about = receive_json(receiver, "handlive.about")
        content = receive_json(receiver, "handlive.hands")
    for hand, state in zip(content["hands"], states_of(sent), strict=True):
        np.testing.assert_array_equal(unpack(hand["vertices_m"]), state.vertices_m)
    for side in ("right", "left"):
        np.testing.assert_array_equal(unpack(about["faces"][side]), load_embedded_model(side).faces)


def test_mesh_too_large_for_a_datagram_is_left_out_and_reported(receiver: socket.socket) -> None:
    sent = output()
    huge = replace(HANDS[0].state, vertices_m=np.zeros((9000, 3), np.float32))
    with streams(StreamAddress("udp", receiver.getsockname()[1], mesh=True)) as running:
        running.publish(JoinedResult(sent.frame, {}, (OutputHand(huge, OutputReason(OutputCause.ONLY_PATH)),)))
        content = receive_json(receiver, "handlive.hands")
        wait_until(lambda: "use ws" in running.states()[0][1].sentence)
    assert "vertices_m" not in content["hands"][0]


def test_mesh_larger_than_the_system_sends_is_left_out_and_reported(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, where a datagram has 9216 bytes at most unless the user raises it."""

    class SmallDatagrams(socket.socket):
        def sendto(self, data: bytes, target: object) -> int:  # type: ignore[override]
            if len(data) > 9216:
                raise OSError(errno.EMSGSIZE, "Message too long")
            return super().sendto(data, target)  # type: ignore[arg-type]

    monkeypatch.setattr("app.outputs.datagrams.socket.socket", SmallDatagrams)
    with streams(StreamAddress("udp", receiver.getsockname()[1], mesh=True)) as running:
        running.publish(output())
        content = receive_json(receiver, "handlive.hands")
        wait_until(lambda: "use ws" in running.states()[0][1].sentence)
        assert running.states()[0][1].failed == 0
    assert "vertices_m" not in content["hands"][0]


def test_osc_is_read_by_an_independent_parser(receiver: socket.socket) -> None:
    sent = output(3, hands=2)
    with streams(StreamAddress("osc", receiver.getsockname()[1], mesh=True)) as running:
        running.publish(sent)
        found: dict[str, list] = {}
        while "/handlive/left/vertices" not in found:
            bundle = OscBundle(receiver.recv(LARGEST_DATAGRAM_BYTES + 1))
            found |= {message.address: message.params for message in bundle}
    assert found["/handlive/about"][0] == 2
    assert found["/handlive/frame"] == [3, 0.0, 2]
    for state in states_of(sent):
        root = f"/handlive/{state.side}"
        np.testing.assert_array_equal(np.float32(found[f"{root}/joints"]).reshape(21, 3), state.joints_m)
        np.testing.assert_array_equal(np.float32(found[f"{root}/pose"]), state.pose_rad)
        np.testing.assert_array_equal(np.float32(found[f"{root}/translation"]), state.camera_translation_m)
        vertices = np.frombuffer(found[f"{root}/vertices"][0], ">f4").reshape(-1, 3)
        np.testing.assert_array_equal(vertices, state.vertices_m)
        assert found[f"{root}/method"] == ["ik"]


def test_web_socket_client_gets_about_and_then_every_new_frame() -> None:
    address = StreamAddress("ws", free_port(socket.SOCK_STREAM), mesh=True, rate_hz=UNLIMITED_HZ)
    with streams(address) as running, connect(f"ws://{LOCALHOST}:{address.port}") as client:
        assert json.loads(client.recv(10))["schema"] == "handlive.about"
        for sequence in range(3):
            sent = output(sequence)
            running.publish(sent)
            content = json.loads(client.recv(10))
            assert content["sequence"] == sequence
            np.testing.assert_array_equal(unpack(content["hands"][0]["vertices_m"]), states_of(sent)[0].vertices_m)
        assert running.states()[0][1].clients == 1


def test_web_socket_clients_that_fail_do_not_affect_the_others() -> None:
    address = StreamAddress("ws", free_port(socket.SOCK_STREAM), rate_hz=UNLIMITED_HZ)
    url = f"ws://{LOCALHOST}:{address.port}"
    with streams(address) as running, connect(url) as good:
        good.recv(10)
        with socket.create_connection((LOCALHOST, address.port)) as raw:  # no handshake at all
            raw.sendall(b"\x00\xff rubbish\r\n\r\n")
        with connect(url) as verbose:
            verbose.send("x" * 5000)  # more than a client may send
        with connect(url) as abrupt:
            abrupt.socket.close()  # without a closing handshake
        for sequence in range(3):
            running.publish(output(sequence))
            assert json.loads(good.recv(10))["sequence"] == sequence
        wait_until(lambda: running.states()[0][1].clients == 1)


def test_pages_of_other_origins_are_refused() -> None:
    address = StreamAddress("ws", free_port(socket.SOCK_STREAM), rate_hz=UNLIMITED_HZ)
    url = f"ws://{LOCALHOST}:{address.port}"
    with streams(address):
        with connect(url, origin="http://localhost:8000") as own:
            assert own.recv(10)
        for origin in ("https://example.org", "https://localhost.example.org", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                connect(url, origin=origin)


def test_slow_client_is_dropped_while_a_quick_one_gets_every_frame() -> None:
    port = free_port(socket.SOCK_STREAM)
    sink = WebSocketSink(StreamAddress("ws", port, mesh=True), MODEL, patience_s=0.3)
    sink.open()
    try:
        slow_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        slow_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow_socket.connect((LOCALHOST, port))
        slow_socket.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )  # from here on it reads nothing
        with slow_socket, connect(f"ws://{LOCALHOST}:{port}") as quick:
            quick.recv(10)
            wait_until(lambda: sink.state.clients == 2)
            sequence = 0
            while sink.state.dropped_clients == 0:
                assert sequence < 2000, "the slow client was never dropped"
                sink.send(output(sequence))
                assert json.loads(quick.recv(10))["sequence"] == sequence
                sequence += 1
            assert sink.state.clients == 1
    finally:
        sink.close()


def test_client_that_reads_late_gets_the_newest_frame_and_no_backlog() -> None:
    port = free_port(socket.SOCK_STREAM)
    sink = WebSocketSink(StreamAddress("ws", port, mesh=True), MODEL, patience_s=30)
    sink.open()
    try:
        with connect(f"ws://{LOCALHOST}:{port}", max_queue=1) as late:
            late.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            late.recv(10)
            last = 600
            for sequence in range(last + 1):
                sink.send(output(sequence))
            received = []
            while not received or received[-1] < last:
                received.append(json.loads(late.recv(10))["sequence"])
    finally:
        sink.close()
    assert received == sorted(received)
    assert len(received) < last / 2, "frames were queued instead of dropped"


def test_clients_beyond_the_limit_are_refused() -> None:
    address = StreamAddress("ws", free_port(socket.SOCK_STREAM), rate_hz=UNLIMITED_HZ)
    url = f"ws://{LOCALHOST}:{address.port}"
    with streams(address), ExitStack() as clients:
        for _ in range(MOST_CLIENTS):
            clients.enter_context(connect(url)).recv(10)
        with connect(url) as refused, pytest.raises(ConnectionClosed) as closed:
            refused.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


def test_port_in_use_is_refused(receiver: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind((LOCALHOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = Streams([StreamAddress("udp", receiver.getsockname()[1]), StreamAddress("ws", port)], MODEL)
        with pytest.raises(ConfigError, match="cannot listen there"):
            running.open()
        running.close()


def test_unknown_host_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not known"):
        Streams([StreamAddress("udp", 9000, "no-such-host.invalid")], MODEL).open()


@pytest.mark.parametrize("host", ["192.168..5", "a" * 64, "no-such-host.invalid"])
def test_server_at_an_invalid_host_is_refused_without_blocking(host: str) -> None:
    sentences: list[str] = []

    def open_it() -> None:
        with pytest.raises(ConfigError, match="cannot listen there") as refused:
            Streams([StreamAddress("ws", 8765, host)], MODEL).open()
        sentences.append(str(refused.value))

    opening = threading.Thread(target=open_it, daemon=True)
    opening.start()
    opening.join(20.0)
    assert len(sentences) == 1


def test_host_of_both_address_families_is_reached_by_ipv4(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ipv6_first(host: str, port: int, **_options: object) -> list[tuple]:
        assert host == "localhost"
        kind = socket.SOCK_DGRAM
        return [
            (socket.AF_INET6, kind, socket.IPPROTO_UDP, "", ("::1", port, 0, 0)),
            (socket.AF_INET, kind, socket.IPPROTO_UDP, "", (LOCALHOST, port)),
        ]

    monkeypatch.setattr("app.outputs.datagrams.socket.getaddrinfo", ipv6_first)
    with streams(StreamAddress("udp", receiver.getsockname()[1], "localhost")) as running:
        running.publish(output(3))
        assert receive_json(receiver, "handlive.hands")["sequence"] == 3


def test_unsupported_address_family_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr("app.outputs.datagrams.socket.socket", refuse)
    with pytest.raises(ConfigError, match=r"udp:\[::1\]:9000 cannot be sent from this machine"):
        Streams([StreamAddress("udp", 9000, "::1")], MODEL).open()


def test_closing_disconnects_the_clients() -> None:
    address = StreamAddress("ws", free_port(socket.SOCK_STREAM), rate_hz=UNLIMITED_HZ)
    running = Streams([address], MODEL)
    running.open()
    with connect(f"ws://{LOCALHOST}:{address.port}") as client:
        client.recv(10)
        running.close()
        with pytest.raises(ConnectionClosed):
            client.recv(10)


def test_publishing_never_waits_for_a_stream_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with streams(StreamAddress("udp", free_port(socket.SOCK_DGRAM))) as running:
        release, entered = threading.Event(), threading.Event()

        def hang(_output: JoinedResult) -> None:
            entered.set()
            release.wait()

        monkeypatch.setattr(running._sinks[0], "send", hang)
        running.publish(output())
        assert entered.wait(10)
        for sequence in range(1000):
            running.publish(output(sequence))
        release.set()


def test_rate_limit_thins_evenly_in_spite_of_jitter() -> None:
    limit = RateLimit(30.0)
    jitter = np.random.default_rng(1).uniform(-0.003, 0.003, 600)
    sent = [k for k in range(600) if limit.allows(k / 60 + jitter[k])]
    assert len(sent) == pytest.approx(300, abs=6)
    assert max(np.diff(sent)) <= 3


def test_rate_limit_lets_a_slower_source_through_whole() -> None:
    limit = RateLimit(60.0)
    assert all(limit.allows(k / 30) for k in range(100))
    assert limit.allows(1000.0)


def test_headless_run_streams_its_hands_in_order(receiver: socket.socket, tmp_path: Path) -> None:
    address = StreamAddress("udp", receiver.getsockname()[1])
    with open_streams([address], MODEL) as running:
        source = VideoSource(write_clip(tmp_path / "clip.mp4", frames=12), frames_per_second=20.0)
        run = HeadlessRun(source, {"ik": FakePath}, MODEL, tmp_path, realtime=True)
        run_headless(replace(run, listeners={"streams": running.publish}))
    received = []
    receiver.settimeout(0.2)  # everything was sent before the streams were closed
    with suppress(TimeoutError):
        while True:
            received.append(receive_json(receiver, "handlive.hands"))
    sequences = [content["sequence"] for content in received]
    # how many there are depends on the machine: what it is too slow for is dropped
    assert len(sequences) >= 2
    assert sequences == sorted(set(sequences))
    assert all([hand["side"] for hand in content["hands"]] == ["right"] for content in received)


def test_wrong_stream_is_refused_by_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--stream", "tcp:1"])
    assert "A stream is written as" in capsys.readouterr().err
