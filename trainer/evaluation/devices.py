"""Where a network is measured: on a graphics card where torch can use one, else on all cores."""

from __future__ import annotations

import argparse
import os
from typing import Final, Literal, get_args

import torch
from torch import nn

from hand.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda"]
DEVICE_NAMES: Final[tuple[DeviceName, ...]] = get_args(DeviceName)


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Gives a command ``--device``."""
    parser.add_argument(
        "--device",
        choices=DEVICE_NAMES,
        default="auto",
        help="where torch runs the network: a CUDA card or all processor cores (default: auto, a card if there is one)",
    )


def measuring_device(name: DeviceName) -> torch.device:
    """The device of a name; torch gets all cores, of which the command line leaves it one for NumPy's sake.

    Raises:
        ConfigError: there is no such device here.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError("--device cuda: torch finds no CUDA card here; give --device cpu.")
    torch.set_num_threads(os.cpu_count() or 1)
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def device_of(network: nn.Module) -> torch.device:
    """Where a network's weights are; the processor for one without, as one that ONNX Runtime runs."""
    weight = next(network.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device
