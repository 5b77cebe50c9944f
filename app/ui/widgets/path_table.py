"""A table of numbers of both paths and of the output, one column each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel

from app.palette import Theme
from app.ui.widgets.form_helpers import NOT_MEASURED, measured_text, section, styled

COLUMNS = (("network", "Network"), ("ik", "IK"), ("output", "Output"))
"""Key and heading of each column."""

_NARROWEST_CELL_PX = 46


@dataclass(frozen=True, slots=True)
class Row:
    """A quantity.

    Attributes:
        key: its name in code.
        title: its name for people.
        form: format of its numbers, such as "{:.1f}".
        explanation: for the tooltip.
    """

    key: str
    title: str
    form: str
    explanation: str


class PathTable(QGridLayout):
    """A line per quantity; empty until :meth:`show_value`."""

    def __init__(self, heading: str, rows: Iterable[Row]) -> None:
        """Lays the table out.

        Args:
            heading: above the names of the quantities.
            rows: from top to bottom.
        """
        super().__init__()
        self.setHorizontalSpacing(8)
        self.setVerticalSpacing(4)
        self.setColumnStretch(0, 1)
        self.addWidget(section(heading), 0, 0)
        self._forms: dict[str, str] = {}
        self._heads: dict[str, QLabel] = {}
        self._cells: dict[tuple[str, str], QLabel] = {}
        right = Qt.AlignmentFlag.AlignRight
        for column, (path, name) in enumerate(COLUMNS, 1):
            self._heads[path] = styled(name, "value")
            self.addWidget(self._heads[path], 0, column, right)
        for line, row in enumerate(rows, 1):
            self._forms[row.key] = row.form
            title = styled(row.title, "small")
            title.setToolTip(row.explanation)
            self.addWidget(title, line, 0)
            for column, (path, name) in enumerate(COLUMNS, 1):
                cell = styled(NOT_MEASURED, "value")
                cell.setAccessibleName(f"{row.title}, {name}")
                cell.setToolTip(row.explanation)
                cell.setMinimumWidth(_NARROWEST_CELL_PX)
                cell.setAlignment(right)
                self._cells[path, row.key] = cell
                self.addWidget(cell, line, column, right)

    def show_value(self, path: str, key: str, value: float) -> None:
        """Fills a cell.

        Args:
            path: key of the column.
            key: of the row.
            value: NaN where nothing was measured.
        """
        self._cells[path, key].setText(measured_text(value, self._forms[key]))

    def text(self, path: str, key: str) -> str:
        """What a cell shows."""
        return self._cells[path, key].text()

    def set_theme(self, theme: Theme) -> None:
        for path, color in column_colors(theme).items():
            self._heads[path].setStyleSheet(f"color: {color};")


def column_colors(theme: Theme) -> dict[str, str]:
    """The colour of each column, in tables and plots alike."""
    return {"network": theme.network, "ik": theme.ik, "output": theme.accent}
