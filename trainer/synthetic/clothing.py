"""What the forearm wears: nothing, a sleeve, or a watch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from trainer.synthetic.profiles import noise, soft_step
from trainer.synthetic.surface import FOREARM_LENGTH_M, FOREARM_RINGS, HandSurface


@dataclass(frozen=True, slots=True, eq=False)
class Clothing:
    """Changes to the surface where cloth or a strap lies over the skin.

    Attributes:
        cover: 0 where skin shows, 1 where it is covered, per vertex.
        albedo: linear colour of what covers.
        thickness_m: how far it stands out from the skin.
        gloss: its gloss, 0 to 1.
        cuff_ring: the first covered forearm ring where there is a hard edge; 0 where there is none.
    """

    cover: Float[np.ndarray, "N"]
    albedo: Float[np.ndarray, "N 3"]
    thickness_m: Float[np.ndarray, "N"]
    gloss: float
    cuff_ring: int = 0


def draw_clothing(rng: np.random.Generator, surface: HandSurface) -> Clothing | None:
    """A sleeve for most, a watch for some, a bare arm for the rest."""
    kind = rng.uniform()
    if kind < 0.55:
        return sleeve(rng, surface, first_ring=int(rng.integers(2, 9)))
    if kind < 0.65:
        return _watch(rng, surface)
    return None


def sleeve(
    rng: np.random.Generator,
    surface: HandSurface,
    first_ring: int,
    color: Float[np.ndarray, "3"] | None = None,
) -> Clothing:
    """Cloth from one forearm ring on, with folds around the arm and a weave.

    Args:
        rng: decides folds, thickness and, when it is not given, the colour.
        surface: the arm.
        first_ring: where the cuff is, counted from the wrist.
        color: linear colour of the cloth.
    """
    points = surface.palm_mm
    cloth = np.zeros(len(points), np.float32)
    start = surface.hand_count + (first_ring - 1) * surface.ring_size
    cloth[start:] = 1.0
    if color is None:
        color = rng.uniform(0.02, 0.6) * np.clip(1.0 + rng.normal(0.0, 0.35, 3), 0.1, 2.0)
    folds = noise(points * [1.0, 0.6, 1.0], 14.0, rng.uniform(0.0, 30.0))
    weave = noise(points, 1.5, rng.uniform(0.0, 30.0))
    albedo = np.clip(color * ((1.0 + 0.12 * folds) * (1.0 + 0.08 * weave))[:, None], 0.0, 1.0)
    thickness = np.maximum(3.5 + 1.5 * rng.uniform() + 1.4 * folds, 1.0) * 0.001 * cloth
    return Clothing(cloth, albedo.astype(np.float32), thickness.astype(np.float32), 0.02, first_ring)


def _watch(rng: np.random.Generator, surface: HandSurface) -> Clothing:
    """A strap around the wrist with a round case on its back."""
    points = surface.palm_mm
    ring_mm = 1000.0 * FOREARM_LENGTH_M * (np.arange(1, FOREARM_RINGS + 1) / FOREARM_RINGS) ** 1.25
    on_arm = np.zeros(len(points))
    on_arm[surface.hand_count :] = 1.0
    middle = rng.uniform(28.0, 45.0)
    start = -float(points[surface.loop, 1].mean())
    along = -points[:, 1] - start
    middle = float(ring_mm[np.abs(ring_mm - middle).argmin()])
    strap = on_arm * soft_step(np.abs(along - middle), 13.0, 9.0)
    case = on_arm * soft_step(np.hypot(along - middle, points[:, 0] - points[:, 0].mean()), 20.0, 16.0)
    case *= surface.rest_normals @ surface.palm_axes[:, 2] < 0.0
    color = rng.uniform(0.01, 0.3) * np.clip(1.0 + rng.normal(0.0, 0.3, 3), 0.2, 2.0)
    metal = np.full(3, rng.uniform(0.05, 0.6))
    albedo = color + (metal - color) * case[:, None]
    cover = np.maximum(strap, case)
    return Clothing(
        cover.astype(np.float32),
        albedo.astype(np.float32),
        (0.001 * (2.2 * strap + 4.0 * case)).astype(np.float32),
        0.5,
    )
