"""A network by its recipe, with the weights that it begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import nn

from hand.errors import CheckpointError
from hand.model import HandModel
from hand.rotations import matrix_from_axis_angle, sixd_from_matrix
from trainer.networks.hand_landmark import load_published
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.networks.weights import load_weights
from trainer.recipe.config import FitConfig


def build_network(config: NetworkConfig, model: HandModel, *, published: bool = True) -> HandNetwork:
    """A network that starts at the mean pose of a hand model.

    Args:
        config: which network.
        model: the hand it poses.
        published: a landmark network beside the trunk begins with its published weights.

    Raises:
        ConfigError: the network is not on offer, or weights to begin with could not be had.
    """
    fingers = matrix_from_axis_angle(model.mean_pose_rad.astype("float64").reshape(15, 3))
    # the orientation starts with fingers up and palm to the camera, the most common view of a webcam
    upright = torch.tensor([[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]])
    mean = torch.cat([upright, torch.tensor(sixd_from_matrix(fingers), dtype=torch.float32)])
    network = HandNetwork(config, mean)
    if config.landmarks and published:
        load_published(network.landmarks)
    return network


def trained_network(config: NetworkConfig, model: HandModel, weights: Path) -> HandNetwork:
    """A network with weights of its own; those of ImageNet, which it may once have started from, are not needed.

    Raises:
        CheckpointError: the weights are missing, damaged, or of another layout.
    """
    network = build_network(replace(config, pretrained=False), model, published=False)
    start_from(network, weights)
    return network


def starting_network(
    config: FitConfig, model: HandModel, notify: Callable[[str], None] = lambda text: None
) -> HandNetwork:
    """The network of a recipe as its training begins.

    Args:
        config: the recipe.
        model: the hand it poses.
        notify: called with a sentence where weights of another network are used in part.

    Raises:
        ConfigError: the network is not on offer, or published weights could not be had.
        CheckpointError: the weights that it is to start from cannot be used.
    """
    if not config.start_from:
        return build_network(config.network, model)
    if not config.start_partly:
        return trained_network(config.network, model, Path(config.start_from))
    network = build_network(config.network, model)
    taken = start_partly_from(network, Path(config.start_from))
    notify(f"{taken:.0%} of the network's weights begin as in {config.start_from}.")
    return network


LANDMARK_PREFIX: Final = "landmarks."
"""Of the names of the landmark network's weights, which exported networks leave to its own file."""


def _is_published(name: str) -> bool:
    return name.startswith(LANDMARK_PREFIX)


def start_from(network: nn.Module, path: Path) -> None:
    """Loads weights into a network of the same layout.

    Raises:
        CheckpointError: missing, damaged, or of another layout.
    """
    weights = load_weights(path)
    if isinstance(network, HandNetwork) and network.config.landmarks and not any(map(_is_published, weights)):
        load_published(network.landmarks)
        weights |= {name: value for name, value in network.state_dict().items() if _is_published(name)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as problem:
        raise CheckpointError(
            f"The weights {path} do not fit this recipe's network ({str(problem).splitlines()[1].strip()}); "
            "use the network section they were trained with."
        ) from None


def start_partly_from(network: nn.Module, path: Path) -> float:
    """Loads those weights of another network that have the name and the size of this one's.

    Returns:
        The share of this network's numbers that were loaded.

    Raises:
        CheckpointError: the weights are missing or damaged, or nothing of them fits.
    """
    own = network.state_dict()
    fitting = {
        name: value for name, value in load_weights(path).items() if name in own and own[name].shape == value.shape
    }
    learned = [name for name, _ in network.named_parameters() if name in fitting]
    if not learned:
        raise CheckpointError(f"Nothing of the weights {path} fits this recipe's network; take out start_from.")
    network.load_state_dict(fitting, strict=False)
    return sum(own[name].numel() for name in learned) / sum(value.numel() for value in network.parameters())
