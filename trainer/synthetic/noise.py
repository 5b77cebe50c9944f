"""The few shapes that skin, cloth and light are drawn with: soft steps, soft lines, and noise in space."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

_PERIOD = 64


def soft_step(value: Float[np.ndarray, "*shape"], start: float, end: float) -> Float[np.ndarray, "*shape"]:
    """0 before `start`, 1 after `end`, an S between (with `end` below `start`: the other way round)."""
    t = np.clip((value - start) / (end - start), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def soft_line(
    distance: Float[np.ndarray, "*shape"], width: float, spacing: Float[np.ndarray, "*shape"] | float = 0.0
) -> Float[np.ndarray, "*shape"]:
    """A Gaussian ridge: 1 on the line, `width` is its standard deviation.

    Where vertices lie too far apart for it (`spacing`), the ridge is drawn wider and weaker, not as a row of dots.
    """
    drawn = np.maximum(width, 0.5 * np.asarray(spacing))
    return np.asarray(width / drawn) ** 0.7 * np.exp(-0.5 * (distance / drawn) ** 2)


@lru_cache(maxsize=1)
def _lattice() -> Float[np.ndarray, "64 64 64"]:
    # one fixed lattice for all; variety comes from the place in it that a caller uses
    return np.random.default_rng(7).standard_normal((_PERIOD, _PERIOD, _PERIOD)).astype(np.float32)


def noise(points: Float[np.ndarray, "N 3"], scale: float, offset: float = 0.0) -> Float[np.ndarray, "N"]:
    """Smooth random values in space: a normal random lattice, interpolated linearly.

    Args:
        points: places in space.
        scale: distance between lattice points, in the unit of `points`.
        offset: shift within the lattice.
    """
    lattice = _lattice()
    place = points / scale + offset
    base = np.floor(place).astype(np.int64)
    share = place - base
    low, high = base % _PERIOD, (base + 1) % _PERIOD
    total = np.zeros(len(points))
    for corner in range(8):
        weight = np.ones(len(points))
        index = []
        for axis in range(3):
            upper = corner >> axis & 1
            index.append((high if upper else low)[:, axis])
            weight *= share[:, axis] if upper else 1.0 - share[:, axis]
        total += weight * lattice[tuple(index)]
    return total
