"""Lighting, the orbiting camera, the capped wrist, and the position of the drawn mesh."""

from __future__ import annotations

import numpy as np
import pytest

from hand.camera import Intrinsics, project
from hand.errors import ModelFileError
from hand.normals import vertex_normals
from hand.shading import Lighting, MeshRenderer, orbit_view, see_mesh
from hand.topology import boundary_loop, cap_faces
from tests.hand.test_raster import sphere_mesh

CAMERA = Intrinsics.from_fov(160, 120, 50.0)


def open_sphere() -> tuple[np.ndarray, np.ndarray]:
    """A sphere whose lowest ring of faces is missing, the hole at positive y."""
    vertices, faces = sphere_mesh(12, 0.1)
    vertices = vertices[:, [0, 2, 1]] * [1.0, -1.0, 1.0]  # the pole that is cut away points down (+y)
    hole = faces[(faces == len(vertices) - 1).any(1) == 0]
    return vertices, hole


def test_diffuse_light_follows_lamberts_law() -> None:
    """With one hard light alone, linear brightness is albedo times the cosine."""
    lighting = Lighting(
        key_direction=(0.0, 0.0, -2.0), key=0.9, fill=0.0, sky=0.0, ground=0.0, wrap=0.0, gloss=0.0, rim=0.0
    )
    angles = np.linspace(0.0, np.pi, 19)
    normals = np.stack([np.sin(angles), np.zeros(19), -np.cos(angles)], 1)
    albedo = np.full((19, 3), 0.5)
    shaded = see_mesh(np.tile([0.0, 0.0, 1.0], (19, 1)), normals, albedo, CAMERA, lighting=lighting).colors_rgb
    expected = 0.9 * 0.5**2.2 * np.maximum(np.cos(angles), 0.0)
    np.testing.assert_allclose(shaded[:, 0] ** 2.2, expected, atol=1e-5)


def test_light_comes_from_above_and_colours_stay_in_range() -> None:
    """Camera y points down, so a normal of -y faces the sky; even white skin stays below 1."""
    points, normals = np.tile([0.0, 0.0, 1.0], (2, 1)), np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    up, down = see_mesh(points, normals, np.ones((2, 3)), CAMERA).colors_rgb
    assert (up > down).all()
    assert up.max() <= 1.0
    assert down.min() >= 0.0


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (0.7, 0.0), (-2.0, 0.4), (3.0, -1.0)])
def test_orbit_keeps_the_target_in_the_middle_at_its_distance(azimuth: float, elevation: float) -> None:
    """The target lands on the optical axis; the view is a rotation; positive angles move right and up."""
    target = np.array([0.1, -0.2, 0.6])
    view = orbit_view(target, 0.5, azimuth, elevation)
    np.testing.assert_allclose(view.apply(target[None])[0], [0.0, 0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view.rotation) == pytest.approx(1.0)
    camera = -view.rotation.T @ view.translation_m - target
    wanted = 0.5 * np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            -np.sin(elevation),
            -np.cos(azimuth) * np.cos(elevation),
        ]
    )
    np.testing.assert_allclose(camera, wanted, atol=1e-12)


def test_mesh_is_drawn_at_its_projection() -> None:
    """Pixels that change are the projection of the sphere; its silhouette centre is where it projects."""
    vertices, faces = sphere_mesh(24, 0.05)
    vertices = vertices + np.array([0.06, -0.03, 0.5])
    background = np.full((120, 160, 3), 9, np.uint8)
    picture, faint = background.copy(), background.copy()
    renderer = MeshRenderer(faces, CAMERA.width_px, CAMERA.height_px)
    renderer.draw_over(picture, vertices, CAMERA)
    renderer.draw_over(faint, vertices, CAMERA, alpha=0.5)
    changed = (picture != 9).any(2)
    y, x = np.nonzero(changed)
    low, high = project(vertices, CAMERA).min(0), project(vertices, CAMERA).max(0)
    np.testing.assert_allclose([x.min(), y.min()], low, atol=1.01)
    np.testing.assert_allclose([x.max(), y.max()], high, atol=1.01)
    solid = changed & (np.abs(picture.astype(int) - 9).min(2) > 40)
    np.testing.assert_allclose(faint[solid], (picture[solid].astype(float) + 9) / 2, atol=1.0)


def test_mesh_behind_the_camera_leaves_the_picture_unchanged() -> None:
    """A tracker that loses a hand may place it anywhere."""
    vertices, faces = sphere_mesh(8, 0.05)
    picture = np.full((120, 160, 3), 9, np.uint8)
    MeshRenderer(faces, CAMERA.width_px, CAMERA.height_px).draw_over(picture, vertices - [0.0, 0.0, 0.5], CAMERA)
    assert (picture == 9).all()


def test_the_hole_is_found_and_closed_with_the_same_winding() -> None:
    """After capping, every edge is shared by two faces in opposite directions and the volume is positive."""
    vertices, faces = open_sphere()
    loop = boundary_loop(faces)
    assert len(loop) == 24
    closed = np.concatenate([faces, cap_faces(faces)])
    edges = np.concatenate([closed[:, [0, 1]], closed[:, [1, 2]], closed[:, [2, 0]]])
    directed = {tuple(edge) for edge in edges.tolist()}
    assert len(directed) == len(edges)
    assert all((b, a) in directed for a, b in directed)
    a, b, c = (vertices[closed[:, k]] for k in range(3))
    sign = np.sign(np.einsum("ij,ij->", a, np.cross(b, c)))
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    assert sign == np.sign(np.einsum("ij,ij->", a, np.cross(b, c)))
    assert len(boundary_loop(closed)) == 0
    with pytest.raises(ModelFileError, match="one hole"):
        boundary_loop(np.delete(faces, [0, len(faces) // 2], axis=0)[3:])


def test_looking_into_the_wrist_shows_a_closed_end() -> None:
    """From below, the middle of the hole is drawn although back faces are culled."""
    vertices, faces = sphere_mesh(12, 0.1)
    hole = faces[(faces == 0).any(1) == 0]  # open at +z
    turned = vertices * [1.0, -1.0, -1.0] + [0.0, 0.0, 0.5]  # the hole faces the camera
    picture = np.zeros((120, 160, 3), np.uint8)
    MeshRenderer(hole, 160, 120).draw_over(picture, turned, CAMERA)
    assert picture[60, 80].min() > 20
    assert np.isfinite(vertex_normals(turned, hole)).all()


def test_see_mesh_agrees_with_separate_transform_projection_and_shading() -> None:
    random = np.random.default_rng(2)
    vertices = random.normal(0.0, 0.1, (200, 3)).astype(np.float32)
    normals = random.normal(size=(200, 3))
    normals = (normals / np.linalg.norm(normals, axis=1)[:, None]).astype(np.float32)
    colors = random.random((200, 3), np.float32)
    view = orbit_view(np.array([0.01, -0.02, 0.03]), 0.25, 0.7, -0.4)  # so near that some lie behind the camera
    seen = see_mesh(vertices, normals, colors, CAMERA, view)
    moved = vertices.astype(np.float64) @ view.rotation.T + view.translation_m
    np.testing.assert_allclose(seen.depth_m, moved[:, 2], atol=1e-7)
    np.testing.assert_allclose(seen.points_px, project(moved, CAMERA), rtol=1e-4)
    turned = (normals @ view.rotation.T).astype(np.float32)
    np.testing.assert_allclose(seen.colors_rgb, see_mesh(moved, turned, colors, CAMERA).colors_rgb, atol=2e-4)
