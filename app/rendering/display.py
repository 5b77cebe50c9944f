"""What the window needs of a result, made in the path's thread so that the window only has to show it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import cv2
import numpy as np
from jaxtyping import UInt8

from app.rendering.hand_mesh import HandMesh, HandMeshBuilder
from app.rendering.orbit import Focus, FocusFollower
from app.rendering.skeleton import HandDrawing, draw_hands
from hand.types import PathResult

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a frame lies inside a view, in device pixels of the view.

    Attributes:
        left_px: of the picture's edge.
        top_px: of the picture's edge.
        width_px: of the scaled picture.
        height_px: of the scaled picture.
        scale: device pixels per pixel of the frame.
    """

    left_px: int
    top_px: int
    width_px: int
    height_px: int
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class ShownPicture:
    """A frame scaled to its view.

    Attributes:
        image_bgra: what Qt calls RGB32, so that painting it is a plain copy.
        placement: where it lies in the view.
        drawings: overlays of the hands, in pixels of the frame.
    """

    image_bgra: UInt8[np.ndarray, "height width 4"]
    placement: Placement
    drawings: tuple[HandDrawing, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Display(Generic[M]):
    """Everything to be shown of one result.

    Attributes:
        picture: for the picture view.
        mesh: for the mesh view, in its own form.
    """

    picture: ShownPicture
    mesh: M


def place(frame_width: int, frame_height: int, view_size_px: tuple[int, int]) -> Placement:
    """The largest place for a frame inside a view, centred."""
    view_width, view_height = max(1, view_size_px[0]), max(1, view_size_px[1])
    scale = min(view_width / frame_width, view_height / frame_height)
    width, height = max(1, round(frame_width * scale)), max(1, round(frame_height * scale))
    return Placement((view_width - width) // 2, (view_height - height) // 2, width, height, scale)


def show_picture(
    image_rgb: UInt8[np.ndarray, "height width 3"],
    view_size_px: tuple[int, int],
    drawings: tuple[HandDrawing, ...] = (),
) -> ShownPicture:
    """Scales a picture to its view."""
    placement = place(image_rgb.shape[1], image_rgb.shape[0], view_size_px)
    # bilinear aliases below half size; exact halving is fast, averaging by any other factor is not
    while image_rgb.shape[1] >= 2 * placement.width_px and image_rgb.shape[0] >= 2 * placement.height_px:
        half = image_rgb.shape[1] // 2, image_rgb.shape[0] // 2
        image_rgb = cv2.resize(image_rgb[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)
    scaled = cv2.resize(image_rgb, (placement.width_px, placement.height_px), interpolation=cv2.INTER_LINEAR)
    return ShownPicture(cv2.cvtColor(scaled, cv2.COLOR_RGB2BGRA), placement, drawings)


class DisplayPreparer(Generic[M]):
    """Turns results into displays. Called in one path's thread, told about sizes by the GUI thread."""

    def __init__(self, meshes: HandMeshBuilder, prepare_mesh: Callable[[HandMesh | None, Focus | None], M]) -> None:
        """Ready for results.

        Args:
            meshes: of the hand model the paths use.
            prepare_mesh: the mesh view's share of the work, safe to call from a path's thread.
        """
        self._meshes = meshes
        self._prepare_mesh = prepare_mesh
        self._follower = FocusFollower()
        self._lock = threading.Lock()
        self._view_size_px = (640, 480)

    @property
    def view_size_px(self) -> tuple[int, int]:
        """Size of the picture view in device pixels."""
        with self._lock:
            return self._view_size_px

    @view_size_px.setter
    def view_size_px(self, size: tuple[int, int]) -> None:
        with self._lock:
            self._view_size_px = size

    def __call__(self, result: PathResult) -> Display[M]:
        """Everything to be shown of one result."""
        picture = show_picture(result.frame.image_rgb, self.view_size_px, draw_hands(result))
        mesh = self._meshes.build(result)
        focus = None if mesh is None else self._follower.follow(mesh.vertices_m, mesh.time_ns)
        return Display(picture, self._prepare_mesh(mesh, focus))
