"""The One-Euro filter, for vectors, for rotations, and for a whole hand: smooth at rest, low lag in motion.

Casiez, Roussel and Vogel 2012, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", algorithm 1: an exponential low-pass filter; its cutoff rises with the (itself low-pass filtered) speed.
Rotations are filtered on the sphere of quaternions: the speed is the angular velocity, and the step is a spherical
interpolation, so nothing tears at a half turn and no axis is preferred. Vectors have one cutoff for all their
components, for the same reason.

Optionally the last value is extrapolated along its trend before it moves towards the measurement, as in double
exponential smoothing with a damped trend (Gardner and McKenzie 1985, "Forecasting trends in time series"; for
orientations LaViola 2003, "Double exponential smoothing: an alternative to Kalman filter-based predictive tracking"). A
moving value then has less lag for the same smoothness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.finite import all_finite
from hand.layer import HandLayer
from hand.mirror import Side
from hand.pose_kernels import filter_rotations, filter_vectors
from hand.rotations import axis_angle_from_quaternion, quaternion_from_axis_angle
from hand.types import HandState

NANOSECONDS_PER_SECOND = 1_000_000_000
LONGEST_GAP_NS = 300_000_000
"""After a longer pause, or when time runs backwards, a filter starts again."""


@dataclass(frozen=True, slots=True)
class OneEuroSettings:
    """Cutoffs and gains of the filter.

    Attributes:
        min_cutoff_hz: cutoff at rest; lower is smoother, with more lag.
        speed_gain: how much the cutoff rises, in Hz per unit of speed (rad/s, m/s); higher has less lag.
        speed_cutoff_hz: cutoff of the filter on the speed itself; the paper keeps it at 1 Hz.
        trend_share: how much of its trend a value is extrapolated by in each step, 0 (none, as in the paper) to 1.
        trend_cutoff_hz: cutoff of the filter on the trend, the speed of the filtered value.
    """

    min_cutoff_hz: float = 1.0
    speed_gain: float = 0.0
    speed_cutoff_hz: float = 1.0
    trend_share: float = 0.0
    trend_cutoff_hz: float = 2.0


class OneEuroFilter:
    """Filters vectors (last axis); leading axes are independent vectors."""

    def __init__(self, settings: OneEuroSettings) -> None:
        """Starts empty: the first value passes unchanged.

        Args:
            settings: cutoffs and gains.
        """
        self.settings = settings
        self._clock = _Clock()
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | None = None
        self._trend: np.ndarray | None = None

    def reset(self) -> None:
        """Resets the filter; the next value passes unchanged."""
        self._value = self._speed = self._trend = None
        self._clock.reset()

    def __call__(self, value: Float[np.ndarray, "*batch D"], time_ns: int) -> Float[np.ndarray, "*batch D"]:
        """The filtered value.

        Args:
            value: the measurement.
            time_ns: when it was taken, on any steady clock; the same time again returns the last result. A measurement
                that is not finite is returned as it is and ignored.
        """
        if not all_finite(value):
            return value.copy()
        seconds = self._clock.seconds_since_last(time_ns)
        if seconds is None or self._value is None or self._value.shape != value.shape:
            self._value, self._speed, self._trend = value.copy(order="C"), np.zeros(value.shape), np.zeros(value.shape)
        elif seconds > 0.0:
            assert self._speed is not None
            assert self._trend is not None
            rows = -1, value.shape[-1]
            filter_vectors(
                value.reshape(rows).copy(),
                self._value.reshape(rows),
                self._speed.reshape(rows),
                self._trend.reshape(rows),
                seconds,
                *_numbers(self.settings),
            )
        return self._value.copy()


class RotationOneEuroFilter:
    """Filters rotations given as axis-angle vectors; leading axes are independent rotations."""

    def __init__(self, settings: OneEuroSettings) -> None:
        """Starts empty: the first value passes unchanged; see :class:`OneEuroFilter`."""
        self.settings = settings
        self._clock = _Clock()
        self._quaternion: np.ndarray | None = None
        self._velocity: np.ndarray | None = None
        self._trend: np.ndarray | None = None

    def reset(self) -> None:
        """Resets the filter; the next value passes unchanged."""
        self._quaternion = self._velocity = self._trend = None
        self._clock.reset()

    def __call__(self, axis_angle_rad: Float[np.ndarray, "*batch 3"], time_ns: int) -> Float[np.ndarray, "*batch 3"]:
        """The filtered rotations, of length at most pi; see :meth:`OneEuroFilter.__call__`."""
        if not all_finite(axis_angle_rad):
            return axis_angle_rad.copy()
        seconds = self._clock.seconds_since_last(time_ns)
        if seconds is None or self._quaternion is None or self._quaternion.shape[:-1] != axis_angle_rad.shape[:-1]:
            self._quaternion = quaternion_from_axis_angle(axis_angle_rad.astype(np.float64))
            self._velocity, self._trend = np.zeros(axis_angle_rad.shape), np.zeros(axis_angle_rad.shape)
        elif seconds > 0.0:
            assert self._velocity is not None
            assert self._trend is not None
            filtered = np.empty((axis_angle_rad.size // 3, 3))
            filter_rotations(
                axis_angle_rad.reshape(-1, 3).astype(np.float64),
                self._quaternion.reshape(-1, 4),
                self._velocity.reshape(-1, 3),
                self._trend.reshape(-1, 3),
                seconds,
                *_numbers(self.settings),
                filtered,
            )
            return filtered.reshape(axis_angle_rad.shape).astype(axis_angle_rad.dtype)
        return axis_angle_from_quaternion(self._quaternion).astype(axis_angle_rad.dtype)


@dataclass(frozen=True, slots=True)
class HandFilterSettings:
    """Settings for the parts of a hand; the defaults suit a hand before a webcam at 20 to 60 frames per second.

    Attributes:
        pose: finger joints and global rotation; speed in rad/s.
        translation: speed in m/s.
        shape: a person's hand does not change, so it may follow very slowly.
    """

    pose: OneEuroSettings = OneEuroSettings(min_cutoff_hz=1.5, speed_gain=0.8)
    translation: OneEuroSettings = OneEuroSettings(min_cutoff_hz=1.5, speed_gain=20.0)
    shape: OneEuroSettings = OneEuroSettings(min_cutoff_hz=0.2, speed_gain=0.0)


class HandStateFilter:
    """Filters pose, translation and shape of one hand over time, and poses the mesh from the results."""

    def __init__(self, layer: HandLayer, settings: HandFilterSettings | None = None) -> None:
        """Starts empty.

        Args:
            layer: poses the hands that will be filtered (of their side).
            settings: cutoffs and gains; None takes the defaults.
        """
        settings = settings or HandFilterSettings()
        self._layer = layer
        self._pose = RotationOneEuroFilter(settings.pose)
        self._translation = OneEuroFilter(settings.translation)
        self._shape = OneEuroFilter(settings.shape)
        self._side: Side | None = None

    def tune(self, settings: HandFilterSettings) -> None:
        """Changes the settings and keeps the state."""
        self._pose.settings = settings.pose
        self._translation.settings = settings.translation
        self._shape.settings = settings.shape

    def reset(self) -> None:
        """Resets the filter; the next hand passes unchanged."""
        for part in (self._pose, self._translation, self._shape):
            part.reset()

    def __call__(self, state: HandState, time_ns: int) -> HandState:
        """The filtered hand; its confidence and reprojection stay those of the measurement.

        Args:
            state: the measurement; another side than before resets the filter.
            time_ns: capture time of its frame.
        """
        if state.side != self._side:
            self.reset()
            self._side = state.side
        pose = self._pose(state.pose_rad.reshape(16, 3), time_ns).reshape(48)
        shape = self._shape(state.shape, time_ns)
        translation = self._translation(state.camera_translation_m, time_ns)
        return self._layer.reposed(state, pose, shape, translation)


class _Clock:
    """Measures the time since the last value, and detects when that value is too old to be used."""

    def __init__(self) -> None:
        self._last_ns: int | None = None

    def reset(self) -> None:
        self._last_ns = None

    def seconds_since_last(self, time_ns: int) -> float | None:
        """Seconds since the last call, or None for a fresh start."""
        last, self._last_ns = self._last_ns, time_ns
        if last is None or not 0 <= time_ns - last <= LONGEST_GAP_NS:
            return None
        return (time_ns - last) / NANOSECONDS_PER_SECOND


def _numbers(settings: OneEuroSettings) -> tuple[float, float, float, float, float]:
    """As the kernels take them."""
    return (
        settings.min_cutoff_hz,
        settings.speed_gain,
        settings.speed_cutoff_hz,
        settings.trend_share,
        settings.trend_cutoff_hz,
    )
