"""The warm start of the next frame: information is kept for parts at rest and dropped for parts that moved."""

from __future__ import annotations

import numpy as np
import pytest

from ik_baseline.kernel import State, Target
from ik_baseline.warm_start import PIXEL_MOVED_M, STEADINESS, WORLD_MOVED_M, WarmStart, steadied

FOCAL_PX, DEPTH_M = 500.0, 0.5
PARTS = ((0, 1, 5, 9, 13, 17), (2, 3, 4), (6, 7, 8), (10, 11, 12), (14, 15, 16), (18, 19, 20))
"""Landmarks of the palm, then of thumb, index, middle, ring and little finger."""
UNKNOWNS = ((0, 1, 2, *range(48, 55)), range(39, 48), range(3, 12), range(12, 21), range(30, 39), range(21, 30))
"""The unknowns of the same parts: MANO lists index, middle, little, ring, thumb."""


def _frame(seed: int) -> tuple[WarmStart, Target]:
    random = np.random.default_rng(seed)
    pixels, world = 300.0 + 50.0 * random.normal(size=(21, 2)), 0.04 * random.normal(size=(21, 3))
    half = random.normal(size=(55, 55))
    state = State(np.eye(3), np.zeros(45), np.array([0.0, 0.0, DEPTH_M]), np.zeros(3), 0.0)
    target = Target(world, pixels, np.ones(3), 1.0, np.array([FOCAL_PX, FOCAL_PX, 320.0, 240.0]))
    return WarmStart(state, pixels.copy(), world.copy(), half @ half.T), target


def test_hand_at_rest_keeps_its_information() -> None:
    before, target = _frame(0)
    shifted = target._replace(world=target.world + 0.3)  # world landmarks have no absolute position
    information, settled_px, settled_world_m = steadied(before, shifted)
    np.testing.assert_allclose(information, STEADINESS * before.information)
    np.testing.assert_allclose(settled_px, before.settled_px)
    np.testing.assert_allclose(settled_world_m, before.settled_world_m + 0.3)


@pytest.mark.parametrize("part", range(6))
def test_information_is_dropped_for_the_moved_part_only(part: int) -> None:
    before, target = _frame(part)
    pixels = target.pixels.copy()
    pixels[PARTS[part][-1], 0] += PIXEL_MOVED_M * FOCAL_PX / DEPTH_M  # one landmark decides for its part
    information, settled_px, _ = steadied(before, target._replace(pixels=pixels))
    moved = np.isin(np.arange(55), list(UNKNOWNS[part]))
    rests = ~moved[:, None] & ~moved
    np.testing.assert_allclose(information[~rests], 0.0, atol=1e-9)
    np.testing.assert_allclose(information[rests], STEADINESS * before.information[rests])
    np.testing.assert_allclose(settled_px, pixels)


def test_half_a_movement_keeps_a_share_of_the_information() -> None:
    before, target = _frame(7)
    step_m = 0.5 * WORLD_MOVED_M
    world = target.world.copy()
    world[8, 2] += step_m * 21.0 / 20.0  # relative to the mean, which moves by 1/21 of the step
    information, _, settled_world_m = steadied(before, target._replace(world=world))
    kept = STEADINESS * (1.0 - 0.25) ** 2
    np.testing.assert_allclose(information[3:12, 3:12], kept * before.information[3:12, 3:12])
    share = kept / (1.0 + kept)
    assert settled_world_m[8, 2] == pytest.approx(world[8, 2] - share * step_m)
