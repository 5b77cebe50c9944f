"""Rotated square regions: cutting, mapping back, and the region for the next frame."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from ik_baseline.rotated_region import RotatedRegion, region_of_landmarks, region_of_palm, upright_angle


def test_cut_pixels_map_back_to_their_picture_positions() -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    spots = np.array([[150, 120], [190, 160], [170, 90]])
    for x, y in spots:
        cv2.circle(picture, (int(x), int(y)), 3, (255, 255, 255), -1)
    region = RotatedRegion(165.0, 125.0, 160.0, 0.7)
    cut = region.cut(picture, 224)[..., 0].astype(float)
    count, _, _, centers = cv2.connectedComponentsWithStats((cut > 60).astype(np.uint8))
    assert count == 1 + len(spots)
    # OpenCV's maps, as MediaPipe uses them, sample pixel number n at coordinate n in picture and cut alike
    back = region.to_picture(centers[1:] / 224.0)
    distances = np.linalg.norm(back[:, None] - spots[None], axis=2)
    assert distances.min(1).max() < 0.3
    assert sorted(distances.argmin(1)) == [0, 1, 2]


def test_vectors_turn_as_points_do() -> None:
    region = RotatedRegion(10.0, 20.0, 5.0, 0.4)
    points = np.array([[0.2, 0.9], [0.7, 0.1]])
    vector = np.array([[*(points[1] - points[0]) * 5.0, 0.3]])
    moved = region.to_picture(points)
    np.testing.assert_allclose(region.turned(vector), [[*(moved[1] - moved[0]), 0.3]])


def test_overlap_of_squares_in_closed_form() -> None:
    first = RotatedRegion(0.0, 0.0, 2.0, 0.3)
    assert first.overlap(first) == pytest.approx(1.0)
    assert first.overlap(RotatedRegion(1.0, 0.0, 2.0, 1.0)) == pytest.approx(2.0 / 6.0)
    assert first.overlap(RotatedRegion(0.0, 0.0, 1.0, 0.0)) == pytest.approx(0.25)
    assert first.overlap(RotatedRegion(2.0, 0.0, 2.0, 0.0)) == 0.0
    assert first.overlap(RotatedRegion(3.0, 3.0, 2.0, 0.0)) == 0.0


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 179.0, -120.0])
def test_upright_angle_equals_the_hand_rotation(degrees: float) -> None:
    turn = math.radians(degrees)
    up = np.array([math.sin(turn), -math.cos(turn)])  # straight up, turned clockwise as seen
    assert upright_angle(np.array([5.0, 6.0]), np.array([5.0, 6.0]) + 3.0 * up) == pytest.approx(turn)


def test_regions_turn_with_the_hand() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-20.0, 20.0, (21, 2)) + np.linspace([0.0, 30.0], [0.0, -60.0], 21)
    turn = 0.9
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    before = region_of_landmarks(points)
    after = region_of_landmarks(points @ rotation.T + (300.0, 200.0))
    assert after.size == pytest.approx(before.size)
    assert math.remainder(after.angle_rad - before.angle_rad - turn, 2.0 * math.pi) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(
        (after.center_x, after.center_y), rotation @ (before.center_x, before.center_y) + (300.0, 200.0)
    )


def test_palm_region_expands_and_shifts_the_box() -> None:
    region = region_of_palm(np.array([90.0, 80.0, 110.0, 110.0]), np.array([100.0, 110.0]), np.array([100.0, 80.0]))
    # the longer side 30, expanded 2.6 times, after a shift up by half the box's height
    assert (region.size, region.angle_rad) == pytest.approx((78.0, 0.0))
    assert (region.center_x, region.center_y) == pytest.approx((100.0, 95.0 - 15.0))
