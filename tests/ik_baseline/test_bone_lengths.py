"""The share of the landmark correction that makes the bone lengths of the observed hand constant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ik_cases import CAMERA, make_case

from ik_baseline.landmark_correction import (
    PHOTOGRAPH_SHARE,
    bone_lengths,
    correction_strength,
    measured_correction,
    photograph_correction,
    scatter,
)
from ik_baseline.solver import IkSolver


def test_bone_lengths_are_independent_of_pose_and_scale(solver: IkSolver) -> None:
    rng = np.random.default_rng(1)
    hands = np.array([make_case(solver, rng).joints_m for _ in range(20)])
    assert scatter(bone_lengths(hands)) < 0.01
    assert scatter(bone_lengths(hands * rng.uniform(0.5, 2.0, (20, 1, 1)))) < 0.01
    assert scatter(bone_lengths(hands + rng.normal(0.0, 0.004, hands.shape))) > 0.05


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_share_of_the_correction_is_recovered(solver: IkSolver, share: float) -> None:
    correction, rng = measured_correction(), np.random.default_rng(2)
    seen = []
    for _ in range(60):
        true = make_case(solver, rng).observation
        wrong = correction(true, CAMERA)
        # the correction of the wrong landmarks is only nearly the inverse of their error, so iterate
        for _ in range(12):
            back = correction(wrong, CAMERA, form_share=share, picture_share=0.0)
            gap = back.world_landmarks_m - (true.world_landmarks_m - true.world_landmarks_m.mean(0))
            wrong = replace(true, world_landmarks_m=wrong.world_landmarks_m - gap)
        seen.append(wrong)
    assert correction_strength(correction, seen, CAMERA) == share


def test_too_few_hands_give_the_photograph_share(solver: IkSolver) -> None:
    seen = [make_case(solver, np.random.default_rng(3)).observation]
    assert correction_strength(measured_correction(), seen, CAMERA) == PHOTOGRAPH_SHARE
    assert photograph_correction(seen[0], CAMERA).side == seen[0].side
