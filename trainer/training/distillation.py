"""Distillation: beside the labels, the features of a trained network are a target.

Labels give a trunk that begins from nothing only the final answer. The features of a trained network give it a target
at every place of the picture (FitNets: Romero et al. 2014), and where both networks
share their heads, as ``start_partly`` lets them, equal features give equal answers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hand.errors import ConfigError
from trainer.networks.hand_network import HandNetwork
from trainer.networks.output import NetworkOutput
from trainer.recipe.config import FitConfig
from trainer.samples.labelled_crop import HandBatch
from trainer.serving.torch_session import network_in_folder
from trainer.training.losses import AllReduceMean, Loss, LossTerms, identity


class DistillationLoss(nn.Module):
    """Another loss, and how far the features of the network in training are from its teacher's."""

    def __init__(
        self,
        loss: Loss,
        teacher: HandNetwork,
        weight: float,
        all_reduce_mean: AllReduceMean = identity,
        precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Keeps the teacher, which is not trained.

        Args:
            loss: what labels are compared by.
            teacher: its trunk takes crops of the same size, and makes as many features.
            weight: of the distillation term.
            all_reduce_mean: as for the losses by labels.
            precision: context that the teacher computes in.
        """
        super().__init__()
        self.loss = loss
        self.teacher = teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.weight = weight
        self.all_reduce_mean = all_reduce_mean
        self.precision = precision

    def forward(self, output: NetworkOutput, batch: HandBatch) -> LossTerms:
        """The other loss, and the mean squared difference of features over the teacher's own mean square."""
        with torch.no_grad(), self.precision():
            theirs: Tensor = self.teacher.joint_features(batch.network_input()).float()
        size = self.all_reduce_mean(theirs.square().mean()[None])[0]
        difference = (output.features.float() - theirs).square().mean() / size.clamp(min=1e-6)
        by_labels = self.loss(output, batch)
        terms = {**by_labels.terms, "imitation": difference.item()}
        return LossTerms(by_labels.total + self.weight * difference, terms)


def teacher_of(config: FitConfig) -> HandNetwork:
    """The teacher network of a recipe.

    Raises:
        CheckpointError: there is no exported network in that folder, or it is damaged.
        ConfigError: its features are others than those of the recipe's network.
    """
    teacher = network_in_folder(Path(config.teacher))
    layout, wanted = teacher.config, config.network
    if (layout.seen_px, layout.width) != (wanted.seen_px, wanted.width):
        raise ConfigError(
            f"The network to imitate, {config.teacher}, takes {layout.seen_px} px and makes {layout.width} features, "
            f"the recipe's takes {wanted.seen_px} px and makes {wanted.width}; make input_px, trunk_px and width alike."
        )
    return teacher
