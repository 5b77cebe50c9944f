"""InterHand2.6M's loader on a small set in its exact format, whole and broken."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch
from crops import shown_right

from hand.camera import project
from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.frame_change import FrameChange
from hand.layer import HandLayer
from hand.rotations import matrix_from_axis_angle
from hand.torch_layer import TorchHandLayer
from trainer.__main__ import main
from trainer.datasets.hand_set import SetHand, picture_of
from trainer.datasets.interhand import TO_COMMON, InterHandSet, in_set_order
from trainer.datasets.opening import recognised, splits_of
from trainer.datasets.pose_fit import PoseFitter, fitter_for
from trainer.fit import _held_out_sets
from trainer.networks.building import build_network
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.recipe.sources import InterHandSource
from trainer.samples.labelled_crop import collate
from trainer.training.mixture import build_samples


@pytest.fixture
def copy(interhand_set: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(interhand_set, tmp_path / "copy"))


def annotation(folder: Path, name: str) -> Path:
    return folder / "annotations" / "train" / f"InterHand2.6M_train_{name}.json"


def read(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads(annotation(folder, name).read_text()))


def test_fingers_are_reversed_and_the_wrist_is_last() -> None:
    """Wrist 20; thumb tip 0 to base 3, ..., little finger tip 16 to base 19."""
    assert TO_COMMON == (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16)
    joints = np.arange(63.0).reshape(21, 3)
    np.testing.assert_array_equal(in_set_order(joints)[list(TO_COMMON)], joints)


def test_world_becomes_camera_and_left_hands_right_ones(interhand_set: Path) -> None:
    """Joints by the set's own formula; MANO posed in the world frame, independently of the loader."""
    hands = InterHandSet(interhand_set, "training")
    cameras, world, fits = (read(interhand_set, name) for name in ("camera", "joint_3d", "MANO_NeuralAnnot"))
    images = {image["id"]: image for image in read(interhand_set, "data")["images"]}
    sides = {side for _, side, _ in hands.hands}
    assert sides == {"left", "right"}
    fitter = fitter_for(hands, load_embedded_model())
    assert fitter is not None
    for index, (number, side, _) in enumerate(hands.hands):
        hand = hands.hand(index)
        assert hand is not None
        image, mirror = images[number], np.array([-1.0 if side == "left" else 1.0, 1.0, 1.0])
        entry = cameras["0"]
        rotation, position = np.array(entry["camrot"][image["camera"]]), np.array(entry["campos"][image["camera"]])
        start = 0 if side == "right" else 21
        joints_mm = np.array(world["0"][str(image["frame_idx"])]["world_coord"])[start : start + 21]
        seen = ((rotation @ (joints_mm - position).T).T / 1000.0)[list(TO_COMMON)] * mirror
        known = hand.joints_known
        np.testing.assert_allclose(hand.joints_m[known], seen[known], atol=1e-9)
        # MANO in the world, with the hand model of that side
        fit = fits["0"][str(image["frame_idx"])][side]
        model = load_embedded_model(side)
        pose = np.array(fit["pose"])
        pose[3:] += model.mean_pose_rad
        posed = HandLayer(model, np.float64)(pose, np.array(fit["shape"]), np.array(fit["trans"]))
        np.testing.assert_allclose(posed.joints_m * 1000.0, joints_mm[list(TO_COMMON)], atol=0.02)
        assert hand.pose is not None
        fitted = fitter.fit(hand, hand.pose)
        assert fitted.residual_mm < 0.02
        assert fitted.unmoved_mm < 0.02
        assert fitted.turn_rad < 1e-3
        assert hand.mirrored == (side == "left")
        places = project(hand.joints_m, hand.intrinsics)[known]
        assert (places > -0.6).all()
        assert (places < [255.6, 167.6]).all()
        assert picture_of(hands, index, hand).shape == (168, 256, 3)


@pytest.mark.parametrize("subset", ["all", "human_annot", "machine_annot"])
def test_layout_and_file_names_of_the_first_release_are_read(
    copy: Path, subset: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    newer = InterHandSet(copy, "training")
    annotation(copy, "MANO_NeuralAnnot").rename(annotation(copy, "MANO"))
    (copy / "annotations" / "train").rename(copy / "annotations" / subset)
    assert splits_of(recognised(copy), copy) == ["training"]
    older = InterHandSet(copy, "training")
    assert len(older) == len(newer)
    for index in range(len(newer)):
        before, now = newer.hand(index), older.hand(index)
        assert before is not None
        assert now is not None
        assert before.pose is not None
        assert now.pose is not None
        np.testing.assert_array_equal(now.joints_m, before.joints_m)
        np.testing.assert_array_equal(now.pose.pose_rad, before.pose.pose_rad)
    assert main(["data", "check", str(copy), "--out", str(tmp_path / "out")]) == 0
    assert "Verdict on InterHand2.6M, training: it can be used." in capsys.readouterr().out


def test_frame_change_without_manos_root_is_off_by_centimetres() -> None:
    layer = HandLayer(load_embedded_model(), np.float64)
    rng = np.random.default_rng(3)
    change = FrameChange(matrix_from_axis_angle(rng.normal(size=3)), rng.normal(size=3))
    pose, shape, translation = rng.normal(0.0, 0.4, 48), rng.normal(0.0, 0.5, 10), rng.normal(size=3)
    before = layer(pose, shape, translation)
    root = layer.shaped(shape).joints_m[0]
    after = layer(change.pose(pose), shape, change.translation(translation, root))
    np.testing.assert_allclose(after.vertices_m, change.points(before.vertices_m), atol=1e-9)
    naive = layer(change.pose(pose), shape, change.points(translation))
    assert np.linalg.norm(naive.joints_m - change.points(before.joints_m), axis=1).min() > 0.03
    back = change.inverse()
    np.testing.assert_allclose(back.points(change.points(before.joints_m)), before.joints_m, atol=1e-12)
    mirrored = change.mirrored().points(before.joints_m * [-1.0, 1.0, 1.0])
    np.testing.assert_allclose(mirrored, change.points(before.joints_m) * [-1.0, 1.0, 1.0], atol=1e-12)


def test_two_hands_in_a_picture_are_two_samples(interhand_set: Path) -> None:
    hands = InterHandSet(interhand_set, "training")
    notes = {note["image_id"]: note["hand_type"] for note in read(interhand_set, "data")["annotations"]}
    together = [index for index, (number, _, _) in enumerate(hands.hands) if notes[number] == "interacting"]
    assert len(together) >= 2
    first, second = hands.hand(together[0]), hands.hand(together[1])
    assert first is not None
    assert second is not None
    assert hands.picture_bytes(together[0]) == hands.picture_bytes(together[1])
    assert (first.mirrored, second.mirrored) == (False, True)


def test_unannotated_joints_have_zero_weight(copy: Path) -> None:
    content = read(copy, "joint_3d")
    frame = content["0"]["0"]
    frame["world_coord"][0], frame["joint_valid"][0] = [1e6, float("nan"), 0.0], [0]
    annotation(copy, "joint_3d").write_text(json.dumps(content))
    hand = InterHandSet(copy, "training").hand(0)
    assert hand is not None
    assert np.flatnonzero(~hand.joints_known).tolist() == [4]
    assert np.isfinite(hand.joints_m).all()
    source = InterHandSource(path=str(copy))
    samples = build_samples(FitConfig(sources=(source,), network=NetworkConfig(input_px=64)))
    batch = collate(list(shown_right(samples, 24).values()))
    assert torch.isfinite(batch.joints_m).all()
    assert torch.isfinite(batch.joints_crop).all()
    partly = batch.joints_crop_weight.min(1).values == 0
    assert partly.any()
    # the others of its hand are, in 3D where the wrist is known that they are relative to
    torch.testing.assert_close(batch.joints_weight, batch.joints_crop_weight * batch.joints_crop_weight[:, :1])
    assert set(batch.joints_weight[partly].sum(1).tolist()) == {0.0, 20.0}
    assert (batch.pose_weight == 1).all()
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m
    whole = ~partly
    torch.testing.assert_close((posed - posed[:, :1])[whole], batch.joints_m[whole], atol=5e-5, rtol=0.0)


def test_fit_that_misses_its_joints_drops_the_pose_and_keeps_the_joints(copy: Path) -> None:
    fits = read(copy, "MANO_NeuralAnnot")
    fits["0"]["0"]["right"]["pose"][3:48] = [1.2] * 45
    fits["0"]["3"]["right"] = None
    annotation(copy, "MANO_NeuralAnnot").write_text(json.dumps(fits))
    hands = InterHandSet(copy, "training")
    fitter = fitter_for(hands, load_embedded_model())
    assert fitter is not None
    bad = hands.hand(0)
    assert bad is not None
    assert fitter.check(bad) == (True, None)
    numbers = [number for number, _, _ in hands.hands]
    without = hands.hand(numbers.index(3))
    assert without is not None
    assert without.pose is None
    annotation(copy, "MANO_NeuralAnnot").unlink()
    assert all(hand is None or hand.pose is None for hand in map(InterHandSet(copy, "training").hand, range(3)))


def posed_hand(folder: Path) -> tuple[PoseFitter, SetHand]:
    """The first hand of a set, which has a pose, and the fitter that checks it."""
    hands = InterHandSet(folder, "training")
    fitter, hand = fitter_for(hands, load_embedded_model()), hands.hand(0)
    assert fitter is not None
    assert hand is not None
    return fitter, hand


def test_a_few_inexact_joints_do_not_turn_the_pose(interhand_set: Path) -> None:
    """The known joints are nearly collinear, so that a fitted rotation about their line depends on their errors."""
    fitter, whole = posed_hand(interhand_set)
    assert whole.pose is not None
    rng, known = np.random.default_rng(0), np.isin(np.arange(21), [5, 6, 7, 8])
    fitted_turns_rad = []
    for _ in range(10):
        off = whole.joints_m + rng.normal(0.0, 0.006, (21, 3))
        consistent, fitted = fitter.check(replace(whole, joints_m=off, joints_known=known))
        assert consistent
        assert fitted is not None
        np.testing.assert_allclose(fitted.rotations[0], matrix_from_axis_angle(whole.pose.pose_rad[:3]), atol=1e-12)
        np.testing.assert_allclose(fitted.joints_m[known].mean(0), off[known].mean(0), atol=1e-9)
        fitted_turns_rad.append(fitted.turn_rad)
    assert np.degrees(np.median(fitted_turns_rad)) > 10.0


def test_pose_in_other_axes_than_its_joints_is_dropped(interhand_set: Path) -> None:
    fitter, hand = posed_hand(interhand_set)
    assert hand.pose is not None
    turned = FrameChange(matrix_from_axis_angle(np.array([0.0, 0.0, 0.9])), np.zeros(3)).pose(hand.pose.pose_rad)
    assert fitter.check(replace(hand, pose=replace(hand.pose, pose_rad=turned))) == (True, None)


@pytest.mark.parametrize("name", ["data", "camera", "joint_3d"])
def test_missing_and_damaged_files_are_named(copy: Path, name: str) -> None:
    path = annotation(copy, name)
    path.write_text(path.read_text()[:-9])
    with pytest.raises(DataError, match=rf"_{name}\.json .* is damaged or cut short .*; get InterHand2\.6M from https"):
        InterHandSet(copy, "training")
    path.unlink()
    with pytest.raises(DataError, match=rf"_{name}\.json .* is missing, .* holds .*licence: CC BY-NC"):
        InterHandSet(copy, "training")


def test_labels_are_kept_as_arrays(copy: Path) -> None:
    """The real training split has 1.4 million hands, and every process that makes samples has them all."""
    data = read(copy, "data")
    data["images"] = [image | {"id": 6 * turn + image["id"]} for turn in range(500) for image in data["images"]]
    data["annotations"] = [
        note | {"image_id": 6 * turn + note["image_id"]} for turn in range(500) for note in data["annotations"]
    ]
    annotation(copy, "data").write_text(json.dumps(data))
    del data
    tracemalloc.start()
    try:
        hands = InterHandSet(copy, "training")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(hands) >= 3000
    assert kept / len(hands) < 250.0  # 1.2 kB as Python's objects
    first, last = hands.hand(0), hands.hand(len(hands) * 499 // 500)
    assert first is not None
    assert last is not None
    assert (first.name, first.joints_m.tobytes()) == (last.name, last.joints_m.tobytes())


def test_incomplete_labels_are_named_when_they_are_read(copy: Path) -> None:
    joints, fits, data = (read(copy, name) for name in ("joint_3d", "MANO_NeuralAnnot", "data"))
    del data["annotations"][1]["joint_valid"][3]
    annotation(copy, "data").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"is incomplete or of the wrong shape \(cannot reshape array of size 41"):
        list(map(InterHandSet(copy, "training").hand, range(4)))
    del fits["0"]["0"]["right"]["pose"]
    annotation(copy, "MANO_NeuralAnnot").write_text(json.dumps(fits))
    with pytest.raises(DataError, match=r"The MANO fit of .*\(right\) is incomplete or of the wrong shape \('pose'\)"):
        InterHandSet(copy, "training").hand(0)
    joints["0"]["0"]["world_coord"].pop()
    annotation(copy, "joint_3d").write_text(json.dumps(joints))
    with pytest.raises(DataError, match=r"\(right\) is incomplete or of the wrong shape \(cannot reshape array of"):
        InterHandSet(copy, "training").hand(0)
    del joints["0"]["0"]
    annotation(copy, "joint_3d").write_text(json.dumps(joints))
    with pytest.raises(DataError, match=r"\(right\) is incomplete or of the wrong shape \('0'\)"):
        InterHandSet(copy, "training").hand(0)


def test_incomplete_annotations_are_named(copy: Path) -> None:
    cameras = read(copy, "camera")
    del cameras["0"]["camrot"]["400000"]
    annotation(copy, "camera").write_text(json.dumps(cameras))
    with pytest.raises(DataError, match=r"image0\.jpg \(right\) is incomplete or of the wrong shape \('400000'\)"):
        InterHandSet(copy, "training").hand(0)
    data = read(copy, "data")
    data["annotations"][0]["hand_type"] = "foot"
    annotation(copy, "data").write_text(json.dumps(data))
    with pytest.raises(DataError, match="got 'foot'"):
        InterHandSet(copy, "training")
    shutil.rmtree(copy / "images")
    data["annotations"][0]["hand_type"] = "right"
    annotation(copy, "data").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"images/train \(the pictures\) is missing"):
        InterHandSet(copy, "training")


def test_best_network_is_chosen_by_unaligned_mpjpe(copy: Path) -> None:
    """Relative to the wrist and unaligned: alignment would hide errors of rotation and size."""
    for path in (copy / "annotations" / "train").iterdir():
        path.rename(path.with_name(path.name.replace("_train_", "_val_")))
    for folder in ("annotations", "images"):
        (copy / folder / "train").rename(copy / folder / "val")
    source = InterHandSource(path=str(copy), split="validation")
    config = FitConfig(held_out=(source,), network=NetworkConfig(input_px=64), evaluation_count=2)
    model = load_embedded_model()
    assert _held_out_sets(config, model, build_network(config.network, model))[1] == "interhand_mpjpe_mm"
