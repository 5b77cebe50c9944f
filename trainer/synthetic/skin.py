"""Appearance of a hand's skin, per vertex of the fine surface: no texture picture, so it fits any hand model.

A `SkinMap` holds the places of things (creases, knuckles, nails, pads, veins), found once per surface from bone
coordinates. A `Skin` is one person's skin: a tone from a ramp of very light to very dark, a lighter palm, mottling at
three scales, redness at pads and knuckles, and small displacements where creases cut in and nails stand out. Lengths
are millimetres. Sizes and colours were tuned by eye and by whether a hand detector finds them (benchmarks/realism.py),
not measured on people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from trainer.synthetic.noise import noise, soft_line, soft_step
from trainer.synthetic.surface import Digit, HandSurface

TONES_SRGB: Final = np.array(
    [
        [0.88, 0.69, 0.59],
        [0.82, 0.60, 0.48],
        [0.74, 0.51, 0.38],
        [0.62, 0.41, 0.29],
        [0.46, 0.29, 0.20],
        [0.31, 0.19, 0.13],
        [0.21, 0.13, 0.095],
    ]
)
"""Skin of the back of the hand from very light to very dark, sRGB 0 to 1."""

_PALM_OF_DARK_SKIN: Final = np.array([0.72, 0.50, 0.41])
_NAIL_BED: Final = np.array([0.90, 0.70, 0.65])
_NAIL_EDGE: Final = np.array([0.93, 0.90, 0.85])

# The palm's lines were drawn on a hand with these joints (radial, distal; mm from the wrist); others are mapped to it.
_REFERENCE_JOINTS_MM: Final = np.array(
    [[0.0, 0.0], [17.0, 20.0], [24.5, 91.0], [2.5, 95.0], [-18.0, 87.5], [-36.5, 76.0]]
)
_REFERENCE_JOINT_NUMBERS: Final = (0, 1, 5, 9, 13, 17)
_PALM_LINES_MM: Final = (
    (0.95, 0.75, ((-42, 61), (-28, 64), (-8, 72), (6, 82), (12, 91))),  # heart
    (0.90, 0.75, ((33, 70), (18, 66), (-4, 58), (-24, 47))),  # head
    (0.95, 0.80, ((33, 69), (21, 60), (11, 44), (8, 26), (13, 8))),  # life
    (0.40, 0.60, ((-2, 16), (-3, 40), (-2, 66))),  # fate
)


@dataclass(frozen=True, slots=True, eq=False)
class SkinMap:
    """Where the features of skin are, each 0 to 1 per vertex.

    Attributes:
        crease: flexion creases and palm lines.
        wrinkle: folds over the knuckles.
        knuckle: the darker, redder skin over the knuckles.
        nail: the nail plate.
        lunula: the pale half-moon.
        free_edge: the white end of the nail.
        pad: finger pulps.
        palmar: palm side against back.
        vein: veins and tendons on the back.
    """

    crease: Float[np.ndarray, "N"]
    wrinkle: Float[np.ndarray, "N"]
    knuckle: Float[np.ndarray, "N"]
    nail: Float[np.ndarray, "N"]
    lunula: Float[np.ndarray, "N"]
    free_edge: Float[np.ndarray, "N"]
    pad: Float[np.ndarray, "N"]
    palmar: Float[np.ndarray, "N"]
    vein: Float[np.ndarray, "N"]


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """One person's skin.

    Attributes:
        albedo: linear light reflected, per vertex.
        displacement_m: along the normal: creases in, nails out.
        gloss: how sharp and strong the highlight is, 0 to 1.
        darkness: place on the tone ramp, 0 (lightest) to 1.
    """

    albedo: Float[np.ndarray, "N 3"]
    displacement_m: Float[np.ndarray, "N"]
    gloss: Float[np.ndarray, "N"]
    darkness: float


def map_skin(surface: HandSurface) -> SkinMap:
    """Finds the features of skin on a surface."""
    count = len(surface.rest_m)
    points = surface.rest_m * 1000.0
    wobble = 0.5 * noise(points, 6.0)  # no crease is straight
    layers = {name: np.zeros(count) for name in SkinMap.__slots__}
    on_finger = np.zeros(count)
    facing_palm = surface.rest_normals @ surface.palm_axes[:, 2]
    layers["palmar"] = soft_step(facing_palm, -0.25, 0.35)
    for digit in surface.digits:
        belongs = soft_step(digit.along, 0.25, 0.55)
        fingers_own = soft_step(digit.along, 0.6, 0.95) * (digit.coordinates_mm[0][:, 1] > 0.3 * digit.lengths_mm[0])
        on_finger = np.maximum(on_finger, fingers_own)
        side = soft_step(digit.palmar_normal, -0.25, 0.35)
        layers["palmar"] = layers["palmar"] * (1 - fingers_own) + side * fingers_own
        for name, values in _map_digit(digit, wobble, surface.spacing_mm).items():
            layers[name] = np.maximum(layers[name], values * belongs)
        if digit.name != "thumb":
            at = digit.coordinates_mm[0]
            over_knuckle = np.exp(-(at[:, 0] ** 2 + at[:, 1] ** 2) / (2.0 * 6.0**2)) * (facing_palm < 0)
            layers["knuckle"] = np.maximum(layers["knuckle"], 0.55 * over_knuckle)
    palm_only = soft_step(facing_palm, 0.15, 0.6) * (1.0 - on_finger)
    flat = _to_reference_palm(surface)
    for strength, width, line in _PALM_LINES_MM:
        bent = flat + 0.6 * wobble[:, None]
        layers["crease"] = np.maximum(
            layers["crease"], strength * palm_only * _curve(bent, line, width, surface.spacing_mm)
        )
    wrist = soft_step(facing_palm, 0.0, 0.5) * (np.abs(flat[:, 0]) < 24) * (flat[:, 1] < 5)
    wrist_lines = 0.7 * soft_line(flat[:, 1] + 4 + wobble, 0.7, surface.spacing_mm)
    wrist_lines += 0.5 * soft_line(flat[:, 1] + 9 + wobble, 0.6, surface.spacing_mm)
    layers["crease"] = np.maximum(layers["crease"], wrist * wrist_lines)
    ridges = np.abs(noise(surface.palm_mm * [1.0, 0.45, 1.0], 9.0, 3.3))
    layers["vein"] = soft_line(ridges, 0.16) * soft_step(-facing_palm, 0.2, 0.7) * (1.0 - on_finger)
    # the forearm loses the palm's light skin
    layers["palmar"] *= soft_step(surface.palm_mm[:, 1], -90.0, 8.0)
    return SkinMap(**{name: np.clip(values, 0.0, 1.0).astype(np.float32) for name, values in layers.items()})


def _map_digit(
    digit: Digit, wobble: Float[np.ndarray, "N"], spacing_mm: Float[np.ndarray, "N"]
) -> dict[str, Float[np.ndarray, "N"]]:
    """Creases, knuckle folds and nail of one finger."""
    first, second, third = digit.coordinates_mm
    breadth, length = digit.half_breadths_mm, digit.lengths_mm

    def palm_side(bone: int) -> Float[np.ndarray, "N"]:
        return soft_step(digit.coordinates_mm[bone][:, 2] / breadth[min(bone + 1, 3)], -0.15, 0.45)

    def back_side(bone: int) -> Float[np.ndarray, "N"]:
        return soft_step(-digit.coordinates_mm[bone][:, 2] / breadth[min(bone + 1, 3)], 0.1, 0.6)

    def folds(along: Float[np.ndarray, "N"], width: float, *lines: tuple[float, float]) -> Float[np.ndarray, "N"]:
        return np.asarray(sum(strength * soft_line(along - at, width, spacing_mm) for at, strength in lines))

    y1, y2, y3 = first[:, 1], second[:, 1], third[:, 1]
    if digit.name == "thumb":
        crease = folds(y3 + wobble, 0.7, (-0.5, 0.8), (2.0, 0.5)) * palm_side(2)
        crease += folds(y2 + wobble, 0.8, (0.0, 0.6)) * palm_side(1)
        wrinkle = folds(y3 + 1.3 * wobble, 0.6, (-4.0, 0.35), (-2.0, 0.55), (0.0, 0.6), (2.0, 0.5)) * back_side(2)
        knuckle = 0.8 * soft_line(y3, 5.0) * back_side(2) + 0.4 * soft_line(y2, 6.0) * back_side(1)
        nail_breadth = 0.86
    else:
        crease = folds(y2 + wobble, 0.65, (-0.9, 0.9), (1.7, 0.75)) * palm_side(1)
        crease += folds(y3 + wobble, 0.6, (-0.5, 0.8)) * palm_side(2)
        crease += folds(y1 + wobble, 0.7, (0.47 * length[0], 0.8)) * palm_side(0)
        wrinkle = back_side(1) * folds(
            y2 + 1.3 * wobble, 0.55, (-5.0, 0.3), (-3.0, 0.55), (-1.2, 0.7), (0.8, 0.7), (2.8, 0.5), (4.8, 0.3)
        )
        wrinkle += folds(y3 + wobble, 0.5, (-2.4, 0.4), (-0.8, 0.5), (0.9, 0.45)) * back_side(2)
        knuckle = 0.8 * soft_line(y2, 5.0) * back_side(1) + 0.5 * soft_line(y3, 3.5) * back_side(2)
        nail_breadth = 0.80
    # the nail is a superellipse on the back of the last bone
    x = third[:, 0] / (breadth[3] * nail_breadth)
    y = (y3 - 0.70 * length[2]) / (0.22 * length[2])
    outside = np.abs(x) ** 2.6 + np.abs(y) ** 3.2
    on_back = soft_step(digit.palmar_normal, 0.05, -0.25)
    nail = soft_step(1.0 - outside, -0.12, 0.12) * on_back
    fold = np.exp(-(((outside - 1.15) / 0.28) ** 2)) * on_back * (y < 0.9)
    return {
        "crease": np.maximum(crease, 0.45 * fold),
        "wrinkle": wrinkle,
        "knuckle": knuckle,
        "nail": nail,
        "lunula": soft_step(1.0 - ((x / 0.55) ** 2 + ((y + 1.0) / 0.42) ** 2), -0.2, 0.2) * nail,
        "free_edge": soft_step(y, 0.70, 0.86) * nail,
        "pad": soft_step(y3, 0.2 * length[2], 0.6 * length[2]) * palm_side(2),
    }


def _to_reference_palm(surface: HandSurface) -> Float[np.ndarray, "N 2"]:
    """Palm coordinates mapped affinely so that wrist, thumb base and knuckles fall where the lines expect them."""
    joints = surface.rest_joints_m[list(_REFERENCE_JOINT_NUMBERS)] - surface.rest_joints_m[0]
    flat = (joints @ surface.palm_axes[:, :2]) * 1000.0
    affine = np.linalg.lstsq(np.column_stack([flat, np.ones(len(flat))]), _REFERENCE_JOINTS_MM, rcond=None)[0]
    return np.asarray(np.column_stack([surface.palm_mm[:, :2], np.ones(len(surface.palm_mm))]) @ affine)


def _curve(
    points: Float[np.ndarray, "N 2"],
    through: tuple[tuple[int, int], ...],
    width: float,
    spacing: Float[np.ndarray, "N"],
) -> Float[np.ndarray, "N"]:
    """A soft line along a smooth curve through some points (Catmull-Rom)."""
    knots = np.array(through, float)
    knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0.0, 1.0, 16, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    curve = np.concatenate(pieces)
    distance = np.sqrt(((points[:, None] - curve[None]) ** 2).sum(-1).min(1))
    return soft_line(distance, width, spacing)


def linear(srgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Linear light of sRGB values, with the plain 2.2 power that the camera at the end undoes."""
    return np.asarray(np.power(np.clip(srgb, 0.0, None), 2.2))


def grow_skin(surface: HandSurface, where: SkinMap, rng: np.random.Generator, darkness: float | None = None) -> Skin:
    """One person's skin.

    Args:
        surface: what it grows on.
        where: the surface's features.
        rng: source of everything not given.
        darkness: place on the tone ramp, 0 to 1; drawn evenly when not given.
    """
    points = surface.rest_m * 1000.0
    tone = rng.uniform(0.0, 1.0) if darkness is None else darkness
    place = tone**1.2 * (len(TONES_SRGB) - 1)
    step = min(int(place), len(TONES_SRGB) - 2)
    back = TONES_SRGB[step] * (1 - place + step) + TONES_SRGB[step + 1] * (place - step)
    back = np.clip(back * np.exp(rng.normal(0.0, 0.03, 3)), 0.0, 0.92)
    # palms differ little on light skin and much on dark skin
    palm = back * [1.03, 0.98, 0.98]
    palm += soft_step(np.array(tone), 0.25, 0.6) * (0.6 * back + 0.4 * _PALM_OF_DARK_SKIN - palm)
    albedo = linear(back) + (linear(palm) - linear(back)) * where.palmar[:, None]

    offsets = rng.uniform(0.0, 40.0, 3)
    coarse, middle, fine = (noise(points, scale, at) for scale, at in zip((9.0, 3.2, 1.2), offsets, strict=True))
    albedo *= (1.0 + 0.05 * coarse + 0.035 * middle + 0.03 * fine)[:, None]
    redness = 0.10 * coarse * where.palmar + 0.5 * where.pad + 0.35 * where.knuckle + 0.12 * where.palmar
    redness = np.clip(redness, -0.2, 1.0) * rng.uniform(0.5, 1.3)
    albedo *= 1.0 + redness[:, None] * [0.06, -0.16, -0.13]

    def darken(amount: Float[np.ndarray, "N"], per_channel: tuple[float, float, float]) -> None:
        albedo[:] *= 1.0 - amount[:, None] * np.array(per_channel)

    depth = rng.uniform(0.5, 1.0)
    darken(0.28 * where.knuckle * (0.4 + 0.6 * tone), (0.7, 1.0, 1.0))
    darken(0.50 * depth * where.crease, (0.72, 1.0, 1.0))
    darken(0.40 * depth * where.wrinkle, (0.8, 1.0, 1.0))
    veins = rng.uniform(0.0, 1.0)
    darken(0.14 * veins * where.vein, (1.2, 0.7, 0.35))
    # under the nail dark skin is darker than its palm
    _paint_nails(albedo, where, palm + 0.5 * tone * (back - palm), 1.0 + 0.04 * middle, rng)
    displacement = -0.42 * depth * where.crease - 0.30 * depth * where.wrinkle + 0.28 * where.nail
    displacement += 0.25 * veins * where.vein + 0.05 * fine + 0.06 * middle
    return Skin(
        np.clip(albedo, 0.0, 1.0).astype(np.float32),
        (displacement * 0.001).astype(np.float32),
        np.clip(0.28 + 0.05 * middle + 0.35 * where.nail, 0.0, 1.0).astype(np.float32),
        float(tone),
    )


def _paint_nails(
    albedo: Float[np.ndarray, "N 3"],
    where: SkinMap,
    flesh_srgb: Float[np.ndarray, "3"],
    mottling: Float[np.ndarray, "N"],
    rng: np.random.Generator,
) -> None:
    """Bare nails let the bed shine through; a few people wear polish."""
    polished = rng.uniform() < 0.06
    polish = linear(rng.uniform(0.1, 0.9, 3))
    bed = polish if polished else linear(0.78 * flesh_srgb + 0.22 * _NAIL_BED)
    _mix(albedo, where.nail, bed * mottling[:, None])
    if not polished:
        _mix(albedo, 0.35 * where.lunula, linear(0.6 * flesh_srgb + 0.4 * np.array([0.93, 0.86, 0.83])))
        _mix(albedo, 0.5 * where.free_edge, linear(_NAIL_EDGE))


def _mix(base: Float[np.ndarray, "N 3"], amount: Float[np.ndarray, "N"], color: Float[np.ndarray, "*n 3"]) -> None:
    base += amount[:, None] * (color - base)
