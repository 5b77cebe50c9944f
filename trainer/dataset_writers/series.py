"""A series of rendered samples on its way to a folder: its settings, and whether the folder was made with them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from hand.checked_files import FILE_FAULTS, read_json
from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.layer import HandLayer
from hand.model import HandModel
from trainer.dataset_writers.label_lines import write_whole
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.scene import SceneRenderer

Split = Literal["training", "evaluation"]

EVALUATION_SEED: Final = 500_009
"""Added to the seed for the evaluation split: other people, poses and backgrounds."""


@dataclass(frozen=True, slots=True)
class Series:
    """Settings of a series.

    Attributes:
        out: folder to write to.
        count: how many samples.
        seed: determines every sample together with its index.
        width_px: of the pictures.
        height_px: of the pictures.
        crop_px: side of the crops that are written beside full pictures; none when None.
        backgrounds: folder of photographs without hands; made-up backgrounds alone when None.
        split: of a data set that has two.
    """

    out: Path
    count: int
    seed: int
    width_px: int
    height_px: int
    crop_px: int | None = None
    backgrounds: Path | None = None
    split: Split = "training"

    @property
    def split_seed(self) -> int:
        return self.seed + (EVALUATION_SEED if self.split == "evaluation" else 0)


@lru_cache(maxsize=2)
def series_renderer(seed: int, backgrounds: Path | None) -> SceneRenderer:
    """What a process draws a series with; kept, because growing skins and weaving clothes takes seconds.

    Args:
        seed: of the split.
        backgrounds: folder of photographs without hands.

    Raises:
        DataError: the folder holds no picture.
    """
    return SceneRenderer(load_embedded_model(), seed, levels=2, backgrounds=BackgroundPool(seed, folder=backgrounds))


@dataclass(frozen=True)
class SeriesWriter(ABC):
    """Writes a series in the layout of one data set; it is sent to the processes that render.

    ``prepare``, ``draw`` and ``finish`` raise DataError where the folder holds something else, the disk is full, or a
    background cannot be read.

    Attributes:
        series: its settings.
    """

    series: Series

    @property
    def part(self) -> str:
        """The data set's own name of the split; the series' files begin with it."""
        return self.series.split

    @property
    def labels_path(self) -> Path:
        """One line per sample that is there entirely, in order."""
        return self.series.out / f"{self.part}_labels.jsonl"

    @abstractmethod
    def prepare(self) -> None:
        """Makes the folders and what holds for the whole series, or checks that they are this series' own."""

    @abstractmethod
    def draw(self, index: int) -> dict[str, Any]:
        """Renders a sample, writes its pictures and returns its line of labels."""

    @abstractmethod
    def finish(self) -> None:
        """Writes what is written last; all lines are there."""

    @property
    def _renderer(self) -> SceneRenderer:
        return series_renderer(self.series.split_seed, self.series.backgrounds)

    @cached_property
    def _layer(self) -> HandLayer:
        return HandLayer(load_embedded_model(), np.float64)


def claim(path: Path, settings: dict[str, Any], others: Iterable[Path]) -> None:
    """Notes what a series is made from, or checks that a stopped one was made from the same.

    Args:
        path: of the note.
        settings: all that the series' content depends on.
        others: files that may be there only together with the note.

    Raises:
        DataError: the folder holds something else.
    """
    settings = json.loads(json.dumps(settings))
    if path.exists():
        try:
            there = dict(read_json(path))
        except FILE_FAULTS:
            raise DataError(f"{path} is damaged, so its series cannot go on; choose another folder.") from None
        for key in sorted({*settings, *there}):
            if settings.get(key) != there.get(key):
                raise DataError(
                    f"The series in {path.parent} was made with {key} {there.get(key)} and cannot go on with "
                    f"{key} {settings.get(key)}; choose another folder."
                )
        return
    if any(other.suffix != ".part" for other in others):
        raise DataError(f"{path.parent} holds files that are not of a rendered series; choose another folder.")
    make_folder(path.parent)
    write_whole(path, json.dumps(settings, indent=1).encode() + b"\n")


def make_folder(folder: Path) -> None:
    """Makes a folder, and removes what a killed process was writing in it.

    Raises:
        DataError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.part"):
            path.unlink()
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be made ({error.strerror}); choose another.") from None


def content_settings(series: Series, model: HandModel) -> dict[str, Any]:
    """Everything that the content of a series depends on, besides the number of samples."""
    return {
        "seed": series.seed,
        "size_px": [series.width_px, series.height_px],
        "crop_px": series.crop_px,
        "backgrounds": None if series.backgrounds is None else str(series.backgrounds.resolve()),
        "hand_model": model.name,
        "hand_model_digest": model.digest,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def jpeg_bytes(picture_rgb: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """An RGB picture as a JPEG file of quality 95."""
    bgr = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
