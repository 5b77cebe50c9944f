"""A few samples instead of an endless stream, where making one costs more than learning from it."""

from __future__ import annotations

import numpy as np
from torch.utils.data import Dataset

from trainer.color_jitter import jitter_colors
from trainer.samples.labelled_crop import LabelledCrop


class RepeatedCrops(Dataset[LabelledCrop]):
    """The first samples of a stream, drawn again and again in ever new colours; each is made once per process."""

    def __init__(self, stream: Dataset[LabelledCrop], count: int, seed: int) -> None:
        """Remembers the stream.

        Args:
            stream: gives sample i for any i.
            count: how many of its samples are drawn from.
            seed: of choice and colours.
        """
        self.stream = stream
        self.count = count
        self.seed = seed
        self._made: dict[int, LabelledCrop] = {}

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index``, which depends on the seed and on the index alone."""
        rng = np.random.default_rng((self.seed, 179424673, index))
        number = int(rng.integers(self.count))
        if number not in self._made:
            self._made[number] = self.stream[number]
        made = self._made[number]
        return made.with_image(jitter_colors(made.image, rng))
