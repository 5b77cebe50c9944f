"""Photographs with pseudo-labels: pictures, and the pred.json that ``main_v2.py predict --method ik`` wrote about them.

Pseudo-labels are guesses, so each weighs as much as its own confidence, and those below a floor are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8
from torch.utils.data import Dataset

from hand.camera import Intrinsics
from hand.checked_files import FILE_FAULTS, fault_of
from hand.crop import SquareCrop
from hand.errors import ConfigError, DataError
from hand.mirror import mirror_pixels, mirror_points, mirror_pose
from hand.rotations import matrix_from_axis_angle
from trainer.recipe.sources import WRONG_SIDE_SHARE, PhotographSource
from trainer.samples.augmentation import EXACT, CropJitter, jitter_colors, jittered_crop
from trainer.samples.hand_masks import mask_in, read_mask
from trainer.samples.labelled_crop import LabelledCrop, as_wrong_side, label_crop
from trainer.samples.new_background import before_another_background
from trainer.samples.prediction_file import hands_of, intrinsics_of, read_prediction_file
from trainer.samples.right_hand_picture import right_hand_picture
from trainer.synthetic.backgrounds import BackgroundPool


@dataclass(frozen=True, slots=True, eq=False)
class PhotographLabel:
    """One hand in one photograph, already expressed as a right hand of the (mirrored, if left) picture.

    Attributes:
        file: the photograph.
        mirrored: the hand is a left one: mirror the picture first.
        pose_rad: 48 numbers.
        shape: 10 numbers.
        joints_m: 21 joints, camera axes.
        joints_px: 21 joints.
        intrinsics: that the label was solved with, of the (mirrored) picture.
        confidence: of the labeller.
        depth_trust: weight of the label in 3D over that in 2D.
    """

    file: Path
    mirrored: bool
    pose_rad: np.ndarray
    shape: np.ndarray
    joints_m: np.ndarray
    joints_px: np.ndarray
    intrinsics: Intrinsics
    confidence: float
    depth_trust: float


def read_pseudo_labels(source: PhotographSource) -> list[PhotographLabel]:
    """Labels from a pred.json, one for every hand at least as confident as the floor and wholly before the camera.

    Of a file that two methods made, the output hands alone are labels, not those of each method.

    Args:
        source: of kind photographs.

    Raises:
        DataError: the file is missing or not a prediction file.
        ConfigError: no label is left.
    """
    predictions = Path(source.path)
    images = read_prediction_file(predictions, "--input FOLDER --method ik --output pred.json")["images"]
    try:
        labels = [
            _right_hand_label(Path(source.pictures) / image["file"], intrinsics_of(image), hand, source.depth_trust)
            for image in images
            if re.match(source.match, image["file"])
            for hand in hands_of(image)
            if hand["confidence"] >= source.floor and None not in hand["joints_px"]
        ]
    except re.error as problem:
        raise ConfigError(f"The source's match {source.match!r} is no pattern ({problem}); mend it.") from None
    except FILE_FAULTS as problem:
        raise DataError(
            f"{predictions} holds an image or a hand that no prediction has ({fault_of(problem)}); make it again with "
            "`python main_v2.py predict --input FOLDER --method ik --output pred.json`."
        ) from None
    if not labels:
        raise ConfigError(
            f"No hand in {predictions} has a confidence of at least {source.floor} in a file matching "
            f"{source.match!r}; lower the source's floor or change its match."
        )
    return labels


def _right_hand_label(file: Path, camera: Intrinsics, hand: dict, depth_trust: float) -> PhotographLabel:
    pose, shape, joints_m, joints_px = (
        np.asarray(hand[key], np.float64) for key in ("pose_rad", "shape", "joints_m", "joints_px")
    )
    left = hand["side"] == "left"
    return PhotographLabel(
        file=file,
        mirrored=left,
        pose_rad=mirror_pose(pose) if left else pose,
        shape=shape,
        joints_m=mirror_points(joints_m) if left else joints_m,
        joints_px=mirror_pixels(joints_px, camera.width_px) if left else joints_px,
        intrinsics=camera.mirrored() if left else camera,
        confidence=float(hand["confidence"]),
        depth_trust=depth_trust,
    )


@dataclass(frozen=True, slots=True, eq=False)
class AppearanceChange:
    """Photographed hands in other skins and before other backgrounds: a few people and rooms are soon known by heart.

    Attributes:
        new_skin: how often a hand gets another skin.
        new_background: how often it gets another background.
        masks: the folder that `python -m trainer masks` wrote.
        pool: where the backgrounds come from.
    """

    new_skin: float
    new_background: float
    masks: Path
    pool: BackgroundPool

    def apply(
        self, labelled: LabelledCrop, label: PhotographLabel, crop: SquareCrop, rng: np.random.Generator
    ) -> LabelledCrop:
        """The crop of a photograph, with random changes of its skin and its background.

        Args:
            labelled: what was cut out.
            label: of which hand.
            crop: where.
            rng: source of chance, of its own: the crops that stay are those of a recipe without.

        Raises:
            DataError: the hand has no mask.
        """
        tinted, elsewhere = rng.random(2) < (self.new_skin, self.new_background)
        if not (tinted or elsewhere):
            return labelled
        mask = read_mask(self.masks, label.file, label.joints_px)
        there = mask_in(crop, mask, label.joints_px, labelled.image.shape[0])
        image = in_another_skin(labelled.image, there, rng) if tinted else labelled.image
        return labelled.with_image(before_another_background(image, there, self.pool, rng) if elsewhere else image)


def appearance_change_of(source: PhotographSource, seed: int) -> AppearanceChange | None:
    """The changes of skin and background that a source requests; None for none.

    Raises:
        ConfigError: they are requested, but no masks are given.
        DataError: the background folder holds no picture.
    """
    if max(source.new_skin, source.new_background) <= 0.0:
        return None
    if not source.masks:
        raise ConfigError(
            "Photographs need masks for a new_skin or a new_background; make them with `python -m trainer masks` and "
            "name their folder as the source's masks."
        )
    folder = Path(source.backgrounds) if source.backgrounds else None
    return AppearanceChange(
        source.new_skin, source.new_background, Path(source.masks), BackgroundPool(seed, folder=folder)
    )


def photograph_of(label: PhotographLabel) -> UInt8[np.ndarray, "height width 3"]:
    """A label's photograph in RGB, mirrored if the hand is a left one.

    Raises:
        DataError: it cannot be read.
    """
    message = f"The photograph {label.file} cannot be read; run predict again without it."
    return right_hand_picture(label.file, label.mirrored, message)


class PhotographCrops(Dataset[LabelledCrop]):
    """An endless stream of crops of the labelled photographs; crop i depends on the seed and on i alone."""

    def __init__(
        self,
        labels: list[PhotographLabel],
        input_px: int,
        seed: int,
        jitter: CropJitter | None,
        *,
        augment: bool = True,
        appearance: AppearanceChange | None = None,
    ) -> None:
        """Keeps the labels; pictures are read on demand.

        Args:
            labels: at least one.
            input_px: side of the crops.
            seed: of the augmentation.
            jitter: crop errors; None for exact crops, unchanged colours and the labels in their own order.
            augment: False leaves colours and order alone even under crop errors, for measurements.
            appearance: changes skins and backgrounds of some of the hands.
        """
        self.labels = labels
        self.input_px = input_px
        self.seed = seed
        self.jitter = jitter
        self.augment = augment and jitter is not None
        self.appearance = appearance

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> LabelledCrop:
        rng = np.random.default_rng((self.seed, index))
        label = self.labels[int(rng.integers(len(self.labels))) if self.augment else index]
        picture = photograph_of(label)
        crop = jittered_crop(label.joints_px, self.jitter or EXACT, rng)
        labelled = label_crop(
            picture,
            crop,
            label.intrinsics,
            rotations=matrix_from_axis_angle(label.pose_rad.reshape(16, 3)),
            shape=label.shape,
            joints_m=label.joints_m,
            input_px=self.input_px,
            weight=label.confidence,
            depth_trust=label.depth_trust,
        )
        if not self.augment:
            return labelled
        if self.appearance is not None:
            own_rng = np.random.default_rng((self.seed, 15485863, index))
            labelled = self.appearance.apply(labelled, label, crop, own_rng)
        labelled = labelled.with_image(jitter_colors(labelled.image, rng))
        return as_wrong_side(labelled) if rng.random() < WRONG_SIDE_SHARE else labelled


_EDGE_PX: Final = 1.0
"""Softness of the seam (standard deviation)."""

_TONE_MEAN, _TONE_DEVIATION = -0.1, 0.3
"""Of the log of all channels together; rather darker, because what is too bright is lost."""

_HUE_DEVIATION, _GAMMA_DEVIATION, _SLOPE_DEVIATION = 0.07, 0.2, 0.5
"""Of the logs of each channel, of the channels' exponent, and of the light from one end of the picture to the other."""


def in_another_skin(
    picture_rgb: UInt8[np.ndarray, "height width 3"],
    mask: UInt8[np.ndarray, "height width"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "height width 3"]:
    """The hand of a picture with other colours, and with light that falls off to one side.

    Args:
        picture_rgb: the picture; not changed.
        mask: 255 on the hand, 0 beside it.
        rng: source of chance.
    """
    height, width = mask.shape
    share = cv2.GaussianBlur(np.where(mask > 127, np.float32(1.0), np.float32(0.0)), (0, 0), _EDGE_PX)[..., None]
    gamma = np.exp(rng.normal(0.0, _GAMMA_DEVIATION))
    gain = np.exp(rng.normal(_TONE_MEAN, _TONE_DEVIATION) + rng.normal(0.0, _HUE_DEVIATION, 3))
    angle, slope = rng.uniform(0.0, 2.0 * np.pi), rng.normal(0.0, _SLOPE_DEVIATION)
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height))
    light = np.exp(slope * (np.cos(angle) * across + np.sin(angle) * down))[..., None] * gain
    other = 255.0 * np.power(picture_rgb / 255.0, gamma) * light
    mixed: np.ndarray = picture_rgb * (1.0 - share) + np.minimum(other, 255.0) * share
    return np.rint(mixed).astype(np.uint8)
