"""The One-Euro filter against a scalar version written from the paper, and on rotations past half a turn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hand.layer import HandLayer
from hand.metrics import jitter_mm
from hand.one_euro import HandStateFilter, OneEuroFilter, OneEuroSettings, RotationOneEuroFilter
from hand.types import HandState
from tests.hand.toy_model import random_pose, toy_model

FRAME_NS = 33_333_333


class _PaperFilter:
    """Algorithm 1 of the paper for a scalar."""

    def __init__(self, mincutoff: float, beta: float, dcutoff: float) -> None:
        self.mincutoff, self.beta, self.dcutoff = mincutoff, beta, dcutoff
        self.x: float | None = None
        self.dx = 0.0

    @staticmethod
    def alpha(rate: float, cutoff: float) -> float:
        tau = 1.0 / (2.0 * math.pi * cutoff)
        te = 1.0 / rate
        return 1.0 / (1.0 + tau / te)

    def __call__(self, x: float, rate: float) -> float:
        if self.x is None:
            self.x = x
            return x
        dx = (x - self.x) * rate
        a = self.alpha(rate, self.dcutoff)
        self.dx = a * dx + (1 - a) * self.dx
        a = self.alpha(rate, self.mincutoff + self.beta * abs(self.dx))
        self.x = a * x + (1 - a) * self.x
        return self.x


def test_one_component_is_the_papers_filter() -> None:
    random = np.random.default_rng(0)
    settings = OneEuroSettings(min_cutoff_hz=1.2, speed_gain=0.7, speed_cutoff_hz=1.0)
    ours, paper = OneEuroFilter(settings), _PaperFilter(1.2, 0.7, 1.0)
    times = np.cumsum(random.integers(10_000_000, 50_000_000, 200))
    values = np.sin(times / 3e8) + random.normal(0, 0.05, 200)
    for k in range(200):
        rate = 1e9 / (times[k] - times[k - 1]) if k else 30.0
        assert ours(values[k : k + 1], int(times[k]))[0] == pytest.approx(paper(float(values[k]), rate), abs=1e-12)


def test_a_rotation_about_a_fixed_axis_is_the_papers_filter_on_its_angle() -> None:
    random = np.random.default_rng(1)
    settings = OneEuroSettings(min_cutoff_hz=1.0, speed_gain=0.5)
    ours, paper = RotationOneEuroFilter(settings), _PaperFilter(1.0, 0.5, 1.0)
    axis = np.array([0.6, -0.48, 0.64])
    for k in range(100):
        angle = 1.5 * math.sin(k / 10) + random.normal(0, 0.02)
        result = ours((axis * angle)[None], k * FRAME_NS)[0]
        np.testing.assert_allclose(result, axis * paper(angle, 1e9 / FRAME_NS), atol=1e-10)


class _TrendFilter(_PaperFilter):
    """The same with a damped trend (Gardner and McKenzie 1985, eq. 1-3, with the damping phi), for one number."""

    def __init__(self, mincutoff: float, beta: float, dcutoff: float, phi: float, tcutoff: float) -> None:
        super().__init__(mincutoff, beta, dcutoff)
        self.phi, self.tcutoff, self.trend = phi, tcutoff, 0.0

    def __call__(self, x: float, rate: float) -> float:
        if self.x is None:
            self.x = x
            return x
        a = self.alpha(rate, self.dcutoff)
        self.dx = a * (x - self.x) * rate + (1 - a) * self.dx
        a = self.alpha(rate, self.mincutoff + self.beta * abs(self.dx))
        last, self.x = self.x, a * x + (1 - a) * (self.x + self.phi * self.trend / rate)
        b = self.alpha(rate, self.tcutoff)
        self.trend = b * (self.x - last) * rate + (1 - b) * self.trend
        return self.x


def test_a_trend_is_double_exponential_smoothing_with_damping() -> None:
    random = np.random.default_rng(12)
    numbers = 1.0, 0.5, 1.5, 0.6, 2.0
    settings = OneEuroSettings(*numbers)
    vector, rotation = OneEuroFilter(settings), RotationOneEuroFilter(settings)
    expected_vector, expected_rotation = _TrendFilter(*numbers), _TrendFilter(*numbers)
    axis = np.array([0.6, -0.48, 0.64])
    for k in range(150):
        angle = 1.5 * math.sin(k / 10) + random.normal(0, 0.02)
        rate = 1e9 / FRAME_NS
        assert vector(np.array([angle]), k * FRAME_NS)[0] == pytest.approx(expected_vector(angle, rate), abs=1e-12)
        turned = rotation((axis * angle)[None], k * FRAME_NS)[0]
        np.testing.assert_allclose(turned, axis * expected_rotation(angle, rate), atol=1e-10)


def test_trend_reduces_lag_on_a_steady_turn_and_overshoots_less_than_one_frame() -> None:
    """The axis changes from sample to sample, so that the trend has to be transported with the rotation."""
    turn, step = Rotation.identity(), Rotation.from_rotvec([0.03, 0.05, -0.02])
    plain = RotationOneEuroFilter(OneEuroSettings(min_cutoff_hz=2.0))
    trending = RotationOneEuroFilter(OneEuroSettings(min_cutoff_hz=2.0, trend_share=0.5))
    behind: dict[str, list[float]] = {"plain": [], "trending": []}
    for k in range(120):
        turn = turn * step if k < 60 else turn
        for name, one in (("plain", plain), ("trending", trending)):
            filtered = Rotation.from_rotvec(one(turn.as_rotvec()[None], k * FRAME_NS)[0])
            gap = (filtered.inv() * turn).as_rotvec()
            behind[name].append(float(gap @ step.as_rotvec() / step.magnitude()))
    assert behind["trending"][59] < 0.7 * behind["plain"][59]
    assert min(behind["trending"]) > -step.magnitude()  # by less than one frame
    assert abs(behind["trending"][-1]) < 1e-3


def test_rotation_past_half_a_turn_is_continuous() -> None:
    """The axis-angle vector jumps from +pi to -pi there; the rotation does not."""
    ours = RotationOneEuroFilter(OneEuroSettings(min_cutoff_hz=1.0, speed_gain=1.0))
    previous = None
    for k in range(150):
        vector = Rotation.from_rotvec([0.0, 0.0, 0.05 * k]).as_rotvec()
        result = Rotation.from_rotvec(ours(vector[None], k * FRAME_NS)[0])
        if previous is not None:
            assert (previous.inv() * result).magnitude() < 0.08
        previous = result
    assert previous is not None
    assert (previous.inv() * Rotation.from_rotvec([0, 0, 0.05 * 149])).magnitude() < 0.5


def test_the_filter_does_not_depend_on_the_choice_of_axes() -> None:
    random = np.random.default_rng(2)
    turn = Rotation.random(random_state=3)
    settings = OneEuroSettings(min_cutoff_hz=1.0, speed_gain=5.0)
    plain, turned = OneEuroFilter(settings), OneEuroFilter(settings)
    for k in range(50):
        value = random.normal(size=3)
        np.testing.assert_allclose(turned(turn.apply(value), k * FRAME_NS), turn.apply(plain(value, k * FRAME_NS)))


def test_noise_at_rest_shrinks_and_motion_is_followed() -> None:
    random = np.random.default_rng(4)
    settings = OneEuroSettings(min_cutoff_hz=1.0, speed_gain=20.0)
    still = OneEuroFilter(settings)
    noise = random.normal(0, 0.001, (300, 3))
    filtered = np.stack([still(value, k * FRAME_NS) for k, value in enumerate(noise)])
    assert filtered[50:].std() < 0.4 * noise[50:].std()
    moving = OneEuroFilter(settings)
    path = np.stack([np.array([0.5 * k / 30, 0.0, 0.0]) for k in range(60)])  # half a metre per second
    lag = path[-1, 0] - [moving(value, k * FRAME_NS) for k, value in enumerate(path)][-1][0]
    assert 0 < lag < 0.012


def test_filter_restarts_after_a_gap_or_backward_time() -> None:
    for times in ((0, FRAME_NS, 2_000_000_000), (5_000_000_000, 5_000_000_000 + FRAME_NS, 1_000_000_000)):
        vector = OneEuroFilter(OneEuroSettings())
        rotation = RotationOneEuroFilter(OneEuroSettings())
        for time_ns, value in zip(times, (0.0, 0.1, 1.0), strict=True):
            vector_out = vector(np.full(3, value), time_ns)
            rotation_out = rotation(np.array([[value, 0.0, 0.0]]), time_ns)
        np.testing.assert_array_equal(vector_out, np.ones(3))
        np.testing.assert_allclose(rotation_out, [[1.0, 0.0, 0.0]], atol=1e-15)


def test_the_same_time_again_returns_the_last_result() -> None:
    vector = OneEuroFilter(OneEuroSettings())
    vector(np.zeros(3), 0)
    first = vector(np.ones(3), FRAME_NS)
    np.testing.assert_array_equal(vector(np.full(3, 9.0), FRAME_NS), first)


def test_non_finite_measurement_leaves_later_results_unchanged() -> None:
    for build in (OneEuroFilter, RotationOneEuroFilter):
        one, other = build(OneEuroSettings()), build(OneEuroSettings())
        for time_ns, value in ((0, 0.1), (FRAME_NS, math.nan), (2 * FRAME_NS, 0.2)):
            vector = np.full((1, 3), value)
            result = one(vector, time_ns)
            if math.isfinite(value):
                np.testing.assert_array_equal(result, other(vector, time_ns))


def test_results_do_not_share_memory_with_the_filter() -> None:
    vector = OneEuroFilter(OneEuroSettings())
    start = np.zeros(3)
    result = vector(start, 0)
    start += 1.0
    result += 5.0
    assert np.abs(vector(np.zeros(3), FRAME_NS)).max() == 0.0


def _state(layer: HandLayer, pose: np.ndarray, translation: np.ndarray, side: str = "right") -> HandState:
    pose, shape = pose.astype(np.float32), np.zeros(10, np.float32)
    geometry = layer(pose, shape, translation)
    return HandState(
        sequence=0,
        side=side,  # type: ignore[arg-type]
        pose_rad=pose,
        shape=shape,
        camera_translation_m=translation.astype(np.float32),
        joints_m=geometry.joints_m,
        vertices_m=geometry.vertices_m,
        confidence=0.9,
        origin="ik",
    )


def test_hand_state_filter_reduces_jitter_and_keeps_geometry_consistent() -> None:
    layer = HandLayer(toy_model(300))
    hand_filter = HandStateFilter(layer)
    random = np.random.default_rng(5)
    pose = random_pose(6, 0.3)
    pose[:3] = (0.0, np.pi - 0.01, 0.0)  # noise carries it over the half turn again and again
    raw, calm = [], []
    for k in range(90):
        noisy = _state(layer, pose + random.normal(0, 0.02, 48), np.array([0, 0, 0.6]) + random.normal(0, 0.002, 3))
        filtered = hand_filter(noisy, k * FRAME_NS)
        expected = layer(filtered.pose_rad, filtered.shape, filtered.camera_translation_m)
        np.testing.assert_array_equal(filtered.joints_m, expected.joints_m)
        assert filtered.confidence == noisy.confidence
        assert filtered.pose_rad.dtype == np.float32
        raw.append(noisy.joints_m)
        calm.append(filtered.joints_m)
    assert jitter_mm(np.stack(calm)[20:]) < 0.35 * jitter_mm(np.stack(raw)[20:])


def test_hand_state_filter_restarts_when_the_side_changes() -> None:
    layer = HandLayer(toy_model(300))
    hand_filter = HandStateFilter(layer)
    hand_filter(_state(layer, random_pose(7), np.zeros(3)), 0)
    other = _state(layer, random_pose(8), np.ones(3), "left")
    np.testing.assert_allclose(hand_filter(other, FRAME_NS).joints_m, other.joints_m, atol=1e-5)
