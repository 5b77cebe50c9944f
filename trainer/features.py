"""``python -m trainer features``: stores what the frozen part of a network computes from a recipe's crops.

While trunk and landmark network stay as they are, their outputs for a crop do not change. Stored, that is one
vector of some 6 kB, and a head learns from a thousand of them in the time that one crop takes to be drawn, cut and
processed. A recipe that trains the trunk from the stored pictures needs the landmarks alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.data import Dataset

from hand.atomic_file import write_atomically
from hand.crop import SquareCrop, crop_picture
from hand.embedded import training_hand_model
from hand.errors import ConfigError, DataError
from hand.landmark_reading import CROP_NUMBERS
from inference.landmark_reader import LandmarkReader
from trainer.arguments import whole_number
from trainer.networks.building import starting_network
from trainer.networks.hand_network import HandNetwork
from trainer.onnx_export import write_onnx_model
from trainer.progress_bar import ProgressBar
from trainer.recipe.config import FitConfig, read_config
from trainer.samples.labelled_crop import LabelledCrop

PER_SHARD: Final = 512
"""Crops in a file: what is lost when a run is stopped."""

PICTURES_SUFFIX: Final = ".pictures"
"""Of the file of JPEGs beside a shard of percepts."""

_BATCH: Final = 16
_JPEG: Final = (cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_LABELS: Final = tuple(field.name for field in fields(LabelledCrop) if field.name not in ("image", "landmarks"))


class FrozenPart:
    """The part of a network that turns crops into percepts, in ONNX Runtime, on one thread.

    Several times faster on processors than the same layers in PyTorch.
    """

    def __init__(self, network: HandNetwork, *, trunk: bool = True) -> None:
        """Takes the network as it is now; later training does not count.

        Args:
            network: computes the percepts.
            trunk: its trunk is frozen too; without, percepts are the landmarks alone, as :class:`StoredPictures` needs
                them, in three quarters of the time.
        """
        seen_px = network.config.seen_px
        self._seen_px = seen_px
        self._reader = LandmarkReader() if network.config.landmarks else None
        self._session: onnxruntime.InferenceSession | None = None
        if not trunk:
            return
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "frozen.onnx"
            write_onnx_model(_Perceiving(network).eval(), {"image": (3, seen_px, seen_px)}, file, ("percept",))
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def seen(self, images: UInt8[np.ndarray, "B S S 3"]) -> UInt8[np.ndarray, "B s s 3"]:
        """Crops at the side of the trunk's input."""
        return np.stack([crop_picture(image, _whole(image), self._seen_px) for image in images])

    def __call__(self, images: UInt8[np.ndarray, "B S S 3"], rng: np.random.Generator) -> Float[np.ndarray, "B F"]:
        """One vector a crop, in half precision.

        Args:
            images: crops.
            rng: chooses the squares that landmarks are read in.
        """
        percepts = np.zeros((len(images), 0), np.float32)
        if self._session is not None:
            tensor = np.ascontiguousarray(self.seen(images).transpose(0, 3, 1, 2), np.float32)
            percepts = np.asarray(self._session.run(None, {"image": tensor})[0])
        if self._reader is not None:
            squares = [finder_square(_whole(image), rng) for image in images]
            read = [self._reader.read(image, square) for image, square in zip(images, squares, strict=True)]
            vectors = [one.in_crop(_whole(image)) for one, image in zip(read, images, strict=True)]
            percepts = np.concatenate([percepts, np.stack(vectors)], 1)
        return percepts.astype(np.float16)

    def of(self, crops: Sequence[LabelledCrop], seed: int = 0) -> list[LabelledCrop]:
        """The same labels with percepts instead of pictures.

        Args:
            crops: with pictures.
            seed: of the squares that landmarks are read in.
        """
        percepts: list[LabelledCrop] = []
        rng = np.random.default_rng((seed, 198491317))
        for start in range(0, len(crops), _BATCH):
            part = crops[start : start + _BATCH]
            vectors = self(np.stack([crop.image for crop in part]), rng)
            percepts += [crop.with_image(vector) for crop, vector in zip(part, vectors, strict=True)]
        return percepts


def _whole(image: UInt8[np.ndarray, "S S 3"]) -> SquareCrop:
    side = image.shape[0]
    return SquareCrop((side - 1) / 2.0, (side - 1) / 2.0, float(side))


class _Perceiving(nn.Module):
    """All of a percept but the landmarks, which are read in squares of their own."""

    def __init__(self, network: HandNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B F"]:
        return self.network.perceive(image, image.new_zeros(len(image), 0)).flat()


def finder_square(crop: SquareCrop, rng: np.random.Generator) -> SquareCrop:
    """A square in which the hand finder might have seen the hand of a crop: shifted, scaled and turned a little.

    The finder's squares follow from the frame before or from the palm (``ik_baseline.rotated_region``), and it takes
    left hands as they are, where the network takes their mirror images.
    """
    x, y, scale, turn = np.clip(rng.standard_normal(4), -2.0, 2.0)
    return SquareCrop(
        crop.center_x_px + 0.03 * float(x) * crop.size_px,
        crop.center_y_px + 0.03 * float(y) * crop.size_px,
        crop.size_px * float(np.exp(0.05 + 0.08 * scale)),
        0.12 * float(turn),
        flipped=bool(rng.random() < 0.5),
    )


class ReadCrops(Dataset[LabelledCrop]):
    """A stream of crops at the side of the trunk's input, with their landmarks read: for a frozen landmark network.

    ONNX Runtime reads them in a sixth of the time that the same layers take in the training step, in the process that
    makes the crops, and in squares like the hand finder's.
    """

    def __init__(self, stream: Dataset[LabelledCrop], seen_px: int, seed: int) -> None:
        """Keeps the stream; each process loads a reader of its own.

        Args:
            stream: gives sample i for any i, at the side that the network reads landmarks at.
            seen_px: side of the trunk's input.
            seed: of the squares that landmarks are read in.
        """
        self.stream = stream
        self.seen_px = seen_px
        self.seed = seed
        self._reader: LandmarkReader | None = None

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index``, which depends on the seed and on the index alone."""
        if self._reader is None:
            self._reader = LandmarkReader()
        crop = self.stream[index]
        whole = _whole(crop.image)
        square = finder_square(whole, np.random.default_rng((self.seed, 198491317, index)))
        landmarks = self._reader.read(crop.image, square).in_crop(whole)
        image = crop_picture(crop.image, whole, self.seen_px)
        return replace(crop, image=image, landmarks=landmarks.astype(np.float32))


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


def write_pictures(file: Path, images: UInt8[np.ndarray, "B s s 3"]) -> None:
    """Stores the trunk's input pictures, as JPEGs one after the other, to train the trunk itself later."""
    encoded = [cv2.imencode(".jpg", image[..., ::-1], _JPEG)[1].ravel() for image in images]

    def write(target: Path) -> None:
        with target.open("wb") as stream:
            np.savez(stream, content=np.concatenate(encoded), ends=np.cumsum([len(one) for one in encoded]))

    write_atomically(file, write)


def _stored_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Percepts ("image") and labels of all shards in their order.

    Raises:
        DataError: there is nothing in the folder, or a file of it cannot be read.
    """
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"There are no features in {folder}; make them with `python -m trainer features`.")
    try:
        parts = [dict(np.load(file)) for file in files]
        return {name: np.concatenate([part[name] for part in parts]) for name in ("image", *_LABELS)}
    except (OSError, ValueError, KeyError) as problem:
        raise DataError(
            f"The features in {folder} cannot be read ({problem}); empty the folder and make them again."
        ) from None


class StoredCrops(Dataset[LabelledCrop]):
    """An endless stream of stored percepts, drawn at random from all that a folder holds; all of it is in memory."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Reads the folder.

        Args:
            folder: what ``python -m trainer features`` wrote.
            seed: of the choice.

        Raises:
            DataError: there is nothing in it, a file of it cannot be read, or it was made for pictures.
        """
        self.seed = seed
        self._arrays = _stored_arrays(folder)
        if self._arrays["image"].shape[1] == CROP_NUMBERS:
            raise DataError(
                f"The features in {folder} were made by a recipe of pictures and hold landmarks alone; empty "
                "the folder and make them again with this recipe."
            )

    def __len__(self) -> int:
        return len(self._arrays["image"])

    def stored(self, number: int) -> LabelledCrop:
        values: dict[str, Any] = {
            name: part[number] if part.ndim > 1 else float(part[number]) for name, part in self._arrays.items()
        }
        return LabelledCrop(**values)

    def __getitem__(self, index: int) -> LabelledCrop:
        """Sample ``index``, which depends on the seed and on the index alone."""
        rng = np.random.default_rng((self.seed, 160481183, index))
        return self.stored(int(rng.integers(len(self))))


class StoredPictures(StoredCrops):
    """The same crops as pictures, with the landmarks that were read in them: to teach the trunk too."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Reads the folder; pictures stay JPEGs until they are used.

        Args:
            folder: what ``python -m trainer features --pictures`` wrote.
            seed: of the choice.

        Raises:
            DataError: there is nothing in it, or a file of it cannot be read.
        """
        self.seed = seed
        self._arrays = _stored_arrays(folder)
        # percepts of a whole frozen part end in the landmarks
        self._arrays["image"] = self._arrays["image"][:, -CROP_NUMBERS:].astype(np.float32)
        self._encoded: list[np.ndarray] = []
        try:
            for file in sorted(folder.glob("*.npz")):
                with np.load(file.with_suffix(PICTURES_SUFFIX)) as content:
                    self._encoded += np.split(content["content"], content["ends"][:-1])
        except (OSError, ValueError, KeyError) as problem:
            raise DataError(
                f"The pictures in {folder} cannot be read ({problem}); make them with `features --pictures`."
            ) from None

    def stored(self, number: int) -> LabelledCrop:
        crop = super().stored(number)
        image = np.asarray(cv2.imdecode(self._encoded[number], cv2.IMREAD_COLOR_RGB))
        return replace(crop, image=image, landmarks=crop.image)


def stored_crops(folder: Path, *, pictures: bool = False) -> list[LabelledCrop]:
    """All crops of a folder in their order.

    Args:
        folder: what ``python -m trainer features`` wrote.
        pictures: as pictures and not as percepts.

    Raises:
        DataError: as :class:`StoredCrops` does.
    """
    stream = StoredPictures(folder, 0) if pictures else StoredCrops(folder, 0)
    return [stream.stored(number) for number in range(len(stream))]


_EXAMPLES = """examples:
  all data of configs/shipped.yaml: 20,000 crops of each source, which take hours, and then the heads
    python -m trainer features --config configs/shipped.yaml --count 20000
    python -m trainer fit --config configs/shipped.yaml
  one source alone, and more of it later; what is there stays
    python -m trainer features --config configs/shipped.yaml --source 0 --count 50000
  pictures for a recipe that teaches the trunk (stored_as: pictures)
    python -m trainer features --config configs/shipped_trunk.yaml --count 20000
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
    of_pictures = config.stored_as == "pictures"
    frozen = FrozenPart(starting_network(config, training_hand_model(config.hand_model)), trunk=not of_pictures)
    for number in chosen:
        fill(config, number, options.count, frozen, options.first, pictures=options.pictures or of_pictures)


def fill(
    config: FitConfig, number: int, count: int, frozen: FrozenPart, first: int = 0, *, pictures: bool = False
) -> None:
    """Stores what the frozen part makes of the first samples of a recipe's source; files that are there stay.

    Args:
        config: the recipe.
        number: of the source.
        count: up to which sample.
        frozen: of the recipe's network.
        first: from which sample on, a multiple of :data:`PER_SHARD`; several processes may share the work.
        pictures: store the trunk's input, too.
    """
    # imported here: the mixture reads stored features, and makes the crops that they are computed from
    from trainer.training.mixture import fresh_stream

    source = config.sources[number]
    stream = fresh_stream(source, config)
    folder = Path(source.features)
    folder.mkdir(parents=True, exist_ok=True)
    with ProgressBar(
        total=count, initial=first, desc=str(folder), unit="crop", mininterval=30.0, file=sys.stderr
    ) as bar:
        for start in range(first // PER_SHARD * PER_SHARD, count, PER_SHARD):
            file = folder / f"{start // PER_SHARD:05d}.npz"
            beside = file.with_suffix(PICTURES_SUFFIX)
            stored = file.exists()
            if not stored or (pictures and not beside.exists()):
                crops = [stream[index] for index in range(start, start + PER_SHARD)]
                if pictures:
                    write_pictures(beside, frozen.seen(np.stack([c.image for c in crops])))
                # percepts with the trunk's share must not give way to the landmarks alone of a recipe of pictures
                if not stored:
                    write_shard(file, frozen.of(crops, start))
            bar.update(PER_SHARD)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer features",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Store what the frozen part of a recipe's network makes of the crops of its sources, for\n"
        "`python -m trainer fit` to learn from. Stopped, it goes on where it was.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--config", type=Path, required=True, help="a recipe with folders for features in its sources")
    parser.add_argument(
        "--source", type=whole_number(0), action="append", metavar="N", help="the source of this number alone, from 0"
    )
    parser.add_argument("--count", type=whole_number(1), default=20000, help="crops of each source (default: 20000)")
    parser.add_argument(
        "--first",
        type=whole_number(0),
        default=0,
        help="begin with this crop, for several processes at a time (default: 0)",
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="store the trunk's input pictures too, to train the trunk later (a recipe of pictures always does)",
    )
    return parser
