"""Where the eye of the 3D view is: turned by the mouse, and following the hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numba
import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.shading import View, orbit_view

FIELD_OF_VIEW_DEG = 28.0
"""Of the 3D view, along its shorter side; narrow, as a hand is viewed across a table."""

_STEEPEST_RAD = math.radians(89.0)
_NEAREST, _FARTHEST = 0.35, 3.0
_HAND_RADIUS_M = 0.13
_FOLLOW_S = 0.25


@dataclass(frozen=True, slots=True)
class Orbit:
    """The user's view of the mesh; at zero angles its direction is the camera's.

    Attributes:
        azimuth_rad: to the right around the hand.
        elevation_rad: above the hand.
        zoom: 1 shows the whole hand with some room, 2 twice as large.
    """

    azimuth_rad: float = 0.0
    elevation_rad: float = 0.0
    zoom: float = 1.0

    def turned(self, right_rad: float, up_rad: float) -> Orbit:
        """Moved around the hand, never over its pole."""
        elevation = min(max(self.elevation_rad + up_rad, -_STEEPEST_RAD), _STEEPEST_RAD)
        azimuth = math.remainder(self.azimuth_rad + right_rad, 2.0 * math.pi)
        return replace(self, azimuth_rad=azimuth, elevation_rad=elevation)

    def zoomed(self, factor: float) -> Orbit:
        """Nearer (factor above 1) or farther, within limits."""
        return replace(self, zoom=min(max(self.zoom * factor, _NEAREST), _FARTHEST))


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """The point and extent that the 3D view shows.

    Attributes:
        target_m: a point in camera axes.
        radius_m: how far the hands reach around it.
    """

    target_m: Float[np.ndarray, "3"]
    radius_m: float

    def view(self, orbit: Orbit) -> View:
        """The eye for this focus and the user's orbit."""
        distance = self.radius_m / math.sin(math.radians(FIELD_OF_VIEW_DEG) / 2.0) / orbit.zoom
        return orbit_view(self.target_m, distance, orbit.azimuth_rad, orbit.elevation_rad)


class FocusFollower:
    """Follows the hands without shaking: a first-order low pass, which restarts when hands appear."""

    def __init__(self) -> None:
        self._focus: Focus | None = None
        self._time_ns = 0

    def follow(self, vertices_m: Float[np.ndarray, "V 3"], time_ns: int) -> Focus:
        """The focus for hands with these vertices at this time."""
        low, high = np.empty(3), np.empty(3)
        _bounds(vertices_m, low, high)
        center = (low + high) / 2.0
        radius = max(float(np.linalg.norm(high - low)) / 2.0, _HAND_RADIUS_M)
        elapsed_s = (time_ns - self._time_ns) / 1e9
        self._time_ns = time_ns
        if self._focus is None or not 0.0 <= elapsed_s < 1.0:
            self._focus = Focus(center, radius)
        else:
            share = 1.0 - math.exp(-elapsed_s / _FOLLOW_S)
            target = self._focus.target_m + share * (center - self._focus.target_m)
            self._focus = Focus(target, self._focus.radius_m + share * (radius - self._focus.radius_m))
        return self._focus


@numba.njit(cache=True, error_model="numpy")
def _bounds(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """The box around points, one or more."""
    for axis in range(3):
        low[axis] = high[axis] = points[0, axis]
    for p in range(1, len(points)):
        for axis in range(3):
            low[axis], high[axis] = min(low[axis], points[p, axis]), max(high[axis], points[p, axis])


def view_intrinsics(width_px: int, height_px: int) -> Intrinsics:
    """Pinhole of the 3D view at this size; its shorter side spans :data:`FIELD_OF_VIEW_DEG`."""
    focal = 0.5 * min(width_px, height_px) / math.tan(math.radians(FIELD_OF_VIEW_DEG) / 2.0)
    return Intrinsics(focal, focal, (width_px - 1) / 2.0, (height_px - 1) / 2.0, width_px, height_px)
