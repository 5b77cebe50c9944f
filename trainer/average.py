"""``python -m trainer average``: the mean of two trained networks' weights.

A network that went on learning from another one, and the mean of both weights, lie in one basin of the loss: the mean
keeps what the first knew and takes up what the second learned, and is often better than either (Wortsman et al. 2022,
Robust fine-tuning of zero-shot models, https://arxiv.org/abs/2109.01903; Izmailov et al. 2018, Averaging weights leads
to wider optima and better generalization, https://arxiv.org/abs/1803.05407).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from hand.errors import CheckpointError, ConfigError
from trainer.networks.weights import load_weights, save_weights
from trainer.runs.run_folder import STATE_FILE
from trainer.training.checkpoint import load_training_state

_EXAMPLES = """examples:
  the mean of the shipped network and of a run that started from it
    python -m trainer average assets/network/network.safetensors runs/shipped_round --out runs/average.safetensors
"""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, averages, writes.

    Raises:
        ConfigError: the share is no share.
        CheckpointError: weights cannot be read, or are another network's.
    """
    options = _parser().parse_args(arguments)
    if not 0.0 <= options.share <= 1.0:
        raise ConfigError(f"--share should lie between 0 and 1 and is {options.share:g}.")
    mean = averaged_weights(network_weights(options.first), network_weights(options.second), options.share)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(options.out, mean, {"share": f"{options.share:g}"})
    print(f"{options.out} holds the mean of {options.first} and {options.second}.")


def network_weights(path: Path) -> dict[str, Tensor]:
    """Weights of a file, or of a run's last step, averaged over its steps as they are evaluated.

    Raises:
        CheckpointError: they are missing or cannot be read.
    """
    if not path.is_dir():
        return load_weights(path)
    loaded = load_training_state(path)
    if loaded is None:
        raise CheckpointError(f"There is no {STATE_FILE} in {path}; give a run's folder or a .safetensors file.")
    return dict(loaded[1]["average"])


def averaged_weights(first: dict[str, Tensor], second: dict[str, Tensor], share: float = 0.5) -> dict[str, Tensor]:
    """The mean of both networks' numbers.

    Args:
        first: by name; what it lacks, as a network that ships lacks its landmark network, is the second's.
        second: by name, of the same network.
        share: of the second in the mean.

    Raises:
        CheckpointError: the first is of another network.
    """
    strange = sorted(name for name in first if name not in second or first[name].shape != second[name].shape)
    if strange or not first:
        raise CheckpointError(
            f"The weights are of different networks ({len(strange)} of {len(first)} parts of the first have no partner "
            f"of their size in the second, {', '.join(strange[:3])}); average a network with one that began with it."
        )
    mean = dict(second)
    for name, value in first.items():
        if second[name].is_floating_point():
            mean[name] = ((1.0 - share) * value.double() + share * second[name].double()).to(second[name].dtype)
    return mean


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer average",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write the mean of two networks' weights, one of which went on learning from the other.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("first", type=Path, metavar="FIRST", help="a .safetensors file, or the folder of a run")
    parser.add_argument("second", type=Path, metavar="SECOND", help="the same, of the network that learned more")
    parser.add_argument("--share", type=float, default=0.5, help="of the second in the mean (default: 0.5)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors file to write")
    return parser
