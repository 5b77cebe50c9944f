"""Fresh rendered crops, drawn while the network trains: no crop is ever seen twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from hand.crop import SquareCrop
from hand.embedded import load_embedded_model
from hand.rotations import matrix_from_axis_angle
from trainer.recipe.sources import EMPTY_SHARE, WRONG_SIDE_SHARE
from trainer.samples.augmentation import jitter_colors
from trainer.samples.labelled_crop import LabelledCrop, as_wrong_side, label_crop, without_hand
from trainer.synthetic.backgrounds import CLOSEST, BackgroundPool
from trainer.synthetic.camera_effects import draw_effects, take_picture
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import (
    CROP_SETTINGS,
    FINGER_CROP_SETTINGS,
    WIDE_CROP_SETTINGS,
    SceneSettings,
)

FEATURELESS_SHARE = 0.2
"""Of the crops without a hand, those in which hardly anything is recognisable: out of focus, a covered lens, a bare
wall."""


_CLOSE = 0.15
"""Half of the crops without a hand may be as small a part of a background: an eye, a button of a shirt."""


class RenderedCrops(Dataset[LabelledCrop]):
    """An endless stream of rendered crops; crop i depends on the seed and on i alone."""

    def __init__(
        self,
        input_px: int,
        seed: int,
        *,
        backgrounds: Path | None = None,
        only_right_hands: bool = False,
        wide_share: float = 0.0,
        finger_share: float = 0.0,
        empty_share: float = EMPTY_SHARE,
        adorned_share: float = 0.0,
        gloved_share: float = 0.0,
        jitter_share: float = 0.0,
        loose_share: float = 0.0,
        upright: bool = False,
        views: int = 1,
        shape: tuple[float, ...] = (),
    ) -> None:
        """Keeps what to render; each worker process builds its own renderer.

        Args:
            input_px: side of the crops.
            seed: of the series; training and evaluation use different ones.
            backgrounds: folder of hand-free photographs.
            only_right_hands: no empty and no left-handed crops, for evaluation.
            wide_share: how many show what webcams seldom see, see ``WIDE_CROP_SETTINGS``.
            finger_share: how many are about which finger is which, see ``FINGER_CROP_SETTINGS``; a third of them
                are seen from any side.
            empty_share: how many show no hand.
            adorned_share: how many people have something on their skin, see ``trainer.synthetic.skin_decorations``.
            gloved_share: how many wear gloves and nothing else, besides those.
            jitter_share: how many get the colours and flaws that photographs get, see ``trainer.samples.augmentation``.
            loose_share: how many hands lie anywhere in a square that is too large, as where hands are searched.
            upright: hands stand upright, for a network with crops that are turned.
            views: how many samples in a row are crops of one rendering, each with another tracker's error; drawing
                hands costs more than learning from them.
            shape: 10 coefficients of the one person who is shown; everybody's hands when empty.
        """
        self.input_px = input_px
        self.seed = seed
        self.only_right_hands = only_right_hands
        self.wide_share = wide_share
        self.finger_share = finger_share
        self.empty_share = empty_share
        self.adorned_share = adorned_share
        self.gloved_share = gloved_share
        self.jitter_share = jitter_share
        self.loose_share = loose_share
        self.upright = upright
        self.views = views
        self.shape = shape
        self._drawn: tuple[int, SyntheticSample] | None = None
        self._pool = BackgroundPool(seed, folder=backgrounds)
        self._renderer: SceneRenderer | None = None

    def __getitem__(self, index: int) -> LabelledCrop:
        crop = self._rendered(index)
        rng = np.random.default_rng((self.seed, 67867967, index))
        return crop.with_image(jitter_colors(crop.image, rng)) if rng.random() < self.jitter_share else crop

    def _rendered(self, index: int) -> LabelledCrop:
        if self._renderer is None:
            self._renderer = SceneRenderer(
                load_embedded_model(),
                self.seed,
                backgrounds=self._pool,
                adorned_share=self.adorned_share,
                gloved_share=self.gloved_share,
            )
        rng = np.random.default_rng((self.seed, 32452843, index))
        people = rng if self.views == 1 else np.random.default_rng((self.seed, 32452867, index // self.views))
        kind = 1.0 if self.only_right_hands else rng.random()
        if kind < self.empty_share:
            return taught_empty_crop(self._pool, rng, self.input_px)
        settings = self._settings(people)
        sample = self._picture(index // self.views, settings)
        labelled = label_crop(
            sample.image_rgb,
            self._view(index),
            sample.intrinsics,
            rotations=matrix_from_axis_angle(sample.pose_rad.reshape(16, 3)),
            shape=sample.shape,
            joints_m=sample.joints_m,
            input_px=self.input_px,
        )
        if kind < self.empty_share + WRONG_SIDE_SHARE:
            return as_wrong_side(labelled)
        # the pose of what cannot be seen is still taught, its place in the picture is not insisted on
        return replace(labelled, joints_crop_weight=np.where(sample.joint_visible, 1.0, 0.5).astype(np.float32))

    def _settings(self, rng: np.random.Generator) -> SceneSettings:
        """What the next rendering shows; recipes without a share of fingers draw what they always drew."""
        share = rng.random()
        if share < self.wide_share:
            return WIDE_CROP_SETTINGS
        if share >= self.wide_share + self.finger_share:
            return CROP_SETTINGS
        # a third of these from any side
        return replace(FINGER_CROP_SETTINGS, view="any") if rng.random() < 1.0 / 3.0 else FINGER_CROP_SETTINGS

    def _picture(self, number: int, settings: SceneSettings) -> SyntheticSample:
        assert self._renderer is not None
        if self._drawn is None or self._drawn[0] != number:
            wanted = replace(settings, loose_share=self.loose_share, upright=self.upright, shape=self.shape)
            self._drawn = number, self._renderer.crop(number, self.input_px, wanted)
        return self._drawn[1]

    def _view(self, index: int) -> SquareCrop:
        """Which square of a rendering is the sample: all of it, or for further views another one near it."""
        middle, size = (self.input_px - 1) / 2.0, float(self.input_px)
        if index % self.views == 0:
            return SquareCrop(middle, middle, size)
        rng = np.random.default_rng((self.seed, 141650939, index))
        x, y, scale, roll = np.clip(rng.standard_normal(4), -2.0, 2.0)
        shift_px = 0.03 * size
        return SquareCrop(middle + shift_px * x, middle + shift_px * y, size * float(np.exp(0.07 * scale)), 0.12 * roll)

    def __len__(self) -> int:
        """Endless for all purposes; a number only because samplers require one."""
        return 1 << 40


def without_features(crop: LabelledCrop, rng: np.random.Generator) -> LabelledCrop:
    """The same crop far out of focus, with a camera's noise."""
    blurred = cv2.GaussianBlur(crop.image, (0, 0), float(np.exp(rng.uniform(np.log(4.0), np.log(40.0)))))
    noisy = blurred * rng.uniform(0.05, 1.2) + rng.normal(0.0, rng.uniform(0.0, 6.0), blurred.shape)
    return crop.with_image(np.clip(noisy, 0.0, 255.0).astype(np.uint8))


def taught_empty_crop(pool: BackgroundPool, rng: np.random.Generator, input_px: int) -> LabelledCrop:
    """A crop without a hand to learn from, some of them without anything else to see; see :func:`empty_crop`.

    Half of them show a small part of a background, as crops of a search for hands do.
    """
    empty = empty_crop(pool, rng, input_px, closest=_CLOSE if rng.random() < 0.5 else CLOSEST)
    return without_features(empty, rng) if rng.random() < FEATURELESS_SHARE else empty


def empty_crop(pool: BackgroundPool, rng: np.random.Generator, input_px: int, closest: float = CLOSEST) -> LabelledCrop:
    """A background alone, taken by the cameras that also take the hands.

    Args:
        pool: where the background comes from.
        rng: source of chance.
        input_px: side of the crop.
        closest: see :meth:`trainer.synthetic.backgrounds.BackgroundPool.draw`.
    """
    background = pool.draw(rng, input_px, input_px, closest)
    return without_hand(take_picture(background, 1.0, draw_effects(rng, 0.6)))
