"""Scenes drawn at random, and the labelled picture of any scene.

`SceneRenderer.frame` and `crop` draw a scene from a seed and an index and render it; `render` takes any scene, also one
written by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from hand.camera import Intrinsics, project
from hand.crop import upright_angle_rad
from hand.joints import mano_joint_to_common
from hand.layer import HandLayer
from hand.model import HandModel
from hand.raster import RasterImage
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.camera_effects import draw_effects, exposure_gain, take_picture
from trainer.synthetic.camera_placement import draw_orientation, facing_camera, place
from trainer.synthetic.clothing import Clothing, draw_clothing
from trainer.synthetic.distractors import beside, hold_something, stand_in_front
from trainer.synthetic.lighting import draw_lighting
from trainer.synthetic.pose_prior import PosePrior
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene_description import (
    CROP_SETTINGS,
    FRAME_SETTINGS,
    Scene,
    SceneSettings,
    crop_intrinsics,
    search_square,
    tracker_roll_rad,
    tracker_square,
)
from trainer.synthetic.scene_rasterizer import ScenePainter
from trainer.synthetic.skin import Skin, grow_skin, map_skin
from trainer.synthetic.skin_decorations import adorn, glove
from trainer.synthetic.surface import HandSurface

_SKINS: Final = 48
_CLOTHES: Final = 48
"""Different people and clothes at a time: growing skin and weaving cloth cost more than drawing them."""

_PICTURES_PER_GROUP: Final = 4096
"""After so many pictures a series goes on with another group of people in other clothes."""

_FEWEST_SEEN: Final = 6
"""Distractors that leave fewer joints visible are left out: such a picture has nothing to learn about the hand."""

_NEAREST_SECOND_M: Final = 0.22
"""How near a second hand may come."""

T = TypeVar("T")

__all__ = ["Scene", "SceneRenderer", "SceneSettings"]


class SceneRenderer:
    """Draws and renders scenes of one right hand model.

    Args:
        model: a right hand in MANO's structure and rest frame.
        seed: determines the whole series together with each picture's index.
        levels: subdivision of the hand: 1 suits 128 px crops, 2 full frames, 3 stills.
        backgrounds: what may be behind the hand; made-up pictures when None.
        samples: samples per pixel along each axis.
        adorned_share: how many of the people wear rings, drawings or gloves, or have skin in patches.
        gloved_share: how many wear gloves and nothing else, besides those.
    """

    def __init__(
        self,
        model: HandModel,
        seed: int,
        *,
        levels: int = 1,
        backgrounds: BackgroundPool | None = None,
        samples: int = 2,
        adorned_share: float = 0.0,
        gloved_share: float = 0.0,
    ) -> None:
        self.seed = seed
        self.adorned_share = adorned_share
        self.gloved_share = gloved_share
        self.surface = HandSurface(model, levels)
        self.poses = PosePrior(self.surface)
        self.starting_view = facing_camera(self.surface.rest_joints_m)
        self._layer = HandLayer(model)
        self._skin_map = map_skin(self.surface)
        self._skins: dict[int, Skin] = {}
        self._clothes: dict[int, Clothing | None] = {}
        self._backgrounds = BackgroundPool(seed) if backgrounds is None else backgrounds
        self._painter = ScenePainter(self.surface, self._layer, samples)
        self._visible = JointVisibility(self.surface)

    def skin(self, number: int) -> Skin:
        """The skin of one of the series' people."""
        if number not in self._skins:
            rng = np.random.default_rng((self.seed, 104729, number))
            # tones are spread evenly over the people, so that a short series has all of them too
            tone = (number * 0.618 + rng.uniform(0.0, 0.1)) % 1.0
            skin = grow_skin(self.surface, self._skin_map, rng, tone)
            share = rng.uniform()
            if share < self.adorned_share:
                skin = adorn(skin, self.surface, rng)
            elif share < self.adorned_share + self.gloved_share:
                skin = glove(skin, self.surface, rng)
            _keep(self._skins, number, skin)
        return self._skins[number]

    def clothing(self, number: int) -> Clothing | None:
        """What one of the series' forearms wears."""
        if number not in self._clothes:
            rng = np.random.default_rng((self.seed, 15485863, number))
            _keep(self._clothes, number, draw_clothing(rng, self.surface))
        return self._clothes[number]

    def new_skin(self, rng: np.random.Generator, darkness: float) -> Skin:
        """A skin outside the series, of a given tone (0 very light, 1 very dark)."""
        return grow_skin(self.surface, self._skin_map, rng, darkness)

    def frame(
        self, index: int, width_px: int = 640, height_px: int = 480, settings: SceneSettings = FRAME_SETTINGS
    ) -> SyntheticSample:
        """A full camera picture with a hand somewhere in it.

        Args:
            index: of the picture in the series.
            width_px: picture width.
            height_px: picture height.
            settings: what it shows.
        """
        return self.render(self.frame_scene(index, width_px, height_px, settings), index)

    def frame_scene(
        self, index: int, width_px: int = 640, height_px: int = 480, settings: SceneSettings = FRAME_SETTINGS
    ) -> Scene:
        """The scene that :meth:`frame` renders."""
        rng = np.random.default_rng((self.seed, index))
        scene = self._add_distractors(self._draw(rng, index, width_px, height_px, settings), index, settings)
        background = self._backgrounds.draw(rng, height_px, width_px)
        effects = draw_effects(rng, width_px / 640.0)
        return replace(scene, background=background, effects=effects)

    def crop(self, index: int, size_px: int = 128, settings: SceneSettings = CROP_SETTINGS) -> SyntheticSample:
        """The square that a tracker would cut out of a full picture, with a tracker's errors in place and size.

        Only the square is rendered. Its intrinsics are those of the full picture, shifted and scaled.

        Args:
            index: of the picture in the series.
            size_px: side of the crop.
            settings: what the full picture shows.
        """
        return self.render(self.crop_scene(index, size_px, settings), index)

    def crop_scene(self, index: int, size_px: int = 128, settings: SceneSettings = CROP_SETTINGS) -> Scene:
        """The scene that :meth:`crop` renders."""
        rng = np.random.default_rng((self.seed, index))
        loose_rng = np.random.default_rng((self.seed, 86028121, index))  # of its own: other crops stay what they are
        loose = bool(loose_rng.uniform() < settings.loose_share)
        scene = self._draw(rng, index, 640, 480, settings)
        if settings.upright and not (loose and loose_rng.uniform() < 0.5):
            scene = self._stood_upright(scene, index)
        scene = self._add_distractors(scene, index, settings)
        hand = self._layer(scene.pose_rad, scene.shape, scene.translation_m)
        joints_px = project(hand.joints_m, scene.intrinsics)
        square = tracker_square(rng, joints_px)
        if loose:
            square = search_square(loose_rng, joints_px)
        return replace(
            scene,
            intrinsics=crop_intrinsics(scene.intrinsics, square, size_px),
            background=self._backgrounds.draw(rng, size_px, size_px),
            effects=draw_effects(rng, min(size_px / square.size_px, 1.0)),
        )

    def _draw(
        self, rng: np.random.Generator, index: int, width_px: int, height_px: int, settings: SceneSettings
    ) -> Scene:
        """A random scene; its background and effects are still to be chosen for the picture's final size."""
        group = index // _PICTURES_PER_GROUP
        pose = self.poses.draw(rng, settings.pose)
        orientation = draw_orientation(rng, self.starting_view, settings.view)
        pose[:3] = axis_angle_from_matrix(orientation)
        anybody = np.clip(rng.normal(size=10), -2.0, 2.0)
        shape = np.array(settings.shape) if settings.shape else anybody
        intrinsics = Intrinsics.from_fov(width_px, height_px, float(rng.uniform(*settings.field_of_view_deg)))
        joints = self._layer(pose, shape).joints_m.astype(np.float64)
        offset = np.clip(rng.normal(size=2) * settings.off_center, -0.3, 0.3)
        center = (intrinsics.cx_px + offset[0] * width_px, intrinsics.cy_px + offset[1] * height_px)
        return Scene(
            pose_rad=pose,
            shape=shape,
            translation_m=place(joints, intrinsics, float(rng.uniform(*settings.cover)), center),
            forearm_bend=matrix_from_axis_angle(rng.normal(size=3) * [0.25, 0.08, 0.18]),
            skin=self.skin(_SKINS * group + int(rng.integers(_SKINS))),
            clothing=self.clothing(_CLOTHES * group + int(rng.integers(_CLOTHES))),
            lighting=draw_lighting(rng),
            effects=draw_effects(np.random.default_rng(0)),
            intrinsics=intrinsics,
            background=np.zeros((1, 1, 3), np.float32),
        )

    def _stood_upright(self, scene: Scene, index: int) -> Scene:
        """The scene before a camera that is rolled until the hand stands upright, up to a tracker's error."""
        rng = np.random.default_rng((self.seed, 122949823, index))
        joints_m = self._layer(scene.pose_rad, scene.shape, scene.translation_m).joints_m.astype(np.float64)
        roll = upright_angle_rad(project(joints_m, scene.intrinsics)) + tracker_roll_rad(rng)
        turn = matrix_from_axis_angle(np.array([0.0, 0.0, -roll]))
        pose = scene.pose_rad.copy()
        pose[:3] = axis_angle_from_matrix(turn @ matrix_from_axis_angle(pose[:3]))
        # the translation is added after the hand was turned about its wrist
        translation_m = scene.translation_m + (turn @ joints_m[0] - joints_m[0])
        return replace(scene, pose_rad=pose, translation_m=translation_m)

    def _add_distractors(self, scene: Scene, index: int, settings: SceneSettings) -> Scene:
        """Adds distractors, drawn by a random generator of their own: the hand is the same with and without them."""
        rng = np.random.default_rng((self.seed, 49979687, index))
        held, front, second = rng.uniform(size=3) < [settings.held_share, settings.front_share, settings.second_share]
        if not (held or front or second):
            return scene
        hand = self._layer(scene.pose_rad, scene.shape, scene.translation_m)
        joints = hand.joints_m.astype(np.float64)
        props = []
        if held:
            props.append(hold_something(rng, joints, hand.joint_rotations[0] @ self.surface.palm_axes[:, 2]))
        if front:
            props.append(stand_in_front(rng, joints, scene.intrinsics))
        return replace(scene, props=tuple(props), second=self._second(rng, index, scene, joints) if second else None)

    def _second(self, rng: np.random.Generator, index: int, scene: Scene, joints_m: Float[np.ndarray, "21 3"]) -> Scene:
        """Another hand: mostly the other one of the same person, doing something else."""
        width, height = scene.intrinsics.width_px, scene.intrinsics.height_px
        joints_px = project(joints_m, scene.intrinsics)
        (x, y), farther = beside(rng, joints_px)
        mirrored = bool(rng.uniform() < 0.7)
        settings = SceneSettings(cover=(float(np.ptp(joints_px, axis=0).max()) / height,) * 2, off_center=0.0)
        other = self._draw(rng, index, width, height, settings)
        pixels_off = np.array([(width - 1 - x if mirrored else x) - scene.intrinsics.cx_px, y - scene.intrinsics.cy_px])
        ray = np.append(pixels_off / scene.intrinsics.fx_px, 1.0)
        depth = max(float(joints_m[:, 2].mean()) * farther, _NEAREST_SECOND_M)
        middle = self._layer(other.pose_rad, other.shape).joints_m.mean(0)
        lighting = scene.lighting
        if mirrored:
            lighting = replace(
                lighting,
                key_direction=(-lighting.key_direction[0], *lighting.key_direction[1:]),
                fill_direction=(-lighting.fill_direction[0], *lighting.fill_direction[1:]),
            )
        same_person = rng.uniform() < 0.6
        return replace(
            other,
            translation_m=ray * depth - middle,
            skin=scene.skin if same_person else other.skin,
            clothing=scene.clothing if same_person else other.clothing,
            lighting=lighting,
            mirrored=mirrored,
        )

    def without_hiding_distractors(self, scene: Scene) -> Scene:
        """The scene as :meth:`render` shows it: the hand alone where distractors would hide too much of it."""
        hand = self._layer(scene.pose_rad, scene.shape, scene.translation_m)
        drawn, _ = self._painter.paint(scene, hand)
        joints_px = project(hand.joints_m, scene.intrinsics)
        visible = self._visible(hand.joints_m, joints_px, drawn, len(self._painter.hand_faces))
        return scene if visible.sum() >= _FEWEST_SEEN else replace(scene, props=(), second=None)

    def render(self, scene: Scene, index: int = 0) -> SyntheticSample:
        """The picture of a scene, with its labels.

        Args:
            scene: what to show; its background has the size of its intrinsics.
            index: noted in the sample.
        """
        return self.render_before([scene.background], scene, index)[0]

    def render_before(
        self, backgrounds: Sequence[Float[np.ndarray, "height width 3"]], scene: Scene, index: int = 0
    ) -> list[SyntheticSample]:
        """The same hand before several backgrounds, drawn once.

        Args:
            backgrounds: linear light of the picture's size; taken instead of the scene's own.
            scene: what else to show.
            index: noted in the samples.
        """
        hand = self._layer(scene.pose_rad, scene.shape, scene.translation_m)
        drawn, hand_share = self._painter.paint(scene, hand)
        joints_px = project(hand.joints_m, scene.intrinsics)
        visible = self._visible(hand.joints_m, joints_px, drawn, len(self._painter.hand_faces))
        if (scene.props or scene.second) and visible.sum() < _FEWEST_SEEN:
            return self.render_before(backgrounds, replace(scene, props=(), second=None), index)
        light = drawn.values[..., :3]
        gain = scene.effects.fixed_gain
        if gain is None:
            gain = exposure_gain(light, hand_share, scene.effects.brightness)
        # the background keeps the brightness it was drawn with, whatever the hand's exposure is
        behind = ((0.9 / max(gain, 0.3)) * (1.0 - drawn.coverage))[..., None]
        lights = [(background * behind + light).astype(np.float32) for background in backgrounds]
        return [
            SyntheticSample(
                seed=self.seed,
                index=index,
                image_rgb=take_picture(light, gain, scene.effects),
                intrinsics=scene.intrinsics,
                side="right",
                pose_rad=scene.pose_rad,
                shape=scene.shape,
                translation_m=scene.translation_m,
                joints_m=hand.joints_m,
                joints_px=joints_px,
                vertices_m=hand.vertices_m,
                mask=np.round(hand_share * 255.0).astype(np.uint8),
                joint_visible=visible,
            )
            for light in lights
        ]


def _keep(people: dict[int, T], number: int, thing: T) -> None:
    """Caches what was just made; drops everything when the cache holds several groups."""
    if len(people) >= 4 * _SKINS:
        people.clear()
    people[number] = thing


class JointVisibility:
    """Computes for one hand's surface how much flesh may lie over each joint.

    Attributes:
        flesh_m: how far the surface may be before a joint; more than that is something else.
    """

    def __init__(self, surface: HandSurface) -> None:
        """Measures the fingers."""
        self.flesh_m: Float[np.ndarray, "21"] = np.full(21, 0.030)
        common = mano_joint_to_common()
        for digit in surface.digits:
            first = int(common[digit.first_joint])
            self.flesh_m[first : first + 3] = 0.001 * (1.35 * digit.half_breadths_mm[:3] + 4.0)
            self.flesh_m[first + 3] = 0.001 * (0.6 * digit.half_breadths_mm[3] + 4.0)
        self.flesh_m[[1, 5, 9, 13, 17]] += 0.006  # knuckles and the thumb's base lie under the palm's pads

    def __call__(
        self,
        joints_m: Float[np.ndarray, "21 3"],
        joints_px: Float[np.ndarray, "21 2"],
        drawn: RasterImage,
        hand_faces: int,
    ) -> Bool[np.ndarray, "21"]:
        """Tests the pixel of each joint.

        Args:
            joints_m: camera axes.
            joints_px: where they are in the picture.
            drawn: hand first, then everything else.
            hand_faces: how many of the faces are the hand's.
        """
        height, width = drawn.depth.shape
        place_px = np.nan_to_num(np.rint(joints_px), nan=-1.0)
        inside = (place_px >= 0).all(1) & (place_px[:, 0] < width) & (place_px[:, 1] < height)
        x, y = np.clip(place_px, 0, [width - 1, height - 1]).astype(int).T
        before_joint_m = joints_m[:, 2] - drawn.depth[y, x]
        # a tip joint is on the skin and may miss the silhouette by a pixel: nothing is in front of it then
        allowed_m = np.where(drawn.face_id[y, x] < hand_faces, self.flesh_m, 0.0)
        return inside & (before_joint_m < allowed_m)
