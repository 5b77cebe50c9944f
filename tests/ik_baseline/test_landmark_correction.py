"""The correction of MediaPipe's landmarks: closed forms, its share for photographs, and mirror symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from ik_cases import CAMERA, make_case, mirrored

from hand.mirror import mirror_pixels, mirror_points
from ik_baseline.landmark_correction import (
    PHOTOGRAPH_SHARE,
    LandmarkCorrection,
    gaussian_kernel,
    measured_correction,
    normalized,
    photograph_correction,
)
from ik_baseline.solver import IkSolver


def test_zero_correction_returns_the_observation(solver: IkSolver) -> None:
    nothing = LandmarkCorrection(np.zeros((1, 114)), np.zeros((1, 105)), np.zeros(105), 1.0)
    seen = make_case(solver, np.random.default_rng(0)).observation
    same = nothing(seen, CAMERA)
    np.testing.assert_allclose(same.landmarks_px, seen.landmarks_px, atol=1e-9)
    # about their mean: the origin of world landmarks is arbitrary
    np.testing.assert_allclose(
        same.world_landmarks_m, seen.world_landmarks_m - seen.world_landmarks_m.mean(0), atol=1e-9
    )


def test_a_left_hand_is_corrected_as_its_mirror_image(solver: IkSolver) -> None:
    correction = measured_correction()
    seen = make_case(solver, np.random.default_rng(3)).observation
    right = correction(seen, CAMERA)
    left = correction(mirrored(seen), CAMERA.mirrored())
    np.testing.assert_allclose(mirror_points(left.world_landmarks_m), right.world_landmarks_m, atol=1e-9)
    np.testing.assert_allclose(mirror_pixels(left.landmarks_px, CAMERA.width_px), right.landmarks_px, atol=1e-6)
    assert left.side == "left"


def test_photograph_correction_scales_the_3d_change_and_keeps_2d_landmarks(solver: IkSolver) -> None:
    seen = make_case(solver, np.random.default_rng(3)).observation
    nothing, whole, real = (
        measured_correction()(seen, CAMERA, form_share=0.0, picture_share=0.0),
        measured_correction()(seen, CAMERA),
        photograph_correction(seen, CAMERA),
    )
    np.testing.assert_array_equal(real.landmarks_px, seen.landmarks_px)
    share = PHOTOGRAPH_SHARE * (whole.world_landmarks_m - nothing.world_landmarks_m)
    np.testing.assert_allclose(real.world_landmarks_m, nothing.world_landmarks_m + share, atol=1e-9)
    assert np.abs(share).max() > 1e-3


def test_the_kernel_is_one_where_points_coincide() -> None:
    points = np.random.default_rng(0).normal(size=(5, 114))
    kernel = gaussian_kernel(points, points, 2.0)
    np.testing.assert_allclose(np.diag(kernel), 1.0)
    expected = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1) / 8.0)
    np.testing.assert_allclose(kernel, expected, atol=1e-12)


def test_the_correction_is_the_kernels_sum_over_all_centres(solver: IkSolver) -> None:
    correction = measured_correction()
    for seed in range(5):
        seen = make_case(solver, np.random.default_rng(seed)).observation
        hand = normalized(seen.world_landmarks_m, seen.landmarks_px, CAMERA)
        near = gaussian_kernel(hand.features[None], correction.centers, correction.width)[0]
        change = near @ correction.weights + correction.mean
        corrected = correction(seen, CAMERA, form_share=0.0)
        moved_px = corrected.landmarks_px - seen.landmarks_px
        np.testing.assert_allclose(moved_px, hand.box_px * change[63:].reshape(21, 2), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_a_hand_is_normalized_by_its_palm(seed: int) -> None:
    random = np.random.default_rng(seed)
    world_m, pixels_px = 0.04 * random.normal(size=(21, 3)), 300.0 + 50.0 * random.normal(size=(21, 2))
    hand = normalized(world_m, pixels_px, CAMERA)
    turned = world_m @ hand.to_ray.T
    distal = turned[9] - turned[0]
    palmar = np.cross(turned[5] - turned[0], turned[17] - turned[0])
    palmar -= distal * (palmar @ distal) / (distal @ distal)
    distal, palmar = distal / np.linalg.norm(distal), palmar / np.linalg.norm(palmar)
    palm = np.stack([np.cross(distal, palmar), distal, palmar], 1)
    palm_m, box_px = np.linalg.norm(turned[9] - turned[0]), np.ptp(pixels_px, axis=0).max()
    form, picture = (turned - turned.mean(0)) @ palm / palm_m, (pixels_px - pixels_px.mean(0)) / box_px
    assert (hand.palm_m, hand.box_px) == (pytest.approx(palm_m), pytest.approx(box_px))
    for found, wanted in ((hand.palm, palm), (hand.form, form), (hand.picture, picture)):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    parts = [form.ravel(), 0.7 * palm.ravel(), 0.7 * picture.ravel()]
    np.testing.assert_allclose(hand.features, np.concatenate(parts), atol=1e-12)
