"""The frames of a session side by side, each framed in the colour of what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PyQt6.QtCore import QAbstractListModel, QModelIndex, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPen, QPixmap
from PyQt6.QtWidgets import QListView

from app.palette import Theme
from app.review.session_review import Filter, SessionReview
from app.ui.review.review_timeline import CORRECTED, KEPT, REJECTED
from app.ui.views.qimage import rgb_image
from hand.picture_file import read_color

_THUMB_PX = QSize(120, 90)
_COLORS = ("#666c78", KEPT, REJECTED, CORRECTED)


class Filmstrip(QAbstractListModel):
    """The frames that a filter lets through; thumbnails are read when they become visible."""

    def __init__(self, review: SessionReview) -> None:
        """All frames.

        Args:
            review: the session.
        """
        super().__init__()
        self._review = review
        self.numbers = review.chosen("all")
        self.thumbnail = lru_cache(maxsize=600)(self._thumbnail)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """How many frames pass."""
        return len(self.numbers)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Picture, number and state of a frame."""
        if not index.isValid():
            return None
        number = int(self.numbers[index.row()])
        if role == Qt.ItemDataRole.DecorationRole:
            return self._framed(number)
        if role == Qt.ItemDataRole.DisplayRole:
            return str(number)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._review.about(number)
        return None

    def show_filter(self, chosen: Filter) -> None:
        """Shows what a filter lets through."""
        self.beginResetModel()
        self.numbers = self._review.chosen(chosen)
        self.endResetModel()

    def refresh(self, numbers: Sequence[int]) -> None:
        """Shows new decisions; the frames that are shown stay, or the current one would disappear.

        Args:
            numbers: of the frames that were decided about.
        """
        if len(self.numbers) and numbers:
            # a view goes through all rows of a change, so no more rows than necessary are reported
            first, last = self.row_of(min(numbers)), self.row_of(max(numbers))
            self.dataChanged.emit(self.index(first), self.index(last))

    def row_of(self, number: int) -> int:
        """The row at, or next to, a frame."""
        return min(int(np.searchsorted(self.numbers, number)), max(len(self.numbers) - 1, 0))

    def _framed(self, number: int) -> QPixmap:
        picture = QPixmap(self.thumbnail(number))
        painter = QPainter(picture)
        pen = QPen(QColor(_COLORS[int(self._review.status[number])]), 5)
        painter.setPen(pen)
        painter.drawRect(picture.rect())
        painter.end()
        return picture

    def _thumbnail(self, number: int) -> QPixmap:
        path = self._review.recording.picture_path(self._review.recording.frames[number])
        # JPEG can be read at a quarter of its size, which is quicker than reading and shrinking
        bgr = read_color(path, cv2.IMREAD_REDUCED_COLOR_4)
        if bgr is None:
            pixmap = QPixmap(_THUMB_PX)
            pixmap.fill(QColor("#402020"))
            return pixmap
        return QPixmap.fromImage(rgb_image(np.ascontiguousarray(bgr[..., ::-1]))).scaled(
            _THUMB_PX, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )


class FilmstripView(QListView):
    """One row of thumbnails that scrolls to the sides."""

    def __init__(self, film: Filmstrip, theme: Theme) -> None:
        """Shows frames.

        Args:
            film: the frames.
            theme: colours.
        """
        super().__init__()
        self.setAccessibleName("Filmstrip")
        self.setModel(film)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setMovement(QListView.Movement.Static)
        self.setIconSize(_THUMB_PX)
        self.setGridSize(QSize(_THUMB_PX.width() + 10, _THUMB_PX.height() + 24))
        self.setFixedHeight(_THUMB_PX.height() + 50)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        self.setStyleSheet(f"QListView {{ background: {theme.surface}; color: {theme.muted}; border: none; }}")

    def show_row(self, index: QModelIndex) -> None:
        """Chooses a frame and brings it to the middle."""
        self.setCurrentIndex(index)
        self.scrollTo(index, QListView.ScrollHint.PositionAtCenter)
