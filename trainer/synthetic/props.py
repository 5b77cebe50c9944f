"""Things that hands hold and that stand in the way: simple shaded shapes, all of one family.

A superellipsoid (Barr, "Superquadrics and Angle-Preserving Transformations", IEEE CG&A 1981) is a ball, a can, a pen, a
box or a plate, depending on two exponents and three half axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float, Int

_ROWS: Final = 15
_COLUMNS: Final = 24


@dataclass(frozen=True, slots=True, eq=False)
class Prop:
    """One thing beside the hand.

    Attributes:
        center_m: its middle in camera axes.
        axes: its own axes as columns, the long one last.
        half_m: half its size along them.
        exponents: from pole to pole, and around; 1 is round, towards 0 becomes square.
        taper: how much thinner one end is than the middle, and thicker the other; 0 to 0.5.
        colors: two linear colours; the second is a band around it.
        band: from where to where the band reaches, in rows of the mesh.
        gloss: 0 to 1.
    """

    center_m: Float[np.ndarray, "3"]
    axes: Float[np.ndarray, "3 3"]
    half_m: Float[np.ndarray, "3"]
    exponents: tuple[float, float]
    taper: float
    colors: Float[np.ndarray, "2 3"]
    band: tuple[int, int]
    gloss: float

    def points_m(self) -> Float[np.ndarray, "P 3"]:
        """Vertices in camera axes; the faces are :func:`prop_faces`."""
        # rows keep a distance from the poles, where the surface would collapse; the caps there are small and flat
        height = np.linspace(-0.5, 0.5, _ROWS)[:, None] * (np.pi - 1e-2)
        around = np.linspace(-np.pi, np.pi, _COLUMNS, endpoint=False)[None, :]
        rim = _power(np.cos(height), self.exponents[0])
        rise = _power(np.sin(height), self.exponents[0])
        thick = rim * (1.0 + self.taper * rise)
        unit = np.stack(
            [
                thick * _power(np.cos(around), self.exponents[1]),
                thick * _power(np.sin(around), self.exponents[1]),
                np.broadcast_to(rise, (_ROWS, _COLUMNS)),
            ],
            -1,
        ).reshape(-1, 3)
        return np.asarray((unit * self.half_m) @ self.axes.T + self.center_m, np.float32)

    def albedo(self) -> Float[np.ndarray, "P 3"]:
        """Linear colour of each vertex."""
        rows = np.repeat(self.colors[:1], _ROWS, 0)
        rows[slice(*self.band)] = self.colors[1]
        return np.repeat(rows, _COLUMNS, 0).astype(np.float32)

    def spheres(self) -> tuple[Float[np.ndarray, "S 3"], Float[np.ndarray, "S"]]:
        """Centres and radii of balls that stand for it when it shades the hand."""
        steps = np.linspace(-0.8, 0.8, 5)[:, None] * self.half_m[2]
        centres = self.center_m + steps * self.axes[:, 2]
        return centres.astype(np.float32), np.full(5, self.half_m[:2].min(), np.float32)


@lru_cache(maxsize=1)
def prop_faces() -> Int[np.ndarray, "F 3"]:
    """Triangles of every prop, outward."""
    faces = []
    for row in range(_ROWS - 1):
        for column in range(_COLUMNS):
            a, b = row * _COLUMNS + column, row * _COLUMNS + (column + 1) % _COLUMNS
            faces += [(a, b, b + _COLUMNS), (a, b + _COLUMNS, a + _COLUMNS)]
    top = (_ROWS - 1) * _COLUMNS
    for column in range(1, _COLUMNS - 1):
        faces += [(0, column + 1, column), (top, top + column, top + column + 1)]
    return np.array(faces, np.int32)


def _power(value: Float[np.ndarray, "*shape"], exponent: float) -> Float[np.ndarray, "*shape"]:
    return np.asarray(np.sign(value) * np.abs(value) ** exponent)
