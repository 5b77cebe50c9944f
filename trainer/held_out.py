"""Crops that no network was trained on, to measure and to calibrate one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hand.errors import HandliveError
from trainer.config import FitConfig, SourceConfig
from trainer.crop_jitter import CropJitter
from trainer.labelled_crop import LabelledCrop
from trainer.photographs import PhotographCrops, read_pseudo_labels
from trainer.rendered import RenderedCrops, empty_crop
from trainer.synthetic.backgrounds import BackgroundPool

REPORT_SEED = 900_002
"""Rendered crops of reports; neither a recipe's nor the evaluation's during training."""

LIVE_JITTER = CropJitter(any_angle_share=0.0)
"""Errors of live crops, which are upright."""


def rendered_crops(
    input_px: int, count: int, tick: Callable[[], None] = lambda: None, *, seed: int = REPORT_SEED
) -> list[LabelledCrop]:
    """Unseen rendered right hands.

    Args:
        input_px: side of the crops.
        count: how many.
        tick: called after each.
        seed: of the series.
    """
    stream = RenderedCrops(input_px, seed, only_right_hands=True)
    crops = []
    for index in range(count):
        crops.append(stream[index])
        tick()
    return crops


def photograph_crops(
    sources: Sequence[SourceConfig], input_px: int, most: int, complain: Callable[[str], None]
) -> list[LabelledCrop]:
    """Labelled photographs, each hand once, evenly thinned out to ``most``, under the crop errors of live use.

    Args:
        sources: of kind photographs.
        input_px: side of the crops.
        most: crops in all.
        complain: gets a sentence for every source that is not there; the others are still used.
    """
    crops: list[LabelledCrop] = []
    for source in sources:
        try:
            labels = read_pseudo_labels(source)
            wanted = max(1, min(len(labels), most // len(sources)))
            chosen = [labels[place * len(labels) // wanted] for place in range(wanted)]
            stream = PhotographCrops(chosen, input_px, REPORT_SEED, LIVE_JITTER, augment=False)
            crops += [stream[index] for index in range(wanted)]
        except HandliveError as problem:
            complain(str(problem))
    return crops


def empty_crops(input_px: int, count: int) -> list[LabelledCrop]:
    """Pictures of rooms and clutter without a hand."""
    rng = np.random.default_rng(REPORT_SEED)
    pool = BackgroundPool(REPORT_SEED)
    return [empty_crop(pool, rng, input_px) for _ in range(count)]


def held_out_sets(
    config: FitConfig, count: int, complain: Callable[[str], None], tick: Callable[[], None] = lambda: None
) -> dict[str, list[LabelledCrop]]:
    """Unseen renderings and a recipe's held-out photographs, under "rendered" and "photographs" (if there are any).

    Args:
        config: the recipe.
        count: renderings, and the most photographs.
        complain: gets a sentence for every source of photographs that is not there.
        tick: called after each rendering.
    """
    sets = {"rendered": rendered_crops(config.network.input_px, count, tick)}
    photographs = photograph_crops(config.held_out, config.network.input_px, count, complain)
    return sets | ({"photographs": photographs} if photographs else {})
