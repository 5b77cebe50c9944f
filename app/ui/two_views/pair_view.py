"""Both cameras' pictures beside each other, or the second one alone."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import UInt8
from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.palette import DARK, Theme
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.views.fitted_rect import fitted_rect
from app.ui.views.qimage import rgb_image

_ASPECT: Final = 0.75
_GAP_PX: Final = SPACING_PX // 2

Picture = UInt8[np.ndarray, "height width 3"]


class PairView(QWidget):
    """Paints one or two pictures as large as its width allows."""

    def __init__(self) -> None:
        super().__init__()
        self._theme: Theme = DARK
        self._pictures: tuple[Picture | None, ...] = (None,)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Pictures of the cameras")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_pictures(self, pictures: tuple[Picture | None, ...], description: str) -> None:
        """Paints these pictures from now on.

        Args:
            pictures: one or two, RGB; None where there is none yet.
            description: for screen readers.
        """
        self._pictures = pictures
        self._fit_height()
        self.setAccessibleDescription(description)
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """As high as the pictures are at this width."""
        super().resizeEvent(event)
        self._fit_height()

    def sizeHint(self) -> QSize:
        return QSize(290, self._height(290))

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paints the pictures, and an empty place where there is none."""
        painter = QPainter(self)
        try:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            count = len(self._pictures)
            width = (self.width() - (count - 1) * _GAP_PX) / count
            for number, picture in enumerate(self._pictures):
                place = QRectF(number * (width + _GAP_PX), 0.0, width, float(self.height()))
                painter.fillRect(place, QColor(self._theme.picture))
                if picture is not None:
                    image = rgb_image(picture)
                    painter.drawImage(fitted_rect(place, image.width(), image.height()), image)
                painter.setPen(QColor(self._theme.border))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(place.adjusted(0.5, 0.5, -0.5, -0.5))
        finally:
            painter.end()  # a painter that outlives its event takes the program down

    def _height(self, width: int) -> int:
        """Of pictures of 4:3, each in its share of a width."""
        count = len(self._pictures)
        return round((width - (count - 1) * _GAP_PX) / count * _ASPECT)

    def _fit_height(self) -> None:
        height = self._height(self.width())
        if height != self.height():
            self.setFixedHeight(height)
