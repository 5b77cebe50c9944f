"""HO-3D's loader on a small set in its exact format, whole and broken; its files are read here by plain pickle."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
from crops import shown_right

from hand.camera import project
from hand.embedded import load_embedded_model
from hand.errors import DataError, UnsafePickleError
from hand.joints import JOINT_NAMES
from hand.layer import HandLayer
from tests.hand.mano_pickles import python2_pickle
from trainer.datasets.crops import labels_of
from trainer.datasets.hand_set import picture_of
from trainer.datasets.ho3d import Ho3dSet, _frames_of_split
from trainer.datasets.opening import open_set, recognised, splits_of
from trainer.datasets.pose_fit import fitter_for
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.recipe.sources import Ho3dSource
from trainer.training.mixture import build_samples

OPENGL = np.array([1.0, -1.0, -1.0])


@pytest.fixture
def copy(ho3d_set: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ho3d_set, tmp_path / "copy"))


def meta_file(folder: Path, name: str, part: str = "train") -> Path:
    sequence, frame = name.split("/")
    return folder / part / sequence / "meta" / f"{frame}.pkl"


def rewrite(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes one annotation, and writes it as Python 2 would."""
    path = meta_file(folder, name)
    meta = pickle.loads(path.read_bytes(), encoding="latin1")
    change(meta)
    path.write_bytes(python2_pickle(meta))


def test_labels_are_in_common_order_and_opencv_axes_and_fit_the_pose(ho3d_set: Path) -> None:
    hands = Ho3dSet(ho3d_set, "training")
    fitter = fitter_for(hands, load_embedded_model())
    assert fitter is not None
    layer = HandLayer(load_embedded_model(), np.float64)
    for index, name in enumerate(hands.frames):
        hand = hands.hand(index)
        assert hand is not None
        assert hand.pose is not None
        meta = pickle.loads(meta_file(ho3d_set, name).read_bytes())
        # MANO order: wrist, then index, middle, PINKY, ring, thumb, three each; then the tips from the thumb on
        np.testing.assert_allclose(hand.joints_m[0], meta["handJoints3D"][0] * OPENGL)
        np.testing.assert_allclose(hand.joints_m[JOINT_NAMES.index("pinky_mcp")], meta["handJoints3D"][7] * OPENGL)
        np.testing.assert_allclose(hand.joints_m[JOINT_NAMES.index("ring_tip")], meta["handJoints3D"][19] * OPENGL)
        # independently: MANO posed in the set's own axes gives the set's own joints, translation and all
        posed = layer(meta["handPose"], meta["handBeta"], meta["handTrans"])
        np.testing.assert_allclose(posed.joints_m * OPENGL, hand.joints_m, atol=2e-5)
        fitted = fitter.fit(hand, hand.pose)
        assert fitted.residual_mm < 0.01
        assert fitted.unmoved_mm < 0.02
        assert fitted.turn_rad < 1e-4
        assert (hand.joints_m[:, 2] > 0.1).all()
        places = project(hand.joints_m, hand.intrinsics)
        assert (places > -30).all()
        assert (places < [270, 210]).all()
        assert picture_of(hands, index, hand).shape == (180, 240, 3)


def test_evaluation_gives_the_wrist_and_a_box(ho3d_set: Path) -> None:
    hands = Ho3dSet(ho3d_set, "evaluation")
    assert len(hands) == 2
    hand = hands.hand(0)
    assert hand is not None
    assert hand.joints_known.tolist() == [True] + [False] * 20
    assert hand.pose is None
    meta = pickle.loads(meta_file(ho3d_set, hands.frames[0], "evaluation").read_bytes())
    assert meta["handJoints3D"].shape == (3,)
    np.testing.assert_allclose(hand.joints_m[0], meta["handJoints3D"] * OPENGL)
    low, high = hand.outline_px
    wrist = project(hand.joints_m[:1], hand.intrinsics)[0]
    assert (low < wrist).all()
    assert (wrist < high).all()


def test_recordings_are_held_out_whole_whatever_their_cameras() -> None:
    frames = [f"ABF{record}{camera}/{frame:04d}" for record in range(3) for camera in range(5) for frame in range(4)]
    training, validation = (_frames_of_split(frames, split) for split in ("training", "validation"))
    assert sorted(training + validation) == sorted(frames)
    assert len({frame[:4] for frame in validation}) == 1
    assert not {frame[:4] for frame in validation} & {frame[:4] for frame in training}


def test_frames_without_annotation_are_passed_over(copy: Path) -> None:
    names = Ho3dSet(copy, "training").frames

    def forget(meta: dict[str, Any]) -> None:
        meta.update(handJoints3D=None, handPose=None, handBeta=None, handTrans=None)

    rewrite(copy, names[0], forget)
    hands = Ho3dSet(copy, "training")
    assert hands.hand(0) is None
    assert labels_of(hands, None, 0) == (None, None)
    left = [hand.joints_m for index in range(1, len(hands)) if (hand := hands.hand(index)) is not None]
    lengths = [np.linalg.norm(joints[4] - joints[20]) for joints in left]
    source = Ho3dSource(path=str(copy))
    samples = build_samples(FitConfig(sources=(source,), network=NetworkConfig(input_px=64)))
    for crop in shown_right(samples, 12).values():
        joints = crop.joints_m
        assert np.abs(np.array(lengths) - np.linalg.norm(joints[4] - joints[20])).min() < 1e-5
    for name in names[1:]:
        rewrite(copy, name, forget)
    with pytest.raises(DataError, match="None of 1000 hands of HO-3D can be used for training"):
        samples[0]


def test_python_2s_own_pickles_are_read(copy: Path) -> None:
    names = Ho3dSet(copy, "training").frames
    before = Ho3dSet(copy, "training").hand(0)
    rewrite(copy, names[0], lambda meta: meta.update(objName="003_cracker_box", objTrans=np.zeros(3)))
    after = Ho3dSet(copy, "training").hand(0)
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before.joints_m, after.joints_m)


def test_both_releases_picture_formats_are_read(copy: Path) -> None:
    hands = Ho3dSet(copy, "training")
    sequence, frame = hands.frames[0].split("/")
    jpg = copy / "train" / sequence / "rgb" / f"{frame}.jpg"
    data = jpg.read_bytes()
    jpg.rename(jpg.with_suffix(".png"))
    assert Ho3dSet(copy, "training").picture_bytes(0) == data
    jpg.with_suffix(".png").unlink()
    with pytest.raises(DataError, match=r"\.png in v2 and \.jpg in v3\) is missing"):
        Ho3dSet(copy, "training")


class Hostile:
    """A pickle that runs a command when a careless reader loads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_hostile_annotation_is_refused_and_not_run(copy: Path, tmp_path: Path) -> None:
    name = Ho3dSet(copy, "training").frames[1]
    mark = tmp_path / "it_ran"
    meta_file(copy, name).write_bytes(pickle.dumps({"handPose": Hostile(mark)}, protocol=2))
    with pytest.raises(UnsafePickleError, match=r"train/.*\.pkl names .*system.*nothing of it was executed"):
        Ho3dSet(copy, "training").hand(1)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"handJoints3D": np.zeros((20, 3))},
            r"handJoints3D of train/.* should be 21 x 3 numbers, or 3, got .*\(20, 3\)",
        ),
        ({"handPose": np.zeros(45)}, r"handPose of train/.* should be 48 finite numbers"),
        ({"handBeta": np.full(10, np.nan)}, r"handBeta of train/.* should be 10 finite numbers"),
        ({"camMat": np.eye(2)}, r"camMat of train/.* should be 3 x 3 finite numbers"),
    ],
)
def test_an_annotation_of_the_wrong_shape_is_named(copy: Path, change: dict[str, Any], message: str) -> None:
    rewrite(copy, Ho3dSet(copy, "training").frames[0], lambda meta: meta.update(change))
    with pytest.raises(DataError, match=message):
        Ho3dSet(copy, "training").hand(0)


def test_empty_first_picture_is_reported(copy: Path) -> None:
    hands = Ho3dSet(copy, "training")
    sequence, frame = hands.frames[0].split("/")
    for file in (copy / "train" / sequence / "rgb").glob(f"{frame}.*"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match="is damaged: it is no picture"):
        Ho3dSet(copy, "training")


def test_missing_parts_are_named_with_where_to_get_them(copy: Path) -> None:
    name = Ho3dSet(copy, "training").frames[0]
    path = meta_file(copy, name)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"\(60 bytes\) should be an annotation and is damaged; get HO-3D from"):
        Ho3dSet(copy, "training").hand(0)
    path.unlink()
    with pytest.raises(DataError, match=r"\(an annotation\) is missing"):
        Ho3dSet(copy, "training").hand(0)
    shutil.rmtree(copy / "train")
    with pytest.raises(DataError, match=r"train \(the pictures and annotations\) is missing, .*licence: research only"):
        Ho3dSet(copy, "training")
    (copy / "train.txt").unlink()
    with pytest.raises(DataError, match=r"train\.txt \(the list of frames\) is missing, .* holds .*evaluation\.txt"):
        Ho3dSet(copy, "training")


def test_sets_are_recognised_by_their_files(
    ho3d_set: Path, interhand_set: Path, freihand_set: Path, tmp_path: Path
) -> None:
    folders = {"ho3d": ho3d_set, "interhand": interhand_set, "freihand": freihand_set}
    for kind, folder in folders.items():
        assert recognised(folder) == kind
        assert all(len(open_set(kind, folder, split)) > 0 for split in splits_of(kind, folder))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"has none of its files; .* holds notes\.txt"):
        recognised(tmp_path)
