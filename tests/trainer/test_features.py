"""Stored percepts: round trip, continuing a stopped run, and training from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np
import torch
import yaml
from crops import photographs_in, write_left_hand

from hand.crop import SquareCrop, crop_picture
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, DataError
from hand.landmark_reading import CROP_NUMBERS
from inference.runtime import whole_square
from trainer import features
from trainer.features import StoredCrops, finder_square, main, stored_crops, write_pictures, write_shard
from trainer.fit import _held_out_sets
from trainer.networks.building import build_network, starting_network
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig, read_config
from trainer.recipe.sources import RenderedSource
from trainer.samples.labelled_crop import collate
from trainer.samples.rendered import RenderedCrops
from trainer.training.mixture import build_samples, fresh_stream

NETWORK = {"trunk": "mobilenet_v3_small", "head": "transformer", "input_px": 32, "width": 16, "layers": 1}


def recipe(folder: Path) -> Path:
    file = folder / "recipe.yaml"
    source = {"kind": "rendered", "features": str(folder / "rendered"), "views": 2}
    file.write_text(yaml.safe_dump({"name": "stored", "seed": 4, "batch": 2, "network": NETWORK, "sources": [source]}))
    return file


def test_stored_crops_round_trip(tmp_path: Path) -> None:
    crops = [RenderedCrops(32, 7)[index] for index in range(3)]
    vectors = [np.full(5, index, np.float16) for index in range(3)]
    write_shard(tmp_path / "0.npz", [crop.with_image(one) for crop, one in zip(crops, vectors, strict=True)])
    back = stored_crops(tmp_path)
    for crop, one, read in zip(crops, vectors, back, strict=True):
        np.testing.assert_array_equal(read.image, one)
        np.testing.assert_allclose(read.rotations, crop.rotations, atol=1e-6)
        np.testing.assert_allclose(read.joints_crop_weight, crop.joints_crop_weight)
        assert float(read.present) == crop.present
    drawn = {int(StoredCrops(tmp_path, 1)[index].image[0]) for index in range(40)}
    assert drawn == {0, 1, 2}


def test_empty_or_damaged_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="python -m trainer features"):
        StoredCrops(tmp_path, 1)
    (tmp_path / "0.npz").write_bytes(b"no")
    with pytest.raises(DataError, match="make them again"):
        StoredCrops(tmp_path, 1)


def test_command_adds_missing_shards_and_a_recipe_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "PER_SHARD", 2)
    file = recipe(tmp_path)
    main(["--config", str(file), "--count", "2"])
    (first,) = (tmp_path / "rendered").iterdir()
    before = first.stat().st_mtime_ns
    main(["--config", str(file), "--count", "4"])
    assert sorted(path.name for path in (tmp_path / "rendered").iterdir()) == ["00000.npz", "00001.npz"]
    assert first.stat().st_mtime_ns == before
    sample = build_samples(read_config(file))[0]
    assert sample.image.dtype == np.float16
    assert sample.image.ndim == 1


def percept_recipe(folder: Path, content: dict) -> Path:
    """The recipe ``content`` with its crops stored as percepts, in another folder."""
    file = folder / "percepts.yaml"
    source = content["sources"][0] | {"features": str(folder / "percepts")}
    file.write_text(yaml.safe_dump(content | {"stored_as": "percepts", "sources": [source]}))
    return file


def test_recipe_that_trains_the_trunk_gets_pictures_and_landmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "PER_SHARD", 2)
    layout = {"trunk": "mobilenet_v3_small", "head": "transformer", "input_px": 224, "trunk_px": 32, "width": 16}
    layout |= {"layers": 1, "landmarks": True, "upright": True}
    file = recipe(tmp_path)
    content = yaml.safe_load(file.read_text()) | {"network": layout, "freeze": ["landmarks"], "stored_as": "pictures"}
    file.write_text(yaml.safe_dump(content))
    # with the trunk's share of the percepts for one, without for the other
    main(["--config", str(percept_recipe(tmp_path, content)), "--count", "4", "--pictures"])
    main(["--config", str(file), "--count", "4"])
    config = read_config(file)
    percepts = build_samples(read_config(percept_recipe(tmp_path, content)))
    beside_percepts = build_samples(replace(read_config(percept_recipe(tmp_path, content)), stored_as="pictures"))
    alone = build_samples(config)
    for index in range(6):
        picture, percept = alone[index], percepts[index]
        assert picture.image.shape == (32, 32, 3)
        # the same crop: its landmarks end the percept
        np.testing.assert_array_equal(picture.landmarks, percept.image[-CROP_NUMBERS:].astype(np.float32))
        np.testing.assert_array_equal(picture.joints_crop, percept.joints_crop)
        np.testing.assert_array_equal(beside_percepts[index].landmarks, picture.landmarks)
        np.testing.assert_array_equal(beside_percepts[index].image, picture.image)
    with pytest.raises(DataError, match="landmarks alone"):
        build_samples(replace(config, stored_as="percepts"))
    fresh = fresh_stream(config.sources[0], config)[0].image
    stored = features.StoredPictures(tmp_path / "rendered", 1).stored(0).image
    expected = crop_picture(fresh, whole_square(224), 32).astype(float)
    assert np.abs(stored - expected).mean() < 6.0  # JPEG
    batch = collate([picture, picture])
    network = starting_network(config, load_embedded_model())
    assert network(*batch.network_inputs()).joints_crop.shape == (2, 21, 2)
    (tmp_path / "rendered" / "00001.pictures").unlink()
    with pytest.raises(DataError, match="features --pictures"):
        build_samples(config)


def test_landmarks_are_read_with_the_crops_where_their_network_is_frozen() -> None:
    network = NetworkConfig(
        trunk="efficientnet_lite0", trunk_px=128, landmarks=True, upright=True, input_px=224, width=16, layers=1
    )
    config = FitConfig(network=network, sources=(RenderedSource(empty_share=0.0),), seed=3)
    plain, read = build_samples(config), build_samples(replace(config, freeze=("landmarks",)))
    for index in range(2):
        crop, same = plain[index], read[index]
        assert (crop.image.shape, same.image.shape) == ((224, 224, 3), (128, 128, 3))
        np.testing.assert_array_equal(same.joints_crop, crop.joints_crop)
        np.testing.assert_array_equal(same.image, crop_picture(crop.image, whole_square(224), 128))
        assert len(crop.landmarks) == 0
        # the torch network reads the whole crop, the stream a square about it: nearly the same places
        built = build_network(network, load_embedded_model()).eval()
        with torch.no_grad():
            own = built.perceive(*collate([crop]).network_inputs()).landmarks[0]
        places, others = own[:-2].reshape(21, -1)[:, :2], torch.from_numpy(same.landmarks)[:-2].reshape(21, -1)[:, :2]
        assert float((places - others).norm(dim=1).median()) < 0.1
    np.testing.assert_array_equal(read[1].landmarks, same.landmarks)
    corrected = replace(config.sources[0], corrected_readings=1.0)
    nearer = build_samples(replace(config, freeze=("landmarks",), sources=(corrected,)))[1]
    np.testing.assert_array_equal(nearer.image, same.image)
    assert not np.array_equal(nearer.landmarks, same.landmarks)


def test_fresh_crops_mix_with_stored_pictures_but_not_with_percepts(tmp_path: Path) -> None:
    network = NetworkConfig(
        trunk="efficientnet_lite0", trunk_px=32, landmarks=True, upright=True, input_px=224, width=16, layers=1
    )
    stored = RenderedSource(features=str(tmp_path / "stored"))
    config = FitConfig(
        network=network, sources=(stored, RenderedSource()), freeze=("landmarks",), stored_as="pictures", seed=3
    )
    crop = build_samples(replace(config, sources=(RenderedSource(),)))[0]
    (tmp_path / "stored").mkdir()
    write_shard(tmp_path / "stored" / "00000.npz", [crop.with_image(crop.landmarks.astype(np.float16))])
    write_pictures(tmp_path / "stored" / "00000.pictures", crop.image[None])
    samples = build_samples(config)
    drawn = [samples[index] for index in range(12)]
    collate(drawn)  # both kinds are one batch
    is_stored = [np.array_equal(one.joints_crop, crop.joints_crop) for one in drawn[1:]]
    assert 0 < sum(is_stored) < len(is_stored)
    np.testing.assert_array_equal(drawn[5].image, samples[5].image)
    with pytest.raises(ConfigError, match="has no folder of features beside others"):
        build_samples(replace(config, stored_as="percepts", sources=(RenderedSource(), stored)))


def test_finder_squares_lie_about_their_crop_and_show_left_hands_as_they_are() -> None:
    crop = SquareCrop(111.5, 111.5, 224.0)
    rng = np.random.default_rng(1)
    squares = [finder_square(crop, rng) for _ in range(200)]
    assert 60 < sum(square.flipped for square in squares) < 140
    assert all(0.85 < square.size_px / 224.0 < 1.3 for square in squares)
    assert max(abs(square.angle_rad) for square in squares) <= 0.24 + 1e-9


def test_pictures_are_added_to_stored_percepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "PER_SHARD", 2)
    file, folder = recipe(tmp_path), tmp_path / "rendered"
    main(["--config", str(file), "--count", "2"])
    before = (folder / "00000.npz").read_bytes()
    main(["--config", str(file), "--count", "2", "--pictures"])
    assert (folder / "00000.npz").read_bytes() == before
    config = read_config(file)
    fresh = fresh_stream(config.sources[0], config)[0].image
    with np.load(folder / "00000.pictures") as content:
        first = cv2.imdecode(content["content"][: content["ends"][0]], cv2.IMREAD_COLOR_RGB)
    expected = crop_picture(fresh, whole_square(fresh.shape[0]), first.shape[0]).astype(float)
    assert np.abs(expected - first).mean() < 6.0  # JPEG


def _with_held_out(folder: Path) -> FitConfig:
    """A recipe that holds out photographs and stores the features of what it holds out."""
    write_left_hand(folder)
    config = read_config(recipe(folder))
    held_out = (photographs_in(folder),)
    return replace(config, held_out=held_out, held_out_features=str(folder / "held_out"), evaluation_count=1)


def test_held_out_features_are_written_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, model = _with_held_out(tmp_path), load_embedded_model()
    network = starting_network(config, model)
    write = features.write_shard

    def break_off(file: Path, crops: list) -> None:
        if file.parent.name == "photographs":
            raise KeyboardInterrupt
        write(file, crops)

    monkeypatch.setattr("trainer.fit.write_shard", break_off)
    with pytest.raises(KeyboardInterrupt):
        _held_out_sets(config, model, network)
    monkeypatch.undo()
    assert not (tmp_path / "held_out").exists()
    for _ in range(2):  # made, then read
        sets, measure = _held_out_sets(config, model, network)
        assert measure == "photographs_epe_2d"
        assert {name: len(crops) for name, crops in sets.items()} == {"rendered": 1, "photographs": 1}


def test_held_out_features_that_lack_a_set_are_refused(tmp_path: Path) -> None:
    config, model = _with_held_out(tmp_path), load_embedded_model()
    network = starting_network(config, model)
    _held_out_sets(replace(config, held_out=()), model, network)
    with pytest.raises(ConfigError, match="should hold photographs too"):
        _held_out_sets(config, model, network)


def test_a_source_without_a_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"network": NETWORK, "sources": [{"kind": "rendered"}]}))
    with pytest.raises(ConfigError, match="names a folder for its features"):
        main(["--config", str(file)])
