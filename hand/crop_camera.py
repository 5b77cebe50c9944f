"""The camera whose axis passes through the centre of a crop.

At the edge of a picture a hand is viewed from another direction than in the middle, so the same pose has another
image there. A network's output for a crop is therefore expressed in the *crop camera*: the real camera turned,
without moving, until its axis passes through the centre of the crop, then rolled by the crop's own angle. Turning a
camera about its centre changes no depth order and no shape, so nothing is lost, and the network does not need the
crop's place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.crop import SquareCrop


@dataclass(frozen=True, slots=True, eq=False)
class CropCamera:
    """The turned camera of one crop.

    Attributes:
        rotation: takes camera axes to crop-camera axes (``point_crop = rotation @ point_camera``).
        focal: half crop widths per unit slope at the centre of the crop: crop coordinate = focal * x / z there.
    """

    rotation: Float[np.ndarray, "3 3"]
    focal: float


def crop_camera(crop: SquareCrop, intrinsics: Intrinsics) -> CropCamera:
    """The crop camera of a crop that is not flipped.

    A flipped crop is an ordinary crop of the mirrored picture: mirror the crop's place and the intrinsics first
    (:func:`mirrored_crop`, :meth:`hand.camera.Intrinsics.mirrored`).

    Args:
        crop: the square in the picture.
        intrinsics: of the picture.

    Raises:
        ValueError: the crop is flipped.
    """
    if crop.flipped:
        raise ValueError("crop_camera needs an unflipped crop; mirror crop and intrinsics first")
    slope_x = (crop.center_x_px - intrinsics.cx_px) / intrinsics.fx_px
    slope_y = (crop.center_y_px - intrinsics.cy_px) / intrinsics.fy_px
    length = math.sqrt(1.0 + slope_x * slope_x + slope_y * slope_y)
    x, y, z = slope_x / length, slope_y / length, 1.0 / length
    # the smallest turn that takes the viewing direction (x, y, z) to the axis (0, 0, 1): no roll is added, so that
    # across the crop the picture is stretched along the radius only
    straight = np.array(
        [
            [1.0 - x * x / (1.0 + z), -x * y / (1.0 + z), -x],
            [-x * y / (1.0 + z), 1.0 - y * y / (1.0 + z), -y],
            [x, y, z],
        ]
    )
    cosine, sine = math.cos(crop.angle_rad), math.sin(crop.angle_rad)
    rotation = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]) @ straight
    focal_px = math.sqrt(intrinsics.fx_px * intrinsics.fy_px) * length
    return CropCamera(rotation, 2.0 * focal_px / crop.size_px)


def mirrored_crop(crop: SquareCrop, width_px: int) -> SquareCrop:
    """The same square in the left-right mirrored picture, cut out there without flipping (or with, if it was not)."""
    return SquareCrop(
        center_x_px=width_px - 1 - crop.center_x_px,
        center_y_px=crop.center_y_px,
        size_px=crop.size_px,
        angle_rad=-crop.angle_rad,
        flipped=not crop.flipped,
    )


def translation_from_weak_camera(camera: Float[np.ndarray, "3"], focal: float) -> Float[np.ndarray, "3"]:
    """Metric root position in the crop camera from weak perspective.

    Weak perspective means ``crop coordinate = scale * metres + offset``; at the root's depth z the true camera gives
    ``focal * metres / z``, so z = focal / scale and the offset corresponds to offset / scale metres.

    Args:
        camera: scale (crop coordinates per metre) and offsets x, y (crop coordinates).
        focal: of the :class:`CropCamera`.
    """
    scale, x, y = (float(number) for number in camera)
    return np.array([x / scale, y / scale, focal / scale])
