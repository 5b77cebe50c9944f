"""The ChArUco board: a chessboard with markers in its white squares, so that every corner has a name.

It is drawn on A4 paper at true scale, with a line to check the printer by; intrinsics do not depend on the scale, but a
board that a printer stretched in one direction would spoil them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.atomic_file import write_atomically
from hand.errors import ConfigError

COLUMNS: Final = 8
ROWS: Final = 5
SQUARE_MM: Final = 32.0
MARKER_MM: Final = 24.0
PAGE_MM: Final = (297.0, 210.0)
"""A4, lying; US letter prints it with smaller margins when 'actual size' is chosen."""

CORNERS: Final = (COLUMNS - 1) * (ROWS - 1)
BOARD_SUFFIXES: Final = (".pdf", ".png")

_DPI = 300
_MM_PER_INCH = 25.4
_RULER_MM = 100.0
_NOTE = (
    f"handlive camera calibration - print at 100 % ('actual size'), glue it onto something flat - "
    f"{COLUMNS} x {ROWS} squares of {SQUARE_MM:g} mm"
)


def make_board() -> cv2.aruco.CharucoBoard:
    """The board in OpenCV's form, in metres."""
    markers = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_50)
    return cv2.aruco.CharucoBoard((COLUMNS, ROWS), SQUARE_MM / 1e3, MARKER_MM / 1e3, markers)


def corner_positions_m() -> Float[np.ndarray, "corners 3"]:
    """Where the inner corners are on the board, by number; z is 0."""
    return np.asarray(make_board().getChessboardCorners(), np.float64)


def board_picture(pixels_per_mm: float) -> UInt8[np.ndarray, "height width"]:
    """The board alone, without a margin, in grey."""
    size = round(COLUMNS * SQUARE_MM * pixels_per_mm), round(ROWS * SQUARE_MM * pixels_per_mm)
    return np.asarray(make_board().generateImage(size, marginSize=0), np.uint8)


def page_picture(dpi: int = _DPI) -> UInt8[np.ndarray, "height width"]:
    """The whole page: board, a line of 100 mm, and how to print it."""
    scale = dpi / _MM_PER_INCH
    width, height = (round(side * scale) for side in PAGE_MM)
    page = np.full((height, width), 255, np.uint8)
    board = board_picture(scale)
    left, top = (width - board.shape[1]) // 2, round(12.0 * scale)
    page[top : top + board.shape[0], left : left + board.shape[1]] = board
    thickness = max(1, round(0.3 * scale))
    line_y = top + board.shape[0] + round(12.0 * scale)
    end = left + round(_RULER_MM * scale)
    cv2.line(page, (left, line_y), (end, line_y), (0.0,), thickness)
    for x in (left, end):
        cv2.line(page, (x, line_y - round(2 * scale)), (x, line_y + round(2 * scale)), (0.0,), thickness)
    letters = scale / 8.0
    beside, below = (end + round(5 * scale), line_y + round(scale)), (left, line_y + round(10 * scale))
    cv2.putText(page, "This line is 100 mm long.", beside, cv2.FONT_HERSHEY_SIMPLEX, letters, (0.0,), thickness)
    cv2.putText(page, _NOTE, below, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * letters, (0.0,), thickness)
    return page


def write_board(file: Path) -> Path:
    """Writes the page as PDF or PNG; both contain its size, so that it prints at true scale.

    Raises:
        ConfigError: another suffix, or the file cannot be written.
    """
    suffix = file.suffix.lower()
    if suffix not in BOARD_SUFFIXES:
        raise ConfigError(f"The calibration board is written as .pdf or .png, not as {file.name!r}.")
    # imported here: every camera reads its calibration, and only this needs to write pages
    from PIL import Image

    page = Image.fromarray(page_picture()).convert("1")

    def write(target: Path) -> None:
        if suffix == ".pdf":
            page.save(target, "PDF", resolution=float(_DPI))
        else:
            page.save(target, "PNG", dpi=(_DPI, _DPI))

    try:
        write_atomically(file, write)
    except OSError as error:
        raise ConfigError(f"The calibration board cannot be written to {file}: {error.strerror or error}.") from None
    return file
