"""One scene, drawn at random or written by hand, and its picture.

A `Scene` holds everything concrete: pose, skin, light, camera. `SceneRenderer.draw` makes one from a seed and an index;
`SceneRenderer.render` turns any scene into a labelled picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from hand.camera import Intrinsics, project
from hand.crop import SquareCrop, crop_around
from hand.joints import mano_joint_to_common
from hand.layer import HandGeometry, HandLayer
from hand.model import HandModel
from hand.normals import vertex_normals
from hand.raster import RasterImage, Rasterizer
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from hand.topology import cap_faces
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.camera_effects import CameraEffects, draw_effects, exposure_gain, take_picture
from trainer.synthetic.clothing import Clothing, draw_clothing
from trainer.synthetic.lighting import Lighting, Occluders, draw_lighting, light_vertices, occlusion
from trainer.synthetic.pose_prior import PoseKind, PosePrior
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.skin import Skin, grow_skin, map_skin
from trainer.synthetic.surface import FOREARM_RINGS, HandSurface
from trainer.synthetic.views import ViewKind, draw_orientation, facing_camera, place

_SKINS: Final = 48
_CLOTHES: Final = 48
"""Different people and clothes per series: growing skin and weaving cloth cost more than drawing them."""


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """What random scenes look like.

    Attributes:
        pose: which poses, see :class:`trainer.synthetic.pose_prior.PosePrior`.
        view: which views, see :func:`trainer.synthetic.views.draw_orientation`.
        cover: smallest and largest share of the picture's height that the hand takes.
        field_of_view_deg: smallest and largest horizontal field of view.
        off_center: standard deviation of the hand's place, in picture widths and heights.
    """

    pose: PoseKind = "natural"
    view: ViewKind = "natural"
    cover: tuple[float, float] = (0.25, 0.6)
    field_of_view_deg: tuple[float, float] = (45.0, 75.0)
    off_center: float = 0.1


CROP_SETTINGS: Final = SceneSettings(cover=(0.25, 0.85), off_center=0.2)
"""What the pictures show that crops are cut out of."""


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


class SceneRenderer:
    """Draws and renders scenes of one right hand model.

    Args:
        model: a right hand in MANO's structure and rest frame.
        seed: decides the whole series together with each picture's index.
        levels: subdivision of the hand: 1 suits 128 px crops, 2 full frames, 3 stills.
        backgrounds: what may be behind the hand; made-up pictures when None.
        samples: samples per pixel along each axis.
    """

    def __init__(
        self,
        model: HandModel,
        seed: int,
        *,
        levels: int = 1,
        backgrounds: BackgroundPool | None = None,
        samples: int = 2,
    ) -> None:
        self.seed = seed
        self.surface = HandSurface(model, levels)
        self.poses = PosePrior(self.surface)
        self.starting_view = facing_camera(self.surface.rest_joints_m)
        self._layer = HandLayer(model)
        self._samples = samples
        self._skin_map = map_skin(self.surface)
        self._skins: dict[int, Skin] = {}
        self._clothes: dict[int, Clothing | None] = {}
        self._occluders = Occluders(self.surface)
        self._backgrounds = BackgroundPool(seed) if backgrounds is None else backgrounds
        self._faces = np.concatenate([self.surface.faces, cap_faces(self.surface.faces)]).astype(np.int32)
        self._rasterizers: dict[tuple[int, int], Rasterizer] = {}
        self._joint_depth_m = self._flesh_over_joints()

    def skin(self, number: int) -> Skin:
        """The skin of one of the series' people."""
        if number not in self._skins:
            rng = np.random.default_rng((self.seed, 104729, number))
            # tones are spread evenly over the people, so that a short series has all of them too
            tone = (number * 0.618 + rng.uniform(0.0, 0.1)) % 1.0
            self._skins[number] = grow_skin(self.surface, self._skin_map, rng, tone)
        return self._skins[number]

    def clothing(self, number: int) -> Clothing | None:
        """What one of the series' forearms wears."""
        if number not in self._clothes:
            self._clothes[number] = draw_clothing(np.random.default_rng((self.seed, 15485863, number)), self.surface)
        return self._clothes[number]

    def new_skin(self, rng: np.random.Generator, darkness: float) -> Skin:
        """A skin outside the series, of a given tone (0 very light, 1 very dark)."""
        return grow_skin(self.surface, self._skin_map, rng, darkness)

    def frame(
        self, index: int, width_px: int = 640, height_px: int = 480, settings: SceneSettings = SceneSettings()
    ) -> SyntheticSample:
        """A full camera picture with a hand somewhere in it.

        Args:
            index: of the picture in the series.
            width_px: picture width.
            height_px: picture height.
            settings: what it shows.
        """
        rng = np.random.default_rng((self.seed, index))
        scene = self._draw(rng, width_px, height_px, settings)
        background = self._backgrounds.draw(rng, height_px, width_px)
        effects = draw_effects(rng, width_px / 640.0)
        return self.render(replace(scene, background=background, effects=effects), index)

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
        scene = self._draw(rng, 640, 480, settings)
        hand = self._layer(scene.pose_rad, scene.shape, scene.translation_m)
        square = tracker_square(rng, project(hand.joints_m, scene.intrinsics))
        return replace(
            scene,
            intrinsics=crop_intrinsics(scene.intrinsics, square, size_px),
            background=self._backgrounds.draw(rng, size_px, size_px),
            effects=draw_effects(rng, min(size_px / square.size_px, 1.0)),
        )

    def _draw(self, rng: np.random.Generator, width_px: int, height_px: int, settings: SceneSettings) -> Scene:
        """A random scene; its background and effects are still to be chosen for the picture's final size."""
        pose = self.poses.draw(rng, settings.pose)
        orientation = draw_orientation(rng, self.starting_view, settings.view)
        pose[:3] = axis_angle_from_matrix(orientation)
        shape = np.clip(rng.normal(size=10), -2.0, 2.0)
        intrinsics = Intrinsics.from_fov(width_px, height_px, float(rng.uniform(*settings.field_of_view_deg)))
        joints = self._layer(pose, shape).joints_m.astype(np.float64)
        offset = np.clip(rng.normal(size=2) * settings.off_center, -0.3, 0.3)
        center = (intrinsics.cx_px + offset[0] * width_px, intrinsics.cy_px + offset[1] * height_px)
        return Scene(
            pose_rad=pose,
            shape=shape,
            translation_m=place(joints, intrinsics, float(rng.uniform(*settings.cover)), center),
            forearm_bend=matrix_from_axis_angle(rng.normal(size=3) * [0.25, 0.08, 0.18]),
            skin=self.skin(int(rng.integers(_SKINS))),
            clothing=self.clothing(int(rng.integers(_CLOTHES))),
            lighting=draw_lighting(rng),
            effects=draw_effects(np.random.default_rng(0)),
            intrinsics=intrinsics,
            background=np.zeros((1, 1, 3), np.float32),
        )

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
        points, light = self._lit_surface(scene, hand)
        drawn = self._rasterize(points, light, scene.intrinsics)
        gain = scene.effects.fixed_gain
        if gain is None:
            gain = exposure_gain(drawn.values, drawn.coverage, scene.effects.brightness)
        # the background keeps the brightness it was drawn with, whatever the hand's exposure is
        behind = ((0.9 / max(gain, 0.3)) * (1.0 - drawn.coverage))[..., None]
        joints_px = project(hand.joints_m, scene.intrinsics)
        without_picture = SyntheticSample(
            seed=self.seed,
            index=index,
            image_rgb=np.zeros((1, 1, 3), np.uint8),
            intrinsics=scene.intrinsics,
            side="right",
            pose_rad=scene.pose_rad,
            shape=scene.shape,
            translation_m=scene.translation_m,
            joints_m=hand.joints_m,
            joints_px=joints_px,
            vertices_m=hand.vertices_m,
            mask=np.round(drawn.coverage * 255.0).astype(np.uint8),
            joint_visible=self._visible(hand.joints_m, joints_px, drawn),
        )
        lights = [(background * behind + drawn.values).astype(np.float32) for background in backgrounds]
        return [replace(without_picture, image_rgb=take_picture(light, gain, scene.effects)) for light in lights]

    def _lit_surface(
        self, scene: Scene, hand: HandGeometry
    ) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
        """Fine vertices in camera axes and the light they send to the camera."""
        surface = self.surface
        root = hand.joints_m[0]
        turn = hand.joint_rotations[0]
        # the forearm is added in the rest frame, where the palm's axes are known
        upright = (hand.vertices_m - root) @ turn + surface.rest_joints_m[0].astype(np.float32)
        fine = surface.with_forearm(surface.subdivision.points(upright), scene.forearm_bend)
        points = (fine - surface.rest_joints_m[0].astype(np.float32)) @ turn.T + root
        albedo, gloss, thickness = scene.skin.albedo, scene.skin.gloss, scene.skin.displacement_m
        if scene.clothing is not None:
            cover = scene.clothing.cover
            albedo = albedo + cover[:, None] * (scene.clothing.albedo - albedo)
            gloss = gloss + cover * (scene.clothing.gloss - gloss)
            thickness = thickness * (1.0 - cover) + scene.clothing.thickness_m
            for bare, covered in scene.clothing.edges:
                skin_ring, cloth_ring = surface.ring(bare), surface.ring(covered)
                points[skin_ring] += np.float32(0.96) * (points[cloth_ring] - points[skin_ring])
        points = points + vertex_normals(points, surface.faces) * thickness[:, None]
        normals = vertex_normals(points, surface.faces)
        coarse_normals = vertex_normals(hand.vertices_m, surface.model.faces)
        reach = occlusion(
            hand.vertices_m, coarse_normals, self._occluders.posed(hand), self._occluders.radius_m, scene.lighting
        )
        reach = self._over_forearm(np.clip(surface.subdivision.values(reach), 0.0, 1.0))
        # glare on dark skin overexposes first: damp it as the eye would
        lighting = replace(scene.lighting, gloss=scene.lighting.gloss * (1.0 - 0.55 * scene.skin.darkness))
        return points, light_vertices(points, normals, albedo, gloss, reach, lighting)

    def _over_forearm(self, reach: Float[np.ndarray, "H 2"]) -> Float[np.ndarray, "N 2"]:
        """Continues light reach over the forearm's rings: the wrist's values, fading to none hidden."""
        fade = np.minimum(np.arange(1, FOREARM_RINGS + 1) / 7.0, 1.0)[:, None, None]
        rings = reach[self.surface.loop] * (1.0 - fade) + fade
        return np.concatenate([reach, rings.reshape(-1, 2)]).astype(np.float32)

    def _rasterize(
        self, points_m: Float[np.ndarray, "N 3"], light: Float[np.ndarray, "N 3"], intrinsics: Intrinsics
    ) -> RasterImage:
        size = intrinsics.width_px, intrinsics.height_px
        if size not in self._rasterizers:
            self._rasterizers[size] = Rasterizer(*size, samples=self._samples)
        rasterizer = self._rasterizers[size]
        rasterizer.clear()
        points_px = np.nan_to_num(project(points_m, intrinsics), nan=-1e9)
        rasterizer.draw(points_px, points_m[:, 2], self._faces, light, cull_back_faces=True)
        return rasterizer.image()

    def _flesh_over_joints(self) -> Float[np.ndarray, "21"]:
        """How much flesh may lie between a joint and the camera before something else must be in front of it."""
        depth = np.full(21, 0.030)
        common = mano_joint_to_common()
        for digit in self.surface.digits:
            first = int(common[digit.first_joint])
            depth[first : first + 3] = 0.001 * (1.35 * digit.half_breadths_mm[:3] + 4.0)
            depth[first + 3] = 0.001 * (0.6 * digit.half_breadths_mm[3] + 4.0)
        depth[[1, 5, 9, 13, 17]] += 0.006  # knuckles and the thumb's base lie under the palm's pads
        return depth

    def _visible(
        self, joints_m: Float[np.ndarray, "21 3"], joints_px: Float[np.ndarray, "21 2"], drawn: RasterImage
    ) -> Bool[np.ndarray, "21"]:
        height, width = drawn.depth.shape
        place_px = np.nan_to_num(np.rint(joints_px), nan=-1.0)
        inside = (place_px >= 0).all(1) & (place_px[:, 0] < width) & (place_px[:, 1] < height)
        x, y = np.clip(place_px, 0, [width - 1, height - 1]).astype(int).T
        surface_depth = drawn.depth[y, x]
        covered = np.isfinite(surface_depth)
        # a tip joint is on the skin and may miss the silhouette by a pixel: nothing is in front of it then
        return inside & (~covered | (joints_m[:, 2] - surface_depth < self._joint_depth_m))


def tracker_square(rng: np.random.Generator, joints_px: Float[np.ndarray, "21 2"]) -> SquareCrop:
    """The square that a tracker would cut out, with a tracker's errors in place and size."""
    box = crop_around(joints_px, 1.5)
    return SquareCrop(
        box.center_x_px + float(np.clip(rng.normal(), -2.5, 2.5)) * 0.05 * box.size_px,
        box.center_y_px + float(np.clip(rng.normal(), -2.5, 2.5)) * 0.05 * box.size_px,
        box.size_px * float(np.exp(np.clip(rng.normal() * 0.10, -0.25, 0.3))),
    )


def crop_intrinsics(full: Intrinsics, square: SquareCrop, size_px: int) -> Intrinsics:
    """The camera whose picture is an upright, unflipped crop of another camera's picture."""
    matrix = square.matrix(size_px)
    return Intrinsics(
        full.fx_px * matrix[0, 0],
        full.fy_px * matrix[1, 1],
        full.cx_px * matrix[0, 0] + matrix[0, 2],
        full.cy_px * matrix[1, 1] + matrix[1, 2],
        size_px,
        size_px,
    )
