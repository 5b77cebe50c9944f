"""Masks of hands in photographs: against the renderer's own masks, and their use in training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np
from crops import photographs_in, write_left_hand

from hand.crop import crop_around
from hand.errors import ConfigError, DataError
from trainer.__main__ import main
from trainer.cut_backgrounds import hand_free_parts
from trainer.recipe.config import FitConfig
from trainer.samples.hand_masks import hand_mask, mask_in, mask_in_photograph, mask_square
from trainer.samples.photographs import in_another_skin
from trainer.synthetic.scene import SceneRenderer
from trainer.training.mixture import build_samples


def test_mask_covers_the_rendered_hand(renderer: SceneRenderer) -> None:
    """A median of nine in ten pixels over different lights and backgrounds; a missing finger would be one in ten."""
    found, together = [], []
    for index in range(12):
        scene = renderer.without_hiding_distractors(renderer.crop_scene(index, 192))
        sample = renderer.render(scene, index)
        truth = sample.mask > 127
        mask = hand_mask(sample.image_rgb, sample.joints_px) > 127
        # the label does not contain the length of the forearm
        near = cv2.dilate(np.uint8(truth), np.ones((5, 5), np.uint8)) > 0
        found.append((mask & truth).sum() / truth.sum())
        together.append((mask & ~near).mean())
    assert np.median(found) > 0.9
    assert np.median(together) < 0.05


def test_a_mask_lies_on_the_hand_in_every_crop_of_the_photograph(renderer: SceneRenderer) -> None:
    sample = renderer.crop(3, 160)
    mask = mask_in_photograph(sample.image_rgb, sample.joints_px)
    crop = replace(crop_around(sample.joints_px, 1.4), angle_rad=0.7)
    square = mask_square(sample.joints_px)
    # independent of the composed map: first to the photograph's pixels, then into the crop
    whole = cv2.warpAffine(mask, cv2.invertAffineTransform(square.matrix(mask.shape[0])), (160, 160))
    expected = cv2.warpAffine(whole, crop.matrix(96), (96, 96))
    ours = mask_in(crop, mask, sample.joints_px, 96)
    assert ((ours > 127) == (expected > 127)).mean() > 0.98


def test_share_of_the_photographs_gets_other_backgrounds(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    plain = replace(photographs_in(tmp_path), masks=str(tmp_path / "masks"))
    arguments = ["--predictions", plain.path, "--pictures", plain.pictures, "--out", plain.masks]
    assert main(["masks", *arguments]) == 0
    assert len(list((tmp_path / "masks").glob("hand_*.png"))) == 1

    def crops(new_background: float) -> list[np.ndarray]:
        config = FitConfig(seed=4, sources=(replace(plain, new_background=new_background),))
        stream = build_samples(config)
        return [stream[index].image for index in range(40)]

    changed = [bool((a != b).any()) for a, b in zip(crops(0.0), crops(0.5), strict=True)]
    assert 8 <= sum(changed) <= 36


def test_new_background_leaves_the_labels_unchanged(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    source = replace(photographs_in(tmp_path), masks=str(tmp_path), new_background=1.0)
    assert main(["masks", "--predictions", source.path, "--pictures", source.pictures, "--out", source.masks]) == 0
    there = build_samples(FitConfig(seed=4, sources=(source,)))[0]
    # both streams draw the label and the crop first
    here = build_samples(FitConfig(seed=4, sources=(replace(source, new_background=0.0),)))[0]
    for name in ("joints_crop", "rotations", "joints_m"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))


def test_backgrounds_of_pictures_with_like_names_do_not_replace_each_other(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    names = ["a/0001.png", "b/0001.png", "a/0001.jpg", "a%2F0001.png", "a_0001.png"]
    content = json.loads((tmp_path / "pred.json").read_text())
    (image,) = content["images"]
    small = [{"joints_px": [[x / 8.0 + 10.0, y / 8.0 + 200.0] for x, y in image["hands"][0]["joints_px"]]}]
    content["images"] = [image | {"file": name, "hands": small} for name in names]
    (tmp_path / "pred.json").write_text(json.dumps(content))
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((tmp_path / "hand.png").read_bytes())
    parts = len(list(hand_free_parts(tmp_path, content["images"][0])))
    assert parts > 0
    given = ["--predictions", str(tmp_path / "pred.json"), "--pictures", str(tmp_path)]
    assert main(["backgrounds", *given, "--out", str(tmp_path / "parts")]) == 0
    assert len(list((tmp_path / "parts").iterdir())) == parts * len(names)


def test_another_skin_changes_the_hand_alone() -> None:
    picture = np.random.default_rng(0).integers(40, 200, (96, 96, 3)).astype(np.uint8)
    mask = np.zeros((96, 96), np.uint8)
    mask[30:70, 20:60] = 255
    changed = in_another_skin(picture, mask, np.random.default_rng(1)).astype(int) - picture
    inside, beyond_the_seam = np.zeros((96, 96), bool), np.ones((96, 96), bool)
    inside[34:66, 24:56], beyond_the_seam[24:76, 14:66] = True, False
    assert np.abs(changed[inside]).mean() > 5.0
    assert not changed[beyond_the_seam].any()


def test_photographs_get_other_skins_before_their_own_backgrounds(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    source = replace(photographs_in(tmp_path), masks=str(tmp_path / "masks"), new_skin=1.0)
    assert main(["masks", "--predictions", source.path, "--pictures", source.pictures, "--out", source.masks]) == 0
    tinted = build_samples(FitConfig(seed=4, sources=(source,)))[0]
    plain = build_samples(FitConfig(seed=4, sources=(replace(source, new_skin=0.0),)))[0]
    changed = np.abs(tinted.image.astype(int) - plain.image).mean(-1)
    # only the dots can be tinted; black pixels change only with the contrast of the whole crop
    dots = plain.image.min(-1) > 100
    assert changed[dots].mean() > 5.0
    assert changed[dots].mean() > 3.0 * changed[~dots].mean()
    np.testing.assert_array_equal(tinted.joints_crop, plain.joints_crop)


def test_missing_mask_of_the_present_label_is_refused(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    source = replace(photographs_in(tmp_path), masks=str(tmp_path / "masks"), new_background=1.0)
    with pytest.raises(DataError, match="has no mask of its present label"):
        build_samples(FitConfig(seed=4, sources=(source,)))[0]


def test_mask_of_an_outdated_label_is_refused(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    source = replace(photographs_in(tmp_path), masks=str(tmp_path / "masks"), new_background=1.0)
    assert main(["masks", "--predictions", source.path, "--pictures", source.pictures, "--out", source.masks]) == 0
    labels = json.loads(Path(source.path).read_text())
    for hand in labels["images"][0]["hands"]:
        hand["joints_px"] = [[x + 9.0, y] for x, y in hand["joints_px"]]
    Path(source.path).write_text(json.dumps(labels))
    with pytest.raises(DataError, match="has no mask of its present label"):
        build_samples(FitConfig(seed=4, sources=(source,)))[0]


def test_another_background_without_masks_is_refused(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    source = replace(photographs_in(tmp_path), new_background=0.5)
    with pytest.raises(ConfigError, match="trainer masks"):
        build_samples(FitConfig(seed=4, sources=(source,)))
