"""What is behind the hand: made-up rooms and clutter, and photographs from a folder.

A background costs as much as four hands, so each process makes a pool of them once and cuts windows out of it. It keeps
them as JPEGs: all 960 take 40 MB in every process instead of 570, unpacking one takes 1 ms of the 13 of a rendered
crop, and pixels change by half a level of 256 on average. Half of the made-up ones are "dead leaves" (overlapping
textured shapes of all sizes, with the statistics of photographs), because flat walls alone taught networks nothing
about clutter.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.errors import DataError
from hand.picture_file import read_color
from trainer.synthetic.faces import paint_face

POOL_HEIGHT_PX: Final = 384
POOL_WIDTH_PX: Final = 512

CLOSEST: Final = 0.45
"""Smallest window that is usually cut out of a background, as a share of the largest that fits."""

_KEPT_PHOTOGRAPHS: Final = 1024
"""Photographs that a process keeps as JPEGs, the last that were drawn: about 100 MB."""

_JPEG: Final = (
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)

_PICTURE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class BackgroundPool:
    """Backgrounds by number, made on demand and kept.

    Args:
        seed: determines all made-up pictures.
        size: how many different made-up pictures there are.
        folder: photographs without hands; searched with its subfolders, none when None.
        photograph_share: how often a photograph is taken when there is a folder.
        clutter_share: how many of the made-up pictures are dead leaves.
        face_share: how many of the made-up pictures have a person in them.

    Raises:
        DataError: the folder holds no picture.
    """

    def __init__(
        self,
        seed: int,
        size: int = 960,
        folder: Path | None = None,
        photograph_share: float = 0.6,
        clutter_share: float = 0.5,
        face_share: float = 0.25,
    ) -> None:
        self._seed, self._size, self._clutter_share, self._face_share = seed, size, clutter_share, face_share
        self._made: dict[int, UInt8[np.ndarray, " bytes"]] = {}
        self._photographs: list[Path] = []
        if folder is not None:
            self._photographs = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURE_SUFFIXES)
            if not self._photographs:
                raise DataError(
                    f"The background folder {folder} should hold photographs ({', '.join(_PICTURE_SUFFIXES)}), "
                    "but none is there; give another folder or leave it out."
                )
        self._photograph_share = photograph_share if self._photographs else 0.0

    def draw(
        self, rng: np.random.Generator, height_px: int, width_px: int, closest: float = CLOSEST
    ) -> Float[np.ndarray, "height width 3"]:
        """A window of one background in linear light, recoloured and perhaps mirrored.

        Args:
            rng: random generator.
            height_px: height of the result.
            width_px: width of the result.
            closest: smallest size of the window, as a share of the largest that fits.
        """
        if rng.uniform() < self._photograph_share:
            picture = _unpacked(_photograph(self._photographs[rng.integers(len(self._photographs))]))
        else:
            number = int(rng.integers(self._size))
            if number not in self._made:
                made_by = np.random.default_rng((self._seed, 7919, number))
                self._made[number] = _packed(make_background(made_by, self._clutter_share, self._face_share))
            picture = _unpacked(self._made[number])
        height, width = picture.shape[:2]
        largest = min(height / height_px, width / width_px)
        scale = largest * rng.uniform(closest, 1.0)
        window_height, window_width = max(int(height_px * scale), 2), max(int(width_px * scale), 2)
        top = int(rng.integers(0, height - window_height + 1))
        left = int(rng.integers(0, width - window_width + 1))
        window = picture[top : top + window_height, left : left + window_width]
        if rng.uniform() < 0.5:
            window = window[:, ::-1]
        interpolation = cv2.INTER_AREA if scale > 1.0 else cv2.INTER_LINEAR
        window = cv2.resize(np.ascontiguousarray(window), (width_px, height_px), interpolation=interpolation)
        cast = np.exp(rng.normal(0.0, 0.12, 3) + rng.normal(0.0, 0.25))
        return to_linear(window) * cast.astype(np.float32)


@lru_cache(maxsize=1)
def _linear_table() -> Float[np.ndarray, "256"]:
    return ((np.arange(256) / 255.0) ** 2.2).astype(np.float32)


def to_linear(picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width 3"]:
    """Linear light of an 8-bit picture."""
    return np.asarray(_linear_table()[picture])


def _packed(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, " bytes"]:
    return np.asarray(cv2.imencode(".jpg", picture, _JPEG)[1])


def _unpacked(packed: UInt8[np.ndarray, " bytes"]) -> UInt8[np.ndarray, "height width 3"]:
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))


@lru_cache(maxsize=_KEPT_PHOTOGRAPHS)
def _photograph(path: Path) -> UInt8[np.ndarray, " bytes"]:
    """A photograph, shrunk to the pool's size and packed.

    Raises:
        DataError: it cannot be read.
    """
    picture = read_color(path)
    if picture is None:
        raise DataError(f"The background {path} cannot be read as a picture; remove it or replace it.")
    scale = max(POOL_HEIGHT_PX / picture.shape[0], POOL_WIDTH_PX / picture.shape[1], 0.0)
    if scale < 1.0:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return _packed(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def make_background(
    rng: np.random.Generator, clutter_share: float = 0.5, face_share: float = 0.25
) -> UInt8[np.ndarray, "height width 3"]:
    """One made-up picture of the pool's size: dead leaves, or else two rooms for every bare wall; faces in some."""
    if rng.uniform() < clutter_share:
        light = _dead_leaves(rng)
    elif rng.uniform() < 0.67:
        light = _room(rng)
    else:
        light = _wall(rng)
    blur = rng.choice([0.0, rng.uniform(0.5, 2.0), rng.uniform(1.0, 6.0)])
    if rng.uniform() < face_share:
        for _ in range(int(rng.integers(1, 3))):
            paint_face(rng, light)
    if blur > 0.0:
        light = cv2.GaussianBlur(light, (0, 0), blur)
    return (np.clip(light, 0.0, 1.0) ** (1 / 2.2) * 255.0 + 0.5).astype(np.uint8)


def _wall(rng: np.random.Generator) -> Float[np.ndarray, "height width 3"]:
    """One colour running into another, with cloudy unevenness."""
    y, x = _grid()
    angle = rng.uniform(0.0, 2.0 * np.pi)
    share = np.clip(0.5 + (x / POOL_WIDTH_PX - 0.5) * np.cos(angle) + (y / POOL_HEIGHT_PX - 0.5) * np.sin(angle), 0, 1)
    wall = _color(rng) * (1.0 - share[..., None]) + _color(rng) * share[..., None]
    clouds = _clouds(rng, octaves=int(rng.integers(3, 7)))
    return np.asarray(wall * np.exp(rng.uniform(0.03, 0.4) * clouds)[..., None], np.float32)


def _room(rng: np.random.Generator) -> Float[np.ndarray, "height width 3"]:
    """A wall above a table or floor, with boxes, discs and sticks before it."""
    picture = _wall(rng)
    horizon = int(POOL_HEIGHT_PX * rng.uniform(0.35, 0.85))
    picture[horizon:] = _color(rng)
    for _ in range(int(rng.integers(3, 16))):
        _paint(rng, picture, _shape(rng, 0.12 * POOL_WIDTH_PX * rng.lognormal(0.0, 0.6)), _clouds(rng, 4))
    return np.asarray(picture * (1.0 + 0.06 * _clouds(rng, 6))[..., None], np.float32)


def _dead_leaves(rng: np.random.Generator) -> Float[np.ndarray, "height width 3"]:
    """Textured shapes from large to small over each other, some of them in skin colours."""
    textures = [_clouds(rng, int(rng.integers(4, 7)), int(rng.integers(2, 12))) for _ in range(4)]
    picture = np.ones((POOL_HEIGHT_PX, POOL_WIDTH_PX, 3), np.float32) * _color(rng)
    picture *= np.exp(0.3 * textures[0])[..., None]
    largest = rng.uniform(60.0, 200.0)
    sizes = np.sort(largest * rng.uniform(0.03, 1.0, int(rng.integers(15, 140))) ** 2.2 + 3.0)[::-1]
    for size in sizes:
        skin_like = rng.uniform() < 0.18
        color = (
            np.array([0.53, 0.17, 0.08]) * np.exp(rng.normal(0.0, 0.15, 3) + rng.normal(0.0, 0.6))
            if skin_like
            else None
        )
        _paint(rng, picture, _shape(rng, float(size)), textures[rng.integers(4)], color)
    return picture


def _paint(
    rng: np.random.Generator,
    picture: Float[np.ndarray, "height width 3"],
    mask: UInt8[np.ndarray, "height width"],
    texture: Float[np.ndarray, "height width"],
    color: Float[np.ndarray, "3"] | None = None,
) -> None:
    """Fills a shape with a colour, a texture, a gradient of light, and at times stripes."""
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0 or height == 0:
        return
    part = slice(y, y + height), slice(x, x + width)
    rows, columns = (axis[part] for axis in _grid())
    angle = rng.uniform(0.0, 2.0 * np.pi)
    across = (columns - x - width / 2) * np.cos(angle) + (rows - y - height / 2) * np.sin(angle)
    shade = np.clip(1.0 + 0.35 * across / max(width, height), 0.2, 2.0) * np.exp(rng.uniform(0.0, 0.5) * texture[part])
    if rng.uniform() < 0.2:
        shade *= 1.0 + 0.6 * np.sign(np.sin(across * rng.uniform(0.2, 1.5)))
    filled = (_color(rng) if color is None else color) * shade[..., None]
    share = (cv2.GaussianBlur(mask[part], (0, 0), 0.8) / 255.0)[..., None]
    picture[part] += (share * (filled - picture[part])).astype(np.float32)


def _shape(rng: np.random.Generator, size: float) -> UInt8[np.ndarray, "height width"]:
    """The mask of an ellipse, a box, a polygon or a stick."""
    mask = np.zeros((POOL_HEIGHT_PX, POOL_WIDTH_PX), np.uint8)
    x, y = rng.uniform(0, POOL_WIDTH_PX), rng.uniform(0, POOL_HEIGHT_PX)
    kind = rng.integers(4)
    if kind == 0:
        axes = (int(size) + 1, int(size * rng.uniform(0.3, 1.0)) + 1)
        cv2.ellipse(mask, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, (255,), -1)
    elif kind == 1:
        tilt = float(rng.choice([0.0, 90.0, rng.uniform(0, 180)]))
        box = cv2.boxPoints(((x, y), (2 * size, size * rng.uniform(0.2, 2.0)), tilt))
        cv2.fillPoly(mask, [box.astype(np.int32)], (255,))
    elif kind == 2:
        corners = int(rng.integers(3, 8))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        radii = size * rng.uniform(0.5, 1.0, corners)
        polygon = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1)
        cv2.fillPoly(mask, [polygon.astype(np.int32)], (255,))
    else:
        path = np.cumsum(rng.normal(size=(6, 2)) * size * 0.4, 0) + np.array([x, y])
        thickness = int(rng.uniform(2, max(3.0, size * 0.4)))
        cv2.polylines(mask, [path.astype(np.int32)], False, (255,), thickness, cv2.LINE_AA)
    return mask


def _clouds(rng: np.random.Generator, octaves: int, cells: int = 3) -> Float[np.ndarray, "height width"]:
    """Noise with detail at several scales, standard deviation about 1."""
    total = np.zeros((POOL_HEIGHT_PX, POOL_WIDTH_PX), np.float32)
    for octave in range(octaves):
        columns = min(cells * 2**octave, POOL_WIDTH_PX)
        coarse = rng.standard_normal((max(2, int(columns * 0.75)), max(2, columns)), np.float32)
        total += cv2.resize(coarse, (POOL_WIDTH_PX, POOL_HEIGHT_PX), interpolation=cv2.INTER_CUBIC) * 0.55**octave
    return total


def _color(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    direction = rng.normal(size=3)
    direction /= np.abs(direction).max()
    return np.clip(rng.uniform(0.02, 0.9) ** 1.2 * (1.0 + rng.uniform(0.0, 0.6) * direction), 0.005, 1.2)


@lru_cache(maxsize=1)
def _grid() -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    y, x = np.mgrid[0:POOL_HEIGHT_PX, 0:POOL_WIDTH_PX].astype(np.float32)
    return y, x
