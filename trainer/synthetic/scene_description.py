"""A scene: a hand, its distractors, the light and the camera, all concrete; and the distribution of random ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.crop import SquareCrop, crop_around
from trainer.synthetic.camera_effects import CameraEffects
from trainer.synthetic.camera_placement import ViewKind
from trainer.synthetic.clothing import Clothing
from trainer.synthetic.lighting import Lighting
from trainer.synthetic.pose_prior import PoseKind
from trainer.synthetic.props import Prop
from trainer.synthetic.skin import Skin


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """The distribution of random scenes.

    Attributes:
        pose: which poses, see :class:`trainer.synthetic.pose_prior.PosePrior`.
        view: which views, see :func:`trainer.synthetic.camera_placement.draw_orientation`.
        cover: smallest and largest share of the picture's height that the hand takes.
        field_of_view_deg: smallest and largest field of view along the longer side.
        off_center: standard deviation of the hand's place, in picture widths and heights.
        held_share: how many hands hold something.
        front_share: how many have something in front of them.
        second_share: how many are not alone: another hand is beside, before or behind them.
        loose_share: of crops, how many are cut as a search for hands cuts them, not as a tracker does.
        upright: crops show the hand upright up to a tracker's error, however it stands in the full picture; half of
            the loosely cut ones stay as they stand.
        shape: 10 coefficients of the one person who is shown; everybody's hands when empty.
    """

    pose: PoseKind = "natural"
    view: ViewKind = "natural"
    cover: tuple[float, float] = (0.25, 0.6)
    field_of_view_deg: tuple[float, float] = (45.0, 75.0)
    off_center: float = 0.1
    held_share: float = 0.15
    front_share: float = 0.05
    second_share: float = 0.10
    loose_share: float = 0.0
    upright: bool = False
    shape: tuple[float, ...] = ()


FRAME_SETTINGS: Final = SceneSettings()
"""What full pictures show."""

CROP_SETTINGS: Final = SceneSettings(cover=(0.25, 0.85), off_center=0.2)
"""What the pictures show that crops are cut out of."""

WIDE_CROP_SETTINGS: Final = replace(CROP_SETTINGS, pose="free", view="any", held_share=0.3)
"""Beyond what a webcam usually shows: fingers bent anyhow, from any side, more often with something in the hand."""


FINGER_CROP_SETTINGS: Final = replace(CROP_SETTINGS, pose="fingers", held_share=0.05)
"""Which finger is which: single stretched fingers, fists, folded fingers behind the thumb, from usual views."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A hand before a camera.

    Attributes:
        pose_rad: 48 pose numbers, absolute, global rotation to camera axes first.
        shape: shape coefficients.
        translation_m: see :class:`trainer.synthetic.sample.SyntheticSample`.
        forearm_bend: turns the forearm against the hand, in palm axes.
        skin: the person's skin.
        clothing: what the forearm wears.
        lighting: the lights.
        effects: how the picture is taken.
        intrinsics: the camera.
        background: linear light behind the hand, of the picture's size.
        props: what the hand holds and what is before it.
        second: another hand, in a scene of its own with the same camera and light; its own distractors are not drawn.
        mirrored: everything, the light included, is given for the mirror image: the picture shows a left hand.
    """

    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    translation_m: Float[np.ndarray, "3"]
    forearm_bend: Float[np.ndarray, "3 3"]
    skin: Skin
    clothing: Clothing | None
    lighting: Lighting
    effects: CameraEffects
    intrinsics: Intrinsics
    background: Float[np.ndarray, "height width 3"] = field(repr=False)
    props: tuple[Prop, ...] = ()
    second: Scene | None = None
    mirrored: bool = False


def tracker_square(rng: np.random.Generator, joints_px: Float[np.ndarray, "21 2"]) -> SquareCrop:
    """The square that a tracker would cut out, with a tracker's errors in place and size."""
    box = crop_around(joints_px, 1.5)
    return SquareCrop(
        box.center_x_px + float(np.clip(rng.normal(), -2.5, 2.5)) * 0.05 * box.size_px,
        box.center_y_px + float(np.clip(rng.normal(), -2.5, 2.5)) * 0.05 * box.size_px,
        box.size_px * float(np.exp(np.clip(rng.normal() * 0.10, -0.25, 0.3))),
    )


def tracker_roll_rad(rng: np.random.Generator) -> float:
    """How far from upright a tracker leaves a hand: mostly a little, now and then anyhow."""
    if rng.uniform() < 0.06:
        return float(rng.uniform(-np.pi, np.pi))
    return 0.2 * float(np.clip(rng.normal(), -2.0, 2.0))


def search_square(rng: np.random.Generator, joints_px: Float[np.ndarray, "21 2"]) -> SquareCrop:
    """A square of a search for hands: larger than a tracker's, with the hand anywhere in it."""
    box = crop_around(joints_px, 1.2)
    size_px = box.size_px * float(np.exp(rng.uniform(np.log(1.1), np.log(3.0))))
    room_px = 0.5 * (size_px - box.size_px)
    return SquareCrop(
        box.center_x_px + float(rng.uniform(-room_px, room_px)),
        box.center_y_px + float(rng.uniform(-room_px, room_px)),
        size_px,
    )


def crop_intrinsics(full: Intrinsics, square: SquareCrop, size_px: int) -> Intrinsics:
    """The camera of an upright, unflipped crop of another camera's picture."""
    matrix = square.matrix(size_px)
    return Intrinsics(
        full.fx_px * matrix[0, 0],
        full.fy_px * matrix[1, 1],
        full.cx_px * matrix[0, 0] + matrix[0, 2],
        full.cy_px * matrix[1, 1] + matrix[1, 2],
        size_px,
        size_px,
    )
