"""One solver for all tests: compiling it takes seconds the first time."""

from __future__ import annotations

import pytest

from hand.embedded import load_embedded_model
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver


@pytest.fixture(scope="session")
def _shared_solver() -> IkSolver:
    model = load_embedded_model()
    return IkSolver(model, HandCalibration.without_offsets(model))


@pytest.fixture
def solver(_shared_solver: IkSolver) -> IkSolver:
    """Solves for landmarks that are the model's own joints."""
    _shared_solver.calibration = HandCalibration.without_offsets(_shared_solver.model)
    return _shared_solver
