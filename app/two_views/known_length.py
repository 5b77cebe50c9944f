"""What gives a calibration from the hand its scale: a typed length, the calibrated hand, or the average hand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from app.two_views.calibration import (
    PALM_LENGTH_JOINTS,
    PALM_WIDTH_JOINTS,
    KnownLength,
    average_length,
    length_of_shape,
)
from hand.errors import ConfigError
from hand.model import HandModel
from ik_baseline.person import HandCalibration, calibration_file

logger = logging.getLogger(__name__)

TYPED_UNCERTAINTY: Final = 0.03
"""A palm is measured to a few millimetres, and its joints lie under the skin."""

_SHAPE_UNCERTAINTY: Final = 0.04


def known_length(
    model: HandModel,
    *,
    palm_length_mm: float | None = None,
    palm_width_mm: float | None = None,
    calibration: Path | None = None,
) -> KnownLength:
    """The best length there is.

    Args:
        model: a right hand, which a calibrated hand shape is of.
        palm_length_mm: from the crease of the wrist to the knuckle of the middle finger, as typed.
        palm_width_mm: between the knuckles of the index and little fingers, as typed.
        calibration: of the hand's shape; the user's own when left out.

    Raises:
        ConfigError: a typed length is none of a hand.
    """
    for typed, joints, source, low, high in (
        (palm_length_mm, PALM_LENGTH_JOINTS, "the palm's length as typed", 50.0, 140.0),
        (palm_width_mm, PALM_WIDTH_JOINTS, "the palm's width as typed", 30.0, 110.0),
    ):
        if typed is None:
            continue
        if not low <= typed <= high:
            raise ConfigError(f"{source.capitalize()} is {typed:g} mm; hands have {low:g} to {high:g} mm.")
        return KnownLength(joints, typed / 1000.0, source, TYPED_UNCERTAINTY)
    file = calibration or calibration_file()
    if file.is_file():
        try:
            shape = HandCalibration.load(model, file).shape
        except ConfigError as error:
            logger.warning("%s", error)
        else:
            return length_of_shape(shape, "the calibrated hand shape", _SHAPE_UNCERTAINTY)
    return average_length()
