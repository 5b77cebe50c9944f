"""Training samples from a data set: hands in their pictures, cut out with errors, turned, before new backgrounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8
from torch.utils.data import Dataset

from hand.crop import SquareCrop, crop_picture
from hand.errors import DataError
from trainer.datasets.hand_set import HandSet, SetHand, mask_of, picture_of
from trainer.datasets.pose_fit import FittedPose, PoseFitter
from trainer.recipe.sources import EMPTY_SHARE, WRONG_SIDE_SHARE
from trainer.samples.augmentation import CropJitter, jitter_colors, jittered_crop, training_jitter
from trainer.samples.labelled_crop import LabelledCrop, as_wrong_side, label_crop, without_hand
from trainer.samples.new_background import before_another_background
from trainer.samples.rendered import taught_empty_crop
from trainer.synthetic.backgrounds import BackgroundPool

_MOST_DRAWS: Final = 1000
"""Draws after which a set is thought to have no usable hand at all."""

_BACKGROUNDS: Final = 128
"""Made-up backgrounds: each process makes its own, and each costs as much as fifty crops."""


def data_set_jitter(largest_turn_deg: float, upright: bool = False) -> CropJitter:
    """Errors and turns of a data set's training crops: half of them are turned by up to an angle either way.

    The other half is turned as live crops are, with errors cut off at two deviations, and never farther.

    Args:
        largest_turn_deg: that angle.
        upright: for a network with crops that are turned upright; they then have a tracker's errors alone.
    """
    if upright:
        return training_jitter(upright)
    largest_rad = float(np.radians(largest_turn_deg))
    deviation_rad = min(CropJitter().angle_deviation_rad, largest_rad / 2.0)
    return CropJitter(angle_deviation_rad=deviation_rad, any_angle_share=0.5, largest_angle_rad=largest_rad)


class SetCrops(Dataset[LabelledCrop]):
    """An endless stream of crops of a data set; crop i depends on the seed and on i alone.

    A set shows nothing but hands, as right ones, so some crops are without a hand and some show it as a left one: the
    live program drops a hand, and determines its side, with what the network learned from them.
    """

    def __init__(
        self,
        hands: HandSet,
        fitter: PoseFitter | None,
        input_px: int,
        seed: int,
        jitter: CropJitter,
        *,
        new_background: float = 0.0,
        backgrounds: Path | None = None,
        number_of: Callable[[int, np.random.Generator], int] | None = None,
    ) -> None:
        """Keeps the set; pictures are read on demand.

        Args:
            hands: the set.
            fitter: judges its poses; None teaches joints alone.
            input_px: side of the crops.
            seed: of choice and augmentation.
            jitter: crop errors and turns.
            new_background: how often a hand that has a mask is put before another background.
            backgrounds: folder of hand-free photographs, also for crops without a hand; made-up ones when None.
            number_of: which hand a crop shows, from its place in the stream and a source of chance; any when None.

        Raises:
            DataError: the background folder holds no picture.
        """
        self.hands = hands
        self.fitter = fitter
        self.input_px = input_px
        self.seed = seed
        self.jitter = jitter
        self.new_background = new_background
        self._pool = BackgroundPool(seed, _BACKGROUNDS, backgrounds)
        self._number_of = number_of or self._any_number

    def __getitem__(self, index: int) -> LabelledCrop:
        rng = np.random.default_rng((self.seed, 32452867, index))
        number, hand, fitted = self._draw(index, rng)
        picture = picture_of(self.hands, number, hand)
        if self.new_background > 0.0 and rng.random() < self.new_background:
            mask = mask_of(self.hands, number, hand)
            if mask is not None:
                picture = before_another_background(picture, mask, self._pool, rng)
        crop = cut_hand(hand, fitted, picture, self.jitter, rng, self.input_px)
        crop = crop.with_image(jitter_colors(crop.image, rng))
        # drawn last, so that all other crops are those of a stream without
        kind = rng.random()
        if kind < EMPTY_SHARE:
            return self._without_hand(hand, picture, rng)
        return as_wrong_side(crop) if kind < EMPTY_SHARE + WRONG_SIDE_SHARE else crop

    def _without_hand(self, hand: SetHand, picture: np.ndarray, rng: np.random.Generator) -> LabelledCrop:
        """What lies beside a hand, where there is room; every second time, or where there is none, a background."""
        beside = self.hands.facts.one_hand and rng.random() < 0.5
        crop = crop_beside(hand, picture, rng, self.input_px) if beside else None
        return taught_empty_crop(self._pool, rng, self.input_px) if crop is None else crop

    def _draw(self, index: int, rng: np.random.Generator) -> tuple[int, SetHand, FittedPose | None]:
        """The hand of a place in the stream; another one where it lacks labels or they contradict each other."""
        for attempt in range(_MOST_DRAWS):
            number = self._number_of(index, rng) if attempt == 0 else self._any_number(index, rng)
            hand, fitted = labels_of(self.hands, self.fitter, number)
            if hand is not None:
                return number, hand, fitted
        raise DataError(
            f"None of {_MOST_DRAWS} hands of {self.hands.facts.title} can be used for training; check the set with "
            "`python -m trainer data check`."
        )

    def _any_number(self, _: int, rng: np.random.Generator) -> int:
        return int(rng.integers(len(self.hands)))


def labels_of(
    hands: HandSet, fitter: PoseFitter | None, number: int
) -> tuple[SetHand, FittedPose | None] | tuple[None, None]:
    """What a hand of a set teaches, (None, None) when it is not annotated or its labels contradict each other."""
    hand = hands.hand(number)
    if hand is None or fitter is None:
        return (None, None) if hand is None else (hand, None)
    consistent, fitted = fitter.check(hand)
    if not consistent:
        return None, None
    return (hand if fitted is None else fitter.with_own_tips(hand, fitted)), fitted


def cut_hand(
    hand: SetHand,
    fitted: FittedPose | None,
    picture_rgb: np.ndarray,
    jitter: CropJitter,
    rng: np.random.Generator,
    input_px: int,
) -> LabelledCrop:
    """Cuts a hand out of its picture; what is not known of it gets no weight.

    Args:
        hand: its labels.
        fitted: its pose, None where there is none to teach.
        picture_rgb: the picture, mirrored for a left hand.
        jitter: crop errors and turns.
        rng: source of chance.
        input_px: side of the crop.
    """
    crop = label_crop(
        picture_rgb,
        jittered_crop(hand.outline_px, jitter, rng, standing_rad=hand.standing_rad),
        hand.intrinsics,
        rotations=np.tile(np.eye(3), (16, 1, 1)) if fitted is None else fitted.rotations,
        shape=np.zeros(10) if fitted is None else fitted.shape,
        joints_m=hand.joints_m,
        input_px=input_px,
    )
    if fitted is None:
        crop = replace(crop, pose_weight=0.0, shape_weight=0.0)
    if not hand.joints_known.all():
        known = hand.joints_known.astype(np.float32)
        # in 3D every joint is relative to the wrist
        crop = replace(crop, joints_weight=known * known[0], root_weight=float(known[0]), joints_crop_weight=known)
    return crop


def held_out_set_crops(
    hands: HandSet, fitter: PoseFitter | None, input_px: int, most: int, jitter: CropJitter, seed: int
) -> dict[str, LabelledCrop]:
    """Hands of a set for measuring: evenly thinned out, each once under its own crop error, in its own colours.

    Args:
        hands: the set; only hands with all joints known can be measured.
        fitter: judges its poses; None measures joints alone.
        input_px: side of the crops.
        most: crops in all.
        jitter: crop errors.
        seed: of the crop errors.

    Returns:
        Crops by the hand's name.

    Raises:
        DataError: a picture cannot be read, or there is no hand to measure.
    """
    wanted = max(1, min(len(hands), most))
    crops: dict[str, LabelledCrop] = {}
    for number in (place * len(hands) // wanted for place in range(wanted)):
        hand, fitted = labels_of(hands, fitter, number)
        if hand is not None and hand.joints_known.all():
            rng = np.random.default_rng((seed, number))
            crops[hand.name] = cut_hand(hand, fitted, picture_of(hands, number, hand), jitter, rng, input_px)
    if not crops:
        raise DataError(f"No hand of this part of {hands.facts.title} has all its joints, so none can be measured.")
    return crops


_FLESH: Final = 0.2
"""How far flesh may reach beyond the box of the joints, over the box's longer side."""

_SMALLEST: Final = 0.35
"""Least side of what is cut out beside the hand, over the longer side of its box: less would be a blur."""


def crop_beside(
    hand: SetHand, picture_rgb: UInt8[np.ndarray, "height width 3"], rng: np.random.Generator, input_px: int
) -> LabelledCrop | None:
    """A square of a hand's picture that the hand does not reach into; None where it leaves no room.

    Made-up backgrounds alone would not do: a network would learn that photographs always show a hand.

    Args:
        hand: its labels.
        picture_rgb: the picture that they hold for.
        rng: source of chance.
        input_px: side of the crop.
    """
    height, width = map(float, picture_rgb.shape[:2])
    low, high = hand.outline_px.min(0), hand.outline_px.max(0)
    longer = float((high - low).max())
    left, top = (low - _FLESH * longer).tolist()
    right, bottom = (high + _FLESH * longer).tolist()
    upright = [(0.0, 0.0, left, height), (right, 0.0, width, height)]
    strips = [*upright, (0.0, 0.0, width, top), (0.0, bottom, width, height)]
    smallest = _SMALLEST * longer
    roomy = [strip for strip in strips if _shorter(strip) >= smallest]
    if not roomy:
        return None
    x, y, end_x, end_y = strip = roomy[rng.integers(len(roomy))]
    side = rng.uniform(smallest, _shorter(strip))
    center_x, center_y = rng.uniform(x, end_x - side) + side / 2.0, rng.uniform(y, end_y - side) + side / 2.0
    square = SquareCrop(center_x - 0.5, center_y - 0.5, side)
    return without_hand(jitter_colors(crop_picture(picture_rgb, square, input_px), rng))


def _shorter(strip: tuple[float, float, float, float]) -> float:
    left, top, right, bottom = strip
    return min(right - left, bottom - top)
