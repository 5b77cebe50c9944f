"""The session of both paths as one picture: curves over its seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyqtgraph as pg

from app.palette import Theme
from hand.types import PATH_IDS

_SIZE_PX = (1200, 900)
_CURVES: tuple[tuple[str, str], ...] = (
    ("confidence", "Confidence"),
    ("work_ms", "Work, ms"),
    ("reprojection_px", "Reprojection, px"),
    ("jitter_mm", "Jitter, mm/f²"),
)


def save_session_picture(rows: Sequence[dict[str, float]], source: str, theme: Theme, path: Path) -> None:
    """Draws and writes the picture.

    Args:
        rows: of :meth:`app.pipeline.metrics.comparison.Comparison.rows`.
        source: where the pictures came from.
        theme: colours.
        path: a .png file.

    Raises:
        OSError: it cannot be written.
    """
    board = pg.GraphicsLayoutWidget(size=_SIZE_PX)
    try:
        board.setBackground(theme.window)
        seconds = np.array([row["second"] for row in rows])
        title = f"{source or 'Session'}: network (blue) and MediaPipe + IK (orange), {len(rows)} s"
        board.addLabel(title, row=0, col=0, colspan=2, color=theme.text, size="13pt")
        for index, (name, label) in enumerate(_CURVES):
            plot = _plot(board, theme, label, 1 + index // 2, index % 2)
            for path_id in PATH_IDS:
                values = np.array([row[f"{path_id}_{name}"] for row in rows])
                plot.plot(seconds, values, pen=pg.mkPen(getattr(theme, path_id), width=2), connect="finite")
        plot = _plot(board, theme, "Disagreement, mm", 3, 0)
        values = np.array([row["disagreement_mm"] for row in rows])
        plot.plot(seconds, values, pen=pg.mkPen(theme.accent, width=2), connect="finite")
        plot = _plot(board, theme, "Output: share of frames", 3, 1)
        plot.setYRange(0.0, 1.0)
        for source, color in (("network", theme.network), ("ik", theme.ik), ("fused", theme.accent)):
            shares = np.array([_share(row, f"output_{source}_frames") for row in rows])
            plot.plot(seconds, shares, pen=pg.mkPen(color, width=2), connect="finite")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not board.grab().save(str(path)):
            raise OSError(f"{path} cannot be written")
    finally:
        board.close()
        board.deleteLater()


def _plot(board: pg.GraphicsLayoutWidget, theme: Theme, label: str, row: int, column: int) -> pg.PlotItem:
    plot = board.addPlot(row=row, col=column)
    plot.setTitle(label, color=theme.text, size="10pt")
    plot.showGrid(x=False, y=True, alpha=0.15)
    for side in ("left", "bottom"):
        plot.getAxis(side).setPen(pg.mkPen(theme.border))
        plot.getAxis(side).setTextPen(pg.mkPen(theme.muted))
    return plot


def _share(row: dict[str, float], name: str) -> float:
    frames = sum(row[f"output_{who}_frames"] for who in ("network", "ik", "fused", "none"))
    return row[name] / frames if frames else math.nan
