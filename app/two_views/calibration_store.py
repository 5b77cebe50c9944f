"""Calibrations of pairs of cameras, kept beside those of single cameras."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from app.sources.calibration_store import SAME_PROPORTIONS, camera_slug
from app.two_views.calibration import KnownLength, PairCalibration
from app.two_views.camera_pair import pair_from_json, pair_to_json
from app.two_views.observer_noise import ObserverNoise
from app.user_dirs import cameras_folder
from hand.atomic_file import write_json_atomically
from hand.checked_files import FILE_FAULTS, finite_array, read_json
from hand.errors import ConfigError, IntrinsicsError

logger = logging.getLogger(__name__)

SCHEMA: Final = 1
_FIGURES: Final = ("frames", "epipolar_px", "angle_deg", "palm_m", "repeat_mm", "place_repeat_mm", "joint_mm", "late_s")


def save_pair(first: str, second: str, calibration: PairCalibration, folder: Path | None = None) -> Path:
    """Keeps a calibration under the names of both cameras, in their order.

    Args:
        first: name of the first camera or file.
        second: name of the second.
        calibration: to keep.
        folder: where calibrations are; the user's data folder when left out.

    Raises:
        ConfigError: the file cannot be written.
    """
    file = pair_file(first, second, folder)
    content = {
        "schema": SCHEMA,
        "cameras": [first, second],
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        **pair_to_json(calibration.pair),
        "length": asdict(calibration.length),
        "hand_m": calibration.hand_m.tolist(),
        "noise": {path: share.tolist() for path, share in calibration.noise.share.items()},
        **{name: getattr(calibration, name) for name in _FIGURES},
        "quality": calibration.describe(),
    }
    try:
        write_json_atomically(file, content)
    except OSError as error:
        raise ConfigError(
            f"The calibration of the two cameras cannot be written to {file}: {error.strerror or error}."
        ) from None
    return file


def saved_pair(
    first: str, second: str, sizes_px: tuple[tuple[int, int], tuple[int, int]], folder: Path | None = None
) -> PairCalibration | None:
    """The calibration of two cameras at the sizes of picture that they give now, or None.

    Args:
        first: name of the first camera or file.
        second: name of the second.
        sizes_px: width and height of both.
        folder: where calibrations are; the user's data folder when left out.
    """
    file = pair_file(first, second, folder)
    if not file.is_file():
        return None
    try:
        return _read(read_json(file), [first, second], sizes_px)
    except (*FILE_FAULTS, IntrinsicsError) as error:
        logger.warning("The calibration of two cameras %s cannot be used (%s); calibrate them again.", file, error)
        return None


def pair_file(first: str, second: str, folder: Path | None = None) -> Path:
    """Where the calibration of two cameras is kept."""
    return (folder or cameras_folder()) / "pairs" / f"{camera_slug(first)}--{camera_slug(second)}.json"


def _read(
    content: dict[str, Any], cameras: list[str], sizes_px: tuple[tuple[int, int], tuple[int, int]]
) -> PairCalibration:
    """A calibration from its file.

    Raises:
        ValueError, KeyError, TypeError, IntrinsicsError: it is something else, or of another pair of cameras.
    """
    if content["schema"] != SCHEMA or content["cameras"] != cameras:
        raise ValueError("it is of other cameras or another version")
    pair = pair_from_json(content)
    for intrinsics, (width, height) in zip(pair.intrinsics, sizes_px, strict=True):
        if abs((width / height) / (intrinsics.width_px / intrinsics.height_px) - 1.0) > SAME_PROPORTIONS:
            raise ValueError("it is of pictures of other proportions")
    first, second = (known.scaled_to(*size) for known, size in zip(pair.intrinsics, sizes_px, strict=True))
    length = content["length"]
    one, other = (int(joint) for joint in length["joints"])
    figures = {name: float(content[name]) for name in _FIGURES if name != "frames"}
    return PairCalibration(
        pair=replace(pair, first=first, second=second),
        length=KnownLength((one, other), float(length["metres"]), str(length["source"]), float(length["uncertainty"])),
        frames=int(content["frames"]),
        hand_m=finite_array(content["hand_m"], (3,)),
        noise=ObserverNoise({path: finite_array(share, (21,)) for path, share in content["noise"].items()}),
        **figures,
    )
