"""Draws how trainings fell, for docs/training.md: the score of their held-out hands over the samples they had seen.

docs/images/README.md has the command.
"""

# ruff: noqa: E402 - the process is prepared before OpenCV and Qt are imported
from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.environment import prepare_process

prepare_process()

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication

from app.palette import DARK
from hand.errors import HandliveError
from trainer.runs.run_history import RunHistory, read_history

_SIZE_PX: Final = (760, 380)
_COLORS: Final = (DARK.network, DARK.ik, DARK.accent)


def main() -> None:
    """Reads the runs, then draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a training")
    parser.add_argument("--target", type=float, help="a dashed line at this score")
    parser.add_argument("--out", type=Path, required=True, help="the picture")
    options = parser.parse_args()
    try:
        histories = {run.name: read_history(run) for run in options.runs}
    except HandliveError as problem:
        raise SystemExit(f"picture_curves: {problem}") from None
    draw(histories, options.target, options.out)


def draw(histories: dict[str, RunHistory], target: float | None, path: Path) -> None:
    """Draws one curve for every training."""
    application = QApplication.instance() or QApplication([])  # kept: Qt ends with it
    assert application is not None
    board = pg.GraphicsLayoutWidget(size=_SIZE_PX)
    board.setBackground(DARK.window)
    plot = board.addPlot()
    plot.setLabel("left", "PA-MPJPE of validation samples, mm", color=DARK.muted)
    plot.setLabel("bottom", "samples seen, thousands", color=DARK.muted)
    plot.showGrid(x=False, y=True, alpha=0.15)
    for side in ("left", "bottom"):
        plot.getAxis(side).setPen(pg.mkPen(DARK.border))
        plot.getAxis(side).setTextPen(pg.mkPen(DARK.muted))
    legend = plot.addLegend(offset=(-12, 12), labelTextColor=DARK.text)
    legend.setBrush(None)
    for (name, history), color in zip(histories.items(), itertools.cycle(_COLORS)):
        steps, scores = map(np.array, zip(*history.curves()["score"], strict=True))
        thousands = steps * history.config["batch"] / 1000.0
        plot.plot(
            thousands, scores, name=name, pen=pg.mkPen(color, width=2), symbol="o", symbolSize=5, symbolBrush=color
        )
    if target is not None:
        plot.addLine(y=target, pen=pg.mkPen(DARK.muted, style=Qt.PenStyle.DashLine))
    application.processEvents()
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = board.grab().save(str(path))
    board.close()
    if not saved:
        raise SystemExit(f"picture_curves: {path} cannot be written; give another --out.")


if __name__ == "__main__":
    main()
