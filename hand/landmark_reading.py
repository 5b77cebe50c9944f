"""The reading of a hand-landmark network for one hand, and the same in the coordinates of a crop.

The hand detector and the trained network work on the same hand in the same frame. The detector's reading, expressed in
the trained network's crop, spares that network an inference of its own: a reading is the same hand whatever square it
was read in, up to how exact the landmark network is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.crop import SquareCrop, transform_points

JOINT_NUMBERS: Final = 6
"""Numbers of each joint in a crop vector."""

CROP_NUMBERS: Final = 21 * JOINT_NUMBERS + 2
"""Length of a crop vector, see :meth:`LandmarkReading.in_crop`."""

WORLD_SCALE: Final = 10.0
"""World coordinates of a crop vector are tenths of a metre, of the same order as its crop coordinates."""

LARGEST_LOGIT: Final = 8.0
"""Logits of presence and side are clipped here: beyond it single precision cannot distinguish probabilities."""


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkReading:
    """The outputs of a hand-landmark network about one hand, in the picture as it is, whichever hand it shows.

    Attributes:
        points_px: the 21 landmarks in picture pixels, pixel centres at integers.
        relative_depth_px: their depth relative to the wrist's, larger is farther away, in picture pixels.
        world_m: their places about the hand's middle, along the picture camera's axes (x right, y down, z away).
        presence: probability of a hand.
        rightness: probability that the hand is a right one as the picture shows it.
    """

    points_px: Float[np.ndarray, "21 2"]
    relative_depth_px: Float[np.ndarray, "21"]
    world_m: Float[np.ndarray, "21 3"]
    presence: float
    rightness: float

    def in_crop(self, crop: SquareCrop) -> Float[np.ndarray, "128"]:
        """The crop vector: the reading in the form in which a network takes it beside a crop.

        Its layout is defined here only. For each of the 21 joints in their common order: x and y in crop
        coordinates (-1 and 1 are the crop's edges), relative depth in the same unit, then the world place along the
        crop's axes in tenths of a metre. Then the logits of presence and of a right hand as the crop shows it, within
        :data:`LARGEST_LOGIT`. In a flipped crop everything is mirrored, as its picture is.

        Args:
            crop: the square that is the network's input.

        Returns:
            :data:`CROP_NUMBERS` numbers in single precision.
        """
        # of a crop of 2 px, with edges at -0.5 and 1.5
        matrix = crop.matrix(2)
        places = transform_points(self.points_px, matrix) - 0.5
        turn = matrix[:, :2] * (crop.size_px / 2.0)
        joints = np.empty((21, JOINT_NUMBERS))
        joints[:, :2] = places
        joints[:, 2] = self.relative_depth_px * (2.0 / crop.size_px)
        joints[:, 3:5] = WORLD_SCALE * self.world_m[:, :2] @ turn.T
        joints[:, 5] = WORLD_SCALE * self.world_m[:, 2]
        right = 1.0 - self.rightness if crop.flipped else self.rightness
        logits = [_bounded_logit(self.presence), _bounded_logit(right)]
        return np.concatenate([joints.ravel(), logits]).astype(np.float32)


def _bounded_logit(probability: float) -> float:
    least = 1.0 / (1.0 + math.exp(LARGEST_LOGIT))
    kept = min(max(probability, least), 1.0 - least)
    return math.log(kept / (1.0 - kept))


def reading_in_square(
    landmarks: Float[np.ndarray, "21 3"],
    world_m: Float[np.ndarray, "21 3"],
    presence: float,
    rightness: float,
    square: SquareCrop,
    input_px: int,
) -> LandmarkReading:
    """Converts a landmark network's outputs for a square of a picture to a reading of the picture.

    Args:
        landmarks: x, y from the input's upper left corner and relative depth, in pixels of the network's input.
        world_m: along the square's axes.
        presence: probability of a hand.
        rightness: probability of a right hand as the square presents it.
        square: the network's input; flipped where that was the mirror image.
        input_px: side of the network's input.
    """
    scale = square.size_px / input_px
    cosine, sine = math.cos(square.angle_rad), math.sin(square.angle_rad)
    axes = np.array([[cosine, -sine], [sine, cosine]])
    if square.flipped:
        axes[:, 0] *= -1.0
    center = np.array([square.center_x_px, square.center_y_px])
    world = np.concatenate([world_m[:, :2] @ axes.T, world_m[:, 2:]], 1)
    # the network counts from the corner of its input, SquareCrop from the middle of the first pixel of the picture:
    # measured from the square's middle both are the same
    points = center + scale * (landmarks[:, :2] - input_px / 2.0) @ axes.T
    return LandmarkReading(
        points, scale * landmarks[:, 2], world, presence, 1.0 - rightness if square.flipped else rightness
    )
