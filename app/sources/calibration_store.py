"""Calibrations kept per camera, and used whenever that camera gives pictures of the same proportions."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.user_dirs import cameras_folder
from hand.atomic_file import write_json_atomically
from hand.camera import Intrinsics
from hand.checked_files import FILE_FAULTS, fault_of, read_json
from hand.errors import ConfigError, IntrinsicsError


@dataclass(frozen=True, slots=True, eq=False)
class LensSolution:
    """A solved camera.

    Attributes:
        intrinsics: of the pinhole that fits best, which is what the hand paths use.
        rms_px: distance of the seen corners to those it predicts, root of the mean square.
        straight_rms_px: the same when radial distortion is modelled too: a much smaller number means that the lens
            bends straight lines.
        distortion: its k1 and k2.
        views: how many pictures it is from.
    """

    intrinsics: Intrinsics
    rms_px: float
    straight_rms_px: float
    distortion: tuple[float, float]
    views: int


logger = logging.getLogger(__name__)

SCHEMA: Final = 1
SAME_PROPORTIONS: Final = 0.01
"""Width over height may differ by this share: cameras cut other proportions out of another field of view."""


def save_calibration(camera: str, solution: LensSolution, folder: Path | None = None) -> Path:
    """Keeps a calibration under the camera's name.

    Raises:
        ConfigError: the file cannot be written.
    """
    file = _file(camera, folder)
    content = {
        "schema": SCHEMA,
        "camera": camera,
        "date_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "intrinsics": asdict(solution.intrinsics),
        "rms_px": round(solution.rms_px, 4),
        "rms_with_distortion_px": round(solution.straight_rms_px, 4),
        "distortion_k1_k2": solution.distortion,
        "views": solution.views,
    }
    try:
        write_json_atomically(file, content)
    except OSError as error:
        raise ConfigError(f"The camera calibration cannot be written to {file}: {error.strerror or error}.") from None
    return file


def saved_intrinsics(camera: str, width_px: int, height_px: int, folder: Path | None = None) -> Intrinsics | None:
    """The camera's own intrinsics at this picture size, or None; a damaged file must not prevent pictures.

    Args:
        camera: its name.
        width_px: of the pictures it gives now.
        height_px: of the pictures it gives now.
        folder: where calibrations are; the user's data folder when left out.
    """
    file = _file(camera, folder)
    if not file.exists():
        return None
    try:
        content = read_json(file)
        if content["schema"] != SCHEMA or content["camera"] != camera:
            raise ValueError("it is of another camera or version")
        known = Intrinsics(**content["intrinsics"])
    except (*FILE_FAULTS, IntrinsicsError) as error:
        why = fault_of(error)
        logger.warning("The camera calibration %s cannot be used (%s); calibrate the camera again.", file, why)
        return None
    proportions = (width_px / height_px) / (known.width_px / known.height_px)
    return known.scaled_to(width_px, height_px) if abs(proportions - 1.0) <= SAME_PROPORTIONS else None


def camera_slug(camera: str) -> str:
    """A camera's name as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", camera.casefold()).strip("-") or "camera"


def _file(camera: str, folder: Path | None) -> Path:
    return (folder or cameras_folder()) / f"{camera_slug(camera)}.json"
