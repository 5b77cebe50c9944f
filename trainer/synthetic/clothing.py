"""What the forearm wears: nothing, a sleeve, or a watch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from trainer.synthetic.noise import noise, soft_step
from trainer.synthetic.surface import HandSurface


@dataclass(frozen=True, slots=True, eq=False)
class Clothing:
    """Changes to the surface where cloth or a strap lies over the skin.

    Attributes:
        cover: 0 where skin shows, 1 where it is covered, per vertex.
        albedo: linear colour of what covers.
        thickness_m: how far it stands out from the skin.
        gloss: its gloss, 0 to 1.
        edges: pairs of forearm rings (bare, covered), counted from 1 at the wrist: the bare one is moved up to the
            covered one, so that skin ends at an edge and not in a gradient.
    """

    cover: Float[np.ndarray, "N"]
    albedo: Float[np.ndarray, "N 3"]
    thickness_m: Float[np.ndarray, "N"]
    gloss: float
    edges: tuple[tuple[int, int], ...] = ()


def draw_clothing(rng: np.random.Generator, surface: HandSurface) -> Clothing | None:
    """A sleeve for most, a watch for some, a bare arm for the rest."""
    kind = rng.uniform()
    if kind < 0.55:
        return sleeve(rng, surface, first_ring=int(rng.integers(4, 16)))
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
        rng: source of folds, thickness and, when it is not given, the colour.
        surface: the arm.
        first_ring: where the cuff is, counted from the wrist; at least 2.
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
    return Clothing(
        cloth, albedo.astype(np.float32), thickness.astype(np.float32), 0.02, ((first_ring - 1, first_ring),)
    )


def _watch(rng: np.random.Generator, surface: HandSurface) -> Clothing:
    """A strap around two rings of the wrist, with a case on its back."""
    first = int(rng.integers(3, 6))
    last = first + 1
    strap = np.zeros(len(surface.palm_mm), np.float32)
    start = surface.hand_count + (first - 1) * surface.ring_size
    strap[start : start + 2 * surface.ring_size] = 1.0
    across = surface.palm_mm[:, 0] - surface.palm_mm[start : start + 2 * surface.ring_size, 0].mean()
    on_back = soft_step(surface.rest_normals @ surface.palm_axes[:, 2], -0.3, -0.7)
    case = strap * soft_step(np.abs(across), 20.0, 15.0) * on_back
    color = rng.uniform(0.01, 0.3) * np.clip(1.0 + rng.normal(0.0, 0.3, 3), 0.2, 2.0)
    metal = np.full(3, rng.uniform(0.05, 0.6))
    albedo = color + (metal - color) * case[:, None]
    thickness = 0.001 * (2.2 * strap + 4.0 * case)
    edges = ((first - 1, first), (last + 1, last))
    return Clothing(strap, albedo.astype(np.float32), thickness.astype(np.float32), 0.5, edges)
