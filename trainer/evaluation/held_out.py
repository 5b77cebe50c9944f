"""Crops that no network was trained on, to measure and to calibrate one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hand.embedded import training_hand_model
from hand.errors import HandliveError
from hand.model import HandModel
from trainer.datasets.opening import measured_crops
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.config import FitConfig
from trainer.recipe.sources import DataSetSource, PhotographSource, RecordingSource, SourceConfig
from trainer.samples.augmentation import live_jitter
from trainer.samples.labelled_crop import LabelledCrop
from trainer.samples.photographs import PhotographCrops, read_pseudo_labels
from trainer.samples.rendered import RenderedCrops, empty_crop
from trainer.synthetic.backgrounds import BackgroundPool

REPORT_SEED = 900_002
"""Rendered crops of reports; neither a recipe's nor the evaluation's during training."""


def rendered_crops(
    input_px: int,
    count: int,
    tick: Callable[[], object] = lambda: None,
    *,
    seed: int = REPORT_SEED,
    wide_share: float = 0.0,
    adorned_share: float = 0.0,
    upright: bool = False,
) -> list[LabelledCrop]:
    """Unseen rendered right hands.

    Args:
        input_px: side of the crops.
        count: how many.
        tick: called after each.
        seed: of the series.
        wide_share: how many show what webcams seldom see.
        adorned_share: how many people have something on their skin.
        upright: for a network with crops that are turned upright.
    """
    stream = RenderedCrops(
        input_px, seed, only_right_hands=True, wide_share=wide_share, adorned_share=adorned_share, upright=upright
    )
    crops = []
    for index in range(count):
        crops.append(stream[index])
        tick()
    return crops


def live_crops(source: PhotographSource, network: NetworkConfig, most: int | None = None) -> dict[str, LabelledCrop]:
    """Labelled photographs, each hand once under its own live crop error, in their own colours.

    Args:
        source: of the photographs.
        network: which crops it is shown.
        most: evenly thinned out to this many; None for all.

    Returns:
        Crops by the photograph's file and the number of the label in the source.

    Raises:
        HandliveError: labels or photographs cannot be read.
    """
    labels = read_pseudo_labels(source)
    wanted = len(labels) if most is None else max(1, min(len(labels), most))
    stream = PhotographCrops(labels, network.input_px, REPORT_SEED, live_jitter(network.upright), augment=False)
    places = [place * len(labels) // wanted for place in range(wanted)]
    return {f"{labels[place].file} ({place})": stream[place] for place in places}


def photograph_crops(
    sources: Sequence[SourceConfig], network: NetworkConfig, most: int, warn: Callable[[str], None]
) -> dict[str, LabelledCrop]:
    """Labelled photographs of several sources, evenly thinned out to ``most``, under the crop errors of live use.

    Args:
        sources: of any kind; those of other kinds are passed over.
        network: which crops it is shown.
        most: crops in all.
        warn: gets a sentence for every source that is not there; the others are still used.

    Returns:
        Crops by name, as :func:`live_crops` gives them.
    """
    crops: dict[str, LabelledCrop] = {}
    photographs = [source for source in sources if isinstance(source, PhotographSource)]
    for source in photographs:
        try:
            crops |= live_crops(source, network, most // len(photographs))
        except HandliveError as problem:
            warn(str(problem))
    return crops


def data_set_crops(
    sources: Sequence[SourceConfig], model: HandModel, network: NetworkConfig, most: int, seed: int = REPORT_SEED
) -> dict[str, list[LabelledCrop]]:
    """Held-out hands of data sets under the crop errors of live use, by the kind of set, which a packed one keeps.

    Args:
        sources: of any kind; those of other kinds are passed over.
        model: that the network poses.
        network: which crops it is shown.
        most: crops of each source.
        seed: of the crop errors.

    Raises:
        HandliveError: a set cannot be used: unlike photographs, it is no extra, but what the recipe is for.
    """
    sets: dict[str, list[LabelledCrop]] = {}
    for source in sources:
        if isinstance(source, DataSetSource):
            kind, crops = measured_crops(source, model, network.input_px, most, live_jitter(network.upright), seed)
            sets.setdefault(kind, []).extend(crops.values())
    return sets


def empty_crops(input_px: int, count: int) -> list[LabelledCrop]:
    """Pictures of rooms and clutter without a hand."""
    rng = np.random.default_rng(REPORT_SEED)
    pool = BackgroundPool(REPORT_SEED)
    return [empty_crop(pool, rng, input_px) for _ in range(count)]


def warn_of_recordings(sources: Sequence[SourceConfig], warn: Callable[[str], None]) -> None:
    """Recordings are measured by other means than the sets here.

    Args:
        sources: that a recipe holds out.
        warn: gets a sentence where there are recordings among them.
    """
    if any(isinstance(source, RecordingSource) for source in sources):
        warn(
            "The recordings that the recipe holds out are not measured here; `python -m trainer compare` measures "
            "exported networks on recordings."
        )


def held_out_sets(
    config: FitConfig, count: int, warn: Callable[[str], None], tick: Callable[[], object] = lambda: None
) -> dict[str, list[LabelledCrop]]:
    """Unseen renderings and what a recipe holds out except recordings: "rendered", "photographs" and data sets by kind.

    Args:
        config: the recipe.
        count: renderings, and the most photographs and hands of each set.
        warn: gets a sentence for every source of photographs that is not there, and for recordings.
        tick: called after each rendering.
    """
    warn_of_recordings(config.held_out, warn)
    sets = {"rendered": rendered_crops(config.network.input_px, count, tick, upright=config.network.upright)}
    photographs = photograph_crops(config.held_out, config.network, count, warn)
    sets |= data_set_crops(config.held_out, training_hand_model(config.hand_model), config.network, count)
    return sets | ({"photographs": list(photographs.values())} if photographs else {})
