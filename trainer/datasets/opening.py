"""Opens a folder or a recipe's source with the right loader, and makes the crops of a source."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torch.utils.data import Dataset

from hand.errors import ConfigError, DataError
from hand.model import HandModel
from trainer.datasets.crops import SetCrops, data_set_jitter, held_out_set_crops
from trainer.datasets.freihand import VERSIONS, FreihandSet
from trainer.datasets.hand_set import HandSet
from trainer.datasets.ho3d import Ho3dSet
from trainer.datasets.interhand import InterHandSet, annotation_folder
from trainer.datasets.pose_fit import fitter_for
from trainer.datasets.set_files import folder_content
from trainer.datasets.shards import ShardSet
from trainer.recipe.config import FitConfig
from trainer.recipe.dataset_facts import SETS, SplitName
from trainer.recipe.sources import SET_KINDS, DataSetSource, FreihandSource
from trainer.samples.augmentation import CropJitter
from trainer.samples.labelled_crop import LabelledCrop

_MARKS: Final = {
    "freihand": tuple(f"{part}_{name}.json" for part in ("training", "evaluation") for name in ("K", "mano", "scale")),
    "interhand": ("annotations",),
    "ho3d": ("train.txt", "evaluation.txt"),
    "shards": ("training/shards.json", "validation/shards.json", "evaluation/shards.json"),
}
"""Files by which a folder is recognised, one of which is enough."""


def recognised(folder: Path) -> str:
    """The kind of data set that a folder holds, judged by its files.

    Raises:
        DataError: none that there is a loader for.
    """
    for kind, marks in _MARKS.items():
        if any((folder / mark).exists() for mark in marks):
            return kind
    titles = ", ".join(facts.title for facts in SETS.values())
    raise DataError(
        f"{folder} should be the folder of a data set ({titles}) and has none of its files; {folder_content(folder)}: "
        "give the folder that holds, for example, training_xyz.json."
    )


def splits_of(kind: str, folder: Path) -> list[SplitName]:
    """The splits that a folder has, training before validation before evaluation."""
    names: tuple[SplitName, ...] = ("training", "validation", "evaluation")
    if kind == "interhand":
        found = [split for split in names if annotation_folder(folder, split) is not None]
    elif kind == "shards":
        found = [split for split in names if (folder / split).is_dir()]
    else:
        trained_on = "training" if kind == "freihand" else "train"
        parts = {"training": trained_on, "validation": trained_on, "evaluation": "evaluation"}
        found = [split for split in names if (folder / parts[split]).is_dir()]
    # a folder without any is opened all the same, for the message about what is missing
    return found or ["training"]


def open_set(kind: str, folder: Path, split: SplitName, versions: tuple[str, ...] = VERSIONS) -> HandSet:
    """One split of a data set.

    Args:
        kind: one of :data:`trainer.recipe.sources.SET_KINDS`.
        folder: of the set.
        split: which part.
        versions: FreiHAND: which backgrounds.

    Raises:
        DataError: a file is missing or not what it should be.
        ConfigError: there is no such kind.
    """
    if kind == "freihand":
        return FreihandSet(folder, split, versions)
    if kind == "ho3d":
        return Ho3dSet(folder, split)
    if kind == "interhand":
        return InterHandSet(folder, split)
    if kind == "shards":
        return ShardSet(folder, split)
    raise ConfigError(f"There is no data set of kind {kind!r}; choose one of {', '.join(SET_KINDS)}.")


def source_set(source: DataSetSource) -> HandSet:
    """The data set of a recipe's source.

    Raises:
        HandliveError: it has no path, or cannot be opened.
    """
    if not source.path:
        raise ConfigError(f"A source of kind {source.kind} needs a path: the folder of the set.")
    versions = source.versions if isinstance(source, FreihandSource) else ()
    return open_set(source.kind, Path(source.path), source.split, versions or VERSIONS)


def source_crops(source: DataSetSource, config: FitConfig, model: HandModel) -> Dataset[LabelledCrop]:
    """The training stream of a source.

    Args:
        source: a data set.
        config: its recipe.
        model: that the network poses.

    Raises:
        HandliveError: the set cannot be used.
    """
    hands = source_set(source)
    return SetCrops(
        hands,
        fitter_for(hands, model),
        config.network.input_px,
        config.seed,
        data_set_jitter(source.rotation_deg, config.network.upright),
        new_background=source.new_background,
        backgrounds=Path(source.backgrounds) if source.backgrounds else None,
        number_of=hands.nearby(config.seed) if isinstance(hands, ShardSet) else None,
    )


def measured_crops(
    source: DataSetSource, model: HandModel, input_px: int, most: int, jitter: CropJitter, seed: int
) -> tuple[str, dict[str, LabelledCrop]]:
    """The kind of set that a held-out source holds, packed or not, and its crops by name.

    See :func:`trainer.datasets.crops.held_out_set_crops`.

    Raises:
        DataError: the set cannot be used.
        ConfigError: the source is the part that is learned from.
    """
    if source.split == "training":
        raise ConfigError(
            f"A held-out source of kind {source.kind} should have split: validation or evaluation, not what is "
            "learned from."
        )
    hands = source_set(source)
    return hands.facts.kind, held_out_set_crops(hands, fitter_for(hands, model), input_px, most, jitter, seed)
