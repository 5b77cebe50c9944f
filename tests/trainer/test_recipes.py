"""The recipes in configs/: each is listed, names the source of its figure, and starts from matching weights."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import torch

from hand.embedded import load_embedded_model
from hand.errors import CheckpointError, ConfigError
from inference.runtime import read_metadata
from trainer.fit import overrides
from trainer.networks.building import build_network, start_partly_from, trained_network
from trainer.networks.hand_network import NetworkConfig
from trainer.networks.weights import load_weights, save_weights
from trainer.recipe.config import FitConfig, build_dataclass, build_recipe, read_config
from trainer.recipe.sources import SOURCE_KINDS, DataSetSource, RenderedSource

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"


def recipe(name: str) -> FitConfig:
    return read_config(CONFIGS / f"{name}.yaml")


def uses_a_data_set(path: Path) -> bool:
    return any(isinstance(source, DataSetSource) for source in read_config(path).sources)


def test_the_table_lists_every_recipe_once() -> None:
    listed = re.findall(r"^\| `(\w+)`", (CONFIGS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("path", [*filter(uses_a_data_set, sorted(CONFIGS.glob("*.yaml")))], ids=lambda path: path.stem)
def test_header_of_a_data_set_recipe_names_its_target_and_required_data(path: Path) -> None:
    config = read_config(path)
    header = " ".join(line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#"))
    assert "Published" in header or "target of ours" in header
    assert "docs/training.md" in header
    for source in config.sources:
        if isinstance(source, DataSetSource):
            assert source.path in header  # which lists what has to be on the disk
        else:
            assert isinstance(source, RenderedSource)
    (held_out,) = config.held_out
    assert isinstance(held_out, DataSetSource)
    assert held_out.split == "validation"  # chosen by what is neither learned from nor reported on
    assert held_out.path in {source.path for source in config.sources if isinstance(source, DataSetSource)}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_has_known_keys_only(path: Path) -> None:
    assert read_config(path).sources


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "sources=[{kind: shards, path: x, versions: [gs]}]",
            r"sources\[0\]: a source of kind shards does not listen",
        ),
        (
            "sources=[{kind: rendered, rotation_deg: 5}]",
            "does not listen to rotation_deg, only to adorned_share, backg",
        ),
        (
            "sources=[{kind: rendered}, {kind: render}]",
            r"sources\[1\]: there is no kind of source 'render'; choose",
        ),
        ("held_out=[{kind: frei_hand, path: x}]", r"held_out\[0\]: there is no kind of source 'frei_hand'; .*freihand"),
        ("sources=[{share: 2}]", r"sources\[0\]: there is no kind of source ''; choose"),
        ("sources=[{kind: ho3d, shaer: 2}]", r"sources\[0\]: unknown key 'shaer'; known keys are .*share"),
        ("held_out=[{kind: rendered}]", "unseen renderings are measured in every evaluation"),
        ("evaluation_count=0", "evaluation_count should be 1 to"),
        ("sources=[{kind: recordings, span: [0.5]}]", r"span should hold 2 values, got \[0.5\]"),
        ("sources=[{kind: rendered, share: 0}]", "nothing is learned from"),
        ("sources=[]", "nothing is learned from"),
        ("sources=[{kind: rendered, shape: [1.0]}]", r"sources\[0\].shape should hold 10 numbers"),
        ("sources=[", r"The value in 'sources=\[' cannot be used \(it is not YAML"),
        ("steps", "written key=value"),
    ],
)
def test_unknown_or_unused_keys_are_refused(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_config(CONFIGS / "debug.yaml", overrides([override]))


OLD_KEYS = {
    **{"share": 1.0, "backgrounds": "", "wide_share": 0.0, "finger_share": 0.0, "empty_share": 0.06},
    **{"adorned_share": 0.0, "jitter_share": 0.0, "loose_share": 0.0, "repeat": 0, "views": 1, "features": ""},
    **{"path": "", "pictures": "", "floor": 0.5, "depth_trust": 1.0, "masks": "", "match": "", "sessions": []},
    **{"span": [0.0, 1.0], "split": "training", "versions": [], "rotation_deg": 90.0, "new_background": 0.0},
    "new_skin": 0.0,
}
"""Keys that earlier runs wrote for every source, whatever its kind."""


@pytest.mark.parametrize("kind", SOURCE_KINDS)
def test_recipes_of_old_and_new_runs_are_read(kind: str) -> None:
    values = {"sources": [{**OLD_KEYS, "kind": kind, "share": 3.0}]}
    (source,) = build_dataclass(FitConfig, values, "the run's recipe").sources
    assert source == SOURCE_KINDS[kind](share=3.0)
    saved = json.loads(json.dumps(asdict(FitConfig(sources=(source,)))))
    assert build_dataclass(FitConfig, saved, "the run's recipe").sources == (source,)


@pytest.mark.parametrize("name", ["resnet50_mlp", "handformer", "vit"])
def test_override_in_a_recipe_header_trains_on_renderings(name: str) -> None:
    path = CONFIGS / f"{name}.yaml"
    (line,) = [line for line in path.read_text().splitlines() if "On fresh renderings instead" in line]
    config = read_config(path, overrides(shlex.split(line.partition(": ")[2])))
    assert (config.sources, config.held_out) == ((RenderedSource(),), ())


def test_recipes_with_start_weights_have_the_layout_of_those_weights() -> None:
    assert recipe("ho3d").start_from == "runs/handformer/best.safetensors"
    assert recipe("ho3d").network == replace(recipe("handformer").network, pretrained=False)
    shipped = build_dataclass(
        NetworkConfig, dict(read_metadata(ROOT / "assets" / "network")["network"]), "network.json"
    )
    assert recipe("shipped").network == shipped
    trained_network(shipped, load_embedded_model(), shipped_weights())
    # the trunk and heat maps for 128 px, without the part that reads landmarks
    alone = replace(shipped, input_px=shipped.trunk_px, trunk_px=0, landmarks=False, upright=False)
    assert recipe("freihand_transformer").network == alone
    assert recipe("freihand_transformer").start_partly
    assert start_partly_from(build_network(alone, load_embedded_model()), shipped_weights()) == 1.0


def shipped_weights() -> Path:
    return ROOT / recipe("freihand_transformer").start_from


def test_partial_start_loads_matching_weights_only(tmp_path: Path) -> None:
    config = recipe("freihand_resnet18")
    assert config.start_partly
    network = build_network(config.network, load_embedded_model())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    share = start_partly_from(network, ROOT / config.start_from)
    # large ones are stored in half precision
    theirs = {name: value.float() for name, value in load_weights(ROOT / config.start_from).items()}
    ours = network.state_dict()
    for name in ("to_heat_maps.weight", "pose_head.encoder.layers.1.linear1.weight", "merge.3.running_var"):
        torch.testing.assert_close(ours[name], theirs[name], rtol=0.0, atol=0.0)
    for name in ("lateral.weight", "trunk.deep.1.conv2.weight"):
        torch.testing.assert_close(ours[name], before[name], rtol=0.0, atol=0.0)
    assert 0.02 < share < 0.2
    save_weights(tmp_path / "other.safetensors", {"elsewhere": torch.zeros(3)}, {})
    with pytest.raises(CheckpointError, match=r"Nothing of the weights .* fits this recipe's network"):
        start_partly_from(network, tmp_path / "other.safetensors")


def test_the_commands_of_the_docs_name_recipes_that_exist() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = {name for page in pages for name in re.findall(r"--config configs/(\w+)\.yaml", page.read_text())}
    assert {"mixture", "freihand_transformer"} <= named <= {path.stem for path in CONFIGS.glob("*.yaml")}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"batch": 0}, "batch"),
        ({"steps": -5}, "steps"),
        ({"ema_decay": float("nan")}, "ema_decay"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"network": {"width": 10**8}}, "network.width"),
        ({"network": {"input_px": 0}}, "network.input_px"),
        ({"name": "../../evil"}, "name"),
        ({"name": ""}, "name"),
        ({"workers": 10**6}, "workers"),
        ({"loss_weights": {"joints": float("nan")}}, "loss_weights.joints"),
        ({"sources": [{"kind": "rendered", "share": -1.0}]}, r"sources\[0\].share"),
        ({"learning_rate": 10**400}, "learning_rate"),
    ],
)
def test_out_of_range_values_are_refused_by_key(values: dict, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_recipe(values, "recipe")
