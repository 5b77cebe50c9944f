"""The program as its users start it: exit codes, one sentence per refusal, and no torch in the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from app_fakes import write_clip, write_picture

from app.arguments import parse
from app.command_line import load_model, run
from app.display_check import why_no_window
from app.environment import load_opencv
from app.settings import Settings, save_settings
from app.sources.demo import DEMO_CLIP, DEMO_TRUTH, demo_source
from app.ui.window_options import WindowOptions
from hand.embedded import load_embedded_model
from hand.errors import ModelFileError

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


def test_network_says_that_no_checkpoint_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.methods.SHIPPED_NETWORK_DIR", tmp_path / "nothing")
    write_picture(tmp_path / "a.png")
    output = str(tmp_path / "pred.json")
    assert run(["predict", "--input", str(tmp_path / "a.png"), "--method", "network", "--output", output]) == 2
    assert "No checkpoint of a trained network is installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--size", "big"], ["--fps", "-3"], ["--frames", "0"], ["--fov", "60", "--intrinsics", "1,1,1,1"]]
)
def test_wrong_options_are_refused_by_the_parser(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        parse(wrong)
    assert refusal.value.code == 2


@pytest.mark.parametrize(("words", "theme"), [([], "dark"), (["--theme", "system"], "system")])
def test_a_window_follows_the_desktop_again_when_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], theme: str
) -> None:
    started: list[WindowOptions] = []

    def run_window(options: WindowOptions) -> int:
        started.append(options)
        return 0

    file = tmp_path / "settings.json"
    save_settings(Settings(theme="dark"), file)
    monkeypatch.setattr("app.command_line.settings_file", lambda: file)
    monkeypatch.setattr("app.command_line.why_no_window", str)
    monkeypatch.setattr("app.ui.application.run_window", run_window)
    assert run(["--source", "demo", *words]) == 0
    assert started[0].theme == theme


def test_a_window_without_the_users_hand_model_shows_the_embedded_one_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def run_window(options: WindowOptions) -> int:
        started.append(options)
        return 0

    monkeypatch.setattr("app.command_line.why_no_window", str)
    monkeypatch.setattr("app.ui.application.run_window", run_window)
    missing = tmp_path / "MANO_RIGHT.pkl"
    assert run(["--source", "demo", "--hand-model", str(missing), "--screenshot", str(tmp_path / "window.png")]) == 0
    (options,) = started
    assert options.model.digest == load_embedded_model().digest
    assert str(missing) in options.opening_note
    assert options.opening_note.endswith("The embedded hand is shown meanwhile.")


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


def test_without_a_display_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_opencv_leaves_qt_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM_PLUGIN_PATH", raising=False)
    code = (
        "from app.environment import prepare_process; prepare_process(); import os, cv2; "
        "print(sorted(name for name in os.environ if name.startswith('QT_')), cv2.getNumThreads())"
    )
    assert start(code=code).stdout.strip() == "[] 1"
    load_opencv()


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


def test_hand_model_of_either_side_becomes_a_right_one() -> None:
    assert load_model(None).side == "right"
    with pytest.raises(ModelFileError):
        load_model(Path("missing.pkl"))


@pytest.mark.slow
def test_headless_run_without_a_display_finds_no_torch(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    code = (
        "import sys; from main_v2 import main; code = main(); "
        "print('torch' in sys.modules, 'PyQt6' in sys.modules); sys.exit(code)"
    )
    done = start("--source", str(clip), "--report", str(tmp_path / "report"), code=code)
    assert done.returncode == 0, done.stderr
    assert "There is no display, so this run is headless." in done.stderr
    assert done.stdout.strip().splitlines()[-1] == "False False"
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["paths"]["ik"]["frames"] == 5


@pytest.mark.slow
def test_demo_clip_is_followed_and_its_prediction_lies_on_the_truth(tmp_path: Path) -> None:
    """The whole product on known ground: MediaPipe + IK on our own rendered hand, against what was rendered."""
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
        run(["predict", "--input", str(tmp_path / "frame.png"), "--output", str(output), "--intrinsics", intrinsics])
        == 0
    )
    (image,) = json.loads(output.read_text())["images"]
    (hand,) = image["hands"]
    assert hand["side"] == "right"
    box = np.ptp(joints_px, axis=0).max()
    error = np.linalg.norm(np.array(hand["joints_px"]) - joints_px, axis=1)
    assert np.median(error) < 0.05 * box
