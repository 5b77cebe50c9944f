"""FreiHAND's loader on small sets in its exact format, whole and broken."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch
from conftest import FREIHAND_EVALUATION, FREIHAND_SAMPLES
from crops import shown_right
from mano_freihand import write_mano_file, write_mano_freihand

from hand.camera import project
from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.joints import TIP_JOINTS
from hand.layer import HandLayer
from hand.mano_files import load_hand_model
from hand.torch_layer import TorchHandLayer
from trainer.datasets import freihand
from trainer.datasets.crops import labels_of
from trainer.datasets.freihand import FreihandSet, split_samples
from trainer.datasets.hand_set import mask_of, picture_of
from trainer.datasets.pose_fit import PoseFitter, fitter_for
from trainer.evaluation.held_out import held_out_sets
from trainer.evaluation.predictions import predict_crops, prediction_metrics
from trainer.fit import _held_out_sets
from trainer.networks.building import build_network
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.recipe.dataset_facts import SETS
from trainer.recipe.sources import FreihandSource, RenderedSource
from trainer.samples.labelled_crop import collate
from trainer.training.mixture import build_samples


@pytest.fixture
def copy(freihand_set: Path, tmp_path: Path) -> Path:
    """A copy to modify; labels cached from other folders are cleared."""
    freihand.read_labels.cache_clear()
    return Path(shutil.copytree(freihand_set, tmp_path / "copy"))


def test_vertices_behind_the_end_of_a_short_file_are_not_taken_from_its_beginning(tmp_path: Path) -> None:
    write_mano_freihand(tmp_path, samples=4)
    file = tmp_path / "training_verts.json"
    whole = file.read_text()
    hands = FreihandSet(tmp_path, "training")
    expected = json.loads(whole)
    for index, found in hands.labelled_vertices(range(len(hands))).items():
        np.testing.assert_allclose(found, expected[hands.sample(index)])
    last = max(range(len(hands)), key=hands.sample)
    for entries in range(1, hands.sample(last) + 1):
        for short in (json.dumps(expected[:entries]), json.dumps(expected[: entries + 1])[:-9]):
            file.write_text(short)
            with pytest.raises(DataError, match="damaged or cut short"):
                hands.labelled_vertices([last])


def test_a_picture_is_that_of_sample_plus_count_times_version(freihand_set: Path) -> None:
    training, validation = (FreihandSet(freihand_set, split) for split in ("training", "validation"))
    assert (len(training), len(validation)) == (4 * (FREIHAND_SAMPLES - 1), 4)
    numbers = [hands.file_number(index) for hands in (training, validation) for index in range(len(hands))]
    assert sorted(numbers) == list(range(4 * FREIHAND_SAMPLES))
    for index in range(len(training)):
        version, place = divmod(index, FREIHAND_SAMPLES - 1)
        number = int(training.samples[place]) + FREIHAND_SAMPLES * version
        assert training.hand(index).name == f"training/{number:08d}"
        file = freihand_set / "training" / "rgb" / f"{number:08d}.jpg"
        assert training.picture_bytes(index) == file.read_bytes()
    # the four versions of a sample share the hand, and not the picture
    same = [index for index in range(len(training)) if training.sample(index) == training.sample(0)]
    assert len(same) == 4
    assert len({training.picture_bytes(index) for index in same}) == 4
    assert len({training.hand(index).joints_m.tobytes() for index in same}) == 1
    assert len({training.mask_bytes(index) for index in same}) == 1
    green = FreihandSet(freihand_set, "training", ("gs",))
    assert [green.file_number(index) for index in range(len(green))] == green.samples.tolist()
    evaluation = FreihandSet(freihand_set, "evaluation")
    assert [evaluation.file_number(index) for index in range(len(evaluation))] == list(range(FREIHAND_EVALUATION))
    assert evaluation.mask_bytes(0) is None


def test_the_real_set_is_split_by_sample() -> None:
    training, validation = (split_samples(32560, split) for split in ("training", "validation"))
    assert (len(training), len(validation)) == (29304, 3256)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, validation])), np.arange(32560))
    np.testing.assert_array_equal(validation, split_samples(32560, "validation"))
    assert len(split_samples(3960, "evaluation")) == 3960
    # spread over the set, which was recorded person by person
    assert np.histogram(validation, bins=10, range=(0, 32560))[0].min() > 250


@pytest.mark.parametrize("split", ["training", "validation", "evaluation"])
def test_poses_give_the_joints_and_joints_lie_on_the_hand(freihand_set: Path, split: str) -> None:
    hands = FreihandSet(freihand_set, split)  # type: ignore[arg-type]
    fitter = fitter_for(hands, load_embedded_model())
    assert fitter is not None
    layer = HandLayer(load_embedded_model(), np.float64)
    vertices = hands.labelled_vertices(range(len(hands)))
    for index in range(len(hands)):
        hand = hands.hand(index)
        assert hand.pose is not None
        fitted = fitter.fit(hand, hand.pose)
        assert fitted.residual_mm < 0.01
        assert fitted.turn_rad < 1e-4
        # independently: the absolute pose about the wrist, moved so that joint 9 lies where it is labelled
        absolute = hand.pose.pose_rad.copy()
        absolute[3:] += load_embedded_model().mean_pose_rad
        posed = layer(absolute, hand.pose.shape)
        shift = hand.joints_m[9] - posed.joints_m[9]
        np.testing.assert_allclose(posed.joints_m + shift, fitted.joints_m, atol=2e-5)
        np.testing.assert_allclose(vertices[index], fitted.vertices_m, atol=2e-5)
        mask = mask_of(hands, index, hand)
        if mask is not None:
            line = (freihand_set / "training_labels.jsonl").read_text().splitlines()[hands.sample(index)]
            seen = np.array(json.loads(line)["visible"])
            x, y = np.clip(project(hand.joints_m, hand.intrinsics)[seen].round().astype(int), 0, 223).T
            assert (mask[y, x] > 60).mean() > 0.8
        assert picture_of(hands, index, hand).shape == (224, 224, 3)


def test_mano_labels_are_learned_with_a_mano_file(tmp_path: Path) -> None:
    """Relative fingers, the set's own finger tips; with the file they fit exactly, and tips become the model's own."""
    write_mano_freihand(tmp_path)
    model = load_hand_model(write_mano_file(tmp_path))
    hands = FreihandSet(tmp_path, "training")
    fitter = fitter_for(hands, model)
    assert fitter is not None
    for index in range(3):
        label = hands.hand(index)
        assert label.pose is not None
        assert fitter.fit(label, label.pose).residual_mm < 1e-4
        hand, fitted = labels_of(hands, fitter, index)
        assert hand is not None
        assert fitted is not None
        tips = list(TIP_JOINTS)
        moved_mm = np.linalg.norm(hand.joints_m[tips] - label.joints_m[tips], axis=1) * 1000.0
        assert moved_mm.max() > 1.0, "smplx's tips lie elsewhere than FreiHAND's, or this tests nothing"
        np.testing.assert_allclose(fitted.vertices_m[list(model.tip_vertices)], hand.joints_m[tips], atol=1e-9)
    # without the mean pose, as if the fingers were absolute, nothing fits
    wrong = PoseFitter(model, replace(SETS["freihand"], convention="ho3d"))
    hand = hands.hand(0)
    assert hand.pose is not None
    assert wrong.fit(hand, hand.pose).residual_mm > 2.0


def test_mano_labels_give_the_embedded_hand_joint_weights_only(tmp_path: Path) -> None:
    write_mano_freihand(tmp_path)
    messages: list[str] = []
    assert fitter_for(FreihandSet(tmp_path, "training"), load_embedded_model(), messages.append) is None
    assert "joints are learned, its poses and shapes are not" in messages[0]
    config = FitConfig(sources=(FreihandSource(path=str(tmp_path)),))
    ((place, crop),) = shown_right(build_samples(config), 1).items()
    assert (crop.pose_weight, crop.shape_weight) == (0.0, 0.0)
    assert (crop.joints_weight.min(), crop.root_weight, crop.joints_crop_weight.min()) == (1.0, 1.0, 1.0)
    taught = build_samples(replace(config, hand_model=str(write_mano_file(tmp_path))))[place]
    assert (taught.pose_weight, taught.shape_weight) == (1.0, 1.0)
    np.testing.assert_array_equal(taught.image, crop.image)


def test_a_set_without_poses_is_measured_by_its_joints_alone(tmp_path: Path) -> None:
    """The global rotation of a pose without a label is turned into the crop's camera all the same."""
    write_mano_freihand(tmp_path, samples=10)
    model = load_embedded_model()
    held_out = (FreihandSource(path=str(tmp_path), split="validation"),)
    config = FitConfig(held_out=held_out, network=NetworkConfig(input_px=64), evaluation_count=4)
    sets, measure = _held_out_sets(config, model, build_network(config.network, model))
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, 32), model)
    values = prediction_metrics(predict_crops(network, TorchHandLayer(model), sets["freihand"]))
    assert len(sets["freihand"]) > 1
    assert measure == "freihand_pa_mpjpe_mm"
    assert values["pa_mpjpe_mm"] > 1.0
    assert "spread_ratio" not in values
    assert "spread_ratio" in prediction_metrics(predict_crops(network, TorchHandLayer(model), sets["rendered"]))


def test_a_pose_that_misses_its_joints_is_not_learned_from(copy: Path) -> None:
    mano = json.loads((copy / "training_mano.json").read_text())
    hands = FreihandSet(copy, "training")
    bent = int(hands.samples[1])
    mano[bent][0][5] += 0.3
    (copy / "training_mano.json").write_text(json.dumps(mano))
    freihand.read_labels.cache_clear()
    hands = FreihandSet(copy, "training")
    fitter = fitter_for(hands, load_embedded_model())
    refused = {hands.sample(index) for index in range(len(hands)) if labels_of(hands, fitter, index)[0] is None}
    assert refused == {bent}
    samples = build_samples(FitConfig(sources=(FreihandSource(path=str(copy)),)))
    joints = project(hands.hand(1).joints_m, hands.hand(1).intrinsics)
    lengths = [np.linalg.norm(samples[index].joints_m[4] - samples[index].joints_m[20]) for index in range(24)]
    assert joints.shape == (21, 2)
    own = hands.hand(1).joints_m
    assert np.abs(np.array(lengths) - np.linalg.norm(own[4] - own[20])).min() > 1e-6


def test_a_set_whose_poses_mostly_miss_is_refused(copy: Path) -> None:
    mano = json.loads((copy / "training_mano.json").read_text())
    for entry in mano:
        entry[0][3:48] = [number + 0.2 for number in entry[0][3:48]]
    (copy / "training_mano.json").write_text(json.dumps(mano))
    with pytest.raises(DataError, match=r"should give its joints within 1 mm.*miss them by \d+\.\d mm"):
        fitter_for(FreihandSet(copy, "training"), load_embedded_model())


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("training_K.json", "camera matrices"),
        ("training_mano.json", "pose and shape"),
        ("training_xyz.json", "joints"),
    ],
)
def test_a_missing_file_is_named_with_what_was_found_and_where_to_get_it(copy: Path, name: str, meaning: str) -> None:
    (copy / name).unlink()
    with pytest.raises(DataError) as error:
        FreihandSet(copy, "training")
    sentence = str(error.value)
    for part in (f"{copy / name} ({meaning}) is missing", f"{copy} holds README.txt", "lmb.informatik", "licence: "):
        assert part in sentence
    assert sentence.endswith(".")


def test_half_copied_pictures_are_counted(copy: Path) -> None:
    for number in (7, 11, 15):
        (copy / "training" / "rgb" / f"{number:08d}.jpg").unlink()
    with pytest.raises(DataError, match=r"7\.jpg and 2 other pictures are missing: 4 labels x 4 versions need 16"):
        FreihandSet(copy, "training")
    shutil.rmtree(copy / "training" / "rgb")
    with pytest.raises(DataError, match=r"rgb \(the pictures\) is missing"):
        FreihandSet(copy, "training")


def test_one_version_alone_is_a_set_too(copy: Path) -> None:
    """What the program itself exports of recordings."""
    for number in range(FREIHAND_SAMPLES, 4 * FREIHAND_SAMPLES):
        (copy / "training" / "rgb" / f"{number:08d}.jpg").unlink()
    hands = FreihandSet(copy, "training")
    assert [hands.file_number(index) for index in range(len(hands))] == hands.samples.tolist()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("training_xyz.json", "[[[0, 0, 1", "is damaged or cut short"),
        ("training_xyz.json", "[]", "should hold a list with one entry per sample"),
        ("training_mano.json", "short", r"training_mano\.json has 3 entries where training_xyz\.json has 4"),
        ("training_K.json", "short", r"training_K\.json has 3 entries"),
        ("training_mano.json", "reshaped", r"should hold 1 x 61 numbers per sample"),
        ("training_xyz.json", "reshaped", r"should hold 21 x 3 numbers per sample"),
        ("training_xyz.json", "nan", "should hold finite numbers, sample 2 does not"),
        ("training_K.json", "negative", "positive focal lengths"),
    ],
)
def test_invalid_labels_are_reported(copy: Path, name: str, content: str, message: str) -> None:
    path = copy / name
    entries = json.loads(path.read_text())
    if content == "short":
        path.write_text(json.dumps(entries[:-1]))
    elif content == "reshaped":
        path.write_text(json.dumps([entry[:-1] or [[0.0] * 58] for entry in entries]))
    elif content == "nan":
        entries[2][5][1] = float("nan")
        path.write_text(json.dumps(entries))
    elif content == "negative":
        path.write_text(json.dumps((-np.array(entries)).tolist()))
    else:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        FreihandSet(copy, "training")


def test_a_corrupt_or_misshapen_picture_is_named(copy: Path) -> None:
    hands = FreihandSet(copy, "training")
    path = copy / "training" / "rgb" / f"{hands.file_number(1):08d}.jpg"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=rf"{hands.hand(1).name} .* is damaged: it has 100 bytes"):
        picture_of(hands, 1, hands.hand(1))
    path.write_bytes((copy / "training" / "mask" / "00000000.jpg").read_bytes())
    picture_of(hands, 1, hands.hand(1))
    small = replace(hands.hand(1), intrinsics=hands.hand(1).intrinsics.scaled_to(64, 64))
    with pytest.raises(DataError, match=r"should be 64 x 64 as its camera's, it is 224 x 224"):
        picture_of(hands, 1, small)
    path.unlink()
    with pytest.raises(DataError, match=r"\(a picture\) is missing"):
        picture_of(hands, 1, hands.hand(1))


def test_a_recipe_mixes_sets_with_weights_and_holds_part_of_them_out(freihand_set: Path) -> None:
    part = FreihandSource(share=3.0, path=str(freihand_set))
    held_out = (replace(part, split="validation"),)
    config = FitConfig(
        sources=(part, RenderedSource(share=1.0)),
        held_out=held_out,
        network=NetworkConfig(input_px=64),
        evaluation_count=2,
    )
    samples = build_samples(config)
    of_set = [samples.streams.index(samples.stream_of(index)) == 0 for index in range(400)]  # type: ignore[attr-defined]
    assert 0.68 < np.mean(of_set) < 0.82
    batch = collate([samples[index] for index in range(8)])
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m
    shown = batch.pose_weight > 0
    assert shown.sum() >= 4
    torch.testing.assert_close((posed - posed[:, :1])[shown], batch.joints_m[shown], atol=5e-5, rtol=0.0)
    model = load_embedded_model()
    sets, measure = _held_out_sets(config, model, build_network(config.network, model))
    assert measure == "freihand_pa_mpjpe_mm"
    assert len(sets["freihand"]) == 2
    assert len(held_out_sets(config, 2, lambda sentence: pytest.fail(sentence))["freihand"]) == 2
