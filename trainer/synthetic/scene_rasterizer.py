"""Puts the meshes of a scene on the canvas: light on skin, cloth and things, then the z-buffer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from hand.camera import Intrinsics, project
from hand.layer import HandGeometry, HandLayer
from hand.mirror import mirror_faces, mirror_points
from hand.normals import vertex_normals
from hand.raster import RasterImage, Rasterizer
from hand.topology import cap_faces
from trainer.synthetic.lighting import AmbientOcclusion, light_vertices, occlusion
from trainer.synthetic.props import prop_faces
from trainer.synthetic.scene_description import Scene
from trainer.synthetic.surface import FOREARM_RINGS, HandSurface


class ScenePainter:
    """Paints scenes of one hand model.

    Attributes:
        hand_faces: triangles of a hand with its forearm and its end; the labelled hand's are drawn first.
    """

    def __init__(self, surface: HandSurface, layer: HandLayer, samples: int) -> None:
        """Prepares what all scenes share.

        Args:
            surface: the hand.
            layer: poses it.
            samples: samples per pixel along each axis.
        """
        self.hand_faces = np.concatenate([surface.faces, cap_faces(surface.faces)]).astype(np.int32)
        self._surface = surface
        self._layer = layer
        self._samples = samples
        self._occluders = AmbientOcclusion(surface)
        self._rasterizers: dict[tuple[int, int, int], Rasterizer] = {}

    def paint(self, scene: Scene, hand: HandGeometry) -> tuple[RasterImage, Float[np.ndarray, "height width"]]:
        """The scene without its background, and the share of each pixel that shows the labelled hand."""
        points, light = self._lit_surface(scene, hand)
        if not scene.props and scene.second is None:
            rasterizer = self._rasterizer(scene.intrinsics, 3)
            _draw_mesh(rasterizer, points, light, self.hand_faces, scene.intrinsics)
            drawn = rasterizer.image()
            return drawn, drawn.coverage
        rasterizer = self._rasterizer(scene.intrinsics, 4)  # a fourth value marks the hand
        _draw_mesh(rasterizer, points, _with_mark(light, 1.0), self.hand_faces, scene.intrinsics)
        spheres = self._occluders.posed(hand)
        for prop in scene.props:
            points = prop.points_m()
            normals = vertex_normals(points, prop_faces())
            reach = occlusion(points, normals, spheres, self._occluders.radius_m, scene.lighting)
            gloss = np.full(len(points), prop.gloss, np.float32)
            light = light_vertices(points, normals, prop.albedo(), gloss, reach, scene.lighting)
            _draw_mesh(rasterizer, points, _with_mark(light, 0.0), prop_faces(), scene.intrinsics)
        if scene.second is not None:
            second = scene.second
            points, light = self._lit_surface(second, self._layer(second.pose_rad, second.shape, second.translation_m))
            faces = self.hand_faces
            if second.mirrored:
                points, faces = mirror_points(points), mirror_faces(faces)
            _draw_mesh(rasterizer, points, _with_mark(light, 0.0), faces, scene.intrinsics)
        drawn = rasterizer.image()
        return drawn, np.clip(drawn.values[..., 3], 0.0, 1.0)

    def _lit_surface(
        self, scene: Scene, hand: HandGeometry
    ) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]]:
        """Fine vertices in camera axes and the light they send to the camera."""
        surface = self._surface
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
        centres, radii = [self._occluders.posed(hand)], [self._occluders.radius_m]
        for prop in scene.props:
            prop_centres, prop_radii = prop.spheres()
            centres.append(prop_centres)
            radii.append(prop_radii)
        reach = occlusion(
            hand.vertices_m, coarse_normals, np.concatenate(centres), np.concatenate(radii), scene.lighting
        )
        reach = self._over_forearm(np.clip(surface.subdivision.values(reach), 0.0, 1.0))
        # glare on dark skin overexposes first: damp it as the eye would
        lighting = replace(scene.lighting, gloss=scene.lighting.gloss * (1.0 - 0.55 * scene.skin.darkness))
        return points, light_vertices(points, normals, albedo, gloss, reach, lighting)

    def _over_forearm(self, reach: Float[np.ndarray, "H 2"]) -> Float[np.ndarray, "N 2"]:
        """Continues light reach over the forearm's rings: the wrist's values, fading to none hidden."""
        fade = np.minimum(np.arange(1, FOREARM_RINGS + 1) / 7.0, 1.0)[:, None, None]
        rings = reach[self._surface.loop] * (1.0 - fade) + fade
        return np.concatenate([reach, rings.reshape(-1, 2)]).astype(np.float32)

    def _rasterizer(self, intrinsics: Intrinsics, channels: int) -> Rasterizer:
        key = intrinsics.width_px, intrinsics.height_px, channels
        if key not in self._rasterizers:
            self._rasterizers[key] = Rasterizer(*key[:2], samples=self._samples, channels=channels)
        self._rasterizers[key].clear()
        return self._rasterizers[key]


def _draw_mesh(
    rasterizer: Rasterizer,
    points_m: Float[np.ndarray, "N 3"],
    values: Float[np.ndarray, "N channels"],
    faces: Int[np.ndarray, "F 3"],
    intrinsics: Intrinsics,
) -> None:
    points_px = np.nan_to_num(project(points_m, intrinsics), nan=-1e9)
    rasterizer.draw(points_px, points_m[:, 2], faces, values, cull_back_faces=True)


def _with_mark(light: Float[np.ndarray, "N 3"], mark: float) -> Float[np.ndarray, "N 4"]:
    return np.concatenate([light, np.full((len(light), 1), mark, np.float32)], 1)
