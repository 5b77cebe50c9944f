"""Where the second camera stands, from the printed board in both views: exact where it was held still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from app.lens_calibration.board import corner_positions_m
from app.lens_calibration.session import BoardView, find_board
from app.two_views.camera_pair import CameraPair
from app.two_views.view_recording import ViewRecording
from hand.camera import Intrinsics

FEWEST_VIEWS: Final = 4
FEWEST_CORNERS: Final = 8
"""Corners that both views see."""

WORST_RMS_PX: Final = 2.0
"""Beyond this, at 640 pixels of width, the board was moved between the two pictures, or a camera was."""

SAME_MOMENT_S: Final = 0.06


def boards_in_both(first: ViewRecording, second: ViewRecording, late_s: float) -> list[tuple[BoardView, BoardView]]:
    """The board in pictures that both views kept of one moment.

    Args:
        first: of the first camera.
        second: of the second camera.
        late_s: how much later the second clock is.
    """
    found = []
    for time_s in sorted(first.pictures):
        partner_s, partner = second.picture_near(time_s + late_s)
        if abs(partner_s - time_s - late_s) > SAME_MOMENT_S:
            continue
        one = find_board(first.picture_near(time_s)[1])
        other = find_board(partner) if one is not None else None
        if one is not None and other is not None and len(np.intersect1d(one.ids, other.ids)) >= FEWEST_CORNERS:
            found.append((one, other))
    return found


def pair_from_boards(
    views: Sequence[tuple[BoardView, BoardView]], first: Intrinsics, second: Intrinsics
) -> CameraPair | None:
    """The two cameras by OpenCV's stereo calibration with their intrinsics held; None where the views fit none.

    Args:
        views: the board in both pictures of each moment.
        first: intrinsics of the first camera.
        second: intrinsics of the second camera.
    """
    if len(views) < FEWEST_VIEWS:
        return None
    positions = corner_positions_m()
    objects: list[np.ndarray] = []
    seen: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for one, other in views:
        shared, at_one, at_other = np.intersect1d(one.ids, other.ids, return_indices=True)
        objects.append(positions[shared].astype(np.float32))
        seen[0].append(one.corners_px[at_one].astype(np.float32))
        seen[1].append(other.corners_px[at_other].astype(np.float32))
    nothing = np.zeros(5)
    solved: Any = cv2.stereoCalibrate(
        objects,
        seen[0],
        seen[1],
        first.matrix(),
        nothing,
        second.matrix(),
        nothing,
        (first.width_px, first.height_px),
        flags=cv2.CALIB_FIX_INTRINSIC,
    )
    rms, rotation, translation = solved[0], solved[5], solved[6]
    if not np.isfinite(rms) or rms > WORST_RMS_PX * max(first.width_px / 640.0, 1.0):
        return None
    return CameraPair(first, second, np.asarray(rotation, np.float64), np.asarray(translation, np.float64).reshape(3))
