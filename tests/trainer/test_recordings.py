from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np
import torch

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, DataError
from hand.layer import HandLayer
from hand.mirror import Side, mirror_points, mirror_pose
from hand.recording import Recorded, RecordedHand, SessionInfo
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.session_labels import OfflineLabel, OfflineLabels, Verdict, append_verdicts, write_offline
from hand.torch_layer import TorchHandLayer
from hand.types import Frame
from trainer.evaluation.held_out import held_out_sets
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig, read_config
from trainer.recipe.sources import RecordingSource
from trainer.samples.augmentation import CropJitter, jittered_crop
from trainer.samples.labelled_crop import collate, crop_coordinates
from trainer.samples.recordings import (
    RecordingCrops,
    crop_session_hand,
    depth_is_measured,
    find_sessions,
    measured_hand_shape,
    read_session_hands,
    teaching_crop,
)
from trainer.samples.rendered import RenderedCrops
from trainer.training.finetune_recipe import with_base, with_recordings
from trainer.training.mixture import RepeatedCrops, build_samples

CAMERA = Intrinsics(300.0, 310.0, 150.0, 118.0, 320, 240)
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def write_session(
    folder: Path,
    *,
    left: bool = False,
    frames: int = 10,
    digest: str = "",
    origin: Recorded = "truth",
    network: bool = False,
) -> None:
    """A session whose pictures have a dot on every joint; the labels are true, and the live network is 2 cm off."""
    rng = np.random.default_rng(7)
    model = load_embedded_model("left" if left else "right")
    layer = HandLayer(model, np.float64)
    info = SessionInfo("test", CAMERA, False, model.name, digest or load_embedded_model().digest)
    with RecordingWriter(folder, info) as writer:
        for index in range(frames):
            pose = rng.normal(0.0, 0.2, 48)
            pose[:3] += 1.2
            pose = mirror_pose(pose) if left else pose
            translation = np.array([0.06 if left else -0.06, 0.0, 0.45])
            joints = layer(pose, np.zeros(10), translation).joints_m
            picture = np.zeros((240, 320, 3), np.uint8)
            for x, y in project(joints, CAMERA).round().astype(int).tolist():
                cv2.circle(picture, (x, y), 2, (255, 255, 255), -1)
            side: Side = "left" if left else "right"
            hands = [RecordedHand(side, origin, 0.8, pose, np.zeros(10), translation, joints)]
            if network:
                bent = pose.copy()
                bent[3:] += 0.3
                seen = layer(bent, np.full(10, 0.5), translation + np.array([0.02, 0.0, 0.0]))
                hands.append(RecordedHand(side, "network", 0.9, bent, np.full(10, 0.5), translation, seen.joints_m))
            writer.add(Frame(index, index * 100_000_000, picture, CAMERA, "test"), hands)


def recordings(folder: Path, **values: object) -> RecordingSource:
    return RecordingSource(path=str(folder), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("left", [False, True])
def test_labels_lie_on_the_hand_and_pose_it(tmp_path: Path, left: bool) -> None:
    write_session(tmp_path / "s", left=left)
    crops = RecordingCrops(read_session_hands(recordings(tmp_path)), 128, 3, CropJitter())
    shown_right = [crop for crop in (crops[index] for index in range(12)) if crop.right == 1.0]
    batch = collate(shown_right[:6])
    for image, joints in zip(batch.image.numpy(), batch.joints_crop.numpy(), strict=True):
        places = ((joints + 1.0) * 64 - 0.5).round().astype(int).clip(0, 127)
        inside = np.abs(joints).max(1) < 0.97
        # colours are jittered, so a dot is only brighter than what is around it
        assert np.median(image[0, places[inside, 1], places[inside, 0]]) > np.median(image[0]) + 40
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m
    torch.testing.assert_close(posed - posed[:, :1], batch.joints_m, atol=2e-5, rtol=0.0)
    assert batch.joints_weight.flatten().tolist() == pytest.approx([0.8] * 6 * 21)


def test_single_view_label_has_2d_weights_only(tmp_path: Path) -> None:
    write_session(tmp_path / "s", origin="ik")
    hand = read_session_hands(recordings(tmp_path))[0]
    crop = teaching_crop(hand, CropJitter(), np.random.default_rng(1), 64)
    assert not hand.measured
    assert not depth_is_measured(recordings(tmp_path))
    assert (crop.pose_weight, crop.shape_weight, crop.root_weight, crop.joints_weight.max()) == (0.0, 0.0, 0.0, 0.0)
    assert crop.joints_crop_weight.tolist() == pytest.approx([0.8] * 21)


@pytest.mark.parametrize("left", [False, True])
def test_single_view_label_keeps_the_depth_of_the_network(tmp_path: Path, left: bool) -> None:
    write_session(tmp_path / "s", origin="ik", network=True, left=left)
    hand = read_session_hands(recordings(tmp_path))[0]
    crop = teaching_crop(hand, CropJitter(), np.random.default_rng(1), 64)
    measured = crop_session_hand(hand, CropJitter(), np.random.default_rng(1), 64)
    # in 2D half way to the label, or at the label where the user corrected it; in depth the network's
    assert hand.anchor is not None
    square = jittered_crop(hand.joints_px, CropJitter(), np.random.default_rng(1))
    corners = [
        project(joints, hand.intrinsics) @ matrix[:, :2].T + matrix[:, 2]
        for joints, matrix in ((hand.joints_m, square.matrix(64)), (hand.anchor.joints_m, square.matrix(64)))
    ]
    half_way = crop_coordinates(np.mean(corners, 0), 64)
    assert np.abs(crop.joints_crop - half_way).max() < 1e-4
    assert np.abs(crop.joints_crop - measured.joints_crop).max() > 0.01
    by_user = teaching_crop(replace(hand, origin="corrected"), CropJitter(), np.random.default_rng(1), 64)
    assert np.array_equal(by_user.joints_crop, measured.joints_crop)
    posed = TorchHandLayer(load_embedded_model())(torch.from_numpy(crop.rotations)[None], torch.full((1, 10), 0.5))
    joints = (posed.joints_m - posed.joints_m[:, :1])[0].numpy()
    assert np.abs(joints - crop.joints_m).max() < 1e-4
    assert np.abs(crop.joints_m - measured.joints_m).max() > 0.005
    assert (crop.pose_weight, crop.root_weight) == (0.5, 0.0)


def test_two_view_label_has_full_weights(tmp_path: Path) -> None:
    write_session(tmp_path / "s", origin="two_views", network=True)
    hand = read_session_hands(recordings(tmp_path))[0]
    crop = teaching_crop(hand, CropJitter(), np.random.default_rng(1), 64)
    assert hand.measured
    assert depth_is_measured(recordings(tmp_path))
    assert (crop.pose_weight, crop.root_weight) == (0.8, 0.8)


def test_some_hands_are_shown_as_the_other_side_with_the_side_weight_only(tmp_path: Path) -> None:
    write_session(tmp_path / "s")
    crops = RecordingCrops(read_session_hands(recordings(tmp_path)), 32, 3, CropJitter())
    drawn = [crops[index] for index in range(200)]
    wrong = [crop for crop in drawn if crop.right == 0.0]
    assert 4 <= len(wrong) <= 24
    for crop in wrong:
        assert (crop.present, crop.right_weight, crop.pose_weight, crop.joints_weight.max()) == (1.0, 1.0, 0.0, 0.0)
        assert crop.joints_crop_weight.max() == 0.0


def test_a_left_hand_becomes_the_right_one_of_the_mirrored_picture(tmp_path: Path) -> None:
    write_session(tmp_path / "s", left=True)
    hand = read_session_hands(recordings(tmp_path))[0]
    assert hand.mirrored
    assert hand.intrinsics == CAMERA.mirrored()
    places = hand.joints_px.round().astype(int)
    assert (hand.picture()[places[:, 1], places[:, 0], 0] > 100).mean() > 0.9
    assert np.isfinite(mirror_points(hand.joints_m)).all()


def test_rejected_frames_are_not_learned_from(tmp_path: Path) -> None:
    write_session(tmp_path / "s")
    append_verdicts(tmp_path / "s", [Verdict(2, "rejected"), Verdict(5, "rejected")])
    frames = [hand.frame for hand in read_session_hands(recordings(tmp_path))]
    assert frames == [0, 1, 3, 4, 6, 7, 8, 9]
    with pytest.raises(ConfigError, match="No label of s has a weight"):
        read_session_hands(recordings(tmp_path, floor=0.9))


def test_sessions_and_time_spans_are_selected(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_session(tmp_path / name)
    assert [folder.name for folder in find_sessions(tmp_path)] == ["a", "b"]
    early = read_session_hands(recordings(tmp_path, sessions=("a",), span=(0.0, 0.7)))
    late = read_session_hands(recordings(tmp_path, sessions=("a",), span=(0.7, 1.0)))
    assert {hand.session for hand in early + late} == {"a"}
    assert [hand.frame for hand in early + late] == list(range(10))
    assert len(late) == 3
    with pytest.raises(DataError, match="no session 'c'"):
        read_session_hands(recordings(tmp_path, sessions=("c",)))
    with pytest.raises(DataError, match="no recorded session"):
        find_sessions(tmp_path / "a" / "frames")


def test_pose_of_another_hand_model_has_no_weight_and_its_joints_have(tmp_path: Path) -> None:
    write_session(tmp_path / "s", digest="another")
    crop = RecordingCrops(read_session_hands(recordings(tmp_path)), 64, 1, CropJitter())[0]
    assert (crop.pose_weight, crop.shape_weight) == (0.0, 0.0)
    assert crop.joints_weight.tolist() == pytest.approx([0.8] * 21)


def test_same_index_gives_the_same_crop(tmp_path: Path) -> None:
    write_session(tmp_path / "s")
    config = FitConfig(sources=(recordings(tmp_path),))
    first, second = build_samples(config), build_samples(config)
    second[3]
    np.testing.assert_array_equal(first[5].image, second[5].image)
    repeated, again = (RepeatedCrops(RenderedCrops(64, 5), 2, 9) for _ in range(2))
    again[0]
    np.testing.assert_array_equal(repeated[4].image, again[4].image)


@pytest.mark.parametrize("origin", ["two_views", "offline"])
def test_shape_is_measured_from_two_view_labels_only(tmp_path: Path, origin: Recorded) -> None:
    write_session(tmp_path / "s")
    shape = np.linspace(-1.0, 2.0, 10, dtype=np.float32)
    labels = [
        OfflineLabel(frame.index, replace(frame.hands[0], origin=origin, shape=shape), 0.7)
        for frame in open_recording(tmp_path / "s").frames
    ]
    write_offline(tmp_path / "s", OfflineLabels(tuple(labels), shape, load_embedded_model().digest))
    (hand, *_) = read_session_hands(recordings(tmp_path))
    assert teaching_crop(hand, CropJitter(), np.random.default_rng(1), 64).shape_weight == 0.0
    measured = measured_hand_shape([recordings(tmp_path)])
    if origin == "offline":
        assert measured is None
    else:
        assert measured is not None
        np.testing.assert_allclose(measured, shape, atol=1e-6)


def test_renderings_with_a_given_shape_keep_the_drawn_poses() -> None:
    shape = tuple(np.linspace(-1.0, 2.0, 10).tolist())
    crops = [RenderedCrops(64, 5, shape=shape, empty_share=0.0)[index] for index in range(3)]
    others = [RenderedCrops(64, 5, empty_share=0.0)[index] for index in range(3)]
    for crop, other in zip(crops, others, strict=True):
        assert crop.shape.tolist() == pytest.approx(shape, abs=1e-4)
        np.testing.assert_allclose(crop.rotations[1:], other.rotations[1:], atol=1e-6)  # another hand in the same pose


def test_the_newest_session_is_held_out_and_a_single_one_is_split_in_time(tmp_path: Path) -> None:
    config = read_config(CONFIGS / "finetune.yaml")
    write_session(tmp_path / "a")
    alone, (report,) = with_recordings(config, tmp_path)
    assert report.span == (0.8, 1.0)
    assert alone.sources[0].span[1] == pytest.approx(0.72)
    assert alone.held_out[0].span == pytest.approx((0.72, 0.8))
    write_session(tmp_path / "b")
    split, (report,) = with_recordings(config, tmp_path)
    assert (split.sources[0].sessions, report.sessions) == (("a",), ("b",))
    assert split.held_out[0].sessions == ("a",)  # the checkpoint is not chosen on what the report measures
    # sessions to learn from are named and none is held out: the others are not measured either
    named, (report,) = with_recordings(config, tmp_path, ["a"])
    assert (named.sources[0].sessions, report.sessions, report.span) == (("a",), ("a",), (0.8, 1.0))
    with pytest.raises(ConfigError, match="'b' is to be learned from and held out"):
        with_recordings(config, tmp_path, ["a", "b"], ["b"])
    with pytest.raises(ConfigError, match="held out"):
        with_recordings(config, tmp_path, [], ["a", "b"])


def test_recordings_that_are_held_out_are_not_left_out_of_a_report_without_a_word() -> None:
    warnings: list[str] = []
    config = FitConfig(held_out=(RecordingSource(path="mine"),), network=NetworkConfig(input_px=32))
    assert set(held_out_sets(config, 1, warnings.append)) == {"rendered"}
    (sentence,) = warnings
    assert "recordings that the recipe holds out are not measured here" in sentence
    held_out_sets(replace(config, held_out=()), 1, warnings.append)
    assert len(warnings) == 1


def test_variants_of_a_recipe_set_the_frozen_modules(tmp_path: Path) -> None:
    quick, thorough = (read_config(CONFIGS / "finetune.yaml", {"variant": name}) for name in ("quick", "thorough"))
    assert quick.freeze == ("trunk",)
    assert thorough.freeze == ()
    assert read_config(CONFIGS / "finetune.yaml", {"steps": 7}).steps == 7
    with pytest.raises(ConfigError, match="no variant 'slow'; choose one of quick, standard, thorough"):
        read_config(CONFIGS / "finetune.yaml", {"variant": "slow"})
    weights = tmp_path / "best.safetensors"
    assert with_base(quick, weights).start_from == str(weights)
