"""Signed distances of the few bodies that the hand is modelled with, and their smooth union.

Formulas: Inigo Quilez, "Distance functions" and "Smooth minimum" (iquilezles.org). The ellipsoid's distance is a
bound of first order, exact on its surface, which is all that projecting onto the surface needs. Negative inside;
millimetres.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Points = Float[np.ndarray, "n 3"]
Distances = Float[np.ndarray, "n"]


def round_cone(points: Points, height: float, radius_start: float, radius_end: float) -> Distances:
    """Hull of two spheres: one at the origin, one at ``height`` on the +y axis."""
    slope = np.clip((radius_start - radius_end) / height, -0.99, 0.99)
    cosine = np.sqrt(1.0 - slope * slope)
    across = np.hypot(points[:, 0], points[:, 2])
    along = points[:, 1]
    projected = cosine * along - slope * across
    side = across * cosine + along * slope - radius_start
    start_cap = np.hypot(across, along) - radius_start
    end_cap = np.hypot(across, along - height) - radius_end
    return np.where(projected < 0.0, start_cap, np.where(projected > cosine * height, end_cap, side))


def ellipsoid(points: Points, half_axes: tuple[float, float, float]) -> Distances:
    """Ellipsoid at the origin with its axes along x, y, z."""
    axes = np.array(half_axes)
    scaled = np.linalg.norm(points / axes, axis=1)
    gradient = np.linalg.norm(points / (axes * axes), axis=1)
    return scaled * (scaled - 1.0) / np.maximum(gradient, 1e-9)


def smooth_union(first: Distances, second: Distances, width: float) -> Distances:
    """Union whose seam is rounded (cubic smooth minimum) where the two distances differ by less than ``width`` mm."""
    overlap = np.maximum(width - np.abs(first - second), 0.0) / width
    return np.minimum(first, second) - overlap**3 * width / 6.0
