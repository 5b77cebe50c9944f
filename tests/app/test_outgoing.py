"""Exports and output: unmirrored hands, motion files, OSC, console encodings and broken pipes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, found, plain_image, write_clip, write_picture
from bvh_reader import Bvh
from scipy.spatial.transform import Rotation
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app.arguments import parse
from app.command_line import run
from app.motion.bvh_file import EULER_ORDER, without_jumps, write_bvh
from app.motion.recorder import MotionRecorder
from app.outputs.address import StreamAddress
from app.outputs.osc import frame_bundle
from app.outputs.streams import open_streams
from app.pipeline.output_reason import OutputCause, OutputReason
from app.pipeline.output_selector import OutputHand
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.scene_view import as_seen_by_camera
from app.snapshot.snapshot import save_snapshot
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.types import Frame

ROOT = Path(__file__).resolve().parents[2]
MODEL = load_embedded_model()


def mirrored_result(sequence: int = 0) -> JoinedResult:
    """The result for a person's right hand in a mirrored picture: a left hand."""
    intrinsics = replace(Intrinsics.from_fov(320, 240), cx_px=150.0)
    frame = Frame(sequence, sequence * 40_000_000, plain_image(), intrinsics, "Camera", mirrored=True, live=True)
    result = found(frame, "left")
    return JoinedResult(
        frame, {"ik": result}, tuple(OutputHand(state, OutputReason(OutputCause.ONLY_PATH)) for state in result.states)
    )


def test_mirrored_result_is_unmirrored_with_its_hands_and_landmarks() -> None:
    joined = mirrored_result()
    seen = as_seen_by_camera(joined, picture=True)
    (before,), (state,) = joined.results["ik"].states, seen.results["ik"].states
    assert (seen.frame.mirrored, state.side) == (False, "right")
    np.testing.assert_array_equal(seen.frame.image_rgb, joined.frame.image_rgb[:, ::-1])
    # every joint lies on the mirrored pixel, and the pose makes the joints of the other hand's model
    pixels = project(np.asarray(before.joints_m, float), joined.frame.intrinsics)
    mirrored = project(np.asarray(state.joints_m, float), seen.frame.intrinsics)
    np.testing.assert_allclose(mirrored, [319.0, 0.0] + pixels * [-1.0, 1.0], atol=1e-3)
    geometry = HandLayer(MODEL)(state.pose_rad, state.shape, state.camera_translation_m)
    np.testing.assert_allclose(geometry.vertices_m, state.vertices_m, atol=1e-5)
    (landmarks,) = seen.results["ik"].observations
    np.testing.assert_allclose(landmarks.landmarks_px, mirrored + np.array([-2.0, 2.0]), atol=1e-3)
    plain = replace(joined, frame=replace(joined.frame, mirrored=False))
    assert as_seen_by_camera(plain) is plain


def test_right_hand_in_a_mirrored_picture_is_saved_as_a_right_skeleton(tmp_path: Path) -> None:
    recorder = MotionRecorder(MODEL)
    for sequence in range(3):
        recorder.take(mirrored_result(sequence))
    motion = recorder.motion(25.0)
    assert [track.side for track in motion.tracks] == ["right"]
    (file,) = write_bvh(motion, tmp_path / "hand.bvh")
    assert Bvh(file.read_text()).frames == 3


def test_streams_and_snapshots_use_the_unmirrored_side(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        with open_streams([StreamAddress("udp", receiver.getsockname()[1])], MODEL) as streams:
            streams.publish(mirrored_result())
            texts = [receiver.recv(65_536).decode() for _ in range(2)]
    assert any('"side":"right"' in text and '"mirrored":false' in text for text in texts)
    files = save_snapshot(mirrored_result(), MODEL, tmp_path)
    assert {path.stem.rsplit("_", 1)[-1] for path in files.meshes} == {"right"}
    assert '"mirrored": false' in files.description.read_text()


def test_unwrapped_euler_angles_have_no_jumps_and_keep_the_rotations() -> None:
    rng = np.random.default_rng(5)
    steps = Rotation.from_rotvec(rng.normal(0, 0.15, (400, 3)))
    rotations = [Rotation.identity()]
    for step in steps:
        rotations.append(step * rotations[-1])
    wandering = Rotation.concatenate(rotations)
    angles = wandering.as_euler(EULER_ORDER, degrees=True)
    assert np.abs(np.diff(angles, axis=0)).max() > 180.0
    smooth = without_jumps(angles)
    assert np.abs(np.diff(smooth, axis=0)).max() <= 180.0
    assert np.abs(np.diff(smooth, axis=0)).mean() < np.abs(np.diff(angles, axis=0)).mean()
    same = Rotation.from_euler(EULER_ORDER, smooth, degrees=True) * wandering.inv()
    assert same.magnitude().max() < 1e-6


def test_a_hand_that_turns_over_makes_a_skeleton_without_jumps(tmp_path: Path) -> None:
    recorder = MotionRecorder(MODEL)
    for sequence in range(40):
        joined = mirrored_result(sequence)
        state = joined.outputs[0].state
        pose = np.array(state.pose_rad)
        pose[:3] = Rotation.from_euler("xyz", [9.0 * sequence, 11.0 * sequence, 30.0], degrees=True).as_rotvec()
        turned = replace(state, pose_rad=pose.astype(np.float32))
        recorder.take(
            replace(
                joined,
                frame=replace(joined.frame, mirrored=False),
                outputs=(OutputHand(turned, OutputReason(OutputCause.ONLY_PATH)),),
            )
        )
    (file,) = write_bvh(recorder.motion(25.0), tmp_path / "hand.bvh")
    text = file.read_text()
    numbers = np.array(
        [[float(word) for word in line.split()] for line in text.split("Frame Time:")[1].split("\n")[1:-1]]
    )
    assert np.abs(np.diff(numbers[:, 3:], axis=0)).max() < 180.0


def test_osc_has_no_doubles_and_counts_seconds_from_the_first_frame() -> None:
    joined = mirrored_result(50)
    bundle = frame_bundle(joined, True, 1_000_000_000)
    address = bundle.index(b"/handlive/frame\0")
    assert bundle[address + 16 : address + 24] == b",ifi\0\0\0\0"
    assert np.frombuffer(bundle[address + 28 : address + 32], ">f4")[0] == np.float32(1.0)
    tags = [part.split(b"\0")[0] for part in bundle.split(b"\0,")[1:]]
    assert tags
    assert not any(b"d" in tag for tag in tags)


def test_allowed_origins_may_connect_and_others_are_refused_with_the_option_to_use(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = parse(["--stream", f"ws:{port}", "--stream-origin", "https://hands.example", "--stream-origin", "null"])
    with open_streams(options.stream, MODEL) as streams:
        for origin in ("https://hands.example", "null", "http://localhost:3000"):
            with connect(f"ws://127.0.0.1:{port}", origin=origin) as page:  # type: ignore[arg-type]
                assert page.recv(10)
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{port}", origin="https://hands.example.org")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403
        assert b"--stream-origin https://hands.example.org" in (refused.value.response.body or b"")
        assert "--stream-origin https://hands.example.org" in streams.states()[0][1].sentence


def test_headless_run_reports_the_count_of_failed_datagrams_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Unplugged(socket.socket):
        def sendto(self, *_: object) -> int:  # type: ignore[override]
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("app.outputs.datagrams.socket.socket", Unplugged)
    monkeypatch.setattr("app.command_line._paths", lambda *_, **__: {"ik": FakePath})
    clip = write_clip(tmp_path / "clip.mp4", frames=6)
    arguments = ["--headless", "--source", str(clip), "--report", str(tmp_path / "r"), "--stream", "udp:9000"]
    assert run(arguments) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "datagrams" in line]
    assert len(lines) == 1
    assert lines[0].endswith("datagrams of udp:127.0.0.1:9000 could not be sent (Network is unreachable).")
    failed, total = (int(word) for word in lines[0].split(" datagrams")[0].split(" of "))
    assert failed == total > 0


def start(code: str, tmp_path: Path, **environment: str | None) -> subprocess.CompletedProcess[bytes]:
    """Runs code in a child process that was prepared as the program prepares its own."""
    values = {name: value for name, value in os.environ.items() if environment.get(name, "") is not None}
    values |= {name: value for name, value in environment.items() if value is not None}
    begin = "from app.environment import prepare_process; prepare_process()\n"
    return subprocess.run([sys.executable, "-c", begin + code], cwd=ROOT, env=values, capture_output=True)


def test_characters_outside_a_legacy_code_page_can_be_printed(tmp_path: Path) -> None:
    done = start("print('手 \\u2192 \\udcff done')", tmp_path, PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert b"done" in done.stdout


@pytest.mark.parametrize("code_page", ["ascii", "cp1252"])
def test_commands_succeed_in_a_legacy_code_page_and_write_their_files(tmp_path: Path, code_page: str) -> None:
    (tmp_path / "p.json").write_text('{"schema": 1, "images": []}')
    folder = tmp_path / "手 \N{MULTIPLICATION SIGN}"
    given = ["--predictions", str(tmp_path / "p.json"), "--pictures", str(tmp_path), "--out", str(folder)]
    board = str(folder / "board.png")
    commands = (["-m", "trainer", "backgrounds", *given], ["main_v2.py", "board", "--output", board])
    environment = {**os.environ, "PYTHONIOENCODING": code_page, "PYTHONUTF8": "0"}
    for command in commands:
        done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"\\u624b" in done.stdout
    assert Path(board).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always has a profile folder")
def test_missing_home_folder_is_replaced_by_a_temporary_one(tmp_path: Path) -> None:
    code = (
        "from app.user_dirs import settings_file; from pathlib import Path; print(Path.home()); print(settings_file())"
    )
    done = start(code, tmp_path, HOME=str(tmp_path / "none"), TMPDIR=str(tmp_path), XDG_CONFIG_HOME=None)
    assert done.returncode == 0, done.stderr
    home, settings = (Path(line) for line in done.stdout.decode().split())
    assert home.parent == tmp_path
    assert settings.is_relative_to(home)
    assert b"There is no home folder" in done.stderr


def test_telemetry_of_onnxruntime_is_disabled(tmp_path: Path) -> None:
    code = (
        "from ik_baseline.onnx_session import MODELS_DIR, PictureModel\n"
        "PictureModel(MODELS_DIR / 'palm_detection.onnx')"
    )
    done = start(code, tmp_path, HOME=str(tmp_path), XDG_CACHE_HOME=None, ORT_DISABLE_TELEMETRY=None)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.rglob("*onnxruntime*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs folders without write access")
def test_numba_cache_is_temporary_where_program_and_home_are_read_only(tmp_path: Path) -> None:
    # _is_writable is replaced, as an administrator may write to any folder
    code = (
        "import os, app.environment as e\n"
        "e._is_writable = lambda folder: False\n"
        "e.give_missing_folders()\n"
        "from hand.raster import Rasterizer\n"
        "print(os.environ['NUMBA_CACHE_DIR'])"
    )
    done = start(code, tmp_path, HOME="/", TMPDIR=str(tmp_path), NUMBA_CACHE_DIR=None)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.decode().strip()).parent == tmp_path


@pytest.fixture
def broken_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing raises BrokenPipeError, as after the reader of a pipe has ended."""

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("app.command_line._paths", lambda *_, **__: {"ik": FakePath})
    monkeypatch.setattr("builtins.print", broken)


@pytest.mark.usefixtures("broken_stdout")
def test_headless_run_writes_its_files_with_a_broken_stdout_pipe(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    motion, report = tmp_path / "m.npz", tmp_path / "r"
    assert run(["--headless", "--source", str(clip), "--report", str(report), "--save-motion", str(motion)]) == 0
    assert motion.is_file()
    assert (report / "report.json").is_file()


@pytest.mark.usefixtures("broken_stdout")
def test_other_commands_write_their_files_with_a_broken_stdout_pipe(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    write_picture(pictures / "a.png")
    (pictures / "b.png").write_bytes(b"damaged")  # causes a warning
    (pictures / "notes.txt").touch()
    output, motion, board = tmp_path / "p.json", tmp_path / "m.npz", tmp_path / "board.png"
    assert run(["predict", "--input", str(pictures), "--output", str(output), "--save-motion", str(motion)]) == 0
    assert "complete" not in json.loads(output.read_text())
    assert motion.is_file()
    assert run(["board", "--output", str(board)]) == 0
    assert board.is_file()
