"""The turned square in which a hand is searched, and how the next one follows from palm or landmarks.

The rules and numbers are those of MediaPipe's graphs ``palm_detection_detection_to_roi`` and
``hand_landmark_landmarks_to_roi`` (google-ai-edge/mediapipe, Apache 2.0): the landmark model was trained on hands cut
out in exactly this way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.joints import JOINT_NAMES

PALM_EXPANSION: Final = 2.6
PALM_SHIFT: Final = -0.5
LANDMARK_EXPANSION: Final = 2.0
LANDMARK_SHIFT: Final = -0.1
SAME_REGION_OVERLAP: Final = 0.5
"""Regions whose upright boxes overlap by more (intersection over union) belong to one hand."""

_WRIST, _INDEX, _MIDDLE, _RING = (JOINT_NAMES.index(name) for name in ("wrist", "index_mcp", "middle_mcp", "ring_mcp"))

_STEADY_JOINTS: Final = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Wrist, thumb without its tip, the two inner joints of each finger: their box is steadier than that of all joints."""


@dataclass(frozen=True, slots=True)
class RotatedRegion:
    """A turned square, in picture coordinates with their origin at the corner of the first pixel, not at its centre.

    Attributes:
        center_x: centre.
        center_y: centre.
        size: side length.
        angle_rad: of the square's own x axis, clockwise as seen; 0 for a hand with its fingers up.
    """

    center_x: float
    center_y: float
    size: float
    angle_rad: float

    def overlap(self, other: RotatedRegion) -> float:
        """Intersection over union of the two squares, both taken as upright."""
        reach = (self.size + other.size) / 2.0
        smaller = min(self.size, other.size)
        width = min(reach - abs(self.center_x - other.center_x), smaller)
        height = min(reach - abs(self.center_y - other.center_y), smaller)
        if width <= 0.0 or height <= 0.0:
            return 0.0
        shared = width * height
        return shared / (self.size**2 + other.size**2 - shared)

    def cut(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], output_px: int
    ) -> UInt8[np.ndarray, "output output 3"]:
        """The square as an upright picture; beyond the edge the last pixels go on."""
        turn = self._axes() * (self.size / output_px)
        # corner to corner as in MediaPipe: the crop's corner (0, 0) is the square's, without half a pixel
        offset = (self.center_x, self.center_y) - turn @ (output_px / 2.0, output_px / 2.0)
        matrix = np.concatenate([turn, offset[:, None]], 1)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(image_rgb, matrix, (output_px, output_px), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        )

    def to_picture(self, points: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Points from the square's own coordinates, 0 to 1, to the picture's."""
        return (points - 0.5) * self.size @ self._axes().T + (self.center_x, self.center_y)

    def turned(self, vectors: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """Vectors from the square's axes to the picture's; the third component is left alone."""
        return np.concatenate([vectors[:, :2] @ self._axes().T, vectors[:, 2:]], 1)

    def _axes(self) -> Float[np.ndarray, "2 2"]:
        return _rotation(self.angle_rad)


def region_of_palm(
    box: Float[np.ndarray, "4"], wrist: Float[np.ndarray, "2"], middle_mcp: Float[np.ndarray, "2"]
) -> RotatedRegion:
    """Where the whole hand of a found palm lies.

    Args:
        box: left, top, right, bottom of the palm.
        wrist: centre of the wrist.
        middle_mcp: knuckle of the middle finger.
    """
    angle_rad = upright_angle(wrist, middle_mcp)
    center = (box[:2] + box[2:]) / 2.0
    return _expanded(center, box[2:] - box[:2], angle_rad, PALM_EXPANSION, PALM_SHIFT)


def region_of_landmarks(points: Float[np.ndarray, "21 2"]) -> RotatedRegion:
    """The region in which a hand is searched in the next frame.

    Args:
        points: its 21 landmarks now.
    """
    knuckles = ((points[_INDEX] + points[_RING]) / 2.0 + points[_MIDDLE]) / 2.0
    angle_rad = upright_angle(points[_WRIST], knuckles)
    axes = _rotation(angle_rad)
    steady = points[list(_STEADY_JOINTS)]
    middle = (steady.max(0) + steady.min(0)) / 2.0
    turned = (steady - middle) @ axes  # rows times R is R transposed times columns: into the hand's own axes
    low, high = turned.min(0), turned.max(0)
    return _expanded(middle + axes @ ((low + high) / 2.0), high - low, angle_rad, LANDMARK_EXPANSION, LANDMARK_SHIFT)


def upright_angle(wrist: Float[np.ndarray, "2"], knuckle: Float[np.ndarray, "2"]) -> float:
    """The angle by which a picture has to be turned for the knuckle to stand above the wrist, -pi to pi."""
    across, down = (float(value) for value in knuckle - wrist)
    return math.remainder(math.pi / 2.0 + math.atan2(down, across), 2.0 * math.pi)


def _expanded(
    center: Float[np.ndarray, "2"], size: Float[np.ndarray, "2"], angle_rad: float, expansion: float, shift: float
) -> RotatedRegion:
    """The enlarged square on the longer side of a turned box, after a shift along the hand in parts of its height."""
    x, y = center + _rotation(angle_rad) @ (0.0, float(size[1]) * shift)
    return RotatedRegion(float(x), float(y), float(size.max()) * expansion, angle_rad)


def _rotation(angle_rad: float) -> Float[np.ndarray, "2 2"]:
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cosine, -sine], [sine, cosine]])
