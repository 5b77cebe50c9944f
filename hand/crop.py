"""The one crop: from a square in the picture to the network's input, in training and live alike.

A second crop function would drift from the first and cost accuracy, so everything that cuts a hand out of a
picture calls :func:`crop_picture`, and everything that carries labels along uses the matrix of the same
:class:`SquareCrop`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

MIDDLE_KNUCKLE = 9
"""Number of the middle finger's knuckle among the 21 joints."""

HALVING_VARIANCE: Final = 0.75
"""What halving a picture blurs it by, in square pixels: the mean of two pixels has a variance of 1/4, and bilinear
samples of the halved picture mean over more of it, by 1/2 on average."""

LEAST_SIGMA_PX: Final = 0.25
"""A narrower Gaussian changes no pixel by more than a grey level or two."""


@dataclass(frozen=True, slots=True)
class SquareCrop:
    """A square, possibly turned, in picture pixels.

    Attributes:
        center_x_px: centre in the picture.
        center_y_px: centre in the picture.
        size_px: side length in picture pixels.
        angle_rad: the crop's own x axis in the picture, clockwise as seen (y is down).
        flipped: the crop is mirrored left-right, as left hands are before they reach the network.
    """

    center_x_px: float
    center_y_px: float
    size_px: float
    angle_rad: float = 0.0
    flipped: bool = False

    def matrix(self, output_px: int) -> Float[np.ndarray, "2 3"]:
        """Affine map from picture pixels to crop pixels.

        Pixel centres are integers on both sides, so the square's edge lies at -0.5 and ``output_px`` - 0.5 of the crop.
        """
        scale = output_px / self.size_px
        cosine, sine = math.cos(self.angle_rad) * scale, math.sin(self.angle_rad) * scale
        across = (-cosine, -sine) if self.flipped else (cosine, sine)
        middle = (output_px - 1) / 2.0
        return np.array(
            [(x, y, middle - (x * self.center_x_px + y * self.center_y_px)) for x, y in (across, (-sine, cosine))]
        )


def crop_around(
    points_px: Float[np.ndarray, "N 2"], expansion: float, *, angle_rad: float = 0.0, flipped: bool = False
) -> SquareCrop:
    """The upright square around the bounding box of some points.

    Args:
        points_px: points in picture pixels, usually the 21 joints.
        expansion: side of the square over the longer side of the box.
        angle_rad: see :class:`SquareCrop`.
        flipped: see :class:`SquareCrop`.
    """
    low, high = points_px.min(0), points_px.max(0)
    center = (low + high) / 2.0
    size = max(float((high - low).max()) * expansion, 1.0)
    return SquareCrop(float(center[0]), float(center[1]), size, angle_rad, flipped)


def upright_angle_rad(joints_px: Float[np.ndarray, "21 2"]) -> float:
    """The turn of a crop in which a hand stands upright: the middle finger's knuckle straight above the wrist.

    Args:
        joints_px: 21 joints in picture pixels, y down.
    """
    across, down = joints_px[MIDDLE_KNUCKLE] - joints_px[0]
    return math.atan2(float(across), -float(down))


def crop_around_hand(joints_px: Float[np.ndarray, "21 2"], expansion: float, *, upright: bool) -> SquareCrop:
    """The square around a hand that becomes a network's input.

    Args:
        joints_px: 21 joints in picture pixels.
        expansion: side of the square over the longer side of the box of the joints, along the crop's own axes.
        upright: the crop is turned so that the hand stands upright in it; else it is as upright as the picture.
    """
    return crop_around_turned(joints_px, expansion, upright_angle_rad(joints_px) if upright else 0.0)


def crop_around_turned(points_px: Float[np.ndarray, "N 2"], expansion: float, angle_rad: float) -> SquareCrop:
    """The square around some points, measured along the axes of the turned crop.

    Args:
        points_px: points in picture pixels.
        expansion: side of the square over the longer side of the box.
        angle_rad: see :class:`SquareCrop`.
    """
    if angle_rad == 0.0:
        return crop_around(points_px, expansion)
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    level = crop_around(points_px @ turn.T, expansion)
    center = np.array([level.center_x_px, level.center_y_px]) @ turn
    return SquareCrop(float(center[0]), float(center[1]), level.size_px, angle_rad)


def transform_points(
    points: Float[np.ndarray, "*batch 2"], matrix: Float[np.ndarray, "2 3"]
) -> Float[np.ndarray, "*batch 2"]:
    """Applies a 2x3 affine map to points."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert_affine(matrix: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """The inverse of a 2x3 affine map."""
    (a, b, x), (c, d, y) = matrix.tolist()  # numbers: for so few of them NumPy's own way takes several calls
    area = a * d - b * c
    return np.array([(d, -b, b * y - d * x), (-c, a, c * x - a * y)]) / area


def crop_picture(
    image_rgb: UInt8[np.ndarray, "height width 3"],
    crop: SquareCrop,
    output_px: int,
    *,
    border: int = cv2.BORDER_CONSTANT,
) -> UInt8[np.ndarray, "output output 3"]:
    """Cuts the square out of the picture, resampled without aliasing; outside the picture it is black.

    Bilinear sampling alone aliases when it shrinks by more than about two, so the picture is first blurred with a
    Gaussian that grows with the shrinking factor (sigma = (factor - 1) / 2, scikit-image's rule), inside the
    region the crop needs. Where that blur allows, the region is halved first, which costs a fraction of blurring it at
    its full size; the Gaussian then adds the remaining blur.

    Args:
        image_rgb: the picture.
        crop: which square.
        output_px: side of the result.
        border: what is outside the picture, by OpenCV's name; BORDER_REPLICATE carries the last pixels on.
    """
    matrix = crop.matrix(output_px)
    factor = crop.size_px / output_px
    if factor > 1.1:
        image_rgb, matrix = _blurred_region(image_rgb, crop, matrix, sigma_px=(factor - 1.0) / 2.0)
    return cv2.warpAffine(image_rgb, matrix, (output_px, output_px), flags=cv2.INTER_LINEAR, borderMode=border)


def _blurred_region(
    image_rgb: UInt8[np.ndarray, "height width 3"],
    crop: SquareCrop,
    matrix: Float[np.ndarray, "2 3"],
    sigma_px: float,
) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "2 3"]]:
    """The blurred part of the picture that the crop touches, perhaps halved, and the map from it to the crop."""
    height, width = image_rgb.shape[:2]
    step, sigma = _halving(sigma_px)
    reach = crop.size_px * (abs(math.cos(crop.angle_rad)) + abs(math.sin(crop.angle_rad))) / 2.0 + 3.0 * sigma_px + 2.0
    left, right = _stretch(crop.center_x_px, reach, width, step)
    top, bottom = _stretch(crop.center_y_px, reach, height, step)
    region = image_rgb[top:bottom, left:right]
    if step > 1:
        size = ((right - left) // step, (bottom - top) // step)
        region = cv2.resize(region, size, interpolation=cv2.INTER_AREA)
    if sigma >= LEAST_SIGMA_PX:
        region = cv2.GaussianBlur(region, (0, 0), sigma)
    # the middle of the first pixel of a halved picture lies between pixels of the picture
    shifted = matrix.copy()
    shifted[:, :2] *= step
    shifted[:, 2] += matrix[:, :2] @ np.array([left, top]) + matrix[:, :2].sum(1) * ((step - 1) / 2.0)
    return region, shifted


def _halving(sigma_px: float) -> tuple[int, float]:
    """Whether a picture is halved before it is blurred, and the Gaussian that is then left.

    Args:
        sigma_px: the required Gaussian, in pixels of the picture.

    Returns:
        1 or 2, by which the picture is shrunk, and the remaining Gaussian in pixels of the shrunk picture.
    """
    left = sigma_px**2 - HALVING_VARIANCE
    return (2, math.sqrt(left) / 2.0) if left >= 0.0 else (1, sigma_px)


def _stretch(center_px: float, reach_px: float, length_px: int, step: int) -> tuple[int, int]:
    """First pixel, and the one behind the last, of what lies near a place along one axis: whole steps, at least one."""
    last = max(length_px // step, 1) * step
    first = min(max(int(center_px - reach_px), 0), last - 1) // step * step
    end = -(-(int(center_px + reach_px) + 1) // step) * step
    return first, min(max(end, first + step), last)
