"""What some people have on the skin of their hands: rings, pale or dark patches, drawn lines, gloves.

A network that has only ever seen plain skin takes a tattoo for the edge of a finger. Like skin itself these are values
per vertex of the fine surface: no mesh is added, so nothing of the hand is hidden and every label stays true.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float

from trainer.synthetic.noise import noise, soft_line, soft_step
from trainer.synthetic.skin import Skin, linear
from trainer.synthetic.surface import HandSurface

_METALS_SRGB: Final = np.array([[0.86, 0.68, 0.36], [0.80, 0.80, 0.82], [0.88, 0.62, 0.52], [0.14, 0.14, 0.15]])
"""Gold, silver, rose gold, blackened steel."""

_INKS_SRGB: Final = np.array([[0.10, 0.13, 0.17], [0.42, 0.17, 0.08], [0.12, 0.20, 0.55], [0.60, 0.12, 0.12]])
"""A tattoo's black, henna, ballpoint blue and red."""

_UNPIGMENTED_SRGB: Final = np.array([0.93, 0.80, 0.74])


def adorn(skin: Skin, surface: HandSurface, rng: np.random.Generator) -> Skin:
    """The skin with one kind of thing on it, and in some cases rings as well.

    Args:
        skin: plain; not changed.
        surface: what it grew on.
        rng: random generator.
    """
    kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    adorned = _KINDS[kind](skin, surface, rng)
    return rings(adorned, surface, rng) if kind != "rings" and rng.uniform() < 0.3 else adorned


def rings(skin: Skin, surface: HandSurface, rng: np.random.Generator) -> Skin:
    """One to three rings, each on the first bone of a finger."""
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
    for place in rng.choice(len(surface.digits), count, replace=False, p=[0.1, 0.2, 0.25, 0.35, 0.1]):
        digit = surface.digits[int(place)]
        across, along, _ = digit.coordinates_mm[0].T
        # the thumb's first bone is inside the palm but for its end
        middle = (0.5 if digit.name != "thumb" else 0.85) * digit.lengths_mm[0] + rng.uniform(-4.0, 6.0)
        near = (digit.along > 0.5) * (np.abs(across) < 2.0 * digit.half_breadths_mm[0])
        cover = near * soft_line(along - middle, rng.uniform(1.3, 3.0), surface.spacing_mm)
        color = linear(_METALS_SRGB[rng.integers(len(_METALS_SRGB))] * rng.uniform(0.8, 1.1))
        skin = _painted(skin, cover, color)
        skin = replace(
            skin,
            displacement_m=(skin.displacement_m + 0.001 * cover).astype(np.float32),
            gloss=np.maximum(skin.gloss, 0.9 * cover).astype(np.float32),
        )
    return skin


def patches(skin: Skin, surface: HandSurface, rng: np.random.Generator) -> Skin:
    """Areas of another colour: vitiligo, birthmarks and scars, paint and dirt."""
    points = surface.rest_m * 1000.0
    scale, place, level = rng.uniform(9.0, 22.0), rng.uniform(0.0, 40.0), rng.uniform(-0.2, 0.7)
    field = noise(points, scale, place) + 0.4 * noise(points, 0.4 * scale, place + 7.0)
    cover = soft_step(field, level, level + rng.uniform(0.1, 0.4))
    kind = rng.uniform()
    if kind < 0.4:
        color = linear(_UNPIGMENTED_SRGB * rng.uniform(0.9, 1.05))
    elif kind < 0.7:  # darker skin
        return _painted(skin, cover, skin.albedo * rng.uniform(0.25, 0.6) * [1.1, 0.95, 0.9])
    else:
        color = linear(rng.uniform(0.1, 0.9, 3))
    return _painted(skin, rng.uniform(0.6, 1.0) * cover, color)


def lines(skin: Skin, surface: HandSurface, rng: np.random.Generator) -> Skin:
    """Drawn lines that wind over the hand: tattoos, henna, pen."""
    points = surface.rest_m * 1000.0
    scale, place = rng.uniform(5.0, 16.0), rng.uniform(0.0, 40.0)
    winding = np.abs(noise(points, scale, place))  # its zeros are closed curves
    cover = soft_step(winding, rng.uniform(0.10, 0.25), 0.04)
    where = noise(points, 30.0, place + 11.0)
    cover = cover * soft_step(where, rng.uniform(-1.2, 0.3), 0.6)
    ink = linear(_INKS_SRGB[rng.integers(len(_INKS_SRGB))])
    return _painted(skin, rng.uniform(0.5, 0.95) * cover, ink)


def glove(skin: Skin, surface: HandSurface, rng: np.random.Generator) -> Skin:
    """A thin glove: one colour, few creases, no nails."""
    points = surface.rest_m * 1000.0
    tone = rng.uniform(0.1, 0.95) * np.clip(1.0 + rng.normal(0.0, 0.3, 3), 0.2, 1.6)
    color = linear(np.clip(tone, 0.03, 0.95)) * (1.0 + 0.06 * noise(points, 4.0, rng.uniform(0.0, 40.0)))[:, None]
    cover = np.zeros(len(points))
    cover[: surface.hand_count + 4 * surface.ring_size] = rng.uniform(0.9, 1.0)
    worn = _painted(skin, cover, color)
    return replace(
        worn,
        displacement_m=(skin.displacement_m * (1.0 - 0.8 * cover)).astype(np.float32),
        gloss=(skin.gloss + cover * (rng.uniform(0.05, 0.7) - skin.gloss)).astype(np.float32),
    )


_KINDS: Final = MappingProxyType({"rings": rings, "patches": patches, "lines": lines, "glove": glove})
_SHARES: Final = MappingProxyType({"rings": 0.5, "patches": 0.2, "lines": 0.2, "glove": 0.1})


def _painted(skin: Skin, cover: Float[np.ndarray, "N"], color: Float[np.ndarray, "*n 3"]) -> Skin:
    mixed = skin.albedo + cover[:, None] * (color - skin.albedo)
    return replace(skin, albedo=np.clip(mixed, 0.0, 1.0).astype(np.float32))
