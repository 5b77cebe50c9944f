"""The solver of whole sessions: which frames it takes for one movement, and which it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from ik_cases import CAMERA, make_case

from ik_baseline.session_solver import LONGEST_GAP, Seen, SessionSolver
from ik_baseline.solver import IkSolver


@pytest.mark.parametrize("frames", [(0, 1, 1, 2), (0, 2, 1)])
def test_frames_that_do_not_follow_each_other_are_refused(solver: IkSolver, frames: tuple[int, ...]) -> None:
    observation = make_case(solver, np.random.default_rng(0)).observation
    with pytest.raises(ValueError, match=r"frame 1 came after frame [12]; give each frame once"):
        SessionSolver(solver).solve([Seen(frame, observation) for frame in frames], CAMERA)


@pytest.mark.parametrize(("unseen", "movements"), [(LONGEST_GAP, 1), (LONGEST_GAP + 1, 2)])
def test_a_movement_is_carried_across_the_longest_gap_and_no_further(
    solver: IkSolver, unseen: int, movements: int
) -> None:
    observation = make_case(solver, np.random.default_rng(0)).observation
    ends: list[int] = []
    seen = [Seen(0, observation), Seen(unseen + 1, observation)]
    SessionSolver(solver).solve(seen, CAMERA, progress=ends.append)
    assert len(ends) == movements
