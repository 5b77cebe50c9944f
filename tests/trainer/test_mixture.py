from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np
import torch
from crops import joints_as_posed, photographs_in, write_left_hand

from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, DataError
from hand.mirror import mirror_pixels, mirror_points
from hand.torch_layer import TorchHandLayer
from trainer.cut_backgrounds import hand_free_parts
from trainer.evaluation.held_out import live_crops, photograph_crops
from trainer.fit import _held_out_sets
from trainer.networks.building import build_network
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.recipe.config import FitConfig, read_config
from trainer.recipe.sources import RenderedSource
from trainer.samples.augmentation import CropJitter
from trainer.samples.labelled_crop import LabelledCrop, collate
from trainer.samples.photographs import PhotographCrops, read_pseudo_labels
from trainer.samples.rendered import RenderedCrops, empty_crop
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.training.mixture import build_samples

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_can_be_read(path: Path) -> None:
    assert read_config(path).name == path.stem


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_builds_a_network_with_valid_outputs(path: Path) -> None:
    """Without ImageNet weights, which may be missing, and on the meta device, because a ViT-B needs much memory."""
    config = replace(read_config(path).network, pretrained=False)
    with torch.device("meta"):
        network = HandNetwork(config, torch.zeros(16, 6)).eval()
        output = network(torch.zeros(2, 3, config.input_px, config.input_px))
    assert output.rotations.shape == (2, 16, 3, 3)
    names = {"network." + name for name, _ in network.named_modules()}
    assert all(f"network.{name}" in names for name in read_config(path).freeze)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_header_of_every_recipe_states_expected_result_device_and_duration(path: Path) -> None:
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    text = " ".join(header).lower()
    assert "expect" in text
    assert re.search(r"\b(cpu|gpu)", text)
    assert re.search(r"minute|hour", text)


def test_an_unknown_key_of_a_recipe_is_named(tmp_path: Path) -> None:
    recipe = tmp_path / "typo.yaml"
    recipe.write_text("network: {trunc: resnet18}\n")
    with pytest.raises(ConfigError, match=r"network: unknown key 'trunc'; known keys are .*trunk"):
        read_config(recipe)


def test_rendered_crops_depend_on_seed_and_index_alone() -> None:
    first, second = RenderedCrops(128, seed=5), RenderedCrops(128, seed=5)
    second[7]
    np.testing.assert_array_equal(first[3].image, second[3].image)
    assert np.abs(first[3].image.astype(int) - first[4].image.astype(int)).mean() > 5.0


def test_share_of_empty_crops_is_featureless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a covered or defocused lens; a network trained without such pictures predicted hands in them."""

    def stream(share: float) -> list[LabelledCrop]:
        monkeypatch.setattr("trainer.samples.rendered.FEATURELESS_SHARE", share)
        crops = RenderedCrops(64, seed=5)
        return [crops[index] for index in range(120)]

    def detail(crop: LabelledCrop) -> float:
        return float(cv2.Laplacian(cv2.GaussianBlur(crop.image, (0, 0), 2.0), cv2.CV_64F).std())

    plain, bare = stream(0.0), stream(1.0)
    empty = [index for index, crop in enumerate(plain) if crop.present == 0.0]
    assert len(empty) >= 4
    assert np.median([detail(bare[index]) / detail(plain[index]) for index in empty]) < 0.5
    for index, (one, other) in enumerate(zip(plain, bare, strict=True)):
        assert index in empty or np.array_equal(one.image, other.image)


def test_wide_crops_take_their_share_and_leave_the_others_unchanged() -> None:
    """Half of the crops differ; the rest are bit-identical to those of a recipe without wide crops."""
    narrow, wide = RenderedCrops(64, seed=5), RenderedCrops(64, seed=5, wide_share=0.5)
    same = [np.array_equal(narrow[index].image, wide[index].image) for index in range(24)]
    assert 6 <= sum(same) <= 19


def test_empty_crops_take_the_share_of_the_recipe() -> None:
    source = RenderedSource(empty_share=0.5)
    config = FitConfig(seed=5, network=NetworkConfig(input_px=64), sources=(source,))
    shown = [build_samples(config)[index].present for index in range(40)]
    assert 12 <= shown.count(0.0) <= 28


def test_share_of_renderings_is_jittered_and_all_keep_their_labels() -> None:
    plain, flawed = RenderedCrops(64, seed=5), RenderedCrops(64, seed=5, jitter_share=0.5)
    pairs = [(plain[index], flawed[index]) for index in range(40)]
    assert 10 <= sum(np.array_equal(one.image, other.image) for one, other in pairs) <= 30
    for one, other in pairs:
        np.testing.assert_array_equal(one.joints_crop, other.joints_crop)
        assert (one.present, one.right) == (other.present, other.right)


def test_loose_crops_show_smaller_whole_hands_off_centre() -> None:
    """As in a search window: smaller and farther from the middle, but not cut off; other crops are unchanged."""
    tight, loose = (
        [RenderedCrops(64, seed=5, only_right_hands=True, loose_share=share)[index] for index in range(30)]
        for share in (0.0, 1.0)
    )
    sizes = [[float(np.ptp(crop.joints_crop, axis=0).max()) for crop in crops] for crops in (tight, loose)]
    assert np.median(sizes[1]) < 0.8 * np.median(sizes[0])
    middles = [
        [np.abs(crop.joints_crop.min(0) + crop.joints_crop.max(0)).max() / 2 for crop in crops]
        for crops in (tight, loose)
    ]
    assert np.mean(middles[1]) > 1.5 * np.mean(middles[0])
    assert max(float(np.abs(crop.joints_crop).max()) for crop in loose) < 1.0
    some = RenderedCrops(64, seed=5, only_right_hands=True, loose_share=0.3)
    same = [np.array_equal(some[index].image, crop.image) for index, crop in enumerate(tight)]
    assert 14 <= sum(same) <= 28


def test_empty_crops_may_enlarge_a_small_part_of_a_background() -> None:
    """A small part of a background, enlarged, is smoother than most of it."""
    pool = BackgroundPool(5, size=6)

    def detail(closest: float) -> float:
        crops = [empty_crop(pool, np.random.default_rng(seed), 64, closest=closest) for seed in range(24)]
        return float(
            np.mean([cv2.Laplacian(cv2.GaussianBlur(crop.image, (0, 0), 1.0), cv2.CV_64F).std() for crop in crops])
        )

    assert detail(0.1) < 0.9 * detail(0.9)


def test_depth_trust_scales_the_3d_weights_of_photographs(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    source = replace(photographs_in(tmp_path), depth_trust=0.25)
    crop = PhotographCrops(read_pseudo_labels(source), 128, seed=1, jitter=None)[0]
    for weight in (crop.pose_weight, crop.shape_weight, *crop.joints_weight, crop.root_weight):
        assert weight == pytest.approx(0.25 * crop.joints_crop_weight[0])


def test_some_training_photographs_are_mirrored_and_no_measured_one_is(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    labels = read_pseudo_labels(photographs_in(tmp_path))
    learned, measured = (
        PhotographCrops(labels, 32, seed=1, jitter=CropJitter(), augment=augment) for augment in (True, False)
    )
    assert 4 <= sum(learned[index].right == 0.0 for index in range(200)) <= 24
    assert measured[0].right == 1.0


def test_rendered_labels_pose_the_hand_they_came_from() -> None:
    crops = RenderedCrops(128, seed=6, only_right_hands=True)
    batch = collate([crops[index] for index in range(4)])
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m
    torch.testing.assert_close(posed - posed[:, :1], batch.joints_m, atol=1e-5, rtol=0.0)


def test_a_left_hand_in_a_photograph_becomes_a_right_one(tmp_path: Path) -> None:
    pixels = write_left_hand(tmp_path)
    labels = read_pseudo_labels(photographs_in(tmp_path))
    assert len(labels) == 1
    np.testing.assert_allclose(labels[0].joints_px, mirror_pixels(pixels, 320))
    crop = PhotographCrops(labels, 128, seed=1, jitter=None)[0]
    # the dots of the mirrored picture lie under the labels
    places = ((crop.joints_crop + 1.0) * 64 - 0.5).round().astype(int)
    assert (crop.image[places[:, 1], places[:, 0], 0] > 60).mean() > 0.9
    batch = collate([crop])
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m
    torch.testing.assert_close(posed - posed[:, :1], batch.joints_m, atol=1e-4, rtol=0.0)
    assert batch.joints_weight[0].tolist() == pytest.approx([0.9] * 21)
    np.testing.assert_allclose(mirror_points(mirror_points(labels[0].joints_m)), labels[0].joints_m)


def test_a_file_that_holds_no_predictions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pred.json").write_text("[]")
    with pytest.raises(DataError, match="should be a prediction file"):
        read_pseudo_labels(photographs_in(tmp_path))


def test_hands_that_reach_behind_the_camera_are_left_out(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    file = tmp_path / "pred.json"
    content = json.loads(file.read_text())
    (image,) = content["images"]
    hand = image["hands"][0]
    image["hands"].append(hand | {"joints_px": [None, *hand["joints_px"][1:]]})
    file.write_text(json.dumps(content))
    assert len(read_pseudo_labels(photographs_in(tmp_path))) == 1
    at_the_edge = [[x + 140.0, y] for x, y in hand["joints_px"]]
    seen, half_seen = ([hand | {"joints_px": pixels}] for pixels in (at_the_edge, [None, *at_the_edge[1:]]))
    assert list(hand_free_parts(tmp_path, image | {"hands": seen}))
    assert not list(hand_free_parts(tmp_path, image | {"hands": half_seen})), "its extent is unknown"


def _with_intrinsics(folder: Path, numbers: object) -> None:
    content = json.loads((folder / "pred.json").read_text())
    content["images"][0]["intrinsics"] = numbers
    (folder / "pred.json").write_text(json.dumps(content))


def test_photograph_is_learned_with_the_camera_that_its_label_was_solved_with(tmp_path: Path) -> None:
    """The file's camera, mirrored for a left hand; a file without one means the default field of view."""
    write_left_hand(tmp_path)

    def crop() -> LabelledCrop:
        return PhotographCrops(read_pseudo_labels(photographs_in(tmp_path)), 128, seed=1, jitter=None)[0]

    old, camera = crop(), Intrinsics.from_fov(320, 240)
    numbers = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    _with_intrinsics(tmp_path, numbers)
    assert crop().focal == pytest.approx(old.focal)
    _with_intrinsics(tmp_path, (2.0 * camera.fx_px, 2.0 * camera.fy_px, 150.0, 110.0))
    (label,) = read_pseudo_labels(photographs_in(tmp_path))
    assert (label.intrinsics.cx_px, label.intrinsics.cy_px) == (169.0, 110.0)
    assert crop().focal == pytest.approx(2.0 * old.focal, rel=0.1)


@pytest.mark.parametrize("numbers", [[1.0], "wide", [0.0, 500.0, 160.0, 120.0], 3], ids=str)
def test_camera_of_a_prediction_that_is_none_is_reported(tmp_path: Path, numbers: object) -> None:
    write_left_hand(tmp_path)
    _with_intrinsics(tmp_path, numbers)
    with pytest.raises(DataError, match="holds an image or a hand that no prediction has"):
        read_pseudo_labels(photographs_in(tmp_path))


def test_hands_of_both_methods_are_not_labels_beside_their_fused_hand(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    content = json.loads((tmp_path / "pred.json").read_text())
    (image,) = content["images"]
    hand = image["hands"][0]
    moved = [[x + 1.0, y] for x, y in hand["joints_px"]]
    output = hand | {"method": "fused", "from": "fused", "reason": "", "joints_px": moved}
    image["hands"] = [hand, hand | {"method": "network"}, output]
    (tmp_path / "pred.json").write_text(json.dumps(content))
    (label,) = read_pseudo_labels(photographs_in(tmp_path))
    np.testing.assert_allclose(label.joints_px, mirror_pixels(np.array(moved), 320))
    # what fuse-labels wrote: a fused label beside one that the network missed
    image["hands"] = [hand, hand | {"method": "fused"}]
    (tmp_path / "pred.json").write_text(json.dumps(content))
    assert len(read_pseudo_labels(photographs_in(tmp_path))) == 2


def test_files_are_chosen_by_name(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    assert len(read_pseudo_labels(photographs_in(tmp_path, "ha"))) == 1
    with pytest.raises(ConfigError, match=r"No hand in .* matching 'session_2_'"):
        read_pseudo_labels(photographs_in(tmp_path, "session_2_"))


def test_a_mixture_draws_from_each_source_by_its_share(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    config = FitConfig(sources=(RenderedSource(), photographs_in(tmp_path)))
    samples = build_samples(config)
    weights = [samples[index].joints_weight.max() for index in range(40)]
    assert 20 <= sum(weight == pytest.approx(0.9) for weight in weights) <= 38


def test_a_recipe_without_sources_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no sources"):
        build_samples(FitConfig(sources=()))


def test_each_measured_photograph_has_one_fixed_crop_error(tmp_path: Path) -> None:
    """The error is the same in training and in reports, for all photographs or a selection of them."""
    pixels = write_left_hand(tmp_path)
    content = json.loads((tmp_path / "pred.json").read_text())
    hand = content["images"][0]["hands"][0]
    content["images"][0]["hands"] = [hand] * 6
    (tmp_path / "pred.json").write_text(json.dumps(content))
    source = photographs_in(tmp_path)
    layout = NetworkConfig(input_px=128)
    every, some = live_crops(source, layout), photograph_crops([source], layout, 3, lambda text: None)
    assert (len(every), len(some)) == (6, 3)
    for name, crop in some.items():
        np.testing.assert_array_equal(crop.image, every[name].image)
        np.testing.assert_array_equal(crop.joints_crop, every[name].joints_crop)
    places = np.stack([crop.joints_crop.mean(0) for crop in every.values()])
    assert np.ptp(places, axis=0).min() > 0.05
    # training chooses its checkpoint on these crops
    config = FitConfig(evaluation_count=1, held_out=(source,), network=NetworkConfig(input_px=128))
    model = load_embedded_model()
    sets, measure = _held_out_sets(config, model, build_network(config.network, model))
    assert measure == "photographs_epe_2d"
    for ours, theirs in zip(sets["photographs"], every.values(), strict=True):
        np.testing.assert_array_equal(ours.image, theirs.image)
    assert pixels.shape == (21, 2)


@pytest.mark.parametrize("kind", ["rendered", "photographs"])
def test_labels_are_turned_with_their_crop(tmp_path: Path, kind: str) -> None:
    """Pose, 2D joints and picture have to be turned together."""
    if kind == "rendered":
        stream: RenderedCrops | PhotographCrops = RenderedCrops(128, seed=8, only_right_hands=True)
    else:
        write_left_hand(tmp_path)
        turned = CropJitter(angle_deviation_rad=0.5, any_angle_share=0.5)
        stream = PhotographCrops(read_pseudo_labels(photographs_in(tmp_path)), 128, seed=3, jitter=turned)
    crops = [stream[index] for index in range(8)]
    for crop in crops:
        assert np.abs(joints_as_posed(crop) - crop.joints_crop).max() < 0.08
    # counter-check: 2D labels turned by another angle than the picture and the pose
    angles = 0.6
    spin = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]], np.float32)
    for crop in crops:
        assert np.abs(joints_as_posed(crop) @ spin.T - crop.joints_crop).max() > 0.15


def test_labels_lie_on_the_dots_of_a_turned_photograph(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    jitter = CropJitter(angle_deviation_rad=0.5, any_angle_share=0.5)
    stream = PhotographCrops(read_pseudo_labels(photographs_in(tmp_path)), 128, 3, jitter, augment=False)
    exact = PhotographCrops(read_pseudo_labels(photographs_in(tmp_path)), 128, 3, jitter=None)[0]
    (crop,) = [stream[index] for index in range(len(stream))]

    def hits(image: np.ndarray, joints_crop: np.ndarray) -> float:
        places = np.clip(((joints_crop + 1.0) * 64 - 0.5).round().astype(int), 0, 127)
        return float((image[places[:, 1], places[:, 0], 0] > 60).mean())

    assert hits(crop.image, crop.joints_crop) > 0.9
    # the picture turned and moved, the label not
    assert hits(crop.image, exact.joints_crop) < 0.5
