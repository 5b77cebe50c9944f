"""Pseudo-labels that are fused with a network's predictions."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hand.anatomy import anatomical_frames
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.layer import HandLayer
from hand.metrics import aligned, distances
from hand.mirror import mirror_pixels, mirror_points, mirror_pose
from trainer.__main__ import main
from trainer.fuse_labels import FusedCount, LabelFusion

MODEL = load_embedded_model()
LAYER = HandLayer(MODEL, np.float64)
AXES = anatomical_frames(LAYER(np.zeros(48), np.zeros(10), np.zeros(3)).joints_m)
WIDTH_PX, HEIGHT_PX = 640, 480
CAMERA = Intrinsics.from_fov(WIDTH_PX, HEIGHT_PX)
PLACE_M = np.array([0.02, -0.01, 0.5])


def hand(bend_rad: float, method: str, turn_rad: float = 0.0) -> dict[str, Any]:
    """A right hand that faces the camera, all fingers bent as far."""
    pose = np.concatenate([[np.pi, turn_rad, 0.0], np.zeros(45)])
    for joint in range(1, 16):
        pose[3 * joint : 3 * joint + 3] = AXES[joint] @ np.array([bend_rad, 0.0, 0.0])
    joints_m = LAYER(pose, np.zeros(10), PLACE_M).joints_m
    return {
        "method": method,
        "side": "right",
        "confidence": 0.8,
        "joints_px": project(joints_m, CAMERA).tolist(),
        "joints_m": joints_m.tolist(),
        "pose_rad": pose.tolist(),
        "shape": [0.0] * 10,
        "camera_translation_m": PLACE_M.tolist(),
    }


def left(right: dict[str, Any]) -> dict[str, Any]:
    return {
        **right,
        "side": "left",
        "joints_px": mirror_pixels(np.array(right["joints_px"]), WIDTH_PX).tolist(),
        "joints_m": mirror_points(np.array(right["joints_m"])).tolist(),
        "pose_rad": mirror_pose(np.array(right["pose_rad"])).tolist(),
        "camera_translation_m": mirror_points(np.array(right["camera_translation_m"])).tolist(),
    }


def images(*hands: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"file": "a.jpg", "width": WIDTH_PX, "height": HEIGHT_PX, "hands": list(hands)}]


def fused(label: dict[str, Any], network: dict[str, Any]) -> tuple[dict[str, Any], FusedCount]:
    made, count = LabelFusion(MODEL).fuse_images(images(label), images(network))
    return made[0]["hands"][0], count


def error_mm(label: dict[str, Any], truth: dict[str, Any]) -> float:
    joints, true = np.array(label["joints_m"]), np.array(truth["joints_m"])
    return 1000.0 * float(distances(aligned(joints, true), true).mean())


def test_errors_in_opposite_directions_shrink() -> None:
    truth, label, network = hand(0.4, "ik"), hand(0.35, "ik"), hand(0.45, "network")
    made, count = fused(label, network)
    assert count == FusedCount(fused=1)
    assert error_mm(made, truth) < 0.8 * min(error_mm(label, truth), error_mm(network, truth))
    assert made["method"] == "fused"
    assert made["confidence"] == label["confidence"]


def test_2d_joints_of_the_fused_hand_follow_the_label() -> None:
    label, network = hand(0.35, "ik"), hand(0.45, "network")
    made, _ = fused(label, network)
    gaps = {
        name: np.linalg.norm(np.array(made["joints_px"]) - np.array(other["joints_px"]), axis=1).mean()
        for name, other in (("label", label), ("network", network))
    }
    assert gaps["label"] < 0.5 * gaps["network"]


def test_a_left_hand_is_the_mirror_image() -> None:
    label, network = hand(0.25, "ik"), hand(0.55, "network", turn_rad=0.1)
    right, mirrored = fused(label, network)[0], fused(left(label), left(network))[0]
    np.testing.assert_allclose(left(right)["pose_rad"], mirrored["pose_rad"], atol=1e-4)
    np.testing.assert_allclose(left(right)["joints_px"], mirrored["joints_px"], atol=0.02)


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (left(hand(0.0, "network")), FusedCount(alone=1)),  # mirrored about the picture's middle: near the same place
        (hand(1.4, "network"), FusedCount(contradicted=1)),
    ],
    ids=["the other side", "a fist"],
)
def test_label_that_the_network_misses_or_contradicts_is_unchanged(network: dict[str, Any], count: FusedCount) -> None:
    label = hand(0.0, "ik")
    before = copy.deepcopy(label)
    assert fused(label, network) == (before, count)


def test_picture_without_network_predictions_keeps_its_labels() -> None:
    label = hand(0.3, "ik")
    made, count = LabelFusion(MODEL).fuse_images(images(label), [])
    assert (made, count) == (images(label), FusedCount(alone=1))


def test_labels_are_fused_with_the_camera_of_their_file() -> None:
    """Seen through twice the focal length, the label's joints lie elsewhere in the picture."""
    lens = [2.0 * CAMERA.fx_px, 2.0 * CAMERA.fy_px, CAMERA.cx_px, CAMERA.cy_px]
    camera = Intrinsics(*lens, WIDTH_PX, HEIGHT_PX)
    label, network = (
        one | {"joints_px": project(np.array(one["joints_m"]), camera).tolist()}
        for one in (hand(0.35, "ik"), hand(0.45, "network"))
    )
    labels, seen = ([{**images(one)[0], "intrinsics": lens}] for one in (label, network))
    made, count = LabelFusion(MODEL).fuse_images(labels, seen)
    assert count == FusedCount(fused=1)
    fused_hand = made[0]["hands"][0]
    np.testing.assert_allclose(project(np.array(fused_hand["joints_m"]), camera), fused_hand["joints_px"], atol=0.01)
    with pytest.raises(DataError, match="with one camera"):
        LabelFusion(MODEL).fuse_images(labels, images(network))


def test_files_by_both_methods_give_the_labels_of_the_one_and_the_hands_of_the_other() -> None:
    label, network = hand(0.35, "ik"), hand(0.45, "network")
    both = images(network, label, {**hand(0.4, "fused"), "from": "fused"})
    assert (
        LabelFusion(MODEL).fuse_images(both, both)[0]
        == LabelFusion(MODEL).fuse_images(images(label), images(network))[0]
    )


def test_picture_that_could_not_be_read_stays_in_the_file() -> None:
    unread = [{"file": "b.jpg", "width": 0, "height": 0, "hands": [], "error": "damaged"}]
    assert LabelFusion(MODEL).fuse_images(unread, unread) == (unread, FusedCount())


def test_the_command_writes_a_prediction_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("labels.json", "network.json", "out.json")]
    for file, one in zip(files, (hand(0.25, "ik"), hand(0.55, "network")), strict=False):
        file.write_text(json.dumps({"schema": 1, "hand_model": MODEL.name, "images": images(one)}))
    assert main(["fuse-labels", str(files[0]), str(files[1]), "--out", str(files[2])]) == 0
    content = json.loads(files[2].read_text())
    assert (
        content["images"] == LabelFusion(MODEL).fuse_images(images(hand(0.25, "ik")), images(hand(0.55, "network")))[0]
    )
    assert "1 labels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"schema": 2}, "should be a prediction file"),
        ({"schema": 1, "hand_model": "mano", "images": []}, "hand model"),
        ({"schema": 1, "hand_model": MODEL.name, "images": [{"file": "a.jpg"}]}, "none that predict writes"),
        (
            {"schema": 1, "hand_model": MODEL.name, "images": images({**hand(0.1, "ik"), "pose_rad": [0.0]})},
            "48 numbers were expected",
        ),
    ],
    ids=["another file", "another hand model", "a damaged image", "a damaged hand"],
)
def test_unusable_files_are_reported(
    content: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, out = tmp_path / "labels.json", tmp_path / "out.json"
    labels.write_text(json.dumps(content))
    assert main(["fuse-labels", str(labels), str(labels), "--out", str(out)]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()
