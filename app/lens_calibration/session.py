"""The guided part: finds the board in pictures, keeps views that add information, and reports what is still missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from app.lens_calibration.board import CORNERS, corner_positions_m, make_board
from app.lens_calibration.solve import solve_lens
from app.sources.calibration_store import LensSolution

VIEWS_WANTED: Final = 18
CELLS: Final = (4, 3)
"""The picture is divided into so many columns and rows, and corners are needed in all of them."""

CELLS_WANTED: Final = 11
"""One corner of the picture is hard to reach with a board in one's hands."""

TILTED_WANTED: Final = 8
"""Boards parallel to the image plane do not determine the focal length, so some have to lean."""

LEAST_CORNERS: Final = 12
LEAST_MOVE: Final = 0.05
"""Corners of a new view lie so far from those of every kept one, as a share of the picture's width."""

LEAST_TILT: Final = 1.15
"""Longest over shortest edge of the board's outline (opposite edges compared) from which it counts as leaning."""

_REFINE_WINDOW = (2, 2)
_REFINE_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class BoardView:
    """The board in one picture.

    Attributes:
        ids: numbers of the corners that were seen.
        corners_px: where.
    """

    ids: Int[np.ndarray, "K"]
    corners_px: Float[np.ndarray, "K 2"]


@lru_cache(maxsize=1)
def _detector() -> cv2.aruco.CharucoDetector:
    return cv2.aruco.CharucoDetector(make_board())


def find_board(image_rgb: UInt8[np.ndarray, "height width 3"]) -> BoardView | None:
    """The board in a picture, None where fewer than four of its corners are seen."""
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    found: Any = _detector().detectBoard(grey)  # None where nothing is seen, which its type hints deny
    corners, ids, _, _ = found
    if ids is None or len(ids) < 4:
        return None
    # OpenCV 4.11 reports these corners half a pixel too far right and down (measured on rendered boards); what its own
    # refinement finds from there is right to a tenth of a pixel
    corners = cv2.cornerSubPix(grey, corners - np.float32(0.5), _REFINE_WINDOW, (-1, -1), _REFINE_UNTIL)
    return BoardView(np.asarray(ids).reshape(-1), np.asarray(corners, np.float64).reshape(-1, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """How far the calibration is, after a picture.

    Attributes:
        view: the board in that picture, or None.
        kept: the picture added information.
        views: how many were kept.
        covered: which cells of the picture had corners.
        share: 0 to 1.
        sentence: what to do next.
    """

    view: BoardView | None
    kept: bool
    views: int
    covered: Bool[np.ndarray, "rows columns"]
    share: float
    sentence: str


class CalibrationSession:
    """Collects views of the board from pictures of one camera and one size."""

    def __init__(self) -> None:
        self._begin((0, 0))

    def _begin(self, size_px: tuple[int, int]) -> None:
        self._size_px = size_px
        self._views: list[BoardView] = []
        self._tilted = 0
        self._covered = np.zeros((CELLS[1], CELLS[0]), bool)

    @property
    def ready(self) -> bool:
        """Whether enough was seen for a good solution."""
        return self._share() >= 1.0

    def add(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> Progress:
        """Processes a picture; one of another size starts the session again, because it needs intrinsics of its own."""
        height, width = image_rgb.shape[:2]
        if (width, height) != self._size_px:
            self._begin((width, height))
        view = find_board(image_rgb)
        kept = view is not None and len(view.ids) >= LEAST_CORNERS and self._is_new(view)
        if kept and view is not None:
            self._views.append(view)
            columns = np.clip((view.corners_px[:, 0] * CELLS[0] / width).astype(int), 0, CELLS[0] - 1)
            rows = np.clip((view.corners_px[:, 1] * CELLS[1] / height).astype(int), 0, CELLS[1] - 1)
            self._covered[rows, columns] = True
            self._tilted += _is_tilted(view)
        return Progress(view, kept, len(self._views), self._covered.copy(), self._share(), self._advice(view))

    def solve(self) -> LensSolution:
        """The camera, from all views that were kept.

        Raises:
            ConfigError: there are too few of them, or they fit no camera.
        """
        return solve_lens([(view.ids, view.corners_px) for view in self._views], self._size_px)

    def _is_new(self, view: BoardView) -> bool:
        return all(_distance(view, other) >= LEAST_MOVE * self._size_px[0] for other in self._views)

    def _share(self) -> float:
        parts = (
            len(self._views) / VIEWS_WANTED,
            int(self._covered.sum()) / CELLS_WANTED,
            self._tilted / TILTED_WANTED,
        )
        return float(np.mean([min(part, 1.0) for part in parts]))

    def _advice(self, view: BoardView | None) -> str:
        if self.ready:
            return "Enough is seen."
        if view is None:
            return "Hold the printed board into the picture."
        if len(view.ids) < LEAST_CORNERS:
            return f"Show more of the board: {len(view.ids)} of {CORNERS} corners are seen."
        if self._covered.sum() < CELLS_WANTED:
            return f"Move the board to the {self._emptiest_place()} of the picture."
        if self._tilted < TILTED_WANTED:
            return "Lean the board to one side, then to the others."
        return "Move the board nearer, further away and aside."

    def _emptiest_place(self) -> str:
        row, column = np.argwhere(~self._covered)[0]
        vertical = ("top", "", "bottom")[row]
        horizontal = ("left", "", "", "right")[column]
        return f"{vertical} {horizontal}".strip() or "middle"


def _distance(view: BoardView, other: BoardView) -> float:
    """Mean distance of the corners that both contain; views without common corners are far apart."""
    _, mine, others = np.intersect1d(view.ids, other.ids, return_indices=True)
    if len(mine) == 0:
        return np.inf
    return float(np.linalg.norm(view.corners_px[mine] - other.corners_px[others], axis=1).mean())


def _is_tilted(view: BoardView) -> bool:
    """Whether perspective makes one edge of the board longer than the opposite one."""
    positions = corner_positions_m()[view.ids][:, :2].astype(np.float32)
    to_picture: Any = cv2.findHomography(positions, view.corners_px.astype(np.float32))[0]
    if to_picture is None:
        return False
    low, high = corner_positions_m()[:, :2].min(0), corner_positions_m()[:, :2].max(0)
    outline = np.array([[low, (high[0], low[1]), high, (low[0], high[1])]], np.float64)
    a, b, c, d = cv2.perspectiveTransform(outline, to_picture)[0]
    edges = [np.linalg.norm(p - q) for p, q in ((a, b), (c, d), (b, c), (d, a))]
    return bool(max(max(edges[:2]) / min(edges[:2]), max(edges[2:]) / min(edges[2:])) >= LEAST_TILT)
