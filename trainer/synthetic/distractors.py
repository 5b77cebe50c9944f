"""What else is there: something in the hand, something in front of it, and where a second hand goes.

Held things lie where the hand leaves room for them, between the finger tips or before the palm, and are as thick as
fits there; the z-buffer then resolves which fingers are before and which behind. Hands are not bent around things.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics, project
from trainer.synthetic.props import Prop

_PARENTS: Final = (0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
_ALONG_BONES: Final = np.linspace(0.0, 1.0, 4)
_FLESH_M: Final = 0.008
"""How far the skin lies from the bones, about."""

_LIFTS_M: Final = (0.0, 0.012, 0.024, 0.036, 0.050)
NEAREST_PROP_M: Final = 0.12


def hold_something(
    rng: np.random.Generator, joints_m: Float[np.ndarray, "21 3"], palmar: Float[np.ndarray, "3"]
) -> Prop:
    """A thing in the hand: a ball, a pen, a can, a cup, a box, a phone or a lump.

    Args:
        rng: random generator.
        joints_m: of the hand, camera axes.
        palmar: direction of its palm.
    """
    bones = (
        joints_m[list(_PARENTS[1:])][:, None]
        + _ALONG_BONES[:, None] * (joints_m[1:] - joints_m[list(_PARENTS[1:])])[:, None]
    )
    flesh = bones.reshape(-1, 3)
    wanted_m, half_length_m, exponents, flatness = _kind(rng)
    if rng.uniform() < 0.35:
        place = 0.5 * (joints_m[4] + joints_m[8])
    else:
        place = 0.5 * (joints_m[[5, 9, 13, 17]].mean(0) + joints_m[[8, 12, 16, 20]].mean(0))
    directions = rng.normal(size=(6, 3))
    directions[0] = joints_m[5] - joints_m[17]  # across the palm, as handles lie
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    steps = np.linspace(-1.0, 1.0, 5)[:, None] * half_length_m
    rods = (place + np.multiply.outer(_LIFTS_M, palmar))[:, None, None] + directions[:, None] * steps
    squared = ((rods[..., None, :] - flesh) ** 2).sum(-1)  # lifts, directions, steps, flesh
    room = np.sqrt(squared.min((2, 3))) - _FLESH_M
    # the lowest lift that leaves enough room, else the roomiest
    worth = np.minimum(room, wanted_m) - 1e-3 * np.array(_LIFTS_M)[:, None]
    lift, direction = np.unravel_index(int(np.argmax(worth)), worth.shape)
    radius = float(np.clip(min(wanted_m, room[lift, direction] + 0.003), 0.004, wanted_m))
    half = np.array([radius, radius * flatness, max(half_length_m, radius)])
    return _painted(
        rng, place + _LIFTS_M[lift] * palmar, _axes(rng, directions[direction]), half, exponents,
        taper=float(rng.uniform(0.0, 0.25)) if rng.uniform() < 0.3 else 0.0,
    )  # fmt: skip


def stand_in_front(rng: np.random.Generator, joints_m: Float[np.ndarray, "21 3"], intrinsics: Intrinsics) -> Prop:
    """A plate that covers a side of the hand, or a stick across it, between hand and camera.

    Args:
        rng: random generator.
        joints_m: of the hand, camera axes.
        intrinsics: of the camera.
    """
    pixels = project(joints_m, intrinsics)
    low, high = pixels.min(0), pixels.max(0)
    depth = max(float(joints_m[:, 2].min() - 0.03) * rng.uniform(0.6, 0.95), NEAREST_PROP_M)
    to_metres = depth / intrinsics.fx_px
    middle = ((low + high) / 2.0 - [intrinsics.cx_px, intrinsics.cy_px]) * to_metres
    reach = 0.5 * float((high - low).max()) * to_metres
    angle = rng.uniform(0.0, 2.0 * math.pi)
    away = np.array([math.cos(angle), math.sin(angle)])
    if rng.uniform() < 0.35:
        width = reach * rng.uniform(0.04, 0.14)
        offset = reach * rng.uniform(-0.6, 0.6)
        length = reach * rng.uniform(1.0, 4.0)
    else:
        width = reach * rng.uniform(0.4, 2.0)
        offset = reach * (1.0 - 2.0 * rng.uniform(0.1, 0.38)) + width
        length = reach * rng.uniform(0.5, 4.0)
    center = np.append(middle + away * offset, depth)
    axes = np.stack([np.append(away, 0.0), [0.0, 0.0, 1.0], [-away[1], away[0], 0.0]], 1)
    axes[:, 1] = np.cross(axes[:, 2], axes[:, 0])
    exponents = (float(rng.uniform(0.1, 1.0)), 0.2)
    return _painted(rng, center, axes, np.array([width, 0.004, length]), exponents)


def beside(rng: np.random.Generator, joints_px: Float[np.ndarray, "21 2"]) -> tuple[tuple[float, float], float]:
    """Where another hand goes: its middle in the picture, and its distance over the distance it would have alone.

    Args:
        rng: random generator.
        joints_px: of the hand that is there.
    """
    low, high = joints_px.min(0), joints_px.max(0)
    angle, far = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.55, 1.2) * (high - low).max()
    nearer = rng.uniform() < 0.5
    step = rng.uniform(0.12, 0.3)
    middle = (low + high) / 2.0 + far * np.array([math.cos(angle), math.sin(angle)])
    return (float(middle[0]), float(middle[1])), 1.0 - step if nearer else 1.0 + step


def _kind(rng: np.random.Generator) -> tuple[float, float, tuple[float, float], float]:
    """Radius, half length, exponents, and the second axis over the first."""
    kind = rng.integers(5)
    if kind == 0:  # ball
        radius = float(rng.uniform(0.015, 0.04))
        return radius, radius, (1.0, 1.0), 1.0
    if kind == 1:  # pen, stick, handle
        return float(rng.uniform(0.004, 0.012)), float(rng.uniform(0.06, 0.12)), (0.15, 1.0), 1.0
    if kind == 2:  # can, bottle, cup
        return float(rng.uniform(0.022, 0.04)), float(rng.uniform(0.04, 0.10)), (0.2, 1.0), 1.0
    if kind == 3:  # phone, book, box
        return (
            float(rng.uniform(0.004, 0.02)),
            float(rng.uniform(0.03, 0.08)),
            (0.15, 0.15),
            float(rng.uniform(1.0, 7.0)),
        )
    exponents = float(rng.uniform(0.4, 1.2)), float(rng.uniform(0.4, 1.2))
    return float(rng.uniform(0.012, 0.035)), float(rng.uniform(0.015, 0.06)), exponents, float(rng.uniform(0.6, 1.6))


def _axes(rng: np.random.Generator, long: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Right-handed axes around a long one."""
    first = np.cross(long, rng.normal(size=3))
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(long, first), long], 1)


def _painted(
    rng: np.random.Generator,
    center_m: Float[np.ndarray, "3"],
    axes: Float[np.ndarray, "3 3"],
    half_m: Float[np.ndarray, "3"],
    exponents: tuple[float, float],
    taper: float = 0.0,
) -> Prop:
    colors = rng.uniform(0.02, 0.6, (2, 1)) * np.clip(1.0 + rng.normal(0.0, 0.4, (2, 3)), 0.05, 2.0)
    if rng.uniform() < 0.15:  # wood and cardboard, which look like skin
        colors[0] = np.array([0.50, 0.24, 0.12]) * np.exp(rng.normal(0.0, 0.4))
    start = int(rng.integers(1, 12))
    band = (start, start + int(rng.integers(0, 5)))
    return Prop(
        center_m, axes, half_m, exponents, taper, np.clip(colors, 0.01, 1.0), band, float(rng.uniform(0.02, 0.7))
    )
