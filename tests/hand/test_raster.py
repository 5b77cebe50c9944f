"""The rasteriser against closed forms: planes, spheres, areas, and the pixel-centre convention."""

from __future__ import annotations

import numpy as np
import pytest

from hand.normals import vertex_normals
from hand.raster import NEAR_DEPTH, RasterImage, Rasterizer


def sphere_mesh(rings: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A latitude-longitude sphere, faces wound outwards."""
    segments = 2 * rings
    theta = np.linspace(0.0, np.pi, rings + 1)[1:-1, None]
    phi = np.arange(segments)[None] * 2.0 * np.pi / segments
    belt = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0.0 * phi], -1)
    vertices = np.concatenate([[[0.0, 0.0, 1.0]], belt.reshape(-1, 3), [[0.0, 0.0, -1.0]]]) * radius
    at = 1 + np.arange((rings - 1) * segments).reshape(rings - 1, segments)
    following = np.roll(at, -1, 1)
    zeros, last = np.zeros(segments, int), np.full(segments, len(vertices) - 1)
    faces = [np.stack([zeros, at[0], following[0]], 1), np.stack([last, following[-1], at[-1]], 1)]
    for upper, lower, upper_next, lower_next in zip(at[:-1], at[1:], following[:-1], following[1:], strict=True):
        faces += [
            np.stack([upper, lower, lower_next], 1),
            np.stack([upper, lower_next, upper_next], 1),
        ]
    return vertices, np.concatenate(faces)


TRIANGLE = np.array([[0, 1, 2]])


def rasterize(
    points_px: np.ndarray,
    depth: np.ndarray,
    faces: np.ndarray,
    attributes: np.ndarray,
    width_px: int,
    height_px: int,
    *,
    samples: int = 1,
    cull_back_faces: bool = False,
) -> RasterImage:
    """Draws one mesh once."""
    rasterizer = Rasterizer(width_px, height_px, samples=samples, channels=attributes.shape[1])
    rasterizer.draw(points_px, depth, faces, attributes, cull_back_faces=cull_back_faces)
    return rasterizer.image()


def test_depth_and_values_of_a_slanted_triangle_follow_its_plane() -> None:
    """Each pixel's depth is that of the ray through its centre meeting the plane, solved directly."""
    focal, middle = 100.0, 31.5
    corners = np.array([[-0.25, -0.2, 0.9], [0.4, -0.15, 1.6], [-0.05, 0.45, 1.2]])
    points = corners[:, :2] / corners[:, 2:] * focal + middle
    image = rasterize(points, corners[:, 2], TRIANGLE, corners, 64, 64)
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    y, x = np.nonzero(image.coverage)
    rays = np.stack([(x - middle) / focal, (y - middle) / focal, np.ones(len(x))], 1)
    expected = (normal @ corners[0]) / (rays @ normal)
    assert len(x) > 500
    np.testing.assert_allclose(image.depth[y, x], expected, rtol=2e-4)
    np.testing.assert_allclose(image.values[y, x], rays * expected[:, None], atol=2e-4)
    assert set(np.unique(image.face_id[y, x])) == {0}
    assert np.isinf(image.depth[image.coverage == 0]).all()


def test_a_pixel_is_covered_when_its_integer_coordinate_lies_inside() -> None:
    """The centre of the top-left pixel is (0, 0)."""
    points = np.array([[-0.4, -0.4], [2.4, -0.4], [-0.4, 2.4]])
    image = rasterize(points, np.ones(3), TRIANGLE, np.ones((3, 1)), 4, 4)
    x, y = np.meshgrid(np.arange(4), np.arange(4))
    np.testing.assert_array_equal(image.coverage > 0, x + y < 2.0)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_neighbours_share_an_edge_without_gap_or_overlap(samples: int) -> None:
    """A fan around a vertex in a pixel covers each sample exactly once; half-pixel squares give exact shares."""
    rng = np.random.default_rng(3)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 40))
    rim = 20.0 + 18.0 * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = np.concatenate([[[20.0, 20.0]], rim])
    faces = np.stack([np.zeros(40, int), 1 + np.arange(40), 1 + np.roll(np.arange(40), -1)], 1)
    times_covered = sum(
        rasterize(points, np.ones(41), face[None], np.ones((41, 1)), 40, 40, samples=samples).coverage for face in faces
    )
    whole = rasterize(points, np.ones(41), faces, np.ones((41, 1)), 40, 40, samples=samples)
    np.testing.assert_allclose(times_covered, whole.coverage, atol=1e-5)
    assert whole.coverage[20, 20] == 1.0
    square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    halves = rasterize(square, np.ones(4), np.array([[0, 1, 2], [0, 2, 3]]), np.ones((4, 1)), 4, 4, samples=2)
    np.testing.assert_allclose(halves.coverage[:3, :3], np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]))
    np.testing.assert_allclose(halves.values[..., 0], halves.coverage)


@pytest.mark.parametrize("samples", [1, 2])
def test_a_sphere_has_the_silhouette_and_normals_of_the_closed_form(samples: int) -> None:
    """Perspective silhouette of a sphere: a disc of radius f r / sqrt(d^2 - r^2); its normals are radial."""
    radius, distance, focal, middle = 0.5, 2.0, 200.0, 99.5
    vertices, faces = sphere_mesh(48, radius)
    normals = vertex_normals(vertices, faces)
    # next to the poles the faces are lopsided; a third of the mesh's angular step of 0.065 bounds that
    np.testing.assert_allclose(normals, vertices / radius, atol=0.02)
    seen = vertices + np.array([0.0, 0.0, distance])
    points = seen[:, :2] / seen[:, 2:] * focal + middle
    image = rasterize(points, seen[:, 2], faces, normals, 200, 200, samples=samples)
    area = np.pi * focal**2 * radius**2 / (distance**2 - radius**2)
    assert image.coverage.sum() == pytest.approx(area, rel=0.004)
    assert image.depth.min() == pytest.approx(distance - radius, abs=2e-3)
    y, x = np.nonzero(image.coverage == 1.0)
    ray = np.stack([(x - middle) / focal, (y - middle) / focal, np.ones(len(x))], 1)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    along = distance * ray[:, 2]
    inside = radius**2 - (distance**2 - along**2)
    clear = inside > 0.1 * radius**2  # away from the edge, where one pixel spans many normals
    hit = ray * (along - np.sqrt(np.maximum(inside, 0.0)))[:, None] - [0.0, 0.0, distance]
    np.testing.assert_allclose(image.values[y, x][clear], (hit / radius)[clear], atol=0.02)


def test_nearest_face_is_drawn_in_any_order() -> None:
    """Two crossing planes: each pixel shows the nearer one, in both drawing orders and in two draws."""
    points = np.array([[-1.0, -1.0], [101.0, -1.0], [50.0, 101.0]] * 2)
    depth = np.array([1.0, 3.0, 2.0, 3.0, 1.0, 2.0])
    colors = np.repeat([[1.0], [2.0]], 3, 0)
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    forward = rasterize(points, depth, faces, colors, 100, 100)
    backward = rasterize(points, depth, faces[::-1], colors, 100, 100)
    middle = np.abs(np.arange(100) - 50) < 2
    np.testing.assert_allclose(forward.values[:, ~middle], backward.values[:, ~middle], atol=1e-5)
    row = forward.values[10, :, 0]
    assert row[30] == pytest.approx(1.0, abs=1e-5)
    assert row[70] == pytest.approx(2.0, abs=1e-5)
    rasterizer = Rasterizer(100, 100, samples=1, channels=1)
    for face in faces:
        rasterizer.draw(points, depth, face[None], colors)
    np.testing.assert_array_equal(rasterizer.image().values, forward.values)
    np.testing.assert_array_equal(rasterizer.image().face_id, forward.face_id)


@pytest.mark.parametrize("bad_depth", [-1.0, 0.0, NEAR_DEPTH / 2, np.nan])
def test_nothing_behind_the_camera_is_drawn(bad_depth: float) -> None:
    """One corner behind the camera is enough to leave the triangle out."""
    points = np.array([[1.0, 1.0], [8.0, 1.0], [1.0, 8.0]])
    image = rasterize(points, np.array([1.0, 1.0, bad_depth]), TRIANGLE, np.ones((3, 1)), 10, 10)
    assert image.coverage.max() == 0.0
    assert rasterize(points, np.ones(3), TRIANGLE, np.ones((3, 1)), 10, 10).coverage.max() == 1.0


@pytest.mark.parametrize("outside", [[1e7, 0.0], [np.inf, 1.0], [np.nan, 1.0], [-200.0, -300.0]])
def test_points_far_outside_the_picture_draw_nothing(outside: list[float]) -> None:
    """Wild projections neither crash nor touch the picture beyond what the triangle covers."""
    points = np.array([[-40.0, -40.0], [-20.0, -40.0], outside])
    assert rasterize(points, np.ones(3), TRIANGLE, np.ones((3, 1)), 8, 8).coverage.max() == 0.0


def test_winding_matters_only_when_back_faces_are_culled() -> None:
    """A face whose normal points at the camera is drawn always, its reverse only without culling."""
    corners = np.array([[0.0, 0.0, 1.0], [0.0, 8.0, 1.0], [8.0, 0.0, 1.0]])  # y down: normal is -z, towards us
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    assert normal[2] < 0
    reverse = TRIANGLE[:, ::-1]
    args = (corners[:, :2], corners[:, 2])
    drawn = {
        (flip, cull): rasterize(
            *args, reverse if flip else TRIANGLE, np.ones((3, 1)), 10, 10, cull_back_faces=cull
        ).coverage.sum()
        for flip in (False, True)
        for cull in (False, True)
    }
    assert drawn[True, True] == 0.0
    # the two windings agree to the sample: the fill rule depends on where edges lie, not on their direction
    assert drawn[False, True] == drawn[False, False] == drawn[True, False] == 36.0


def test_composite_blends_by_coverage_and_alpha() -> None:
    """A half-covered pixel at alpha 0.5 keeps three quarters of the background; the rest is untouched."""
    square = np.array([[0.0, -0.5], [2.5, -0.5], [2.5, 2.5], [0.0, 2.5]])
    rasterizer = Rasterizer(4, 4, samples=2)
    rasterizer.draw(square, np.ones(4), np.array([[0, 1, 2], [0, 2, 3]]), np.ones((4, 3)))
    picture = np.full((4, 4, 3), 100, np.uint8)
    rasterizer.composite(picture, alpha=0.5)
    assert picture[1, 1].tolist() == [178] * 3  # 100 / 2 + 255 / 2, rounded
    assert picture[1, 0].tolist() == [139] * 3  # 3/4 of 100 and 1/4 of 255, rounded
    assert picture[3, 3].tolist() == [100] * 3
    rasterizer.clear()
    assert rasterizer.drawn_box_px == (0, 0, 0, 0)
    untouched = np.full((4, 4, 3), 7, np.uint8)
    rasterizer.composite(untouched)
    assert (untouched == 7).all()


def test_composite_that_clears_leaves_an_empty_buffer() -> None:
    """A mesh drawn after it is the same as in a buffer that was never used."""
    random = np.random.default_rng(3)
    near, far = (
        (random.uniform(0.0, 20.0, (12, 2)), np.full(12, depth), random.uniform(0.0, 1.0, (12, 3)).astype(np.float32))
        for depth in (0.5, 2.0)  # what was drawn first would hide what comes after
    )
    faces = np.arange(12).reshape(4, 3)
    used, fresh = Rasterizer(20, 20), Rasterizer(20, 20)
    used.draw(near[0], near[1], faces, near[2])
    used.composite(np.zeros((20, 20, 3), np.uint8), clear=True)
    assert used.drawn_box_px == (0, 0, 0, 0)
    pictures = []
    for rasterizer in (used, fresh):
        rasterizer.draw(far[0], far[1], faces, far[2])
        pictures.append(np.full((20, 20, 3), 9, np.uint8))
        rasterizer.composite(pictures[-1])
    assert (pictures[0] != 9).any()
    np.testing.assert_array_equal(*pictures)
    np.testing.assert_array_equal(used.image().face_id, fresh.image().face_id)


def test_wrong_shapes_are_refused_in_one_sentence() -> None:
    """Counts that disagree and pictures of another size name what is needed."""
    rasterizer = Rasterizer(8, 8)
    with pytest.raises(ValueError, match="needs 3 values"):
        rasterizer.draw(np.zeros((3, 2)), np.ones(3), TRIANGLE, np.ones((3, 2)))
    with pytest.raises(ValueError, match="needs a uint8 picture"):
        rasterizer.composite(np.zeros((9, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="at least 1"):
        Rasterizer(0, 8)
