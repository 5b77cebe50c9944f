"""A frame scaled to the view that shows it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from app.rendering.skeleton import HandDrawing, overlay_skeleton

_REMEMBERED = 4
"""Scaled frames that are kept: two paths may be at two frames, each in two sizes."""


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
        drawings: the hands, in pixels of the frame; their overlays are in the image, their labels are not.
    """

    image_bgra: UInt8[np.ndarray, "height width 4"]
    placement: Placement
    drawings: tuple[HandDrawing, ...] = ()


def place(frame_width: int, frame_height: int, view_size_px: tuple[int, int]) -> Placement:
    """The largest place for a frame inside a view, centred."""
    view_width, view_height = max(1, view_size_px[0]), max(1, view_size_px[1])
    scale = min(view_width / frame_width, view_height / frame_height)
    width, height = max(1, round(frame_width * scale)), max(1, round(frame_height * scale))
    return Placement((view_width - width) // 2, (view_height - height) // 2, width, height, scale)


def scale_picture(
    image_rgb: UInt8[np.ndarray, "height width 3"], placement: Placement
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture at the size of its place, in an array of its own."""
    # bilinear aliases below half size; exact halving is fast, averaging by any other factor is not
    while image_rgb.shape[1] >= 2 * placement.width_px and image_rgb.shape[0] >= 2 * placement.height_px:
        half = image_rgb.shape[1] // 2, image_rgb.shape[0] // 2
        image_rgb = cv2.resize(image_rgb[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)
    size = placement.width_px, placement.height_px
    if (image_rgb.shape[1], image_rgb.shape[0]) == size:
        return image_rgb.copy()
    return cv2.resize(image_rgb, size, interpolation=cv2.INTER_LINEAR)


def show_picture(image_rgb: UInt8[np.ndarray, "height width 3"], view_size_px: tuple[int, int]) -> ShownPicture:
    """A frame at the size of its view, without a hand."""
    placement = place(image_rgb.shape[1], image_rgb.shape[0], view_size_px)
    return ShownPicture(cv2.cvtColor(scale_picture(image_rgb, placement), cv2.COLOR_RGB2BGRA), placement)


def with_skeletons(
    picture_bgra: UInt8[np.ndarray, "height width 4"],
    placement: Placement,
    drawings: tuple[HandDrawing, ...],
    *,
    landmarks: bool,
) -> ShownPicture:
    """A scaled picture with the skeletons of hands drawn into it, in place."""
    for drawing in drawings:
        overlay_skeleton(picture_bgra, drawing, placement.scale, landmarks=landmarks)
    return ShownPicture(picture_bgra, placement, drawings)


class ScaledFrames:
    """Frames scaled to the views that show them: panes of one size share the work. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scaled: deque[tuple[np.ndarray, Placement, np.ndarray]] = deque(maxlen=_REMEMBERED)

    def picture(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], view_size_px: tuple[int, int]
    ) -> tuple[UInt8[np.ndarray, "height width 4"], Placement]:
        """The frame as BGRA at the size of its place in a view, in an array of the caller's own, and that place."""
        placement = place(image_rgb.shape[1], image_rgb.shape[0], view_size_px)
        with self._lock:
            scaled = next(
                (picture for image, at, picture in self._scaled if image is image_rgb and at == placement), None
            )
            if scaled is None:
                scaled = cv2.cvtColor(scale_picture(image_rgb, placement), cv2.COLOR_RGB2BGRA)
                self._scaled.append((image_rgb, placement, scaled))
        return scaled.copy(), placement
