"""Predictions for pictures: the schema of the file, and pictures that cannot be read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, hand_state, write_picture

from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputMode
from app.predict import PredictionRun, predict
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import CheckpointError, SourceError
from hand.types import Frame, PathResult

HAND_KEYS = [
    "method",
    "side",
    "confidence",
    "joints_px",
    "joints_m",
    "pose_rad",
    "shape",
    "camera_translation_m",
    "milliseconds",
]


def prediction(given: Path, output: Path, path: FakePath | None = None, **options: object) -> dict:
    path = path or FakePath()
    run = PredictionRun(given, output, {"ik": lambda: path}, load_embedded_model(), **options)  # type: ignore[arg-type]
    predict(run)
    return json.loads(output.read_text())


def test_schema_of_a_prediction(tmp_path: Path) -> None:
    path = FakePath(side="left")
    picture = write_picture(tmp_path / "hand.png")
    content = prediction(picture, tmp_path / "out" / "pred.json", path, lens=IntrinsicsChoice("300,310,150,110"))
    assert content.keys() == {"schema", "hand_model", "images"}
    assert content["schema"] == 1
    assert content["hand_model"] == load_embedded_model().name
    (image,) = content["images"]
    assert image.keys() == {"file", "width", "height", "intrinsics", "hands"}
    assert (image["file"], image["width"], image["height"]) == ("hand.png", 320, 240)
    assert image["intrinsics"] == [300.0, 310.0, 150.0, 110.0]
    (hand,) = image["hands"]
    assert hand.keys() == set(HAND_KEYS)
    assert (hand["method"], hand["side"]) == ("ik", "left")
    shapes = {key: np.shape(hand[key]) for key in HAND_KEYS[3:8]}
    assert shapes == {
        "joints_px": (21, 2),
        "joints_m": (21, 3),
        "pose_rad": (48,),
        "shape": (10,),
        "camera_translation_m": (3,),
    }
    intrinsics = Intrinsics(300.0, 310.0, 150.0, 110.0, 320, 240)
    np.testing.assert_allclose(project(np.array(hand["joints_m"]), intrinsics), hand["joints_px"], atol=2e-3)
    assert path.closed == 1
    assert not list(tmp_path.rglob("*.part"))


def test_joint_behind_the_camera_has_no_pixel_and_the_file_is_written(tmp_path: Path) -> None:
    def reaching_behind(frame: Frame) -> PathResult:
        state = hand_state(frame)
        joints = np.array(state.joints_m)
        joints[8, 2] = -0.01
        return PathResult(frame, "ik", (replace(state, joints_m=joints),))

    picture = write_picture(tmp_path / "hand.png")
    content = prediction(picture, tmp_path / "pred.json", FakePath(reaching_behind))
    joints_px = content["images"][0]["hands"][0]["joints_px"]
    assert [number for number, pixel in enumerate(joints_px) if pixel is None] == [8]
    assert np.shape([pixel for pixel in joints_px if pixel is not None]) == (20, 2)


def test_damaged_picture_is_reported_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"damaged")
    write_picture(tmp_path / "c.png")
    warnings: list[str] = []
    content = prediction(tmp_path, tmp_path / "pred.json", warn=warnings.append)
    assert [(image["file"], len(image["hands"])) for image in content["images"]] == [
        ("a.png", 1),
        ("b.jpg", 0),
        ("c.png", 1),
    ]
    assert "b.jpg cannot be read as a picture" in content["images"][1]["error"]
    assert len(warnings) == 1


def test_nothing_is_written_when_no_picture_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"damaged")
    with pytest.raises(SourceError, match="No picture could be read"):
        prediction(tmp_path, tmp_path / "pred.json", warn=lambda _: None)
    assert not (tmp_path / "pred.json").exists()


def test_missing_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file or folder at"):
        prediction(tmp_path / "missing", tmp_path / "pred.json")


def test_prediction_without_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No checkpoint"):
        predict(PredictionRun(tmp_path, tmp_path / "pred.json", {}, load_embedded_model()))


@pytest.mark.parametrize("mode", OutputMode)
def test_hand_of_the_only_path_is_written_in_every_mode(tmp_path: Path, mode: OutputMode) -> None:
    picture = write_picture(tmp_path / "hand.png")
    content = prediction(picture, tmp_path / "pred.json", output_mode=mode, fused_only=True)
    (hand,) = content["images"][0]["hands"]
    assert (hand["from"], hand["reason"]) == ("ik", "it is the path that was chosen")
