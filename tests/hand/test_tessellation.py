"""Phong tessellation: a closed form on a sphere, flat planes, unmoved vertices, and the topology of the hand."""

from collections import Counter

import numpy as np

from hand.embedded import load_embedded_model
from hand.tessellation import PhongTessellation


def octahedron() -> tuple[np.ndarray, np.ndarray]:
    vertices = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    return vertices, faces


def test_perpendicular_normals_leave_midpoints_on_the_chord() -> None:
    vertices, faces = octahedron()
    refined = PhongTessellation(faces).refine(vertices)
    np.testing.assert_array_equal(refined[:6], vertices)
    np.testing.assert_allclose(np.linalg.norm(refined[6:], axis=1), np.sqrt(0.5), atol=1e-12)


def test_midpoints_on_a_sphere_rise_by_the_closed_form() -> None:
    """By symmetry the normals of the refined octahedron's corners are radial, which gives equation 2 a closed form."""
    vertices, faces = octahedron()
    once = PhongTessellation(faces)
    ball = once.refine(vertices)
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    twice = PhongTessellation(once.faces)
    lifted = twice.refine(ball)[len(ball) :]
    edges = sorted({tuple(sorted(edge)) for k in range(3) for edge in once.faces[:, [k, (k + 1) % 3]].tolist()})
    starts, ends = ball[np.array(edges)].swapaxes(0, 1)
    cosine = (starts * ends).sum(1, keepdims=True)
    assert set(np.degrees(np.arccos(cosine)).round(6).ravel()) == {45.0, 60.0}
    expected = (starts + ends) / 2.0 * (1.0 + 0.75 * cosine * (1.0 - cosine) / 2.0)
    np.testing.assert_allclose(sorted(lifted.tolist()), sorted(expected.tolist()), atol=1e-12)


def test_a_plane_stays_flat() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    refined = PhongTessellation(np.array([[0, 1, 2], [0, 2, 3]])).refine(vertices)
    np.testing.assert_allclose(refined[:, 2], 0.0, atol=1e-15)


def test_the_hand_stays_manifold_and_keeps_its_opening() -> None:
    model = load_embedded_model()
    tessellation = PhongTessellation(model.faces)
    faces = tessellation.faces
    edges = Counter(tuple(sorted(e)) for k in range(3) for e in faces[:, [k, (k + 1) % 3]].tolist())
    old = Counter(tuple(sorted(e)) for k in range(3) for e in model.faces[:, [k, (k + 1) % 3]].tolist())
    assert set(edges.values()) == {1, 2}
    assert sum(count == 1 for count in edges.values()) == 2 * sum(count == 1 for count in old.values())
    assert len(faces) == 4 * len(model.faces)
    refined = tessellation.refine(model.v_template_m.astype(np.float64))
    assert len(refined) == model.vertex_count + len(old)
    assert np.ptp(refined, axis=0).max() < np.ptp(model.v_template_m, axis=0).max() + 0.002
