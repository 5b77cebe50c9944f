"""Augmentation keeps labels true: every label is projected back onto the picture that was changed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np
import torch
from crops import joints_as_posed, shown_right

from hand.camera import project
from hand.embedded import load_embedded_model
from hand.torch_layer import TorchHandLayer
from trainer.datasets.crops import SetCrops, crop_beside, cut_hand, data_set_jitter, held_out_set_crops
from trainer.datasets.freihand import FreihandSet, read_labels
from trainer.datasets.hand_set import mask_of, picture_of
from trainer.datasets.interhand import InterHandSet
from trainer.datasets.opening import source_set
from trainer.datasets.pose_fit import fitter_for
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.recipe.sources import SOURCE_KINDS
from trainer.samples.augmentation import LIVE_JITTER, CropJitter, jittered_crop
from trainer.samples.labelled_crop import LabelledCrop, collate
from trainer.samples.new_background import before_another_background
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.training.mixture import build_samples

DOT = np.array([255, 255, 255])


@pytest.fixture
def dotted(freihand_set: Path, tmp_path: Path) -> FreihandSet:
    """A FreiHAND whose pictures are black but for a white dot at every labelled joint, and whose masks are the dots."""
    folder = Path(shutil.copytree(freihand_set, tmp_path / "dotted"))
    read_labels.cache_clear()
    hands = FreihandSet(folder, "training")
    for index in range(len(hands)):
        hand = hands.hand(index)
        picture = np.zeros((224, 224, 3), np.uint8)
        for x, y in project(hand.joints_m, hand.intrinsics).round().astype(int).tolist():
            cv2.circle(picture, (x, y), 3, DOT.tolist(), -1)
        name = f"{hands.file_number(index):08d}.jpg"
        cv2.imwrite(str(folder / "training" / "rgb" / name), picture)
        cv2.imwrite(
            str(folder / "training" / "mask" / f"{hands.sample(index):08d}.jpg"), cv2.dilate(picture, np.ones((5, 5)))
        )
    return hands


def brightness_at_joints(crop: LabelledCrop) -> float:
    """Median brightness at the labelled joints inside the crop, less that of the whole crop."""
    side = crop.image.shape[0]
    inside = np.abs(crop.joints_crop).max(1) < 0.95
    x, y = ((crop.joints_crop[inside] + 1.0) * (side / 2) - 0.5).round().astype(int).T
    return float(np.median(crop.image[y, x].mean(1)) - np.median(crop.image.mean(2)))


def test_turned_moved_blurred_and_compressed_crops_keep_their_joints(dotted: FreihandSet) -> None:
    """The training stream as it is: turns to 90 degrees, scale, shift, colour, blur, JPEG, occluders."""
    stream = SetCrops(dotted, fitter_for(dotted, load_embedded_model()), 128, 5, data_set_jitter(90.0))
    plain = SetCrops(dotted, None, 128, 5, CropJitter(0.0, 0.0, 0.0, 0.0, any_angle_share=0.0))
    crops = shown_right(stream, 40)
    assert np.mean([brightness_at_joints(crop) > 40.0 for crop in crops.values()]) > 0.9
    # counter-check: the upright picture under the labels of the turned crop
    mistaken = [crop.with_image(plain[index].image) for index, crop in crops.items()]
    assert np.mean([brightness_at_joints(crop) > 40.0 for crop in mistaken]) < 0.5


def test_the_global_orientation_turns_with_the_picture(freihand_set: Path) -> None:
    hands = FreihandSet(freihand_set, "training")
    fitter = fitter_for(hands, load_embedded_model())
    stream = SetCrops(hands, fitter, 128, 6, data_set_jitter(90.0))
    crops = list(shown_right(stream, 40).values())
    for crop in crops:
        # perspective at the crop's edge is not that of the crop's own camera; a wrong turn is ten times this
        assert np.abs(joints_as_posed(crop) - crop.joints_crop).max() < 0.12
    batch = collate(crops)
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m
    torch.testing.assert_close(posed - posed[:, :1], batch.joints_m, atol=5e-5, rtol=0.0)


def test_turns_reach_ninety_degrees_and_no_farther(freihand_set: Path) -> None:
    hand = FreihandSet(freihand_set, "training").hand(0)
    picture, upright = np.zeros((224, 224, 3), np.uint8), CropJitter(0.0, 0.0, 0.0, 0.0, any_angle_share=0.0)
    # the same joints turned by a quarter: which way the wrist-to-middle line points, against the upright crop
    reference = cut_hand(hand, None, picture, upright, np.random.default_rng(0), 64).joints_crop
    turns = []
    for seed in range(200):
        jitter = CropJitter(1.6, 0.0, 0.0, 0.0, any_angle_share=1.0, largest_angle_rad=np.pi / 2)
        turned = cut_hand(hand, None, picture, jitter, np.random.default_rng(seed), 64).joints_crop
        lines = [complex(*(joints[9] - joints[0])) for joints in (reference, turned)]
        turns.append(np.degrees(np.angle(lines[1] / lines[0])))
    assert 80.0 < np.abs(turns).max() <= 90.001
    assert 35.0 < np.std(turns) < 65.0
    assert min(turns) < -60.0 < 60.0 < max(turns)


@pytest.mark.parametrize("largest_deg", [0.0, 10.0, 90.0])
def test_crop_angles_stay_within_the_limit_of_the_recipe(largest_deg: float) -> None:
    jitter, points = data_set_jitter(largest_deg), np.random.default_rng(1).uniform(20.0, 200.0, (21, 2))
    turns = [abs(jittered_crop(points, jitter, np.random.default_rng(seed)).angle_rad) for seed in range(400)]
    assert 0.95 * largest_deg <= np.degrees(max(turns)) <= largest_deg + 1e-9


def test_new_background_keeps_the_hand_and_changes_the_rest(freihand_set: Path) -> None:
    hands = FreihandSet(freihand_set, "training")
    pool = BackgroundPool(3, size=4)
    for index in range(3):
        hand = hands.hand(index)
        picture, mask = picture_of(hands, index, hand), mask_of(hands, index, hand)
        assert mask is not None
        changed = before_another_background(picture, mask, pool, np.random.default_rng(index))
        core = cv2.erode(mask, np.ones((13, 13), np.uint8)) > 200
        outside = cv2.dilate(mask, np.ones((13, 13), np.uint8)) < 50
        assert core.sum() > 300
        np.testing.assert_array_equal(changed[core], picture[core])
        assert np.abs(changed[outside].astype(int) - picture[outside]).mean() > 15.0


def test_crops_with_new_backgrounds_keep_their_joints(dotted: FreihandSet, monkeypatch: pytest.MonkeyPatch) -> None:
    # a very dark crop would hide the dots
    monkeypatch.setattr("trainer.datasets.crops.jitter_colors", lambda image_rgb, rng: image_rgb)
    jitter = data_set_jitter(90.0)
    stream = SetCrops(dotted, None, 128, 5, jitter, new_background=1.0)
    before = SetCrops(dotted, None, 128, 5, jitter)
    assert np.mean([brightness_at_joints(crop) > 25.0 for crop in shown_right(stream, 8).values()]) > 0.8
    darkness = [np.median(crop.image) for crops in (before, stream) for crop in shown_right(crops, 6).values()]
    assert np.mean(darkness[:6]) < 30.0 < np.mean(darkness[6:])


def test_left_hands_are_mirrored_with_their_labels(interhand_set: Path) -> None:
    """No picture is mirrored without its labels: a left hand's pose gives its joints, as a right hand's."""
    hands = InterHandSet(interhand_set, "training")
    fitter = fitter_for(hands, load_embedded_model())
    assert fitter is not None
    exact, rng = CropJitter(1.6, 0.0, 0.0, 0.0, any_angle_share=0.0), np.random.default_rng(0)
    left = [index for index, (_, side, _) in enumerate(hands.hands) if side == "left"]
    assert any(hand is not None and hand.joints_known.all() for hand in map(hands.hand, left))
    for index in left:
        hand = hands.hand(index)
        assert hand is not None
        _, fitted = fitter.check(hand)
        picture = picture_of(hands, index, hand)
        unmirrored = cv2.imdecode(np.frombuffer(hands.picture_bytes(index), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(picture[:, ::-1, ::-1], unmirrored)
        crop = cut_hand(hand, fitted, picture, exact, rng, 96)
        if not hand.joints_known.all():  # then the crop is around a part of the hand, and shows it from the side
            continue
        assert np.abs(joints_as_posed(crop) - crop.joints_crop).max() < 0.12
        assert crop.right == 1.0


@pytest.mark.parametrize("kind", ["freihand", "interhand"])
def test_a_set_alone_also_shows_left_hands_and_no_hand(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise all that a network can learn of presence and side is that both are always 1."""
    source = SOURCE_KINDS[kind](path=str(request.getfixturevalue(f"{kind}_set")))
    samples = build_samples(FitConfig(sources=(source,), network=NetworkConfig(input_px=48)))
    crops = [samples[index] for index in range(200)]
    empty = [crop for crop in crops if crop.present == 0.0]
    left = [crop for crop in crops if crop.present == 1.0 and crop.right == 0.0]
    assert 4 <= len(empty) <= 24
    assert 4 <= len(left) <= 24
    for crop in (*empty, *left):
        assert (crop.pose_weight, crop.shape_weight, crop.root_weight) == (0.0, 0.0, 0.0)
        assert max(crop.joints_weight.max(), crop.joints_crop_weight.max()) == 0.0
        assert crop.right_weight == crop.present
        assert crop.image.std() > 0.0
    for name in ("EMPTY_SHARE", "WRONG_SIDE_SHARE"):
        monkeypatch.setattr(f"trainer.datasets.crops.{name}", 0.0)
    for index, crop in enumerate(crops):
        shown = samples[index]
        assert shown.right == 1.0
        if crop.right == 1.0:
            np.testing.assert_array_equal(crop.image, shown.image)
        elif crop.present == 1.0:
            np.testing.assert_array_equal(crop.image, shown.image[:, ::-1])
    held_out = held_out_set_crops(source_set(source), None, 48, 50, LIVE_JITTER, 1)
    assert {(crop.present, crop.right) for crop in held_out.values()} == {(1.0, 1.0)}


def test_crop_beside_a_hand_contains_no_part_of_it(freihand_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture is bright in the box of the joints and a little around it, as a hand's flesh is."""
    monkeypatch.setattr("trainer.datasets.crops.jitter_colors", lambda image, rng: image)
    near = FreihandSet(freihand_set, "training").hand(0)
    far = replace(near, joints_m=near.joints_m * [1.0, 1.0, 2.0])
    low, high = far.outline_px.min(0), far.outline_px.max(0)
    flesh = 0.15 * float((high - low).max())
    (left, top), (right, bottom) = (low - flesh).astype(int), (high + flesh).astype(int) + 1
    picture = np.full((224, 224, 3), 20, np.uint8)
    picture[top:bottom, left:right] = 255
    rng = np.random.default_rng(0)
    for _ in range(50):
        crop = crop_beside(far, picture, rng, 32)
        assert crop is not None
        assert crop.present == 0.0
        assert set(np.unique(crop.image)) == {20}
    close = replace(near, joints_m=near.joints_m * [1.0, 1.0, 0.3])
    assert crop_beside(close, picture, rng, 32) is None
