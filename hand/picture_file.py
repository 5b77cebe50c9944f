"""Single pictures as files: checked by their header before they are decoded, and written atomically."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from hand.atomic_file import write_bytes_atomically
from hand.checked_files import FILE_FAULTS, read_checked
from hand.picture_limits import LARGEST_PICTURE_BYTES, decode_color


def read_color(path: Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """A picture as ``cv2.imread`` gives it; None where it is missing, damaged, no regular file, or too large.

    Args:
        path: of the file.
        flags: OpenCV's.

    Returns:
        Height x width x 3, BGR, for the usual flags.
    """
    try:
        return decode_color(read_checked(path, LARGEST_PICTURE_BYTES), flags)
    except FILE_FAULTS:
        return None


def write_picture(path: Path, image: np.ndarray, parameters: Sequence[int] = ()) -> None:
    """Writes a picture in the format of its suffix.

    Args:
        path: the file; its folder is made.
        image: as ``cv2.imwrite`` takes it.
        parameters: of OpenCV's encoder.

    Raises:
        OSError: it cannot be written, which ``cv2.imwrite`` would keep to itself.
    """
    done, data = cv2.imencode(path.suffix, image, list(parameters))
    if not done:
        raise OSError(f"The picture {path} cannot be encoded.")
    write_bytes_atomically(path, data.tobytes())
