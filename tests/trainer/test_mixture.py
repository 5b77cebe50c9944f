from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, DataError
from hand.layer import HandLayer
from hand.mirror import mirror_pixels, mirror_points, mirror_pose
from hand.torch_layer import TorchHandLayer
from trainer.config import FitConfig, SourceConfig, read_config
from trainer.labelled_crop import collate
from trainer.mixture import build_samples
from trainer.photographs import PhotographCrops, read_pseudo_labels
from trainer.rendered import RenderedCrops

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_can_be_read(path: Path) -> None:
    assert read_config(path).name == path.stem


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


def test_rendered_labels_pose_the_hand_they_came_from() -> None:
    crops = RenderedCrops(128, seed=6, only_right_hands=True)
    batch = collate([crops[index] for index in range(4)])
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m
    torch.testing.assert_close(posed - posed[:, :1], batch.joints_m, atol=1e-5, rtol=0.0)


def write_left_hand(folder: Path) -> np.ndarray:
    """A picture with a dot on each joint of a left hand, and its prediction file; returns the joints in the picture."""
    rng = np.random.default_rng(2)
    right = rng.normal(0.0, 0.2, 48) + np.concatenate([[1.2, 1.2, 1.2], np.zeros(45)])
    geometry = HandLayer(load_embedded_model("left"), np.float64)(
        mirror_pose(right), np.zeros(10), np.array([0.1, 0, 0.5])
    )
    camera = Intrinsics.from_fov(320, 240)
    pixels = project(geometry.joints_m, camera)
    picture = np.zeros((240, 320, 3), np.uint8)
    for x, y in pixels.round().astype(int).tolist():
        cv2.circle(picture, (x, y), 2, (255, 255, 255), -1)
    cv2.imwrite(str(folder / "hand.png"), picture)
    hand = {
        "method": "ik",
        "side": "left",
        "confidence": 0.9,
        "joints_px": pixels.tolist(),
        "joints_m": geometry.joints_m.tolist(),
        "pose_rad": mirror_pose(right).tolist(),
        "shape": [0.0] * 10,
    }
    image = {"file": "hand.png", "width": 320, "height": 240, "hands": [hand, hand | {"confidence": 0.2}]}
    (folder / "pred.json").write_text(json.dumps({"schema": 1, "hand_model": "embedded", "images": [image]}))
    return pixels


def photographs_in(folder: Path, match: str = "") -> SourceConfig:
    return SourceConfig("photographs", 3.0, path=str(folder / "pred.json"), pictures=str(folder), match=match)


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
    assert batch.joints_weight.item() == pytest.approx(0.9)
    np.testing.assert_allclose(mirror_points(mirror_points(labels[0].joints_m)), labels[0].joints_m)


def test_a_file_that_holds_no_predictions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pred.json").write_text("[]")
    with pytest.raises(DataError, match="should be a prediction file"):
        read_pseudo_labels(photographs_in(tmp_path))


def test_files_are_chosen_by_name(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    assert len(read_pseudo_labels(photographs_in(tmp_path, "ha"))) == 1
    with pytest.raises(ConfigError, match=r"No hand in .* matching 'session_2_'"):
        read_pseudo_labels(photographs_in(tmp_path, "session_2_"))


def test_a_mixture_draws_from_each_source_by_its_share(tmp_path: Path) -> None:
    write_left_hand(tmp_path)
    config = FitConfig(sources=(SourceConfig("rendered"), photographs_in(tmp_path)))
    samples = build_samples(config)
    weights = [samples[index].joints_weight for index in range(40)]
    assert 20 <= sum(weight == pytest.approx(0.9) for weight in weights) <= 38


def test_a_recipe_without_sources_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no sources"):
        build_samples(FitConfig(sources=()))
