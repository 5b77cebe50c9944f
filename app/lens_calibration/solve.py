"""From corners of the board in many pictures to a pinhole camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, Int

from app.lens_calibration.board import corner_positions_m
from app.sources.calibration_store import LensSolution
from hand.camera import Intrinsics
from hand.errors import ConfigError

LEAST_VIEWS: Final = 6
WORST_RMS_PX: Final = 3.0
"""Beyond this the corners are no picture of a flat board in a pinhole camera (at 640 pixels of width)."""

_NO_DISTORTION = cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST
_SOME_DISTORTION = cv2.CALIB_FIX_K3 | cv2.CALIB_ZERO_TANGENT_DIST


def solve_lens(
    views: Sequence[tuple[Int[np.ndarray, "K"], Float[np.ndarray, "K 2"]]], size_px: tuple[int, int]
) -> LensSolution:
    """Calibrates by Zhang's method (Z. Zhang, "A flexible new technique for camera calibration", 2000), as in OpenCV.

    Args:
        views: numbers and places of the corners in each picture.
        size_px: width and height of the pictures.

    Raises:
        ConfigError: too few views, or they fit no camera.
    """
    if len(views) < LEAST_VIEWS:
        raise ConfigError(
            f"A camera is calibrated from at least {LEAST_VIEWS} different views of the board, not {len(views)}; "
            "show it at more places and leanings."
        )
    positions = corner_positions_m()
    objects = [positions[ids].astype(np.float32) for ids, _ in views]
    pictures = [np.asarray(corners, np.float32) for _, corners in views]
    try:
        bent = _calibrate(objects, pictures, size_px, _SOME_DISTORTION)
        straight = _calibrate(objects, pictures, size_px, _NO_DISTORTION)
    except cv2.error as error:
        raise ConfigError(f"The views of the board fit no camera ({error.err}); take them again.") from None
    rms, matrix, _ = straight
    limit = WORST_RMS_PX * max(1.0, size_px[0] / 640.0)
    if not np.isfinite(rms) or rms > limit:
        raise ConfigError(
            f"The views of the board fit no camera: the corners are {rms:.1f} pixels off, at most {limit:.1f} are "
            "allowed; check that the board is flat and hold it still."
        )
    intrinsics = Intrinsics(
        float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2]), size_px[0], size_px[1]
    )
    k1, k2 = (float(value) for value in np.ravel(bent[2])[:2])
    return LensSolution(intrinsics, float(rms), float(bent[0]), (k1, k2), len(views))


def _calibrate(
    objects: list[np.ndarray], pictures: list[np.ndarray], size_px: tuple[int, int], flags: int
) -> tuple[float, np.ndarray, np.ndarray]:
    # None makes OpenCV allocate what it fills
    rms, matrix, distortion, _, _ = cv2.calibrateCamera(objects, pictures, size_px, None, None, flags=flags)
    return float(rms), np.asarray(matrix), np.asarray(distortion)
