"""Rendering of skeletons, meshes and composed pictures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from app_fakes import found, hand_state, nothing, plain_image

from app.palette import DARK, FINGER_COLORS, LIGHT, rgb
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.rendering.composed import Composer
from app.rendering.display import place, show_picture
from app.rendering.hand_mesh import SMALL_EDGE_PX, HandMeshBuilder, Scene
from app.rendering.mesh_picture import MeshPainter, background_picture
from app.rendering.orbit import Focus, FocusFollower, Orbit
from app.rendering.skeleton import STROKES, draw_hands, hand_label, joint_color, overlay_skeleton
from app.rendering.smooth_surface import SmoothSurface
from hand.camera import project
from hand.embedded import load_embedded_model
from hand.mirror import Side
from hand.types import Frame, PathResult


@pytest.fixture
def frame() -> Frame:
    return Frame(0, 0, plain_image(), IntrinsicsChoice().intrinsics_for(320, 240), "x")


def test_skeleton_lies_on_the_projected_joints(frame: Frame) -> None:
    result = found(frame)
    (drawing,) = draw_hands(result)
    joints = project(np.asarray(result.states[0].joints_m, float), frame.intrinsics)
    np.testing.assert_allclose(drawing.joints_px, joints)
    assert set(range(1, 21)) <= {end for _, end in STROKES}
    assert joint_color(8) == FINGER_COLORS[1]
    np.testing.assert_allclose(drawing.observed_px, joints + 2.0)


def test_label_names_the_side_of_the_person(frame: Frame) -> None:
    state = hand_state(frame)
    assert hand_label(state, mirrored=False) == "Right hand  90%"
    assert hand_label(state, mirrored=True) == "Left hand  90%"


def test_overlay_colors_the_joint_at_its_scaled_place(frame: Frame) -> None:
    (drawing,) = draw_hands(found(frame))
    picture = np.full((480, 640, 3), 90, np.uint8)
    overlay_skeleton(picture, drawing, scale=2.0)
    x, y = (round((value + 0.5) * 2.0 - 0.5) for value in drawing.joints_px[12])
    assert picture[y, x].tolist() == list(rgb(FINGER_COLORS[2]))


def test_mesh_is_upright_and_fills_the_view_in_the_default_orbit(frame: Frame) -> None:
    result = found(frame)
    mesh = HandMeshBuilder(load_embedded_model()).build(result.states, 0)
    assert mesh is not None
    focus = FocusFollower().follow(mesh.vertices_m, 0)
    picture = MeshPainter().paint(Scene(mesh, None, focus), Orbit(), (300, 300), DARK)
    empty = background_picture(300, 300, DARK)
    rows, columns = np.nonzero((picture != empty).any(2))
    # fingers point up and the hand is higher than wide, as in the picture
    assert rows.max() - rows.min() > columns.max() - columns.min() > 40
    assert 0.35 < (rows.max() - rows.min()) / 300 < 0.95
    assert MeshPainter().paint(None, Orbit(), (300, 300), DARK).tolist() == empty.tolist()


def test_left_hand_is_the_mirror_image_of_the_right(frame: Frame) -> None:
    model = load_embedded_model()
    builder = HandMeshBuilder(model)
    focus = Focus(np.array([0.0, 0.0, 0.55]), 0.15)
    right = hand_state(frame, "right")
    vertices = np.asarray(right.vertices_m) * np.array([-1.0, 1.0, 1.0], np.float32)
    left = PathResult(frame, "ik", (type(right)(**{**_fields(right), "side": "left", "vertices_m": vertices}),))
    pictures = []
    for result in (PathResult(frame, "ik", (right,)), left):
        mesh = builder.build(result.states, 0)
        pictures.append(MeshPainter().paint(Scene(mesh, None, focus), Orbit(), (200, 200), DARK))
    silhouettes = [(picture != background_picture(200, 200, DARK)).any(2) for picture in pictures]
    assert (silhouettes[0] != silhouettes[1][:, ::-1]).mean() < 0.01
    # the light is not mirrored, but a mesh that is inside out would be dark
    lightness = [picture[mask].mean() for picture, mask in zip(pictures, silhouettes, strict=True)]
    assert lightness[0] == pytest.approx(lightness[1], rel=0.15)


def _fields(state: object) -> dict[str, object]:
    return {name: getattr(state, name) for name in state.__dataclass_fields__}  # type: ignore[attr-defined]


def test_two_hands_share_one_scene(frame: Frame) -> None:
    builder = HandMeshBuilder(load_embedded_model())
    states = hand_state(frame, "right", 0.12), hand_state(frame, "left", -0.12)
    mesh = builder.build(states, 0)
    assert mesh is not None
    alone = builder.build(states[:1], 0)
    assert alone is not None
    assert len(mesh.vertices_m) == 2 * len(alone.vertices_m)
    assert len(mesh.faces) == 2 * len(alone.faces)
    assert mesh.faces.max() == len(mesh.vertices_m) - 1
    assert builder.build((), 0) is None
    one = FocusFollower().follow(states[0].vertices_m, 0)
    both = FocusFollower().follow(mesh.vertices_m, 0)
    assert both.radius_m > one.radius_m


@pytest.mark.parametrize("sides", [("right",), ("left",), ("right", "left")])
def test_small_hands_look_the_same_in_a_quarter_of_the_triangles(frame: Frame, sides: tuple[Side, ...]) -> None:
    builder = HandMeshBuilder(load_embedded_model())
    mesh = builder.build([hand_state(frame, side, 0.08 * x) for x, side in enumerate(sides)], 0)
    assert mesh is not None
    assert mesh.coarse is not None
    assert len(mesh.faces) / len(mesh.coarse.faces) == pytest.approx(4.0, abs=0.05)  # the wrists are closed separately
    assert mesh.for_scale(0.9 * SMALL_EDGE_PX / mesh.coarse.edge_m) is mesh.coarse
    assert mesh.for_scale(1.1 * SMALL_EDGE_PX / mesh.coarse.edge_m) is mesh
    focus = FocusFollower().follow(mesh.vertices_m, 0)
    scene = Scene(mesh, None, focus)
    size = (240, 180)
    small = MeshPainter().paint(scene, Orbit(), size, DARK).astype(int)
    fine = MeshPainter().paint(replace(scene, solid=replace(mesh, coarse=None)), Orbit(), size, DARK).astype(int)
    hand = (fine != background_picture(*size, DARK)).any(2)
    difference = np.abs(small - fine).max(2)
    assert difference.max() > 0  # other triangles were drawn
    assert (difference[hand] > 32).mean() < 0.03  # the edge of the hand lies within a pixel
    assert np.median(difference[hand]) <= 4


def test_smoothing_keeps_planes_and_rounds_an_octahedron() -> None:
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], np.int32)
    surface = SmoothSurface(faces, 6)
    fine = surface.refine(corners)
    assert (len(fine), len(surface.faces)) == (6 + 12, 32)
    # by hand: a corner keeps 1 - 4 * 3/32 of itself, its neighbours cancel; an edge takes 3/8 of each end, wings cancel
    np.testing.assert_allclose(np.linalg.norm(fine[:6], axis=1), 0.625, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(fine[6:], axis=1), 0.375 * math.sqrt(2.0), atol=1e-6)
    outward = np.cross(
        fine[surface.faces[:, 1]] - fine[surface.faces[:, 0]], fine[surface.faces[:, 2]] - fine[surface.faces[:, 0]]
    )
    assert (np.einsum("fc,fc->f", outward, fine[surface.faces].mean(1)) > 0).all()

    model = load_embedded_model()
    hand = SmoothSurface(model.faces, model.vertex_count)
    ones = hand.refine(np.ones((model.vertex_count, 3), np.float32))
    np.testing.assert_allclose(ones, 1.0, atol=1e-6)  # weights sum to 1
    moved = hand.refine(model.v_template_m)[: model.vertex_count] - model.v_template_m
    assert np.linalg.norm(moved, axis=1).max() < 0.003  # the smoothed surface stays near the vertices of the model

    with pytest.raises(ValueError, match="two triangles"):
        SmoothSurface(np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]]), 5)


def test_orbit_stays_within_its_limits() -> None:
    orbit = Orbit().turned(10.0, 10.0).zoomed(1000.0)
    assert abs(orbit.azimuth_rad) <= math.pi
    assert orbit.elevation_rad < math.pi / 2
    assert orbit.zoom == 3.0
    eye = Focus(np.array([0.1, 0.2, 0.5]), 0.13).view(orbit)
    in_view = eye.apply(np.array([[0.1, 0.2, 0.5]]))[0]
    np.testing.assert_allclose(in_view[:2], 0.0, atol=1e-12)  # the target is in the middle from everywhere
    assert in_view[2] > 0


def test_focus_follows_slowly_and_restarts_after_a_gap() -> None:
    follower = FocusFollower()
    here, there = np.zeros((5, 3), np.float32), np.full((5, 3), 0.2, np.float32)
    follower.follow(here, 0)
    near = follower.follow(there, 33_000_000).target_m[0]
    assert 0.0 < near < 0.1
    assert follower.follow(there, 5_000_000_000).target_m[0] == pytest.approx(0.2)


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (620, 1080)])
def test_picture_fits_its_view_whole_and_centred(size: tuple[int, int]) -> None:
    placement = place(*size, (800, 600))
    assert placement.width_px <= 800
    assert placement.height_px <= 600
    assert max(placement.width_px / 800, placement.height_px / 600) == pytest.approx(1.0, abs=0.01)
    assert placement.width_px / placement.height_px == pytest.approx(size[0] / size[1], rel=0.01)
    assert abs(2 * placement.left_px + placement.width_px - 800) <= 1


def test_shown_picture_keeps_its_colors() -> None:
    image = np.full((40, 60, 3), (10, 120, 230), np.uint8)
    shown = show_picture(image, (120, 120))
    assert shown.image_bgra.shape == (80, 120, 4)
    assert shown.image_bgra[40, 60].tolist() == [230, 120, 10, 255]


def test_composed_picture_shows_both_views(frame: Frame) -> None:
    composer = Composer(HandMeshBuilder(load_embedded_model()), LIGHT)
    with_hand = composer.compose(found(frame), "MediaPipe + IK")
    without = composer.compose(nothing(frame), "MediaPipe + IK")
    assert with_hand.shape == without.shape == (576, 720 + 540, 3)
    changed = (with_hand != without).any(2)
    assert changed[36:, :720].mean() > 0.005
    assert changed[36:, 720:].mean() > 0.05


def test_theme_colors_have_enough_contrast_for_text() -> None:
    """WCAG 2.1 requires 4.5 : 1 between text and its background."""
    for theme in (DARK, LIGHT):
        for text in (theme.text, theme.muted, theme.warning):
            for behind in (theme.window, theme.surface):
                assert _contrast(text, behind) >= 4.5, (theme.name, text, behind)
        assert _contrast(theme.on_accent, theme.accent) >= 4.5


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = [value / 255.0 for value in rgb(color)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
