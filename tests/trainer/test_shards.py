"""Packed sets: round trips, and streams that give the same crops each time they are opened."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np

from hand.embedded import load_embedded_model
from hand.errors import DataError
from trainer.__main__ import main
from trainer.datasets import shards
from trainer.datasets.hand_set import HandSet, SetHand
from trainer.datasets.opening import open_set
from trainer.datasets.shards import ShardSet, hand_to_json, pack
from trainer.fit import _held_out_sets
from trainer.networks.building import build_network
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.recipe.sources import ShardSource
from trainer.training.mixture import build_samples


@pytest.fixture(scope="module")
def packed(freihand_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "freihand"
    assert main(["data", "pack", str(freihand_set), "--out", str(out), "--per-shard", "5"]) == 0
    return out


class CountedPasses(np.ndarray):
    """An array that counts the operations on all of its rows."""

    count: ClassVar[int] = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        CountedPasses.count += 1
        return getattr(ufunc, method)(*(np.asarray(value) for value in inputs), **options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        CountedPasses.count += 1
        return super().__array_function__(function, types, arguments, options)


def assert_same(ours: SetHand | None, theirs: SetHand | None) -> None:
    assert ours is not None
    assert theirs is not None
    assert hand_to_json(ours) == hand_to_json(theirs)
    assert ours.joints_m.tobytes() == theirs.joints_m.tobytes()
    assert ours.joints_known.dtype == theirs.joints_known.dtype


@pytest.mark.parametrize("kind", ["freihand", "ho3d", "interhand"])
def test_every_set_round_trips_bit_for_bit(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    hands: HandSet = open_set(kind, request.getfixturevalue(f"{kind}_set"), "training")
    assert pack(hands, tmp_path / "training", per_shard=3) == (len(hands), 0)
    back = ShardSet(tmp_path, "training")
    assert (len(back), back.facts, back.hand_model_digest) == (len(hands), hands.facts, hands.hand_model_digest)
    for index in range(len(hands)):
        assert_same(back.hand(index), hands.hand(index))
        assert back.picture_bytes(index) == hands.picture_bytes(index)
        assert back.mask_bytes(index) == hands.mask_bytes(index)


def test_tar_members_follow_the_webdataset_convention(packed: Path, freihand_set: Path) -> None:
    """WebDataset's convention: what comes before a name's first dot is one sample, side by side in the file."""
    hands = open_set("freihand", freihand_set, "training")
    seen: list[str] = []
    for path in sorted((packed / "training").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, kind = member.name.partition(".")
                if not seen or seen[-1] != key:
                    assert key not in seen
                    seen.append(key)
                file = tar.extractfile(member)
                assert file is not None
                if kind == "jpg":
                    assert file.read() == hands.picture_bytes(int(key))
    assert seen == [f"{number:08d}" for number in range(len(hands))]


def test_packed_held_out_set_is_scored_as_the_set_that_it_holds(packed: Path) -> None:
    source = ShardSource(path=str(packed), split="validation")
    config = FitConfig(held_out=(source,), network=NetworkConfig(input_px=64), evaluation_count=1)
    model = load_embedded_model()
    sets, measure = _held_out_sets(config, model, build_network(config.network, model))
    assert set(sets) == {"rendered", "freihand"}
    assert measure == "freihand_pa_mpjpe_mm"


def test_recipe_on_shards_gives_the_same_crops_each_time(packed: Path) -> None:
    source = ShardSource(path=str(packed))
    config = FitConfig(sources=(source,), network=NetworkConfig(input_px=64))
    first, second = build_samples(config), build_samples(config)
    second[5]
    for index in (0, 4, 40):
        np.testing.assert_array_equal(first[index].image, second[index].image)
        np.testing.assert_array_equal(first[index].joints_m, second[index].joints_m)
        assert first[index].pose_weight == 1.0
    held_out = replace(source, split="validation")
    assert len(open_set("shards", packed, held_out.split)) == 4


def test_stream_visits_all_hands_file_by_file(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "OPEN_SHARDS", 1)
    hands = ShardSet(packed, "training")
    assert len(hands) == 12
    number_of = hands.nearby(seed=3)
    rng = np.random.default_rng(0)
    for start in range(0, 36, 12):
        drawn = [number_of(index, rng) // 5 for index in range(start, start + 12)]
        assert set(drawn) == {0, 1, 2}
        # one file after the other, each for as long as it has hands
        assert int((np.diff(drawn) != 0).sum()) == 2
    every = {number_of(index, rng) for index in range(600)}
    assert every == set(range(12))


def test_incomplete_shards_are_reported(packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(packed, tmp_path / "copy"))
    shard = copy / "training" / "000001.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"000001\.tar is missing or cut short"):
        ShardSet(copy, "training")
    (copy / "training" / "shards.json").unlink()
    with pytest.raises(DataError, match=r"should hold packed hands .* holds 000000\.tar, .*: pack it again"):
        ShardSet(copy, "training")
    with pytest.raises(DataError, match="should hold packed hands"):
        ShardSet(tmp_path / "nowhere", "training")
    assert main(["data", "pack", str(packed), "--out", str(copy)]) == 2
    assert "should be empty to pack into" in capsys.readouterr().err


def test_thousands_of_tar_files_are_opened_in_few_passes_over_the_hands(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass for each of these 1500 files took 2.5 s, and a minute for five times as many of each."""
    folder = tmp_path / "training"
    folder.mkdir()
    shutil.copy(packed / "training" / "shards.json", folder)
    index = np.zeros((300_000, 7), np.int64)
    index[:, 0] = np.arange(len(index)) // 200
    index[:, 1:3] = 512, 100
    np.save(folder / "index.npy", index)
    for shard in range(1500):
        with (folder / f"{shard:06d}.tar").open("wb") as file:
            file.truncate(612)
    read: Any = np.load

    def counted(*arguments: Any, **options: Any) -> Any:
        loaded = read(*arguments, **options)
        return loaded.view(CountedPasses) if isinstance(loaded, np.ndarray) and len(loaded) == len(index) else loaded

    monkeypatch.setattr(np, "load", counted)
    CountedPasses.count = 0
    assert len(ShardSet(tmp_path, "training")) == len(index)
    assert 0 < CountedPasses.count < 20
    with (folder / "000777.tar").open("wb") as file:
        file.truncate(611)
    with pytest.raises(DataError, match=r"000777\.tar is missing or cut short"):
        ShardSet(tmp_path, "training")
