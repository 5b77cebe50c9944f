"""Lit pictures of a mesh without OpenGL: over the camera picture, or from an orbiting camera.

Light is computed once per vertex (a key light that wraps softly around the form, a fill light, sky and ground, a
glossy highlight, a rim) and interpolated by :mod:`hand.raster`. On a hand's 800 or so vertices this looks nearly like
per-pixel light and takes about two milliseconds a view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numba
import numpy as np
from jaxtyping import Float, Int, UInt8

from hand.camera import Intrinsics
from hand.normals import vertex_normals
from hand.raster import Rasterizer
from hand.topology import cap_faces

SKIN_RGB: Final = (0.87, 0.66, 0.55)
"""A light brown skin, sRGB 0 to 1: of meshes without colours of their own."""

_GAMMA: Final = 2.2

_STEPS: Final = 1024
_LINEAR: Final = (np.arange(_STEPS + 1, dtype=np.float32) / _STEPS) ** np.float32(_GAMMA)
"""Light by sRGB value: a table, because powers were half of the time."""

_DISPLAYED: Final = (np.arange(_STEPS + 1, dtype=np.float32) / _STEPS) ** np.float32(2.0 / _GAMMA)
"""sRGB value by the square root of light, which is nearly a straight line, so that the table is exact in the dark too.
"""


@dataclass(frozen=True, slots=True)
class Lighting:
    """Where light comes from, in camera axes (x right, y down, z forward); strengths are relative.

    Attributes:
        key_direction: towards the main light.
        fill_direction: towards the second, weaker light.
        key: strength of the main light.
        fill: strength of the second light.
        sky: light from above.
        ground: light from below.
        wrap: how far the main light reaches around the form, 0 (hard) to 1.
        gloss: strength of the highlight.
        rim: strength of the bright edge.
    """

    key_direction: tuple[float, float, float] = (-0.42, -0.72, -0.60)
    fill_direction: tuple[float, float, float] = (0.85, 0.10, -0.50)
    key: float = 0.92
    fill: float = 0.24
    sky: float = 0.24
    ground: float = 0.10
    wrap: float = 0.22
    gloss: float = 0.16
    rim: float = 0.30


STUDIO: Final = Lighting()
"""The light of the mesh view."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _look_up(table: np.ndarray, share: float) -> float:
    """A value between the entries of a table over 0 to 1."""
    place = min(max(share, 0.0), 1.0) * _STEPS
    index = min(int(place), _STEPS - 1)
    return float(table[index] + (table[index + 1] - table[index]) * (place - index))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _see(
    vertices: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    camera: tuple[float, float, float, float],
    light: tuple[float, ...],
    key_direction: np.ndarray,
    fill_direction: np.ndarray,
    points_px: np.ndarray,
    depth: np.ndarray,
    shaded: np.ndarray,
) -> None:
    """Where each vertex is in the picture, how far away, and the colour it shows."""
    key, fill, sky, ground, wrap, gloss, rim = light
    for v in range(len(vertices)):
        ax, ay, az = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        px = rotation[0, 0] * ax + rotation[0, 1] * ay + rotation[0, 2] * az + translation[0]
        py = rotation[1, 0] * ax + rotation[1, 1] * ay + rotation[1, 2] * az + translation[1]
        pz = rotation[2, 0] * ax + rotation[2, 1] * ay + rotation[2, 2] * az + translation[2]
        ax, ay, az = normals[v, 0], normals[v, 1], normals[v, 2]
        nx = rotation[0, 0] * ax + rotation[0, 1] * ay + rotation[0, 2] * az
        ny = rotation[1, 0] * ax + rotation[1, 1] * ay + rotation[1, 2] * az
        nz = rotation[2, 0] * ax + rotation[2, 1] * ay + rotation[2, 2] * az
        depth[v] = pz
        if pz > 1e-6:  # as hand.camera.project: what is behind the camera has no image
            points_px[v, 0] = camera[0] * px / pz + camera[2]
            points_px[v, 1] = camera[1] * py / pz + camera[3]
        else:
            points_px[v, 0] = points_px[v, 1] = np.nan
        vx, vy, vz = -px, -py, -pz
        distance = np.sqrt(vx * vx + vy * vy + vz * vz)
        if distance > 0:
            vx, vy, vz = vx / distance, vy / distance, vz / distance
        to_key = nx * key_direction[0] + ny * key_direction[1] + nz * key_direction[2]
        to_fill = nx * fill_direction[0] + ny * fill_direction[1] + nz * fill_direction[2]
        up = 0.5 - 0.5 * ny
        diffuse = key * max((to_key + wrap) / (1.0 + wrap), 0.0) + fill * max(to_fill, 0.0)
        diffuse += sky * up + ground * (1.0 - up)
        # Blinn's half vector (Blinn, SIGGRAPH 1977)
        hx, hy, hz = vx + key_direction[0], vy + key_direction[1], vz + key_direction[2]
        half = max((nx * hx + ny * hy + nz * hz) / (np.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9), 0.0)
        facing = min(max(nx * vx + ny * vy + nz * vz, 0.0), 1.0)
        edge = (1.0 - facing) * (1.0 - facing) * (1.0 - facing)
        white = gloss * half**28 * min(max(4.0 * to_key, 0.0), 1.0) + rim * edge * (0.25 + 0.75 * up)
        for k in range(3):
            shaded[v, k] = _look_up(_DISPLAYED, np.sqrt(_look_up(_LINEAR, colors[v, k]) * diffuse + white))


@dataclass(frozen=True, slots=True, eq=False)
class SeenMesh:
    """The vertices of a mesh in a camera's view.

    Attributes:
        points_px: where each is in the picture; NaN for one that is not before the camera.
        depth_m: along the camera's axis.
        colors_rgb: the colour each shows, sRGB 0 to 1.
    """

    points_px: Float[np.ndarray, "V 2"]
    depth_m: Float[np.ndarray, "V"]
    colors_rgb: Float[np.ndarray, "V 3"]


def see_mesh(
    vertices_m: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    colors_rgb: Float[np.ndarray, "V 3"],
    intrinsics: Intrinsics,
    view: View | None = None,
    lighting: Lighting = STUDIO,
) -> SeenMesh:
    """Moves a mesh into a camera's axes, lights and projects it, in one compiled call.

    Args:
        vertices_m: positions.
        normals: unit normals.
        colors_rgb: colours of the surface, sRGB 0 to 1.
        intrinsics: of the camera.
        view: where the camera is; in the origin of the vertices when left out.
        lighting: the lights, in camera axes.
    """
    count = len(vertices_m)
    seen = SeenMesh(np.empty((count, 2)), np.empty(count), np.empty((count, 3), np.float32))
    _see(
        np.ascontiguousarray(vertices_m, np.float32),
        np.ascontiguousarray(normals, np.float32),
        np.ascontiguousarray(colors_rgb, np.float32),
        np.eye(3) if view is None else np.array(view.rotation, np.float64),
        np.zeros(3) if view is None else np.array(view.translation_m, np.float64),
        (float(intrinsics.fx_px), float(intrinsics.fy_px), float(intrinsics.cx_px), float(intrinsics.cy_px)),
        (lighting.key, lighting.fill, lighting.sky, lighting.ground, lighting.wrap, lighting.gloss, lighting.rim),
        _unit(lighting.key_direction),
        _unit(lighting.fill_direction),
        seen.points_px,
        seen.depth_m,
        seen.colors_rgb,
    )
    return seen


@lru_cache
def _unit(direction: tuple[float, float, float]) -> Float[np.ndarray, "3"]:
    vector = np.array(direction, np.float32)
    vector /= np.linalg.norm(vector)
    vector.flags.writeable = False
    return vector


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A camera somewhere else: points seen by it are ``points @ rotation.T + translation_m``."""

    rotation: Float[np.ndarray, "3 3"]
    translation_m: Float[np.ndarray, "3"]

    def apply(self, points_m: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """The points in this camera's axes, in their own precision."""
        rotation, translation = (
            self.rotation.astype(points_m.dtype),
            self.translation_m.astype(points_m.dtype),
        )
        return points_m @ rotation.T + translation


def orbit_view(
    target_m: Float[np.ndarray, "3"], distance_m: float, azimuth_rad: float = 0.0, elevation_rad: float = 0.0
) -> View:
    """A camera on a sphere around a point, directed at it.

    At zero angles its direction is that of the original camera. A positive azimuth moves it to the right around the
    target, a positive elevation moves it up.
    """
    ca, sa = math.cos(azimuth_rad), math.sin(azimuth_rad)
    ce, se = math.cos(elevation_rad), math.sin(elevation_rad)
    about_vertical = np.array([[ca, 0.0, sa], [0.0, 1.0, 0.0], [-sa, 0.0, ca]])
    about_horizontal = np.array([[1.0, 0.0, 0.0], [0.0, ce, -se], [0.0, se, ce]])
    rotation = about_horizontal @ about_vertical
    return View(rotation, np.array([0.0, 0.0, distance_m]) - rotation @ np.asarray(target_m, np.float64))


class MeshRenderer:
    """Draws one mesh again and again at one picture size, keeping buffers and the mesh's fixed parts.

    The hole at the wrist is closed, so that back faces can be left out.

    Args:
        faces: the mesh's triangles, wound outwards.
        width_px: picture width.
        height_px: picture height.
        samples: see :class:`hand.raster.Rasterizer`.
    """

    def __init__(self, faces: Int[np.ndarray, "F 3"], width_px: int, height_px: int, *, samples: int = 2) -> None:
        self._faces = np.ascontiguousarray(faces, np.int32)
        self._closed = np.concatenate([self._faces, cap_faces(faces).astype(np.int32)])
        self._rasterizer = Rasterizer(width_px, height_px, samples=samples)

    def draw_over(
        self,
        picture_rgb: UInt8[np.ndarray, "height width 3"],
        vertices_m: Float[np.ndarray, "V 3"],
        intrinsics: Intrinsics,
        *,
        alpha: float = 1.0,
    ) -> None:
        """Draws the lit mesh in the colour of skin over a picture, in place.

        Args:
            picture_rgb: the background, of the renderer's size.
            vertices_m: vertices in the axes of the camera that `intrinsics` describes.
            intrinsics: that camera, at the picture's size.
            alpha: opacity, 0 to 1.
        """
        colors = np.broadcast_to(np.asarray(SKIN_RGB, np.float32), vertices_m.shape)
        seen = see_mesh(vertices_m, vertex_normals(vertices_m, self._faces), colors, intrinsics)
        self._rasterizer.draw(seen.points_px, seen.depth_m, self._closed, seen.colors_rgb, cull_back_faces=True)
        self._rasterizer.composite(picture_rgb, alpha=alpha, clear=True)
