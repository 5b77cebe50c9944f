"""Did it help? One report: its sentence, its figures before and after, and the pictures that changed most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, QUrl
from PyQt6.QtGui import QDesktopServices, QPixmap
from PyQt6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.palette import Theme
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.widgets.form_helpers import section, styled, wrapped
from hand.checked_files import FILE_FAULTS, read_json

_FIGURES = (
    ("pa_mpjpe_mm", "Joint error, aligned, mm", 1.0, 1),
    ("mpjpe_mm", "Joint error from wrist, mm", 1.0, 1),
    ("epe_2d", "2D error, % of the hand", 100.0, 1),
    ("jitter_mm", "Trembling, mm", 1.0, 1),
    ("calibration_gap", "Confidence off by, %", 100.0, 0),
)
"""Key, name, factor to the unit in the name, digits."""

_SHOWN = (0, 1, -1)
"""The two pictures that gained most, and the one that lost most."""

_PAIR_WIDTH_PX = 336


class ReportView(QWidget):
    """Shows the report of a run."""

    def __init__(self) -> None:
        super().__init__()
        self._folder: Path | None = None
        self._theme: Theme | None = None
        self._content: dict[str, Any] = {}
        self.sentence = wrapped("", "paneTitle")
        self.verdict = QFrame()
        self.verdict.setFixedHeight(3)
        self.table = QGridLayout()
        self.table.setHorizontalSpacing(SPACING_PX)
        self.table.setVerticalSpacing(3)
        self.pairs = [QLabel() for _ in _SHOWN]
        self.legend = wrapped(
            "Pictures that changed most, two for the better, one for the worse: left before, right after.", "small"
        )
        self.whole = QPushButton("Whole report in the browser")
        self.whole.clicked.connect(lambda _checked: self._open())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.verdict)
        layout.addWidget(self.sentence)
        layout.addLayout(self.table)
        layout.addWidget(self.legend)
        for pair in self.pairs:
            layout.addWidget(pair)
        layout.addWidget(self.whole, 0, Qt.AlignmentFlag.AlignLeft)
        self.show_report(None)

    def show_report(self, folder: Path | None) -> None:
        """Shows the report in a run's folder, or what to do when there is none.

        Args:
            folder: of the run.
        """
        self._folder = folder
        self._content = read_report(folder) if folder else {}
        while (item := self.table.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        known = bool(self._content)
        for widget in (self.legend, self.whole, self.verdict, *self.pairs):
            widget.setVisible(known)
        if not known:
            self.sentence.setText("No report yet. Teach a network your hand, and its report appears here.")
            return
        self.sentence.setText(str(self._content["sentence"]))
        self._fill_table()
        assert folder is not None
        pictures = self._content["own"]["pictures"]
        shown = [pictures[place] for place in _SHOWN] if len(pictures) >= len(_SHOWN) else []
        for pair in self.pairs[len(shown) :]:
            pair.hide()
        for pair, picture in zip(self.pairs, shown, strict=False):
            pixmap = QPixmap(str(folder / "report" / picture["file"]))
            pair.setVisible(not pixmap.isNull())
            if not pixmap.isNull():
                pair.setPixmap(pixmap.scaledToWidth(_PAIR_WIDTH_PX, Qt.TransformationMode.SmoothTransformation))
                pair.setToolTip(f"{picture['change_mm']:+.1f} mm")
        self._color()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._color()

    def _fill_table(self) -> None:
        for column, text in enumerate(("", "Your hand", "Other hands")):
            self.table.addWidget(section(text), 0, column)
        arrow = "\N{RIGHTWARDS ARROW}"
        for row, (key, name, scale, digits) in enumerate(_FIGURES, 1):
            self.table.addWidget(styled(name, "small"), row, 0)
            for column, part in ((1, "own"), (2, "general")):
                before, after = (self._content[part][when].get(key) for when in ("before", "after"))
                if before is None or after is None:
                    continue
                label = styled(f"{before * scale:.{digits}f} {arrow} {after * scale:.{digits}f}", "value")
                label.setToolTip(f"{100.0 * (after / before - 1.0 if before else 0.0):+.0f} %")
                self.table.addWidget(label, row, column)
        self.table.setColumnStretch(3, 1)

    def _color(self) -> None:
        if self._theme is None or not self._content:
            return
        colors = {"better": self._theme.network, "worse": self._theme.warning}
        color = colors.get(str(self._content["verdict"]), self._theme.border)
        self.verdict.setStyleSheet(f"background: {color}; border-radius: 1px;")

    def _open(self) -> None:
        if self._folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder / "report" / "report.html")))


def read_report(folder: Path) -> dict[str, Any]:
    """A run's report.json; empty where there is none, or it is damaged."""
    try:
        content = read_json(folder / "report" / "report.json")
        whole = all(key in content for key in ("sentence", "verdict", "own", "general"))
        return dict(content) if whole else {}
    except FILE_FAULTS:
        return {}
