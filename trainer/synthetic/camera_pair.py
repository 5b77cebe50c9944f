"""A moving hand before two cameras at once: pairs of pictures with one exact ground truth.

Test data for calibration and triangulation from two views. The second camera points at the place about which the
hand moves, from the same distance as the first, turned about the vertical; light comes from the same places in the
room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.layer import HandLayer
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.lighting import triple
from trainer.synthetic.moving_hand import FRAMES_PER_SECOND, MovingHand
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene_description import Scene

DISTANCE_M: Final = 0.6
"""From either camera to the middle of the movement."""

SECOND_FOV_DEG: Final = 66.0
"""Field of view of the second camera along the longer side of its pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class SamplePair:
    """What two cameras see of one moment.

    Attributes:
        time_s: of the first camera's picture.
        first: the first camera's picture and labels, in that camera's axes.
        second: the second camera's, in its axes.
    """

    time_s: float
    first: SyntheticSample
    second: SyntheticSample


class MovingHandPair:
    """One session of a moving hand before two cameras.

    Attributes:
        rotation: from the first camera's axes to the second's.
        translation_m: added after that rotation.
        second_intrinsics: of the second camera; the first's are ``moving.intrinsics``.
    """

    def __init__(self, moving: MovingHand, seed: int, *, angle_deg: float = 60.0) -> None:
        """Places the second camera.

        Args:
            moving: the hand before the first camera.
            seed: of the second camera's background.
            angle_deg: between the two directions of view.
        """
        self.moving = moving
        first = moving.intrinsics
        width, height = first.width_px, first.height_px
        self.second_intrinsics = Intrinsics.from_fov(width, height, SECOND_FOV_DEG)
        self.rotation = matrix_from_axis_angle(np.array([0.0, np.radians(angle_deg), 0.0]))
        middle = np.array([0.0, 0.0, DISTANCE_M])
        self.translation_m = middle - self.rotation @ middle
        self._layer = HandLayer(moving.renderer.surface.model)
        places = np.stack([self._palm(moving.scene_at(index)) for index in range(0, moving.frames, 5)])
        self._shift_m = middle - places.mean(0)
        self._background = BackgroundPool(seed).draw(np.random.default_rng((seed, 2)), height, width)

    def pair(self, index: int) -> SamplePair:
        """The two pictures of a frame; deterministic."""
        renderer = self.moving.renderer
        first, second = self.scenes(index)
        return SamplePair(index / FRAMES_PER_SECOND, renderer.render(first, index), renderer.render(second, index))

    def scenes(self, index: int) -> tuple[Scene, Scene]:
        """What the two cameras see of a frame."""
        scene = self.moving.scene_at(index)
        scene = replace(scene, translation_m=scene.translation_m + self._shift_m)
        return scene, self._seen_by_second(scene)

    def pairs(self, step: int = 1) -> Iterator[SamplePair]:
        """Every ``step``-th frame's pair, in order."""
        for index in range(0, self.moving.frames, step):
            yield self.pair(index)

    def _palm(self, scene: Scene) -> Float[np.ndarray, "3"]:
        joints = self._layer(scene.pose_rad, scene.shape, scene.translation_m)
        return np.asarray(joints.joints_m[[0, 9]].mean(0), np.float64)

    def _seen_by_second(self, scene: Scene) -> Scene:
        pose = scene.pose_rad.copy()
        pose[:3] = axis_angle_from_matrix(self.rotation @ matrix_from_axis_angle(pose[:3]))
        # the translation is added after the hand was turned about its own root joint
        root = np.asarray(self._layer.shaped(scene.shape).joints_m[0], np.float64)
        wrist = self.rotation @ (root + scene.translation_m) + self.translation_m
        light = scene.lighting
        return replace(
            scene,
            pose_rad=pose,
            translation_m=wrist - root,
            intrinsics=self.second_intrinsics,
            background=self._background,
            lighting=replace(
                light,
                key_direction=triple(self.rotation @ light.key_direction),
                fill_direction=triple(self.rotation @ light.fill_direction),
            ),
            effects=replace(
                scene.effects, noise_place=(scene.effects.noise_place[1], (scene.effects.noise_place[0] + 77) % 512)
            ),
        )
