"""One picture of a network's best, median and worst crops, to be looked at together with its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import UInt8

from hand.picture_file import write_picture
from trainer.evaluation.predictions import Predictions, best_median_worst, errors_2d
from trainer.evaluation.report_page import PICTURE_PX, overlay
from trainer.samples.labelled_crop import LabelledCrop

COLUMNS: Final = 8
GAP_PX: Final = 6
CAPTION_PX: Final = 24
_HEADING_PX: Final = 40
PAPER: Final = (247, 248, 250)
INK: Final = (29, 35, 48)


def contact_sheet(crops: Sequence[LabelledCrop], predictions: Predictions) -> UInt8[np.ndarray, "H W 3"]:
    """Three rows: best, median and worst by 2D error, with labelled joints in white and predicted ones in colours.

    Args:
        crops: the pictures.
        predictions: about them, in their order.
    """
    error = errors_2d(predictions)
    rows = best_median_worst(error, COLUMNS)
    columns = max(len(row) for row in rows.values())
    width = columns * (PICTURE_PX + GAP_PX) + GAP_PX
    height = len(rows) * (_HEADING_PX + PICTURE_PX + CAPTION_PX)
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    for number, (name, row) in enumerate(rows.items()):
        top = number * (_HEADING_PX + PICTURE_PX + CAPTION_PX)
        write_on(sheet, f"{name.capitalize()}: 2D error over the hand's box", (GAP_PX, top + 28), 0.7)
        for column, index in enumerate(row):
            left = GAP_PX + column * (PICTURE_PX + GAP_PX)
            picture = overlay(crops[index].image, predictions.joints_crop[index], predictions.true_joints_crop[index])
            sheet[top + _HEADING_PX : top + _HEADING_PX + PICTURE_PX, left : left + PICTURE_PX] = picture
            write_on(sheet, f"{error[index]:.3f}", (left, top + _HEADING_PX + PICTURE_PX + 17), 0.5)
    return sheet


def write_png(path: Path, image_rgb: UInt8[np.ndarray, "H W 3"]) -> None:
    """Writes a picture whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    write_picture(path, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))


def write_on(sheet: UInt8[np.ndarray, "H W 3"], text: str, place: tuple[int, int], size: float) -> None:
    """Writes a line of text onto a sheet, in place."""
    cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)
