"""The network in a child process, as for a GPU: the outputs of ONNX Runtime, and the fallback to the CPU.

Here torch runs on the CPU; the pipe, the process and the fallback are the same as with a GPU.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import cv2
import numpy as np
import pytest

from app.networks.device import chosen_device
from app.networks.gpu_session import GpuSession
from app.networks.live_network import LiveNetwork, LoadedNetwork, load_candidate
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from app.sources.demo import DEMO_CLIP
from hand.errors import CheckpointError
from inference.pipe_protocol import (
    ANSWER_LENGTH,
    NetworkProcessError,
    receive_answers,
    receive_crops,
    send_crops,
    send_problem,
)
from inference.runtime import OUTPUT_NAMES, NetworkRuntime, load_network, read_metadata

needs_torch = pytest.mark.usefixtures("training_part")
pytestmark = pytest.mark.timeout(200)  # torch takes long to import on a busy machine


CROP_PX = int(read_metadata(SHIPPED_NETWORK_DIR)["network"]["input_px"])


def crops(count: int) -> np.ndarray:
    """Crops of the hand in the demo clip; on noise, the network would magnify rounding errors."""
    clip = cv2.VideoCapture(str(DEMO_CLIP))
    pictures = [clip.read()[1][..., ::-1] for _ in range(count)]
    clip.release()
    small = [cv2.resize(picture[:, 280:1000], (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.stack(small).transpose(0, 3, 1, 2).astype(np.float32)


def pipe_with(content: bytes) -> IO[bytes]:
    """A stream with this content, like a pipe that the writer has closed."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads it
    stream.write(content)
    stream.seek(0)
    return stream


@pytest.fixture(scope="module")
def in_child_process(training_part: None) -> Iterator[LoadedNetwork]:
    """The shipped network behind the pipe."""
    network = _loaded(GpuSession(SHIPPED_NETWORK_DIR, "cpu", read_metadata(SHIPPED_NETWORK_DIR)))
    yield network
    network.close()


def _loaded(session: GpuSession) -> LoadedNetwork:
    return LoadedNetwork(SHIPPED_NETWORK_DIR, NetworkRuntime(session, read_metadata(SHIPPED_NETWORK_DIR)), session)


@pytest.mark.parametrize("count", [1, 5])
def test_child_process_returns_the_outputs_of_onnx_runtime(in_child_process: LoadedNetwork, count: int) -> None:
    here, there = (
        load_network(SHIPPED_NETWORK_DIR).outputs(crops(count)),
        in_child_process.runtime.outputs(crops(count)),
    )
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(there[name], here[name], atol=2e-3, rtol=1e-3, err_msg=name)
    assert (in_child_process.runs_on, in_child_process.note) == ("processor, under torch", "")


@needs_torch
def test_cpu_takes_over_from_a_dead_process_and_a_note_is_set() -> None:
    torch_was_here = "torch" in sys.modules
    session = GpuSession(SHIPPED_NETWORK_DIR, "cpu", read_metadata(SHIPPED_NETWORK_DIR))
    network = _loaded(session)
    assert ("torch" in sys.modules) == torch_was_here
    live = LiveNetwork(SHIPPED_NETWORK_DIR)
    live.swap(network)
    before = network.runtime.outputs(crops(1))
    os.kill(session._process.pid, signal.SIGKILL)
    after = network.runtime.outputs(crops(1))
    for name in OUTPUT_NAMES:
        np.testing.assert_allclose(after[name], before[name], atol=2e-3, rtol=1e-3, err_msg=name)
    assert live.note == "The graphics card stopped running the network (it has ended), so the processor does."
    assert live.runs_on == "processor (ONNX Runtime)"
    assert session._process.poll() is not None


@needs_torch
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot halt a process")
def test_cpu_takes_over_from_a_hung_process_and_a_note_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    session = GpuSession(SHIPPED_NETWORK_DIR, "cpu", read_metadata(SHIPPED_NETWORK_DIR))
    network = _loaded(session)
    monkeypatch.setattr("app.networks.gpu_session.ANSWER_S", 0.2)
    os.kill(session._process.pid, signal.SIGSTOP)
    answer = network.runtime.outputs(crops(1))
    plain = load_network(SHIPPED_NETWORK_DIR).outputs(crops(1))
    for name in OUTPUT_NAMES:
        np.testing.assert_array_equal(answer[name], plain[name], err_msg=name)
    assert "it did not answer for 0.2 s" in session.note
    assert session._process.poll() is not None
    assert not session._time_limit._thread.is_alive()
    network.close()


@needs_torch
def test_unusable_gpu_is_noted_and_the_network_runs_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    network = load_candidate(SHIPPED_NETWORK_DIR, "cuda")
    assert network.card is None
    assert "no graphics card that torch can use" in network.note
    assert network.note.endswith("The processor runs the network meanwhile.")
    assert network.runtime.outputs(crops(1))["rotations"].shape == (1, 16, 3, 3)


@needs_torch
def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    for name in ("network.json", "network.onnx"):
        (tmp_path / name).write_bytes((SHIPPED_NETWORK_DIR / name).read_bytes())
    with pytest.raises(CheckpointError, match=r"network\.safetensors"):
        GpuSession(tmp_path, "cpu", read_metadata(tmp_path))


def test_only_the_current_and_the_previous_network_keep_the_gpu() -> None:
    closed: list[str] = []

    def network(name: str) -> LoadedNetwork:
        card = SimpleNamespace(close=lambda: closed.append(name), note="", device_name="card")
        return LoadedNetwork(Path(name), load_network(SHIPPED_NETWORK_DIR), card)  # type: ignore[arg-type]

    live = LiveNetwork(SHIPPED_NETWORK_DIR)
    for name in ("first", "second", "third"):
        live.swap(network(name))
    assert closed == ["first"]
    assert live.previous is not None
    assert live.previous.folder == Path("second")


def test_out_of_memory_problem_is_raised_with_its_message() -> None:
    stream = pipe_with(b"")
    send_problem(stream, "the graphics card has no memory left; close what else uses it")
    stream.seek(0)
    with pytest.raises(NetworkProcessError, match="no memory left"):
        receive_answers(stream, 1)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x01\x00", struct.pack("<II", 2, ANSWER_LENGTH), struct.pack("<II", 1, ANSWER_LENGTH) + b"\x00" * 8],
    ids=["nothing", "half a head", "another count", "half an answer"],
)
def test_incomplete_or_mismatched_answers_raise(answer: bytes) -> None:
    with pytest.raises(NetworkProcessError):
        receive_answers(pipe_with(answer), 1)


def test_crops_arrive_as_they_were_sent() -> None:
    stream = pipe_with(b"")
    send_crops(stream, crops(2))
    stream.seek(0)
    came = receive_crops(stream, CROP_PX)
    assert came is not None
    np.testing.assert_array_equal(came[0], crops(2))
    assert came[1].shape == (2, 0)
    assert receive_crops(stream, CROP_PX) is None
    stream.seek(0)
    with pytest.raises(NetworkProcessError, match="64 px expected"):
        receive_crops(stream, 64)


def test_landmarks_arrive_behind_their_crops() -> None:
    stream = pipe_with(b"")
    landmarks = np.random.default_rng(4).normal(size=(2, 7)).astype(np.float32)
    for _ in range(2):
        send_crops(stream, crops(2), landmarks)
    stream.seek(0)
    for _ in range(2):
        came = receive_crops(stream, CROP_PX, 7)
        assert came is not None
        np.testing.assert_array_equal(came[0], crops(2))
        np.testing.assert_array_equal(came[1], landmarks)
    assert receive_crops(stream, CROP_PX, 7) is None


def test_device_option_overrides_the_detected_device(monkeypatch: pytest.MonkeyPatch) -> None:
    device = "app.networks.device"
    assert chosen_device("mps") == "mps"
    monkeypatch.setattr(f"{device}._cuda_cards", lambda: 1)
    assert (chosen_device("auto"), chosen_device("cpu")) == ("cuda", "cpu")
    monkeypatch.setattr(f"{device}._cuda_cards", lambda: 0)
    monkeypatch.setattr(f"{device}.sys.platform", "linux")
    assert chosen_device("auto") == "cpu"
