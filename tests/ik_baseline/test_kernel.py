"""The compiled core against the hand layer and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from ik_cases import CAMERA, make_case

from hand.anatomy import rotations_from_angles
from hand.layer import HandLayer
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from ik_baseline.kernel import (
    UNKNOWNS,
    WORLD_ROWS,
    Chain,
    State,
    Target,
    local_rotation_vectors,
    pose_landmarks,
    residual_lengths,
    residuals_and_jacobian,
)
from ik_baseline.solver import IkSolver

TIPS = (4, 8, 12, 16, 20)


def moved(state: State, unknown: int, by: float) -> State:
    """The state with one unknown moved."""
    step = np.zeros(UNKNOWNS)
    step[unknown] = by
    return State(
        matrix_from_axis_angle(step[:3]) @ state.rotation,
        state.angles + step[3:48],
        state.wrist + step[48:51],
        state.centre + step[51:54],
        state.log_scale + step[54],
    )


@pytest.fixture
def problem(solver: IkSolver) -> tuple[Chain, State, Target]:
    """A random state, away from any solution, on a hand with landmark offsets."""
    rng = np.random.default_rng(11)
    case = make_case(solver, rng)
    chain = solver.chain._replace(offsets=rng.normal(0.0, 0.005, (21, 3)))
    state = State(
        matrix_from_axis_angle(rng.normal(0.0, 0.1, 3)) @ case.rotation,
        case.angles_rad[1:].reshape(45) + rng.normal(0.0, 0.1, 45),
        np.array([0.02, -0.03, 0.5]),
        rng.normal(0.0, 0.02, 3),
        0.07,
    )
    return chain, state, solver.target(case.observation, CAMERA)


def test_landmarks_are_the_layers_joints_tips_included(solver: IkSolver) -> None:
    rng = np.random.default_rng(3)
    case = make_case(solver, rng)
    points, _, world, _ = pose_landmarks(solver.chain, case.rotation, case.angles_rad[1:].reshape(45))
    rotations = rotations_from_angles(case.angles_rad, solver.chain.axes)
    rotations[0] = case.rotation
    truth = HandLayer(solver.model, np.float64).from_matrices(rotations, np.zeros(10))
    np.testing.assert_allclose(points, truth.joints_m - truth.joints_m[0], atol=1e-9)
    np.testing.assert_allclose(world, truth.joint_rotations, atol=1e-9)


def test_jacobian_matches_finite_differences(problem: tuple[Chain, State, Target]) -> None:
    chain, state, target = problem
    _, jacobian = residuals_and_jacobian(chain, state, target)
    step = 1e-6
    numeric = np.empty_like(jacobian)
    for unknown in range(UNKNOWNS):
        ahead, _ = residuals_and_jacobian(chain, moved(state, unknown, step), target)
        behind, _ = residuals_and_jacobian(chain, moved(state, unknown, -step), target)
        numeric[:, unknown] = (ahead - behind) / (2.0 * step)
    world = [3 * k + r for k in range(21) if k not in TIPS for r in range(3)]
    pixels = [WORLD_ROWS + 2 * k + r for k in range(21) if k not in TIPS for r in range(2)]
    scale = np.abs(numeric).max()
    np.testing.assert_allclose(jacobian[world + pixels], numeric[world + pixels], atol=1e-7 * scale)
    # tips are skin: their correctives and blended weights are left out of the derivative, not out of the residual
    np.testing.assert_allclose(jacobian, numeric, atol=0.03 * scale)
    assert np.abs(numeric).max(1).min() > 0.0


def test_rotation_vectors_are_those_of_the_angles(solver: IkSolver) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        case = make_case(solver, rng)
        rotations = rotations_from_angles(case.angles_rad, solver.chain.axes)
        rotations[0] = case.rotation
        vectors = local_rotation_vectors(solver.chain, case.rotation, case.angles_rad[1:].reshape(45))
        np.testing.assert_allclose(vectors, axis_angle_from_matrix(rotations), atol=1e-12)


def test_residual_lengths_are_those_of_the_gaps(problem: tuple[Chain, State, Target]) -> None:
    chain, state, target = problem
    residuals, _ = residuals_and_jacobian(chain, state, target)
    world, pixels = residual_lengths(residuals, target.world_precision, target.pixel_precision)
    gaps_m = residuals[:WORLD_ROWS].reshape(21, 3) / target.world_precision
    gaps_px = residuals[WORLD_ROWS:].reshape(21, 2) / target.pixel_precision
    np.testing.assert_allclose(world, np.linalg.norm(gaps_m, axis=1))
    np.testing.assert_allclose(pixels, np.linalg.norm(gaps_px, axis=1))
