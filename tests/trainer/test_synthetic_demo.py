"""The demo clip: the shipped file is the output of its command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from trainer.__main__ import main
from trainer.synthetic.demo_clip import FRAME_COUNT, hand_at
from trainer.synthetic.scene import SceneRenderer

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "assets" / "demo"


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    """The shipped ground truth."""
    with np.load(DEMO / "demo_truth.npz") as archive:
        return dict(archive)


def test_the_shipped_clip_can_be_read_and_matches_its_truth_in_length(truth: dict[str, np.ndarray]) -> None:
    """OpenCV decodes every frame at the size and rate of the ground truth; the files are small."""
    video = cv2.VideoCapture(str(DEMO / "demo.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(float(truth["frames_per_second"]))
    frames = []
    while True:
        there, picture = video.read()
        if not there:
            break
        frames.append(picture)
    video.release()
    assert len(frames) == len(truth["pose_rad"]) == len(truth["joints_px"])
    assert frames[0].shape[1::-1] == tuple(truth["picture_size_px"])
    assert (DEMO / "demo.mp4").stat().st_size < 1_500_000


def test_the_shipped_truth_is_the_embedded_models(truth: dict[str, np.ndarray]) -> None:
    """Pose, shape and translation give the stored joints, and those project to the stored pixels.

    When the hand model was rebuilt, ``python -m trainer demo-clip`` makes clip and truth again.
    """
    model = load_embedded_model()
    assert str(truth["hand_model_digest"]) == model.digest
    layer = HandLayer(model, np.float64)
    camera = Intrinsics(*truth["intrinsics"].tolist(), *truth["picture_size_px"].tolist())
    for k in range(0, len(truth["pose_rad"]), 12):
        hand = layer(truth["pose_rad"][k], truth["shape"][k], truth["translation_m"][k])
        np.testing.assert_allclose(truth["joints_m"][k], hand.joints_m, atol=1e-5)
        np.testing.assert_allclose(truth["joints_px"][k], project(hand.joints_m, camera), atol=0.05)


def test_the_hand_moves_smoothly_and_ends_as_it_begins(truth: dict[str, np.ndarray]) -> None:
    """No joint jumps between frames, none leaves the picture, and the clip loops."""
    joints = truth["joints_m"]
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
    assert steps.max() < 0.025
    assert np.linalg.norm(joints[0] - joints[-1], axis=-1).max() < 0.01
    assert truth["joints_px"].min() > 0
    assert (truth["joints_px"] < truth["picture_size_px"]).all()


def test_command_reproduces_the_shipped_motion(truth: dict[str, np.ndarray]) -> None:
    """The code's motion on the embedded hand is the one in the file."""
    renderer = SceneRenderer(load_embedded_model(), int(truth["seed"]), levels=0)
    assert len(truth["pose_rad"]) == FRAME_COUNT
    for index in range(0, FRAME_COUNT, 7):
        pose, translation = hand_at(renderer, index)
        np.testing.assert_allclose(pose, truth["pose_rad"][index], atol=1e-5)
        np.testing.assert_allclose(translation, truth["translation_m"][index], atol=1e-6)


def test_rendering_needs_neither_torch_nor_a_detector_nor_a_window() -> None:
    """A fresh interpreter in which those cannot be imported still imports all of it."""
    blocked = "torch", "mediapipe", "PyQt6", "open3d", "scipy"
    program = (
        f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        "import trainer.__main__, trainer.synthetic.scene, trainer.synthetic.demo_clip"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=120)


def test_unknown_command_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one sentence; --help lists the commands."""
    assert main(["paint"]) == 2
    assert "demo-clip" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert "demo-clip" in capsys.readouterr().out
