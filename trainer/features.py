"""``python -m trainer features``: what the frozen part of a network makes of a recipe's crops, stored to learn from.

While trunk and landmark network stay as they are, they make the same of the same crop every time. Stored, that is one
vector of some 9 kB, and a head learns from a thousand of them in the time that one crop takes to be drawn, cut and
looked at.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm import tqdm

from hand.atomic_file import write_atomically
from hand.embedded import training_hand_model
from hand.errors import ConfigError, DataError
from trainer.networks.building import starting_network
from trainer.networks.hand_network import HandNetwork
from trainer.onnx_export import write_onnx_model
from trainer.recipe.config import FitConfig, read_config
from trainer.samples.labelled_crop import LabelledCrop

PER_SHARD: Final = 512
"""Crops in a file: what is lost when a run is stopped."""

_BATCH: Final = 16
_LABELS: Final = tuple(field.name for field in fields(LabelledCrop) if field.name != "image")


class FrozenPart:
    """The part of a network that turns crops into percepts, in ONNX Runtime, on one thread.

    Several times faster on processors than the same layers in PyTorch.
    """

    def __init__(self, network: HandNetwork) -> None:
        """Takes the network as it is now; what it learns later does not count."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "frozen.onnx"
            write_onnx_model(_Perceiving(network).eval(), network.config.input_px, file, ("percept",))
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def __call__(self, images: UInt8[np.ndarray, "B S S 3"]) -> Float[np.ndarray, "B F"]:
        """One vector a crop, in half precision."""
        tensor = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
        return np.asarray(self._session.run(None, {"image": tensor})[0]).astype(np.float16)

    def of(self, crops: Sequence[LabelledCrop]) -> list[LabelledCrop]:
        """The same labels with percepts instead of pictures."""
        seen: list[LabelledCrop] = []
        for start in range(0, len(crops), _BATCH):
            part = crops[start : start + _BATCH]
            vectors = self(np.stack([crop.image for crop in part]))
            seen += [crop.with_image(vector) for crop, vector in zip(part, vectors, strict=True)]
        return seen


class _Perceiving(nn.Module):
    def __init__(self, network: HandNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B F"]:
        return self.network.perceive(image).flat()


def write_shard(file: Path, crops: Sequence[LabelledCrop]) -> None:
    """Stores labelled percepts."""
    arrays: dict[str, Any] = {
        name: np.stack([np.asarray(getattr(crop, name), np.float32) for crop in crops]) for name in _LABELS
    }
    arrays["image"] = np.stack([crop.image for crop in crops])

    def write(target: Path) -> None:
        with target.open("wb") as stream:
            np.savez(stream, **arrays)

    write_atomically(file, write)


class StoredCrops(Dataset[LabelledCrop]):
    """An endless stream of stored percepts, drawn at random from all that a folder holds; all of it is in memory."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Reads the folder.

        Args:
            folder: what ``python -m trainer features`` wrote.
            seed: of the choice.

        Raises:
            DataError: there is nothing in it, or a file of it cannot be read.
        """
        files = sorted(folder.glob("*.npz"))
        if not files:
            raise DataError(f"There are no features in {folder}; make them with `python -m trainer features`.")
        self.seed = seed
        try:
            parts = [dict(np.load(file)) for file in files]
            self._arrays = {name: np.concatenate([part[name] for part in parts]) for name in ("image", *_LABELS)}
        except (OSError, ValueError, KeyError) as problem:
            raise DataError(
                f"The features in {folder} cannot be read ({problem}); empty the folder and make them again."
            ) from None

    def __len__(self) -> int:
        return len(self._arrays["image"])

    def stored(self, number: int) -> LabelledCrop:
        """The crop of this number."""
        values: dict[str, Any] = {
            name: part[number] if part.ndim > 1 else float(part[number]) for name, part in self._arrays.items()
        }
        return LabelledCrop(**values)

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index``, which depends on the seed and on the index alone."""
        rng = np.random.default_rng((self.seed, 160481183, index))
        return self.stored(int(rng.integers(len(self))))


def stored_crops(folder: Path) -> list[LabelledCrop]:
    """All crops of a folder in their order.

    Raises:
        DataError: as :class:`StoredCrops` does.
    """
    stream = StoredCrops(folder, 0)
    return [stream.stored(number) for number in range(len(stream))]


_EXAMPLES = """examples:
  all that configs/shipped.yaml learns from: 20,000 crops of each source, which take hours, and then the heads
    python -m trainer features --config configs/shipped.yaml --count 20000
    python -m trainer fit --config configs/shipped.yaml
  one source alone, and more of it later; what is there stays
    python -m trainer features --config configs/shipped.yaml --source 0 --count 50000
"""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line and fills the folders.

    Raises:
        HandliveError: recipe, weights or data cannot be used.
    """
    options = _parser().parse_args(arguments)
    config = read_config(options.config)
    chosen = range(len(config.sources)) if options.source is None else options.source
    if any(number >= len(config.sources) or not config.sources[number].features for number in chosen):
        raise ConfigError(f"Not every chosen source of {options.config} names a folder for its features; give it one.")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    frozen = FrozenPart(starting_network(config, training_hand_model(config.hand_model)))
    for number in chosen:
        fill(config, number, options.count, frozen, options.first)


def fill(config: FitConfig, number: int, count: int, frozen: FrozenPart, first: int = 0) -> None:
    """Stores what the frozen part makes of the first samples of a recipe's source; files that are there stay.

    Args:
        config: the recipe.
        number: of the source.
        count: up to which sample.
        frozen: of the recipe's network.
        first: from which sample on, a multiple of :data:`PER_SHARD`; several processes may share the work.
    """
    # here and not above: the mixture reads stored features, and is asked for the crops that they are made of
    from trainer.training.mixture import fresh_stream

    source = config.sources[number]
    stream = fresh_stream(source, config)
    folder = Path(source.features)
    folder.mkdir(parents=True, exist_ok=True)
    tqdm.monitor_interval = 0  # its watchdog is a thread that outlives the bar
    with tqdm(total=count, initial=first, desc=str(folder), unit="crop", mininterval=30.0, file=sys.stderr) as bar:
        for start in range(first // PER_SHARD * PER_SHARD, count, PER_SHARD):
            file = folder / f"{start // PER_SHARD:05d}.npz"
            if not file.exists():
                write_shard(file, frozen.of([stream[index] for index in range(start, start + PER_SHARD)]))
            bar.update(PER_SHARD)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer features",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Store what the frozen part of a recipe's network makes of the crops of its sources, for\n"
        "`python -m trainer fit` to learn from. Stopped, it goes on where it was.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--config", type=Path, required=True, help="a recipe whose sources name folders for features")
    parser.add_argument(
        "--source", type=int, action="append", metavar="N", help="the source of this number alone, from 0"
    )
    parser.add_argument("--count", type=int, default=20000, help="crops of each source (default: 20000)")
    parser.add_argument(
        "--first", type=int, default=0, help="begin with this crop, for several processes at a time (default: 0)"
    )
    return parser
