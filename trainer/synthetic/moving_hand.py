"""A hand that moves before a webcam: a whole session of one person, every frame with its ground truth.

Test data for programs that label or learn from sessions. One person, one light, one camera; poses follow each
other as people change them, finger after finger, while the hand turns and wanders. All of it follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.anatomy import angles_from_rotations
from hand.camera import Intrinsics
from hand.layer import HandLayer
from hand.model import HandModel
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.camera_effects import CameraEffects, draw_effects
from trainer.synthetic.camera_placement import place, turned
from trainer.synthetic.clothing import draw_clothing
from trainer.synthetic.lighting import draw_lighting
from trainer.synthetic.noise import soft_step
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import Scene

FRAMES_PER_SECOND: Final = 30

_FINGER_DELAYS: Final = (0.05, 0.08, 0.15, 0.12, 0.0)
"""Of index, middle, pinky, ring, thumb (MANO order), as a share of a change of pose: fingers set out one by one."""

_CHANGE_SHARE: Final = 0.8
"""Of the time between two poses, what a finger's own movement takes at most; the rest it is held."""


@dataclass(frozen=True, slots=True)
class MovingHandSettings:
    """How a session moves.

    Attributes:
        pose_s: shortest and longest time from one pose to the next.
        yaw_deg: how far the hand turns about its own length to both sides of its middle view.
        tilt_deg: how far it tilts and rolls.
        wander: how far it moves to both sides, in picture widths and heights.
        cover: smallest and largest middle size, as a share of the picture's height.
        shape_deviation: standard deviation of the person's shape coefficients.
        back_share: how many sessions show the back of the hand rather than the palm.
    """

    pose_s: tuple[float, float] = (0.5, 1.3)
    yaw_deg: float = 40.0
    tilt_deg: float = 22.0
    wander: float = 0.1
    cover: tuple[float, float] = (0.35, 0.6)
    shape_deviation: float = 1.0
    back_share: float = 0.3


class MovingHand:
    """One session's worth of scenes."""

    def __init__(
        self,
        model: HandModel,
        seed: int,
        frames: int,
        *,
        width_px: int = 640,
        height_px: int = 480,
        settings: MovingHandSettings | None = None,
    ) -> None:
        """Draws everything that does not change, and the plan of what does.

        Args:
            model: a right hand.
            seed: determines person, light, camera and movement.
            frames: how many there will be.
            width_px: of the pictures.
            height_px: of the pictures.
            settings: how it moves.
        """
        settings = settings or MovingHandSettings()
        self.frames = frames
        self._rng = np.random.default_rng((seed, 86028157))
        rng = self._rng
        backgrounds = BackgroundPool(seed)
        self.renderer = SceneRenderer(model, seed, backgrounds=backgrounds)
        self._layer = HandLayer(model)
        self.shape = np.clip(rng.normal(size=10) * settings.shape_deviation, -2.5, 2.5)
        self._keys = _key_poses(rng, self.renderer, frames, settings)
        self._turns = _Wave(rng, 3)
        self._place = _Wave(rng, 3)
        self._middle_yaw = np.pi if rng.uniform() < settings.back_share else 0.0
        self._settings = settings
        self.intrinsics = Intrinsics.from_fov(width_px, height_px, float(rng.uniform(50.0, 70.0)))
        self._cover = float(rng.uniform(*settings.cover))
        effects = draw_effects(rng, width_px / 640.0)
        # a fixed exposure: one that follows the hand would flicker
        self._effects = replace(effects, motion_px=0.0, blur_px=min(effects.blur_px, 0.9), fixed_gain=0.85)
        self._scene = Scene(
            pose_rad=np.zeros(48),
            shape=self.shape,
            translation_m=np.zeros(3),
            forearm_bend=matrix_from_axis_angle(rng.normal(size=3) * [0.2, 0.06, 0.14]),
            skin=self.renderer.skin(int(rng.integers(48))),
            clothing=draw_clothing(rng, self.renderer.surface),
            lighting=draw_lighting(rng),
            effects=self._effects,
            intrinsics=self.intrinsics,
            background=backgrounds.draw(rng, height_px, width_px),
        )

    def __iter__(self) -> Iterator[SyntheticSample]:
        """All frames in order."""
        for index in range(self.frames):
            yield self.frame(index)

    def frame(self, index: int) -> SyntheticSample:
        return self.renderer.render(self.scene_at(index), index)

    def scene_at(self, index: int) -> Scene:
        """What :meth:`frame` renders.

        Args:
            index: number of the frame.
        """
        pose, translation = self.hand_at(index)
        return replace(self._scene, pose_rad=pose, translation_m=translation, effects=self._effects_at(index))

    def hand_at(self, index: int) -> tuple[Float[np.ndarray, "48"], Float[np.ndarray, "3"]]:
        """Pose and translation of a frame's hand.

        Args:
            index: number of the frame.
        """
        time_s = index / FRAMES_PER_SECOND
        pose = self.renderer.poses.pose(self._angles_at(index))
        yaw, pitch, roll = self._turns.at(time_s)
        tilt = np.radians(self._settings.tilt_deg)
        turn = turned(
            self.renderer.starting_view,
            self._middle_yaw + np.radians(self._settings.yaw_deg) * yaw,
            0.6 * tilt * pitch,
            tilt * roll,
        )
        pose[:3] = axis_angle_from_matrix(turn)
        return pose, self._translation_at(time_s, turn)

    def _translation_at(self, time_s: float, turn: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
        # the palm is moved, not the box of the joints, which jumps when a finger bends
        x, y, z = self._place.at(time_s)
        open_hand = np.zeros(48)
        open_hand[:3] = axis_angle_from_matrix(self.renderer.starting_view)
        rest = self._layer(open_hand, self.shape).joints_m.astype(np.float64)
        wander, camera = self._settings.wander, self.intrinsics
        center = (camera.cx_px + wander * x * camera.width_px, camera.cy_px + 0.6 * wander * y * camera.height_px)
        at_rest = place(rest, camera, self._cover * float(np.exp(0.12 * z)), center)
        palm_at_rest = rest[[0, 9]].mean(0)
        turned_palm = turn @ self.renderer.starting_view.T @ (palm_at_rest - rest[0]) + rest[0]
        return np.asarray(at_rest + palm_at_rest - turned_palm)

    def _angles_at(self, index: int) -> Float[np.ndarray, "16 3"]:
        starts, angles = self._keys
        step = int(np.searchsorted(starts, index, side="right")) - 1
        passed = (index - starts[step]) / (starts[step + 1] - starts[step])
        share = np.zeros(16)
        for joint in range(1, 16):
            delay = _FINGER_DELAYS[(joint - 1) // 3]
            share[joint] = soft_step(np.array(passed), delay, delay + _CHANGE_SHARE)
        return np.asarray(angles[step] + share[:, None] * (angles[step + 1] - angles[step]))

    def _effects_at(self, index: int) -> CameraEffects:
        place_in_noise = np.random.default_rng((self.renderer.seed, 7, index)).integers(0, 512, 2)
        return replace(self._effects, noise_place=(int(place_in_noise[0]), int(place_in_noise[1])))


class _Wave:
    """Slow smooth movement of a few numbers between about -1 and 1: three sines each."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self._frequency_hz = rng.uniform((0.07, 0.18, 0.4), (0.16, 0.35, 0.7), (size, 3))
        self._phase = rng.uniform(0.0, 2.0 * np.pi, (size, 3))
        self._height = np.array([0.6, 0.35, 0.12])

    def at(self, time_s: float) -> Float[np.ndarray, " size"]:
        return np.asarray(
            (self._height * np.sin(2.0 * np.pi * self._frequency_hz * time_s + self._phase)).sum(1), np.float64
        )


def _key_poses(
    rng: np.random.Generator, renderer: SceneRenderer, frames: int, settings: MovingHandSettings
) -> tuple[Float[np.ndarray, " keys"], Float[np.ndarray, "keys 16 3"]]:
    """When which pose is reached: frame numbers, and anatomical angles."""
    starts, angles = [0.0], []
    while starts[-1] <= frames:
        angles.append(_drawn_angles(rng, renderer))
        starts.append(starts[-1] + float(rng.uniform(*settings.pose_s)) * FRAMES_PER_SECOND)
    angles.append(_drawn_angles(rng, renderer))
    return np.array(starts), np.stack(angles)


def _drawn_angles(rng: np.random.Generator, renderer: SceneRenderer) -> Float[np.ndarray, "16 3"]:
    rotations = matrix_from_axis_angle(renderer.poses.draw(rng).reshape(16, 3))
    return np.asarray(angles_from_rotations(rotations, renderer.surface.frames))
