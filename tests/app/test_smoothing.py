"""Smoothing of a path: less jitter on a still hand, little lag on a moving one, and no change when it is disabled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.pipeline.paths.smoothing import SmoothedPath, Smoothing
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.types import Frame, HandState, PathResult

MODEL = load_embedded_model()
LAYER = HandLayer(MODEL)
FRAME_NS = 33_000_000


class NoisyPath:
    """A path with a hand that moves by ``speed_m_s``, with noise on its pose and position."""

    def __init__(self, speed_m_s: float = 0.0, noise: float = 1.0) -> None:
        self._rng = np.random.default_rng(0)
        self.speed_m_s, self.noise = speed_m_s, noise
        self.resets = self.closed = 0

    def true_place(self, sequence: int) -> np.ndarray:
        return np.array([self.speed_m_s * sequence * FRAME_NS / 1e9, 0.0, 0.5], np.float32)

    def process(self, frame: Frame) -> PathResult:
        pose = (0.2 + self.noise * self._rng.normal(0.0, 0.02, 48)).astype(np.float32)
        place = self.true_place(frame.sequence) + self.noise * self._rng.normal(0.0, 0.002, 3).astype(np.float32)
        geometry = LAYER(pose, np.zeros(10), place)
        state = HandState(
            sequence=frame.sequence,
            side="right",
            pose_rad=pose,
            shape=np.zeros(10, np.float32),
            camera_translation_m=place.astype(np.float32),
            joints_m=geometry.joints_m,
            vertices_m=geometry.vertices_m,
            confidence=0.9,
            origin="network",
        )
        self.last = state
        return PathResult(frame, "network", (state,), (), {})

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed += 1


def frame(sequence: int) -> Frame:
    picture = np.zeros((4, 4, 3), np.uint8)
    return Frame(sequence, sequence * FRAME_NS, picture, Intrinsics.from_fov(4, 4), "test")


def run(path: SmoothedPath, count: int) -> list[HandState]:
    return [path.process(frame(sequence)).states[0] for sequence in range(count)]


def test_jitter_of_a_still_hand_is_reduced_and_measured() -> None:
    removed = []
    for strength in (0.2, 0.5, 1.0):
        smoothing = Smoothing(strength)
        run(SmoothedPath(NoisyPath(), MODEL, smoothing), 60)
        jitter = smoothing.jitter("network")
        assert jitter is not None
        removed.append(jitter.removed)
    assert removed == sorted(removed)
    assert removed[1] > 0.6


def test_moving_hand_lags_by_less_than_a_frame() -> None:
    noisy = NoisyPath(speed_m_s=0.6, noise=0.0)
    last = run(SmoothedPath(noisy, MODEL, Smoothing()), 40)[-1]
    # one frame at this speed is 20 mm; the filter may lag by less than one
    assert abs(float(last.camera_translation_m[0] - noisy.true_place(39)[0])) < 0.012


def test_mesh_matches_the_filtered_pose() -> None:
    state = run(SmoothedPath(NoisyPath(), MODEL, Smoothing()), 10)[-1]
    posed = LAYER(state.pose_rad, state.shape, state.camera_translation_m)
    np.testing.assert_allclose(state.vertices_m, posed.vertices_m, atol=1e-7)


def test_disabled_smoothing_returns_the_states_unchanged() -> None:
    raw = run(SmoothedPath(NoisyPath(), MODEL, Smoothing(0.0)), 5)
    own = [NoisyPath().process(frame(0)).states[0]]
    np.testing.assert_array_equal(raw[0].joints_m, own[0].joints_m)


def test_change_of_strength_takes_effect_while_running() -> None:
    smoothing = Smoothing(1.0)
    noisy = NoisyPath()
    path = SmoothedPath(noisy, MODEL, smoothing)
    assert not np.array_equal(run(path, 30)[-1].joints_m, noisy.last.joints_m)
    smoothing.strength = 0.0
    shown = path.process(frame(30)).states[0]
    np.testing.assert_array_equal(shown.joints_m, noisy.last.joints_m)


def test_sides_do_not_mix() -> None:
    class Both(NoisyPath):
        def process(self, frame: Frame) -> PathResult:
            right = super().process(frame)
            left = replace(right.states[0], side="left", camera_translation_m=np.array([0.3, 0.0, 0.5], np.float32))
            return replace(right, states=(right.states[0], left))

    result = SmoothedPath(Both(), MODEL, Smoothing(1.0)).process(frame(0))
    assert [state.side for state in result.states] == ["right", "left"]
    assert result.states[1].camera_translation_m[0] == pytest.approx(0.3)


class TwoPeople(NoisyPath):
    """Two right hands: a noisy one, and a still one 30 cm beside it."""

    def process(self, frame: Frame) -> PathResult:
        first = super().process(frame)
        place = np.array([0.3, 0.0, 0.5], np.float32)
        geometry = LAYER(np.zeros(48), np.zeros(10), place)
        second = replace(
            first.states[0],
            pose_rad=np.zeros(48, np.float32),
            camera_translation_m=place,
            joints_m=geometry.joints_m,
            vertices_m=geometry.vertices_m,
        )
        return replace(first, states=(*first.states, second))


def test_two_hands_of_one_side_do_not_mix() -> None:
    path = SmoothedPath(TwoPeople(), MODEL, Smoothing())
    for sequence in range(5):
        first, second = path.process(frame(sequence)).states
        assert abs(float(first.camera_translation_m[0])) < 0.02
        assert second.camera_translation_m[0] == pytest.approx(0.3)


def test_jitter_of_two_hands_of_one_side_is_each_measured_against_itself() -> None:
    alone, together = Smoothing(), Smoothing()
    run(SmoothedPath(NoisyPath(), MODEL, alone), 60)
    run(SmoothedPath(TwoPeople(), MODEL, together), 60)
    one, both = alone.jitter("network"), together.jitter("network")
    assert one is not None
    assert both is not None
    assert both.raw_mm == pytest.approx(one.raw_mm / 2.0, rel=1e-6)  # the second hand rests


def test_reset_and_close_reach_the_path() -> None:
    noisy = NoisyPath()
    path = SmoothedPath(noisy, MODEL, Smoothing())
    path.reset()
    path.close()
    assert (noisy.resets, noisy.closed) == (1, 1)
