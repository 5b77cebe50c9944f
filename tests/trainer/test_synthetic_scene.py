"""Rendered samples: their labels, their determinism, and the picture itself."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hand.camera import Intrinsics, project
from hand.crop import SquareCrop, transform_points
from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.layer import HandLayer
from hand.poses import NAMED_POSES
from hand.rotations import axis_angle_from_matrix
from trainer.synthetic.backgrounds import BackgroundPool, to_linear
from trainer.synthetic.camera_effects import CameraEffects, take_picture
from trainer.synthetic.lighting import Lighting, light_vertices, occlusion
from trainer.synthetic.sample import SyntheticSample, mirror_sample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import CROP_SETTINGS, Scene, SceneSettings, crop_intrinsics
from trainer.synthetic.skin import TONES_SRGB, linear

PLAIN_CAMERA = CameraEffects(0.4, np.ones(3), 0.0, 0.0, 0.0, 0.0, (0, 0), 0, fixed_gain=1.0)
EVEN_LIGHT = Lighting((0.0, 0.0, -1.0), (0.0,) * 3, 0.5, (0.0, 0.0, -1.0), (0.0,) * 3, (1.0,) * 3, (1.0,) * 3, 0.0)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def crops(renderer: SceneRenderer) -> list[SyntheticSample]:
    """A few training crops of hands that are alone."""
    alone = replace(CROP_SETTINGS, held_share=0.0, front_share=0.0, second_share=0.0)
    return [renderer.crop(index, settings=alone) for index in range(24)]


@pytest.fixture(scope="module")
def with_distractors(renderer: SceneRenderer) -> list[SyntheticSample]:
    """The same crops with the distractors of training."""
    return [renderer.crop(index) for index in range(24)]


def plain_scene(renderer: SceneRenderer, pose: np.ndarray, translation: np.ndarray) -> Scene:
    """Even light, no camera effects, grey background."""
    return Scene(
        pose_rad=pose,
        shape=np.zeros(10),
        translation_m=translation,
        forearm_bend=np.eye(3),
        skin=renderer.skin(0),
        clothing=None,
        lighting=EVEN_LIGHT,
        effects=PLAIN_CAMERA,
        intrinsics=Intrinsics.from_fov(160, 120, 60.0),
        background=np.full((120, 160, 3), 0.2, np.float32),
    )


def test_labels_are_those_of_the_hand_layer_in_float64(crops: list[SyntheticSample]) -> None:
    """Pose, shape and translation pose the model to exactly the joints, vertices and pixels beside them."""
    layer = HandLayer(load_embedded_model(), np.float64)
    for sample in crops:
        hand = layer(sample.pose_rad, sample.shape, sample.translation_m)
        np.testing.assert_allclose(sample.joints_m, hand.joints_m, atol=2e-6)
        np.testing.assert_allclose(sample.vertices_m, hand.vertices_m, atol=2e-6)
        np.testing.assert_allclose(sample.joints_px, project(hand.joints_m, sample.intrinsics), atol=0.01)
        assert sample.joints_m[:, 2].min() > 0.1


def test_rendered_hand_lies_at_its_labels(crops: list[SyntheticSample]) -> None:
    """Model vertices drawn by OpenCV as a silhouette lie in the mask; visible joints are on the hand."""
    faces = load_embedded_model().faces
    for sample in crops:
        silhouette = np.zeros(sample.mask.shape, np.uint8)
        pixels = np.rint(project(sample.vertices_m, sample.intrinsics)).astype(np.int32)
        for face in faces:
            cv2.fillConvexPoly(silhouette, pixels[face], (255,))
        core = cv2.erode(silhouette, np.ones((5, 5), np.uint8)) > 0
        if core.sum() > 50:
            assert (sample.mask[core] > 127).mean() > 0.995
        inside = np.rint(sample.joints_px).astype(int)
        for (x, y), visible in zip(inside, sample.joint_visible, strict=True):
            if visible:
                assert 0 <= x < 128
                assert 0 <= y < 128
                assert sample.mask[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].max() > 0


def test_seed_and_index_alone_decide_a_sample(with_distractors: list[SyntheticSample]) -> None:
    """Another renderer, in another order of calls, gives the same bytes; other numbers give other pictures."""
    crops = with_distractors
    other = SceneRenderer(load_embedded_model(), 5, backgrounds=BackgroundPool(5, size=4))
    for index in (7, 2, 2, 11, 17, 18, 19):
        again = other.crop(index)
        np.testing.assert_array_equal(again.image_rgb, crops[index].image_rgb)
        np.testing.assert_array_equal(again.pose_rad, crops[index].pose_rad)
    assert (crops[3].image_rgb != crops[4].image_rgb).any()
    assert (SceneRenderer(load_embedded_model(), 6).crop(3).pose_rad != crops[3].pose_rad).any()


def test_pictures_are_well_exposed_and_skin_tones_differ(crops: list[SyntheticSample]) -> None:
    """No black, blown-out or constant pictures; hands of many tones; most joints within the crop."""
    for sample in crops:
        assert sample.image_rgb.shape == (128, 128, 3)
        assert 20 < sample.image_rgb.mean() < 235
        assert 0.05 < (sample.mask > 127).mean() < 0.95
    brightness = [sample.image_rgb[sample.mask > 200].mean() for sample in crops]
    assert np.std(brightness) > 15
    within = np.mean([((s.joints_px > 0) & (s.joints_px < 127)).all(1).mean() for s in crops])
    assert within > 0.9


def test_mirrored_sample_is_a_left_hand_that_still_projects(crops: list[SyntheticSample]) -> None:
    """Picture, camera and labels of the other hand agree with the mirrored model; mirroring twice is the identity."""
    left_layer = HandLayer(load_embedded_model("left"), np.float64)
    for sample in crops[:6]:
        left = mirror_sample(sample)
        assert left.side == "left"
        hand = left_layer(left.pose_rad, left.shape, left.translation_m)
        np.testing.assert_allclose(left.joints_m, hand.joints_m, atol=2e-6)
        np.testing.assert_allclose(left.joints_px, project(hand.joints_m, left.intrinsics), atol=0.01)
        back = mirror_sample(left)
        np.testing.assert_array_equal(back.image_rgb, sample.image_rgb)
        np.testing.assert_allclose(back.joints_px, sample.joints_px, atol=1e-4)


def test_crop_intrinsics_project_as_the_crop_moves_pixels() -> None:
    """Projecting with the crop's camera equals projecting with the full one and cutting out."""
    full = Intrinsics(611.0, 605.0, 320.4, 236.0, 640, 480)
    square = SquareCrop(402.3, 190.7, 237.0)
    points = np.random.default_rng(0).uniform([-0.2, -0.2, 0.4], [0.2, 0.2, 0.9], (50, 3))
    direct = project(points, crop_intrinsics(full, square, 128))
    cut = transform_points(project(points, full), square.matrix(128))
    np.testing.assert_allclose(direct, cut, atol=1e-9)


def test_fingers_hidden_by_the_palm_are_not_visible(renderer: SceneRenderer) -> None:
    """A fist from behind hides its finger tips; an open palm shows all joints."""
    view = renderer.starting_view
    for name, turn, tips_seen in (("open_hand", np.eye(3), 5), ("fist", np.diag([-1.0, 1.0, -1.0]), 0)):
        pose = renderer.poses.pose(NAMED_POSES[name].radians())
        pose[:3] = axis_angle_from_matrix(turn @ view)
        sample = renderer.render(plain_scene(renderer, pose, np.array([-0.1, 0.05, 0.35])))
        fingers = sample.joint_visible[[8, 12, 16, 20]].sum()
        assert fingers == (4 if tips_seen else 0), name
        assert sample.joint_visible[0]
        if tips_seen:
            assert sample.joint_visible.all()


def test_light_follows_lambert_and_is_shadowed_by_occluders() -> None:
    """Without wrap a facing vertex gets albedo times light; a sphere between it and the light takes most of it."""
    lighting = replace(
        EVEN_LIGHT,
        key=(0.8, 0.8, 0.8),
        sky=(0.0,) * 3,
        ground=(0.0,) * 3,
        key_softness=0.1,  # type: ignore[arg-type]
    )
    point, normal = np.array([[0.0, 0.0, 0.5]], np.float32), np.array([[0.0, 0.0, -1.0]], np.float32)
    albedo, gloss = np.full((1, 3), 0.5, np.float32), np.zeros(1, np.float32)
    lit = light_vertices(point, normal, albedo, gloss, np.ones((1, 2), np.float32), lighting)
    np.testing.assert_allclose(lit, 0.4, rtol=1e-4)
    blocked = occlusion(point, normal, np.array([[0.0, 0.0, 0.46]]), np.array([0.012]), lighting)
    free = occlusion(point, normal, np.array([[0.0, 0.0, 0.54]]), np.array([0.012]), lighting)
    assert blocked[0, 1] < 0.1
    assert blocked[0, 0] < 0.95
    np.testing.assert_allclose(free, 1.0, atol=1e-3)


def test_nails_pads_and_creases_lie_on_their_regions(renderer: SceneRenderer) -> None:
    """Nails on the backs of finger ends, pads opposite, palm lines on the palm, on every one of five fingers."""
    where, surface = renderer._skin_map, renderer.surface
    for digit, tip in zip(surface.digits, surface.model.tip_vertices, strict=True):
        end = (digit.along > 0.9) & (digit.coordinates_mm[2][:, 1] > 0.3 * digit.lengths_mm[2])
        assert (where.nail[end] > 0.5).sum() >= 4, digit.name
        nail = end & (where.nail > 0.5)
        assert (digit.coordinates_mm[2][nail, 2] < 2.0).all(), digit.name
        assert digit.palmar_normal[where.pad > 0.9].min() > -0.6
        assert where.pad[tip] >= 0.0
    assert where.nail[surface.hand_count :].max() == 0.0
    palm = (surface.palm_mm[:, 1] > 20) & (surface.palm_mm[:, 1] < 80) & (where.palmar > 0.9)
    assert (where.crease[palm] > 0.25).sum() > 10  # lines are weaker where vertices lie far apart
    lightest, darkest = (renderer.new_skin(np.random.default_rng(0), tone) for tone in (0.0, 1.0))
    back = (where.palmar < 0.05) & (where.nail < 0.05)
    assert lightest.albedo[back].mean() > 4 * darkest.albedo[back].mean()
    np.testing.assert_allclose(np.median(lightest.albedo[back], 0), linear(TONES_SRGB[0]), rtol=0.25)


def test_the_camera_neither_shifts_nor_recolours_a_plain_picture() -> None:
    """Without effects linear light only passes the tone curve: monotonic, grey stays grey, black stays black."""
    light = np.repeat(np.linspace(0.0, 2.0, 64, dtype=np.float32)[None, :, None], 3, 2).repeat(4, 0)
    picture = take_picture(light.copy(), 1.0, PLAIN_CAMERA).astype(int)
    assert (picture[..., 0] == picture[..., 2]).all()
    assert (np.diff(picture[0, :, 0]) >= 0).all()
    assert picture[0, 0, 0] == 0
    moved = take_picture(light.copy(), 1.0, replace(PLAIN_CAMERA, motion_px=7.0, blur_px=1.0)).astype(int)
    assert np.abs(moved[2, 12:-12] - picture[2, 12:-12]).max() <= 3  # a ramp blurs to itself


def test_kept_backgrounds_take_little_memory_and_stay_the_same() -> None:
    """Every process that renders keeps its own; as plain pictures all 960 would take 570 MB."""
    pool = BackgroundPool(5, size=12)
    tracemalloc.start()
    try:
        first = [pool.draw(np.random.default_rng(seed), 48, 64) for seed in range(24)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept - sum(window.nbytes for window in first) < 12 * 120_000
    other = BackgroundPool(5, size=12)
    for seed in reversed(range(24)):
        np.testing.assert_array_equal(other.draw(np.random.default_rng(seed), 48, 64), first[seed])


def test_photographs_serve_as_backgrounds(tmp_path: Path) -> None:
    """A folder of pictures is used, an empty one and a broken file are refused with one sentence."""
    with pytest.raises(DataError, match="none is there"):
        BackgroundPool(0, folder=tmp_path)
    cv2.imwrite(str(tmp_path / "blue.png"), np.tile(np.array([200, 40, 10], np.uint8), (300, 500, 1)))
    pool = BackgroundPool(0, folder=tmp_path, photograph_share=1.0)
    window = pool.draw(np.random.default_rng(0), 48, 64)
    assert window.shape == (48, 64, 3)
    ratio = window[0, 0] / to_linear(np.array([[[10, 40, 200]]], np.uint8))[0, 0]
    assert window[..., 2].min() > window[..., 1].max() > window[..., 0].max()
    assert ratio.max() / ratio.min() < 2.5
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "blue.png").unlink()
    broken = BackgroundPool(0, folder=tmp_path, photograph_share=1.0)
    with pytest.raises(DataError, match="cannot be read"):
        broken.draw(np.random.default_rng(0), 16, 16)


def test_full_frames_have_the_requested_size_and_hand_extent(renderer: SceneRenderer) -> None:
    """640 x 480 by default; the hand takes about the requested share of the height."""
    sample = renderer.frame(0, settings=SceneSettings(pose="open", view="palm", cover=(0.5, 0.5)))
    assert sample.image_rgb.shape == (480, 640, 3)
    extent = np.ptp(sample.joints_px, axis=0).max() / 480
    assert 0.35 < extent < 0.55
    small = renderer.frame(0, 320, 240)
    assert small.image_rgb.shape == (240, 320, 3)
