"""FreiHAND v2 (Zimmermann et al., ICCV 2019, "FreiHAND: A Dataset for Markerless Capture of Hand Pose and Shape").

    training/rgb/%08d.jpg      N samples x 4 versions of the background (gs, hom, sample, auto):
                               file = sample + N * version, with N the number of labels (32,560)
    training/mask/%08d.jpg     one per sample, for all four versions
    training_K, _mano, _xyz (, _verts, _scale).json    N entries each
    evaluation/rgb, evaluation_*.json                  the same with one version; pictures without masks

Axes are OpenCV's, joints in the common order, hands all right. The mano entry is pose 48 (fingers relative to
hands_mean), shape 10, and three numbers that are *not* a translation; where the hand is follows from its joints.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from hand.camera import Intrinsics
from hand.checked_files import float_array
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.picture_file import read_color
from trainer.datasets.hand_set import SetHand, SetPose
from trainer.datasets.set_files import broken, missing, read_bytes, read_json
from trainer.recipe.dataset_facts import SETS, SetFacts, SplitName

VERSIONS: Final = ("gs", "hom", "sample", "auto")
"""Green screen, and three ways to replace it."""

_FACTS: Final = SETS["freihand"]
_VALIDATION_SHARE: Final = 10
"""Every so many-th sample is held out."""

_SHAPES: Final = {"K": (3, 3), "mano": (1, 61), "xyz": (21, 3)}
_FILES: Final = {
    "K": "camera matrices",
    "mano": "pose and shape",
    "xyz": "joints",
}


@dataclass(frozen=True, slots=True, eq=False)
class FreihandLabels:
    """The labels of one folder: those of training, or those of evaluation.

    Attributes:
        cameras: K.
        joints_m: xyz.
        poses: pose and shape; None where an evaluation split came without.
        versions: how many versions of each picture there are.
        size_px: width and height of the pictures.
        hand_model_digest: "" for MANO.
    """

    cameras: Float[np.ndarray, "N 3 3"]
    joints_m: Float[np.ndarray, "N 21 3"]
    poses: Float[np.ndarray, "N 58"] | None
    versions: int
    size_px: tuple[int, int]
    hand_model_digest: str


class FreihandSet:
    """One split of FreiHAND; see :class:`trainer.datasets.hand_set.HandSet`.

    Hand ``k + version * len(samples)`` is version ``version`` of the k-th sample of the split.
    """

    def __init__(self, folder: Path, split: SplitName, versions: tuple[str, ...] = VERSIONS) -> None:
        """Reads the labels; pictures are read on demand.

        Args:
            folder: holds ``training`` and ``training_xyz.json``, or the same of evaluation.
            split: validation is every tenth sample of the training folder, drawn once for all; all versions of a
                sample are on the same side, because they show the same hand.
            versions: which backgrounds to take, where the folder has four.

        Raises:
            DataError: a file is missing, damaged or of the wrong size.
            ConfigError: there is no such version.
        """
        self.folder = folder
        self.part = "evaluation" if split == "evaluation" else "training"
        self._labels = read_labels(folder, self.part)
        self.samples = split_samples(len(self._labels.joints_m), split)
        unknown = [name for name in versions if name not in VERSIONS]
        if unknown or not versions:
            given = unknown[0] if unknown else "none"
            raise ConfigError(f"FreiHAND has the versions {', '.join(VERSIONS)} of each picture, got {given}.")
        chosen = [VERSIONS.index(name) for name in versions]
        self.versions = tuple(number for number in chosen if number < self._labels.versions) or (0,)

    @property
    def facts(self) -> SetFacts:
        return _FACTS

    @property
    def hand_model_digest(self) -> str:
        """Empty for the real set; the embedded model's for one that was made with it."""
        return self._labels.hand_model_digest

    def __len__(self) -> int:
        return len(self.samples) * len(self.versions)

    def sample(self, index: int) -> int:
        """Number of the sample in the label files."""
        return int(self.samples[index % len(self.samples)])

    def file_number(self, index: int) -> int:
        """Number of the picture: sample + count of all samples * version."""
        version = self.versions[index // len(self.samples)]
        return self.sample(index) + len(self._labels.joints_m) * version

    def hand(self, index: int) -> SetHand:
        """Labels of a hand; every one is annotated."""
        sample, labels = self.sample(index), self._labels
        camera = labels.cameras[sample]
        width, height = labels.size_px
        numbers = None if labels.poses is None else labels.poses[sample]
        return SetHand(
            name=f"{self.part}/{self.file_number(index):08d}",
            intrinsics=Intrinsics(camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2], width, height),
            mirrored=False,
            joints_m=labels.joints_m[sample],
            joints_known=np.ones(21, bool),
            pose=None if numbers is None else SetPose(numbers[:48], numbers[48:]),
        )

    def picture_bytes(self, index: int) -> bytes:
        """The picture's file.

        Raises:
            DataError: it is missing.
        """
        return read_bytes(_FACTS, self.folder / self.part / "rgb" / f"{self.file_number(index):08d}.jpg", "a picture")

    def mask_bytes(self, index: int) -> bytes | None:
        """The mask of the sample, which holds for all its versions.

        Raises:
            DataError: the folder has masks, and not this one.
        """
        masks = self.folder / self.part / "mask"
        return read_bytes(_FACTS, masks / f"{self.sample(index):08d}.jpg", "a mask") if masks.is_dir() else None

    def labelled_vertices(self, indices: Sequence[int]) -> dict[int, Float[np.ndarray, "V 3"]]:
        """Labelled vertices of some hands in camera axes, by the hand's number; none where the set has no such file.

        The real file has more than a gigabyte, so it is scanned, and only the requested entries are parsed as numbers.

        Raises:
            DataError: the file is damaged.
        """
        path = self.folder / f"{self.part}_verts.json"
        if not path.is_file():
            return {}
        wanted = {self.sample(index) for index in indices}
        try:
            found = _entries_of(path, wanted)
        except (OSError, ValueError):
            raise broken(_FACTS, f"{path} (vertices) is damaged or cut short") from None
        return {index: found[self.sample(index)] for index in indices}


def split_samples(count: int, split: SplitName) -> Int[np.ndarray, " samples"]:
    """Numbers of the samples of a split, ascending: of the training samples a tenth (at least one) is for validation.

    Args:
        count: of all samples of the folder.
        split: which part.
    """
    if split == "evaluation":
        return np.arange(count)
    # one fixed draw: every training on FreiHAND with this program validates on the same samples
    held_out = np.random.default_rng(32560).permutation(count)[: max(count // _VALIDATION_SHARE, 1)]
    chosen = np.zeros(count, bool)
    chosen[held_out] = True
    return np.flatnonzero(chosen if split == "validation" else ~chosen)


@lru_cache(maxsize=4)
def read_labels(folder: Path, part: str) -> FreihandLabels:
    """Reads and checks the labels of a folder; kept, because training and validation share them.

    Args:
        folder: of the set.
        part: training or evaluation.

    Raises:
        DataError: a file is missing, damaged or of the wrong size, or pictures are missing.
    """
    contents: dict[str, Any] = {}
    for name, meaning in _FILES.items():
        path = folder / f"{part}_{name}.json"
        # downloads of the evaluation split did not always come with pose and shape
        if not (part == "evaluation" and name == "mano" and not path.exists()):
            contents[name] = _entries(path, meaning)
    count = len(contents["xyz"])
    arrays = {name: _array(content, name, folder, part, _SHAPES[name], count) for name, content in contents.items()}
    cameras = arrays["K"]
    if not (cameras[:, [0, 1], [0, 1]] > 0.0).all() or np.abs(cameras[:, 2] - [0.0, 0.0, 1.0]).max(initial=0.0) > 1e-6:
        raise broken(_FACTS, f"{folder / f'{part}_K.json'} should hold camera matrices with positive focal lengths")
    versions = _count_versions(folder / part / "rgb", count, 1 if part == "evaluation" else len(VERSIONS))
    first = read_color(folder / part / "rgb" / f"{0:08d}.jpg")
    if first is None:
        raise broken(_FACTS, f"{folder / part / 'rgb' / f'{0:08d}.jpg'} is damaged: it is no picture")
    return FreihandLabels(
        cameras=cameras,
        joints_m=arrays["xyz"],
        poses=arrays["mano"][:, 0, :58] if "mano" in arrays else None,
        versions=versions,
        size_px=(first.shape[1], first.shape[0]),
        hand_model_digest=_hand_model_digest(folder / f"{part}_verts.json"),
    )


def _count_versions(pictures: Path, samples: int, versions: int) -> int:
    """How many versions of each picture there are: as many as the set has, or one (the program's own exports).

    Raises:
        DataError: some are missing.
    """
    if not pictures.is_dir():
        raise missing(_FACTS, pictures, "the pictures")
    with os.scandir(pictures) as entries:
        found = {entry.name for entry in entries if entry.name.endswith(".jpg")}
    for count in (versions, 1):
        absent = [name for name in (f"{number:08d}.jpg" for number in range(samples * count)) if name not in found]
        if not absent:
            return count
        if count == versions and len(found) > samples:
            break
    wanted = f"{samples} labels x {versions} versions need {samples * versions} pictures, {len(found)} were found"
    raise broken(_FACTS, f"{pictures / absent[0]} and {len(absent) - 1} other pictures are missing: {wanted}")


def _hand_model_digest(path: Path) -> str:
    """The embedded model's digest where the first sample's vertices are as many as its, "" for MANO.

    The file has more than a gigabyte in the real set, so only its beginning is read.
    """
    embedded = load_embedded_model()
    try:
        with path.open(encoding="utf-8") as file:
            head = file.read(1 << 18)
        first = json.loads(head[1 : head.index("]]") + 2])
    except (OSError, ValueError):
        return ""
    return embedded.digest if len(first) == embedded.vertex_count else ""


def _entries_of(path: Path, wanted: set[int]) -> dict[int, Float[np.ndarray, "V 3"]]:
    """Some entries of a JSON list of point lists.

    Raises:
        OSError: it cannot be read.
        ValueError: it ends before the last of them.
    """
    found: dict[int, np.ndarray] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        start = text.find(b"[", 1)
        for number in range(max(wanted, default=-1) + 1):
            end = text.find(b"]]", start) + 2
            # a find that fails gives -1, from which the next one would begin at the end, and then at the start
            if start < 0 or end < 2:
                raise ValueError(f"it ends before entry {number}")
            if number in wanted:
                found[number] = np.array(json.loads(text[start:end]), np.float64)
            start = text.find(b"[", end)
    return found


def _entries(path: Path, meaning: str) -> list[Any]:
    content = read_json(_FACTS, path, meaning)
    if not isinstance(content, list) or not content:
        raise broken(_FACTS, f"{path} ({meaning}) should hold a list with one entry per sample, it holds none")
    return content


def _array(
    content: list[Any], name: str, folder: Path, part: str, shape: tuple[int, ...], count: int
) -> Float[np.ndarray, "N ..."]:
    """A label file as an array of the expected shape.

    Raises:
        DataError: another number of entries than joints, another shape, or numbers that are not finite.
    """
    path = folder / f"{part}_{name}.json"
    if len(content) != count:
        raise broken(
            _FACTS,
            f"{path} has {len(content)} entries where {part}_xyz.json has {count}: one of them is cut short or of "
            "another release",
        )
    array = float_array(content)
    if array.shape[1:] != shape:
        raise broken(_FACTS, f"{path} should hold {' x '.join(map(str, shape))} numbers per sample, it does not")
    if not np.isfinite(array).all():
        sample = int(np.flatnonzero(~np.isfinite(array).reshape(count, -1).all(1))[0])
        raise broken(_FACTS, f"{path} should hold finite numbers, sample {sample} does not")
    return array
