"""Renderings of the printed calibration board."""

from __future__ import annotations

import cv2
import numpy as np

from app.lens_calibration.board import board_picture
from hand.camera import Intrinsics

PIXELS_PER_MM = 4.0


def render_board(rotation: np.ndarray, translation: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """The printed board as seen by a pinhole camera, through the homography of its plane, averaged over 9 samples."""
    texture = cv2.copyMakeBorder(board_picture(PIXELS_PER_MM), 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=255)
    # pixel centres: texture pixel (u, v) shows the board at ((u - 60 + 0.5) / scale) mm
    to_board = np.array([[1, 0, 0.5 - 60], [0, 1, 0.5 - 60], [0, 0, PIXELS_PER_MM * 1e3]]) / (PIXELS_PER_MM * 1e3)
    plane = camera.matrix() @ np.column_stack([rotation[:, 0], rotation[:, 1], translation])
    finer = np.array([[3, 0, 1], [0, 3, 1], [0, 0, 1.0]])
    size = camera.width_px * 3, camera.height_px * 3
    large = cv2.warpPerspective(texture, finer @ plane @ to_board, size, borderValue=130)
    small = cv2.resize(large, (camera.width_px, camera.height_px), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)
