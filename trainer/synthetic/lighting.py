"""Light on skin: a key light that bleeds red around the form, sky and ground, a fill, highlights, and soft shadows.

Everything is per vertex, in linear light. Shadows and ambient occlusion come from spheres along the bones: for each
coarse vertex, how much of the sky and how much of the way to the key light they hide, in closed form, without any ray.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from jaxtyping import Float

from hand.joints import mano_joint_to_common
from hand.layer import HandGeometry
from trainer.synthetic.surface import HandSurface

_WRAP: Final = (0.22, 0.12, 0.08)
"""How far light reaches around skin, per channel: red travels farthest inside it."""

_PALM_SPHERES_MM: Final = (
    (20, 72, 1, 13), (6, 74, 1, 13), (-10, 70, 1, 13), (-26, 62, 3, 12), (18, 50, 3, 14), (0, 50, 2, 14),
    (-20, 42, 5, 14), (8, 28, 3, 14), (-12, 24, 4, 14), (0, 5, 1, 16), (0, -20, 1, 17), (22, 38, 10, 12),
)  # fmt: skip
"""Spheres that fill the palm: radial, distal, palmar, radius, for a middle knuckle 95 mm from the wrist."""


@dataclass(frozen=True, slots=True)
class Lighting:
    """Lights of a scene, in camera axes (y down), linear colours.

    Attributes:
        key_direction: towards the main light, unit length.
        key: its colour times strength.
        key_softness: how much shadows blur, 0 (point) to 1 (a window close by).
        fill_direction: towards a second light without shadow.
        fill: its colour times strength.
        sky: light from above.
        ground: light from below.
        gloss: strength of highlights.
    """

    key_direction: tuple[float, float, float]
    key: tuple[float, float, float]
    key_softness: float
    fill_direction: tuple[float, float, float]
    fill: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    gloss: float


def draw_lighting(rng: np.random.Generator) -> Lighting:
    """Indoor and outdoor light: mostly from above and in front, in slightly different colours."""
    key_direction = np.array([rng.normal() * 0.8, -abs(rng.normal()) * 0.9 - 0.1, -rng.uniform(0.25, 1.3)])
    fill_direction = rng.normal(size=3)
    fill_direction[2] = -abs(fill_direction[2])
    sky = rng.uniform(0.35, 0.9) * tint(rng, 0.06)
    return Lighting(
        key_direction=_unit(key_direction),
        key=triple(rng.uniform(0.5, 1.9) * tint(rng, 0.05)),
        key_softness=float(rng.uniform(0.1, 0.9)),
        fill_direction=_unit(fill_direction),
        fill=triple(rng.uniform(0.0, 0.5) * tint(rng, 0.15)),
        sky=triple(sky),
        ground=triple(sky * rng.uniform(0.3, 0.9) * tint(rng, 0.08)),
        gloss=float(rng.uniform(0.3, 0.9)),
    )


def tint(rng: np.random.Generator, strength: float) -> Float[np.ndarray, "3"]:
    """A colour cast of mean 1, warm to cold more than green to magenta."""
    color = np.exp(rng.normal(0.0, strength, 3) * [1.0, 0.4, 1.0])
    return np.asarray(color / color.mean())


class AmbientOcclusion:
    """Spheres that stand for the hand when it shades itself.

    Attributes:
        joint: the MANO joint each sphere moves with.
        rest_m: centres at rest.
        radius_m: radii.
    """

    def __init__(self, surface: HandSurface) -> None:
        """Fills the fingers and the palm of a surface."""
        common = mano_joint_to_common()
        joints, centres, radii = [], [], []
        for digit in surface.digits:
            for bone in range(3):
                joint = digit.first_joint + bone
                if digit.name == "thumb" and bone == 0:
                    fractions, radius = [0.35, 0.6, 0.85], 12.0
                else:
                    fractions = [0.14, 0.38, 0.62, 0.86] if bone == 0 else [0.17, 0.5, 0.83]
                    radius = 0.85 * float(digit.half_breadths_mm[bone + 1])
                start = surface.rest_joints_m[common[joint]]
                end = surface.rest_joints_m[common[joint] + 1]
                for fraction in fractions:
                    joints.append(joint)
                    centres.append(start + fraction * (end - start))
                    radii.append(radius)
        size = float(np.linalg.norm(surface.rest_joints_m[9] - surface.rest_joints_m[0])) / 0.095
        for x, y, z, radius in _PALM_SPHERES_MM:
            joints.append(0)
            centres.append(surface.rest_joints_m[0] + surface.palm_axes @ np.array([x, y, z], float) * 0.001 * size)
            radii.append(radius * size)
        self.joint = np.array(joints)
        self.rest_m = np.array(centres)
        self.radius_m = np.array(radii, np.float32) * np.float32(0.001)
        self._rest_offset_m = self.rest_m - surface.rest_joints_m[common[self.joint]]
        self._common = common[self.joint]

    def posed(self, hand: HandGeometry) -> Float[np.ndarray, "S 3"]:
        """Centres with the hand, in its frame."""
        turned = np.einsum("sij,sj->si", hand.joint_rotations[self.joint], self._rest_offset_m)
        return np.asarray(hand.joints_m[self._common] + turned, np.float32)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _occlude(
    points: np.ndarray,
    normals: np.ndarray,
    centres: np.ndarray,
    radii: np.ndarray,
    light: np.ndarray,
    blur: np.float32,
    out: np.ndarray,
) -> None:
    one, zero = np.float32(1.0), np.float32(0.0)
    for v in range(len(points)):
        hidden = zero
        lit = one
        for s in range(len(centres)):
            dx = centres[s, 0] - points[v, 0]
            dy = centres[s, 1] - points[v, 1]
            dz = centres[s, 2] - points[v, 2]
            squared = dx * dx + dy * dy + dz * dz
            if squared > np.float32(0.0081):  # 90 mm: farther spheres hide next to nothing
                continue
            radius = radii[s]
            toward = dx * normals[v, 0] + dy * normals[v, 1] + dz * normals[v, 2]
            distance = np.sqrt(squared) + np.float32(1e-6)
            cosine = toward / distance
            # sky: a sphere hides about cos * r^2 / d^2 of the hemisphere (Quilez, "sphere ambient occlusion")
            hidden += max((cosine + np.float32(0.15)) / np.float32(1.15), zero) * min(
                radius * radius / max(squared, np.float32(1e-6)), one
            )
            # key light: how close the way to the light passes by the sphere, blurred with distance
            along = dx * light[0] + dy * light[1] + dz * light[2]
            if along > np.float32(0.4) * radius and toward > np.float32(-0.3) * radius:
                miss = np.sqrt(max(squared - along * along, zero))
                width = np.float32(0.0025) + blur * along
                cover = min(max((radius - miss) / width * np.float32(0.5) + np.float32(0.5), zero), one)
                lit *= one - cover * min(max((toward + np.float32(0.3) * radius) / radius, zero), one)
        out[v, 0] = np.exp(np.float32(-1.25) * hidden)
        out[v, 1] = lit


def occlusion(
    points_m: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    centres_m: Float[np.ndarray, "S 3"],
    radii_m: Float[np.ndarray, "S"],
    lighting: Lighting,
) -> Float[np.ndarray, "V 2"]:
    """Share of the sky (first column) and of the key light (second) that reaches each point, 0 to 1."""
    result = np.empty((len(points_m), 2), np.float32)
    _occlude(
        np.asarray(points_m, np.float32),
        np.asarray(normals, np.float32),
        np.asarray(centres_m, np.float32),
        np.asarray(radii_m, np.float32),
        np.array(lighting.key_direction, np.float32),
        np.float32(0.15 + 0.6 * lighting.key_softness),
        result,
    )
    return result


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _light(
    points: np.ndarray,
    normals: np.ndarray,
    albedo: np.ndarray,
    gloss: np.ndarray,
    reach: np.ndarray,
    lights: np.ndarray,
    wrap: np.ndarray,
    shine: np.float32,
    out: np.ndarray,
) -> None:
    key_direction, key, fill_direction, fill, sky, ground = lights
    one, zero = np.float32(1.0), np.float32(0.0)
    for v in range(len(points)):
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        length = np.sqrt(points[v, 0] ** 2 + points[v, 1] ** 2 + points[v, 2] ** 2)
        vx, vy, vz = -points[v, 0] / length, -points[v, 1] / length, -points[v, 2] / length
        facing = max(nx * vx + ny * vy + nz * vz, zero)
        if facing == zero and nx * vx + ny * vy + nz * vz < np.float32(-0.4):
            for k in range(3):  # faces away: only its edge could be interpolated into view
                out[v, k] = albedo[v, k] * np.float32(0.3)
            continue
        to_key = nx * key_direction[0] + ny * key_direction[1] + nz * key_direction[2]
        to_fill = max(nx * fill_direction[0] + ny * fill_direction[1] + nz * fill_direction[2], zero)
        up = np.float32(0.5) - np.float32(0.5) * ny
        open_sky, lit = np.float32(0.12) + np.float32(0.88) * reach[v, 0], reach[v, 1]
        hx, hy, hz = key_direction[0] + vx, key_direction[1] + vy, key_direction[2] + vz
        half_length = np.sqrt(hx * hx + hy * hy + hz * hz) + np.float32(1e-6)
        half = max((nx * hx + ny * hy + nz * hz) / half_length, zero)
        grazing = one - min((vx * hx + vy * hy + vz * hz) / half_length, one)
        exponent = np.float32(12.0) + np.float32(270.0) * gloss[v] * gloss[v]
        # normalised Blinn-Phong with Schlick's Fresnel term for skin (F0 = 0.03)
        fresnel = np.float32(0.03) + np.float32(0.97) * grazing**5
        highlight = (exponent + np.float32(2.0)) / np.float32(8.0) * half**exponent * fresnel
        highlight *= max(to_key, zero) * lit * (np.float32(0.15) + np.float32(1.5) * gloss[v]) * shine
        sheen = (one - facing) ** 5 * np.float32(0.10) * open_sky
        for k in range(3):
            diffuse = max((to_key + wrap[k]) / (one + wrap[k]), zero)
            around = sky[k] * up + ground[k] * (one - up)
            # occluded light inside skin and between fingers has bounced off skin: it stays red
            light = key[k] * diffuse * lit ** (one - wrap[k]) + fill[k] * to_fill * open_sky
            light += around * open_sky ** (np.float32(1.15) - np.float32(1.4) * wrap[k])
            out[v, k] = albedo[v, k] * light + highlight * key[k] + sheen * sky[k]


def light_vertices(
    points_m: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    albedo: Float[np.ndarray, "N 3"],
    gloss: Float[np.ndarray, "N"],
    reach: Float[np.ndarray, "N 2"],
    lighting: Lighting,
) -> Float[np.ndarray, "N 3"]:
    """Linear light each vertex sends to the camera.

    Args:
        points_m: vertices in camera axes.
        normals: unit normals.
        albedo: linear colours.
        gloss: 0 to 1.
        reach: share of sky and key light that arrives, see :func:`occlusion`.
        lighting: the lights.
    """
    lights = np.array(
        [
            lighting.key_direction,
            lighting.key,
            lighting.fill_direction,
            lighting.fill,
            lighting.sky,
            lighting.ground,
        ],
        np.float32,
    )
    result = np.empty((len(points_m), 3), np.float32)
    _light(
        points_m, normals, albedo, gloss, reach, lights, np.array(_WRAP, np.float32), np.float32(lighting.gloss), result
    )
    return result


def _unit(vector: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    return triple(vector / np.linalg.norm(vector))


def triple(vector: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    """A vector as plain numbers."""
    return float(vector[0]), float(vector[1]), float(vector[2])
