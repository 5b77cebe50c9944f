"""How far two paths' hands are apart, point by point, and the colours that show it."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float

from app.palette import rgb
from hand.types import HandState

LARGEST_MM: Final = 30.0
"""From here on the colour stays the same: a hand that is so far off is simply wrong."""

COLOR_STOPS: Final[tuple[tuple[float, str], ...]] = (
    (0.0, "#4f86a8"),
    (0.25, "#8cc0a8"),
    (0.5, "#f2dc8a"),
    (0.75, "#ee8a4a"),
    (1.0, "#b5243f"),
)
"""Share of :data:`LARGEST_MM` and colour; blue to red through yellow, distinct for red-green colour blindness."""

_MM_PER_M = 1000.0


def vertex_distances_mm(one: HandState, other: HandState) -> Float[np.ndarray, "V"]:
    """Distance of each vertex to its counterpart, with both wrists laid onto each other.

    A single camera hardly measures the distance of a hand, so the position is left out.
    """
    apart_m = (one.vertices_m - one.joints_m[0]) - (other.vertices_m - other.joints_m[0])
    return np.asarray(np.linalg.norm(apart_m, axis=-1) * _MM_PER_M)


def disagreement_colors(distances_mm: Float[np.ndarray, "V"]) -> Float[np.ndarray, "V 3"]:
    """A colour for every distance, sRGB 0 to 1."""
    places = [stop * LARGEST_MM for stop, _ in COLOR_STOPS]
    colors = np.array([rgb(color) for _, color in COLOR_STOPS], np.float32) / 255.0
    channels = [np.interp(distances_mm, places, colors[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).astype(np.float32)
