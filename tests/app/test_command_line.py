"""The command line: exit codes, one sentence per error, saved settings, and no torch in the process."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, FakeSource, found, press_ctrl_c_at, write_clip, write_picture

from app.arguments import parse
from app.command_line import run
from app.display_check import why_no_window
from app.environment import load_opencv
from app.settings import Settings, save_settings
from app.sources.choose import ChosenSource
from app.sources.demo import DEMO_CLIP, DEMO_TRUTH, demo_source
from app.two_views.view_recording import ViewInput
from app.ui.window_options import WindowOptions
from hand.embedded import load_embedded_model, load_model
from hand.errors import ConfigError, ModelFileError
from hand.types import Frame, PathResult

ROOT = Path(__file__).resolve().parents[2]


def start(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the program in a process of its own, without a display."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    command = ["-c", code, *arguments] if code else ["main_v2.py", *arguments]
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_refusals_are_one_sentence_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [
        ["--headless", "--source", str(tmp_path / "missing.mp4"), "--report", str(tmp_path / "report")],
        ["--headless", "--source", "no such thing"],
        ["--headless", "--source", "demo", "--intrinsics", "1,2,3"],
        ["--headless", "--source", "demo", "--fov", "500"],
        ["--headless", "--source", "demo", "--hand-model", str(tmp_path / "missing.pkl")],
        ["predict", "--input", str(tmp_path / "missing"), "--output", str(tmp_path / "pred.json")],
        ["predict", "--input", str(tmp_path), "--method", "network", "--output", str(tmp_path / "pred.json")],
    ]
    for arguments in wrong:
        assert run(arguments) == 2, arguments
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("handlive: ")


def test_network_without_an_installed_checkpoint_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.pipeline.paths.path_factories.SHIPPED_NETWORK_DIR", tmp_path / "nothing")
    write_picture(tmp_path / "a.png")
    output = str(tmp_path / "pred.json")
    assert run(["predict", "--input", str(tmp_path / "a.png"), "--method", "network", "--output", output]) == 2
    assert "No checkpoint of a trained network is installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--size", "big"],
        ["--fps", "-3"],
        ["--frames", "0"],
        ["--frames", "²"],
        ["--fov", "60", "--intrinsics", "1,1,1,1"],
        ["--fov", "60", "predict", "--input", "a.png", "--output", "a.json", "--intrinsics", "1,1,1,1"],
    ],
)
def test_wrong_options_are_refused_by_the_parser(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        parse(wrong)
    assert refusal.value.code == 2


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[WindowOptions]:
    """The windows that would have been opened."""
    windows: list[WindowOptions] = []

    def run_window(options: WindowOptions) -> int:
        windows.append(options)
        return 0

    monkeypatch.setattr("app.command_line.why_no_window", str)
    monkeypatch.setattr("app.ui.application.run_window", run_window)
    return windows


@pytest.mark.parametrize(("given", "strength"), [([], 0.2), (["--smoothing", "0.5"], 0.5), (["--smoothing", "0"], 0.0)])
def test_saved_smoothing_is_used_unless_the_command_line_sets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[WindowOptions], given: list[str], strength: float
) -> None:
    save_settings(Settings(smoothing=0.2), tmp_path / "settings.json")
    monkeypatch.setattr("app.command_line.settings_file", lambda: tmp_path / "settings.json")
    assert run(["--source", "demo", *given]) == 0
    assert started[0].smoothing.strength == strength


@pytest.mark.parametrize(("given", "theme"), [([], "dark"), (["--theme", "system"], "system")])
def test_saved_theme_is_used_unless_the_command_line_sets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[WindowOptions], given: list[str], theme: str
) -> None:
    save_settings(Settings(theme="dark"), tmp_path / "settings.json")
    monkeypatch.setattr("app.command_line.settings_file", lambda: tmp_path / "settings.json")
    assert run(["--source", "demo", *given]) == 0
    assert started[0].theme == theme


def test_missing_hand_model_opens_the_window_with_the_embedded_one_and_a_note(
    tmp_path: Path, started: list[WindowOptions]
) -> None:
    missing = tmp_path / "MANO_RIGHT.pkl"
    assert run(["--source", "demo", "--hand-model", str(missing), "--screenshot", str(tmp_path / "window.png")]) == 0
    (options,) = started
    assert options.model.digest == load_embedded_model().digest
    assert str(missing) in options.opening_note
    assert options.opening_note.endswith("The embedded hand is shown meanwhile.")
    assert options.hand_model_file is None  # tools for sessions use the model that is shown


def test_headless_camera_run_is_in_real_time_and_drops_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(frame: Frame) -> PathResult:
        time.sleep(0.02)  # ten frames of the camera
        return found(frame)

    camera = ChosenSource(FakeSource(live=True, forever=True), is_camera=True)
    monkeypatch.setattr("app.command_line.choose_source", lambda *_: camera)
    monkeypatch.setattr("app.command_line.chosen_paths", lambda *_, **__: {"ik": lambda: FakePath(slow)})
    assert run(["--headless", "--frames", "5", "--report", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["mode"] == "real time"
    assert report["paths"]["ik"]["drops"] > 0


def test_headless_run_loops_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    write_picture(tmp_path / "pictures" / "a.png")
    monkeypatch.setattr("app.command_line.chosen_paths", lambda *_, **__: {"ik": lambda: FakePath(found)})
    source, report = ["--source", str(tmp_path / "pictures")], ["--report", str(tmp_path / "report")]
    assert run(["--headless", *source, "--loop", "--frames", "5", *report]) == 0
    assert json.loads((tmp_path / "report" / "report.json").read_text())["frames"] == 5


def test_run_that_ends_early_saves_its_motion_and_prints_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks_for_good(frame: Frame) -> PathResult:
        if frame.sequence >= 4:
            raise RuntimeError("boom")
        return found(frame)

    stopped = (FakeSource(forever=True, on_read=press_ctrl_c_at(20)), found, 130, "stopped early")
    broken = (FakeSource(forever=True), breaks_for_good, 2, "so the run ends: RuntimeError: boom.")
    for source, behave, code, sentence in (stopped, broken):
        motion = tmp_path / f"{code}.npz"
        monkeypatch.setattr("app.command_line.choose_source", lambda *_, source=source: ChosenSource(source))
        paths = {"ik": lambda behave=behave: FakePath(behave)}
        monkeypatch.setattr("app.command_line.chosen_paths", lambda *_, paths=paths, **__: paths)
        assert run(["--headless", "--report", str(tmp_path / str(code)), "--save-motion", str(motion)]) == code
        assert sentence in capsys.readouterr().err
        assert (tmp_path / str(code) / "report.json").is_file()
        assert motion.is_file()


def test_options_are_read() -> None:
    options = parse(["--source", "0", "--no-mirror", "--size", "1280x720", "--fps", "60", "--hands", "2"])
    assert (options.source, options.mirror, options.size, options.fps, options.hands) == (
        "0",
        False,
        (1280, 720),
        60,
        2,
    )
    assert parse([]).mirror is None


def test_options_before_a_command_hold_for_it() -> None:
    predict = ["predict", "--input", "a.png", "--output", "a.json"]
    options = ["--fov", "78", "--method", "network", "--network", "folder", "--device", "cuda", "--hands", "2"]
    options += ["--hand-model", "model.npz", "--save-motion", "hand.glb"]
    assert parse([*options, *predict]) == parse([*predict, *options])
    assert parse([*options, *predict, "--hands", "1"]).hands == 1
    assert parse(["--source", "demo", "--size", "1280x720", "calibrate-camera"]) == parse(
        ["calibrate-camera", "--source", "demo", "--size", "1280x720"]
    )


def test_every_command_has_all_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    program = vars(parse([]))
    for command in (["predict", "--input", "a.png", "--output", "a.json"], ["calibrate-camera"]):
        options = vars(parse(command))
        assert {name: options[name] for name in program if name != "command"} == {
            name: value for name, value in program.items() if name != "command"
        }
    assert parse(["calibrate-camera"]).camera is None
    with pytest.raises(SystemExit):
        parse(["predict", "--help"])
    text = capsys.readouterr().out
    assert "how many hands to track (default: 1)" in text
    assert "SUPPRESS" not in text


def test_missing_display_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("app.display_check.platform.system", lambda: "Linux")
    assert why_no_window() == "There is no display"
    monkeypatch.setenv("DISPLAY", ":4711")
    assert why_no_window() == "The display :4711 does not answer"
    monkeypatch.setattr("app.display_check._loads", lambda library: "cursor" not in library)
    assert "apt-get install -y libxcb-cursor0" in why_no_window()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert why_no_window() == ""


def test_prepared_process_has_no_qt_variables_and_one_opencv_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM_PLUGIN_PATH", raising=False)
    code = (
        "from app.environment import prepare_process; prepare_process(); import os, cv2; "
        "print(sorted(name for name in os.environ if name.startswith('QT_')), cv2.getNumThreads())"
    )
    assert start(code=code).stdout.strip() == "[] 1"
    load_opencv()


_COUNT_ARENAS = """
import ctypes, sys, threading
from pathlib import Path

def hold(barrier):
    blocks = [bytearray(1000) for _ in range(100)]
    barrier.wait()
    return blocks

barrier = threading.Barrier(9)
for _ in range(8):
    threading.Thread(target=hold, args=(barrier,)).start()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = libc.fclose.argtypes = None
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
barrier.wait()
print(Path(sys.argv[1]).read_text().count("<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="counts the arenas of glibc's allocator")
def test_threads_share_few_memory_arenas(tmp_path: Path) -> None:
    table = str(tmp_path / "arenas.xml")
    assert int(start(table, code=_COUNT_ARENAS).stdout) > 2, "nothing is limited without prepare_process"
    prepared = f"from app.environment import prepare_process; prepare_process()\n{_COUNT_ARENAS}"
    assert int(start(table, code=prepared).stdout) <= 2


def test_exception_in_a_slot_is_logged_and_does_not_end_the_program() -> None:
    code = (
        "from app.environment import prepare_process; prepare_process(); "
        "from PyQt6.QtCore import QCoreApplication, QTimer; application = QCoreApplication([]); "
        "QTimer.singleShot(0, lambda: 1 / 0); QTimer.singleShot(50, application.quit); application.exec(); "
        "print('still here')"
    )
    done = start(code=code)
    assert (done.returncode, done.stdout.strip()) == (0, "still here")
    assert "ZeroDivisionError" in done.stderr


def test_default_hand_model_is_right_and_a_missing_file_is_refused() -> None:
    assert load_model(None).side == "right"
    with pytest.raises(ModelFileError):
        load_model(Path("missing.pkl"))


@pytest.mark.slow
def test_headless_run_without_a_display_imports_neither_torch_nor_qt(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    code = (
        "import sys; from app.environment import prepare_process; prepare_process(); from app.command_line import run; "
        "code = run(); print('torch' in sys.modules, 'PyQt6' in sys.modules); sys.exit(code)"
    )
    done = start("--source", str(clip), "--report", str(tmp_path / "report"), code=code)
    assert done.returncode == 0, done.stderr
    assert "There is no display, so this run is headless." in done.stderr
    assert done.stdout.strip().splitlines()[-1] == "False False"
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["paths"]["ik"]["frames"] == 5


@pytest.mark.slow
def test_prediction_on_the_demo_clip_matches_its_ground_truth(tmp_path: Path) -> None:
    """MediaPipe + IK on a frame of the rendered demo clip, against its ground truth."""
    assert DEMO_CLIP.is_file()
    source = demo_source(loop=False)
    source.open()
    picture = source.read()
    source.close()
    write_picture(tmp_path / "frame.png", np.ascontiguousarray(picture.image_rgb[:, :, ::-1]))  # type: ignore[union-attr]
    with np.load(DEMO_TRUTH) as truth:
        joints_px, intrinsics = truth["joints_px"][0], ",".join(str(number) for number in truth["intrinsics"])
    output = tmp_path / "pred.json"
    assert (
        run(
            [
                "predict",
                "--method",
                "ik",
                "--input",
                str(tmp_path / "frame.png"),
                "--output",
                str(output),
                "--intrinsics",
                intrinsics,
            ]
        )
        == 0
    )
    (image,) = json.loads(output.read_text())["images"]
    (hand,) = image["hands"]
    assert hand["side"] == "right"
    box = np.ptp(joints_px, axis=0).max()
    error = np.linalg.norm(np.array(hand["joints_px"]) - joints_px, axis=1)
    assert np.median(error) < 0.05 * box


def test_rotation_is_that_of_both_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[ViewInput] = []

    def refuse(views: tuple[ViewInput, ViewInput], *_: object, **__: object) -> None:
        given.extend(views)
        raise ConfigError("Seen enough.")

    monkeypatch.setattr("app.two_views.command.record_views", refuse)
    files = [str(tmp_path / name) for name in ("one.mp4", "two.mp4")]
    assert run(["--source", files[0], "--rotate", "90", "two-views", "--second", files[1]]) == 2
    assert [view.quarter_turns for view in given] == [1, 1]
