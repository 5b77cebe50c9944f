"""Pictures of the named poses from palm, back and thumb side: the sheet by which a person judges the model.

The mesh is drawn as the window draws it: rounded by Phong tessellation, smooth-shaded by three fixed lights, in an
orthographic view.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from hand.layer import HandLayer
from hand.model import HandModel
from hand.normals import vertex_normals
from hand.poses import NAMED_POSES, named_pose
from hand.raster import Rasterizer
from hand.tessellation import PhongTessellation

VIEWS: Final[dict[str, Float[np.ndarray, "3 3"]]] = {
    "palm": np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "back": np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    "side": np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
}
"""Rows are the directions in MANO's rest frame that point right, up and towards the viewer; fingers point up."""

_LIGHTS: Final = (
    ((-0.62, 0.62, 0.48), (1.0, 0.95, 0.88), 0.86),
    ((0.80, 0.10, 0.45), (0.70, 0.82, 1.0), 0.28),
    ((0.10, -0.75, 0.25), (1.0, 0.72, 0.60), 0.16),
)
"""Direction (right, up, towards the viewer), colour and strength of key, fill and bounce light."""

_TILE_PX: Final = 240
_TILE_M: Final = 0.235
"""Side of one view, and of the square that it shows."""

_SKIN: Final = np.array([0.87, 0.67, 0.56])
_AMBIENT: Final = 0.16
_BACKGROUND: Final = 244
_DEPTH_OFFSET: Final = 10.0
"""Puts the orthographic depths in front of the rasteriser's near plane, metres."""


def contact_sheet(model: HandModel, columns: int = 4) -> UInt8[np.ndarray, "height width 3"]:
    """The sheet: ``columns`` poses a row, each from palm, back and side with its name; RGB.

    Args:
        model: a right hand with joint axes.
        columns: poses beside each other.

    Raises:
        ValueError: the model brings no joint axes.
    """
    if model.joint_axes is None:
        raise ValueError(f"The contact sheet needs a model with joint axes, {model.name} has none.")
    layer = HandLayer(model, np.float64)
    coarse = PhongTessellation(model.faces)
    fine = PhongTessellation(coarse.faces)
    cells = []
    for name in NAMED_POSES:
        vertices = layer(named_pose(name, model.joint_axes), np.zeros(10)).vertices_m
        cells.append(_cell(name, fine.refine(coarse.refine(vertices)), fine.faces))
    while len(cells) % columns:
        cells.append(np.full_like(cells[0], _BACKGROUND))
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    return np.vstack(rows)


def render_view(
    vertices_m: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    view: Float[np.ndarray, "3 3"],
) -> UInt8[np.ndarray, "tile tile 3"]:
    """One shaded orthographic picture of posed vertices, RGB, centred on a stretched hand.

    Args:
        vertices_m: posed vertices in the rest frame.
        faces: triangles, wound outwards.
        view: rows point right, up and towards the viewer.
    """
    centred = vertices_m - [0.012, -0.004, 0.012]
    seen = centred @ view.T
    normals = vertex_normals(vertices_m, faces) @ view.T
    scale = _TILE_PX / _TILE_M
    points = np.stack([seen[:, 0], -seen[:, 1]], 1) * scale + (_TILE_PX - 1) / 2.0
    rasterizer = Rasterizer(_TILE_PX, _TILE_PX, samples=3, channels=6)
    rasterizer.draw(points, _DEPTH_OFFSET - seen[:, 2], faces, np.concatenate([normals, seen], axis=1))
    image = rasterizer.image()
    colour = _shaded(image.values[..., :3])
    coverage = image.coverage[..., None]
    picture = 255.0 * colour * coverage + _BACKGROUND * (1.0 - coverage)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _cell(
    name: str, vertices_m: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> UInt8[np.ndarray, "tile wide 3"]:
    cell = np.ascontiguousarray(np.hstack([render_view(vertices_m, faces, view) for view in VIEWS.values()]))
    label = name.replace("_", " ")
    cv2.putText(cell, label, (8, _TILE_PX - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (70, 70, 80), 1, cv2.LINE_AA)
    return cell


def _shaded(normals: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """Skin under the fixed lights; light wraps a little round the edge, as in flesh."""
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    unit = normals / np.maximum(length, 1e-6)
    # the inside of the open wrist shows its back: light it from the side that is seen
    unit = np.where(unit[..., 2:] < -0.3, -unit, unit)
    light = np.full(unit.shape, _AMBIENT) * (0.75 + 0.25 * unit[..., 1:2])
    for direction, colour, strength in _LIGHTS:
        towards = np.array(direction) / np.linalg.norm(direction)
        wrapped = np.clip((unit @ towards + 0.15) / 1.15, 0.0, None)[..., None]
        light = light + strength * wrapped * np.array(colour)
    gloss = np.clip(unit @ _half_way(_LIGHTS[0][0]), 0.0, None)[..., None] ** 28 * 0.10
    rim = (1.0 - np.clip(unit[..., 2:], 0.0, 1.0)) ** 3 * 0.10
    return np.clip(_SKIN * (light - rim), 0.0, 1.0) ** (1 / 1.15) + gloss


def _half_way(direction: tuple[float, float, float]) -> Float[np.ndarray, "3"]:
    half = np.array(direction) / np.linalg.norm(direction) + [0.0, 0.0, 1.0]
    return half / np.linalg.norm(half)
