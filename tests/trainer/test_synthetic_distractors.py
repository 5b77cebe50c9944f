"""Held objects, objects in front, second hands and faces: what they cover, and the mask and visibility labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hand.poses import NAMED_POSES
from hand.rotations import axis_angle_from_matrix
from hand.topology import boundary_loop
from tests.trainer.test_synthetic_scene import plain_scene
from trainer.synthetic.backgrounds import make_background
from trainer.synthetic.distractors import hold_something
from trainer.synthetic.props import Prop, prop_faces
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import CROP_SETTINGS, Scene

ALONE = replace(CROP_SETTINGS, held_share=0.0, front_share=0.0, second_share=0.0)
COUNT = 12


@pytest.fixture(scope="module")
def alone(renderer: SceneRenderer) -> list[SyntheticSample]:
    return [renderer.crop(index, settings=ALONE) for index in range(COUNT)]


def ball(center_m: np.ndarray, radius_m: float) -> Prop:
    """A red ball."""
    colors = np.array([[0.8, 0.02, 0.02]] * 2)
    return Prop(center_m, np.eye(3), np.full(3, radius_m), (1.0, 1.0), 0.0, colors, (0, 0), 0.0)


@pytest.fixture
def open_palm(renderer: SceneRenderer) -> Scene:
    """An open hand with the palm towards the camera, in even light."""
    pose = renderer.poses.pose(NAMED_POSES["open_hand"].radians())
    pose[:3] = axis_angle_from_matrix(renderer.starting_view)
    return plain_scene(renderer, pose, np.array([-0.1, 0.05, 0.35]))


def test_a_round_prop_is_an_ellipsoid_and_its_mesh_is_closed_and_outward() -> None:
    """Exponents of one give x^2/a^2 + y^2/b^2 + z^2/c^2 = 1; square ones fill their box."""
    half = np.array([0.01, 0.02, 0.03])
    prop = replace(ball(np.zeros(3), 0.01), half_m=half)
    points = prop.points_m().astype(float)
    np.testing.assert_allclose(((points / half) ** 2).sum(1), 1.0, atol=1e-4)
    faces = prop_faces()
    assert len(boundary_loop(faces)) == 0
    volume = np.einsum("ij,ij->", points[faces[:, 0]], np.cross(points[faces[:, 1]], points[faces[:, 2]])) / 6.0
    assert volume == pytest.approx(4.0 / 3.0 * np.pi * half.prod(), rel=0.05)
    box = replace(prop, exponents=(0.02, 0.02)).points_m()
    np.testing.assert_allclose(np.abs(box).max(0), half, rtol=0.05)
    assert box.dtype == np.float32


def test_a_ball_hides_what_is_behind_it_and_nothing_before_it(renderer: SceneRenderer, open_palm: Scene) -> None:
    """Before the palm it covers the middle of the hand, in mask and visibility; behind the hand it covers nothing."""
    bare = renderer.render(open_palm)
    assert bare.joint_visible.all()
    middle = bare.joints_m[9]
    toward = -middle / np.linalg.norm(middle)
    covered = renderer.render(replace(open_palm, props=(ball(middle + 0.08 * toward, 0.02),)))
    behind = renderer.render(replace(open_palm, props=(ball(middle - 0.08 * toward, 0.02),)))
    # by geometry: the ray from the camera to a joint meets the ball, or passes it clearly
    rays = bare.joints_m / np.linalg.norm(bare.joints_m, axis=1, keepdims=True)
    center = middle + 0.08 * toward
    miss = np.linalg.norm(center - rays * (rays @ center)[:, None], axis=1)
    assert (miss < 0.018).sum() >= 2
    assert not covered.joint_visible[miss < 0.018].any()
    assert covered.joint_visible[miss > 0.022].all()
    x, y = np.rint(covered.joints_px[9]).astype(int)
    assert bare.mask[y, x] == 255
    assert covered.mask[y, x] == 0
    assert covered.image_rgb[y, x, 0] > 2 * covered.image_rgb[y, x, 1]
    np.testing.assert_allclose(behind.mask.astype(int), bare.mask, atol=1)
    assert behind.joint_visible.all()


def test_object_just_in_front_of_the_skin_hides_the_joint_under_it(renderer: SceneRenderer, open_palm: Scene) -> None:
    """A ball around the knuckle that protrudes from the palm by millimetres, as flesh over a joint does."""
    bare = renderer.render(open_palm)
    sample = renderer.render(replace(open_palm, props=(ball(bare.joints_m[9], 0.018),)))
    x, y = np.rint(sample.joints_px[9]).astype(int)
    assert sample.mask[y, x] == 0
    assert not sample.joint_visible[9]


def test_a_finger_before_a_held_ball_stays_visible(renderer: SceneRenderer, open_palm: Scene) -> None:
    """A ball that reaches from behind the index finger's tip to before its knuckle: each pixel shows the nearer."""
    bare = renderer.render(open_palm)
    tip = bare.joints_m[8]
    behind_tip = ball(tip + np.array([0.0, 0.0, 0.03]), 0.025)
    sample = renderer.render(replace(open_palm, props=(behind_tip,)))
    x, y = np.rint(bare.joints_px[8] + [0.0, 3.0]).astype(int)
    assert sample.joint_visible[8]
    assert sample.mask[y, x] == 255
    assert (sample.image_rgb != bare.image_rgb).any(-1).sum() > 30  # the ball is seen around the finger


def test_a_second_hand_before_the_first_hides_it(renderer: SceneRenderer, open_palm: Scene) -> None:
    """Moved along the ray to the camera, the same hand covers the first entirely; mirrored, it stands elsewhere."""
    bare = renderer.render(open_palm)
    aside = replace(open_palm, translation_m=open_palm.translation_m * 0.8 + [0.04, 0.0, 0.0])
    sample = renderer.render(replace(open_palm, second=aside))
    hidden = bare.joint_visible & ~sample.joint_visible
    assert hidden.any()
    assert (sample.mask.astype(int) <= bare.mask.astype(int) + 1).all()
    for x, y in np.rint(bare.joints_px[hidden]).astype(int):
        assert sample.mask[y, x] < bare.mask[y, x]
    # a mirrored hand at the mirrored place lies over the first hand's mirror image
    far = replace(open_palm, translation_m=open_palm.translation_m + np.array([0.15, 0.0, 0.0]))
    left = renderer.render(replace(open_palm, second=replace(far, mirrored=True)))
    alone = renderer.render(far)
    seen = (alone.mask[:, ::-1] == 255) & (bare.mask == 0)
    assert seen.sum() > 300
    difference = np.abs(left.image_rgb.astype(int) - alone.image_rgb[:, ::-1])[seen]
    assert np.percentile(difference, 99) < 4


@pytest.mark.parametrize("kind", ["held_share", "front_share", "second_share"])
def test_distractors_cover_parts_of_the_same_hand(
    renderer: SceneRenderer, alone: list[SyntheticSample], kind: str
) -> None:
    """Pose, place and camera stay; the mask only shrinks; most hands stay visible, and some joints are hidden."""
    settings = replace(ALONE, **{kind: 1.0})
    hidden = 0
    for index, bare in enumerate(alone):
        sample = renderer.crop(index, settings=settings)
        np.testing.assert_array_equal(sample.joints_m, bare.joints_m)
        np.testing.assert_array_equal(sample.joints_px, bare.joints_px)
        assert (sample.mask.astype(int) <= bare.mask.astype(int) + 1).all()
        assert not (sample.joint_visible & ~bare.joint_visible).any()
        hidden += int((bare.joint_visible & ~sample.joint_visible).sum())
        # a joint that distractors hide is not on skin: its pixel lost the hand
        for x, y in np.rint(sample.joints_px[bare.joint_visible & ~sample.joint_visible]).astype(int):
            assert sample.mask[y, x] < 255
        assert sample.joint_visible.sum() >= min(bare.joint_visible.sum(), 6)
    assert hidden > 0


def test_shares_decide_how_often_there_are_distractors(renderer: SceneRenderer) -> None:
    """Over many crops the shares come out as set, within three standard deviations."""
    settings, count = replace(ALONE, held_share=0.15, second_share=0.10), 300
    scenes = [renderer.crop_scene(index, 16, settings) for index in range(count)]
    for share, seen in (
        (0.15, sum(bool(scene.props) for scene in scenes)),
        (0.10, sum(scene.second is not None for scene in scenes)),
    ):
        assert abs(seen - count * share) < 3.0 * np.sqrt(count * share * (1.0 - share))


def test_held_objects_lie_near_the_hand_and_not_around_a_bone(renderer: SceneRenderer, open_palm: Scene) -> None:
    """Each lies within reach of the fingers, on the palm's side of an open hand, and not around a bone."""
    joints = renderer.render(open_palm).joints_m.astype(float)
    palmar = np.array([0.0, 0.0, -1.0])  # the palm faces the camera
    for seed in range(40):
        prop = hold_something(np.random.default_rng(seed), joints, palmar)
        distance = np.linalg.norm(joints - prop.center_m, axis=1).min()
        assert distance < 0.08
        assert distance > 0.5 * prop.half_m[0]
        np.testing.assert_allclose(prop.axes.T @ prop.axes, np.eye(3), atol=1e-9)
        assert np.linalg.det(prop.axes) > 0


def test_faces_change_a_part_of_the_background() -> None:
    """The background with a face differs from the one without in 1 % to 90 % of its pixels."""
    for seed in range(4):
        without = make_background(np.random.default_rng(seed), 0.0, 0.0).astype(int)
        changed = np.abs(make_background(np.random.default_rng(seed), 0.0, 1.0).astype(int) - without).max(-1) > 12
        assert 0.01 < changed.mean() < 0.9
