"""Samples whose poses speak of another hand model than the one that learns: their joints hold all the same."""

from __future__ import annotations

from dataclasses import replace

from torch.utils.data import Dataset

from trainer.samples.labelled_crop import LabelledCrop


class JointsOnly(Dataset[LabelledCrop]):
    """A stream without its poses and shapes."""

    def __init__(self, stream: Dataset[LabelledCrop]) -> None:
        """Remembers the stream.

        Args:
            stream: gives sample i for any i.
        """
        self.stream = stream

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index`` of the stream."""
        return replace(self.stream[index], pose_weight=0.0, shape_weight=0.0)
