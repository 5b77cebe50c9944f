"""One picture with both paths' overlays, parted by a line that the user drags."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QImage, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF
from PyQt6.QtWidgets import QWidget

from app.rendering.display import ShownPicture
from app.ui.views.picture_view import PictureView
from app.ui.views.qimage import bgra_image

_GRIP_PX = 15.0
_STEP = 0.04
_MARGIN = 0.02


class WipeView(PictureView):
    """Left of the line the first overlay, right of it the second, over the same frame."""

    def __init__(self, left_name: str, right_name: str, parent: QWidget | None = None) -> None:
        """Empty, with the line in the middle.

        Args:
            left_name: what is left of the line.
            right_name: what is right of it.
            parent: the widget around it.
        """
        super().__init__(parent)
        self.setAccessibleName("Camera picture with both paths")
        self.setAccessibleDescription(
            f"Left of the line {left_name}, right of it {right_name}; drag the line or use the arrow keys"
        )
        self.setToolTip("Drag the line, or use the arrow keys")
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._names = left_name, right_name
        self._share = 0.5
        self._other: ShownPicture | None = None
        self._other_image = QImage()

    @property
    def share(self) -> float:
        """Where the line is, 0 to 1 of the picture's width."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        self._share = min(max(share, _MARGIN), 1.0 - _MARGIN)
        self.update()

    def show_both(self, left: ShownPicture, right: ShownPicture) -> None:
        """Paints these two pictures of one frame from now on."""
        self._other, self._other_image = right, bgra_image(right.image_bgra)
        super().show_picture(left)

    def show_picture(self, shown: ShownPicture) -> None:
        """Paints this one picture from now on; the line is gone until there are two again."""
        self._other, self._other_image = None, QImage()
        super().show_picture(shown)

    def clear(self) -> None:
        """Removes both."""
        self._other, self._other_image = None, QImage()
        super().clear()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Takes the line to the pointer."""
        self._move_to(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        self._move_to(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Moves the line by arrow keys."""
        steps = {Qt.Key.Key_Left: -_STEP, Qt.Key.Key_Right: _STEP}
        if event is not None and Qt.Key(event.key()) in steps:
            self.share += steps[Qt.Key(event.key())]
        else:
            super().keyPressEvent(event)

    def _move_to(self, event: QMouseEvent | None) -> None:
        if event is not None and self._shown is not None:
            place = self.picture_rect(self._shown)
            self.share = (event.position().x() - place.left()) / max(place.width(), 1.0)

    def _paint_content(self, painter: QPainter) -> None:
        if self._shown is None or self._other is None:
            super()._paint_content(painter)
            return
        place = self.picture_rect(self._shown)
        x = place.left() + self._share * place.width()
        left = QRectF(0.0, 0.0, x, self.height())
        right = QRectF(x, 0.0, self.width() - x, self.height())
        painter.setClipRect(left)
        self._paint_picture(painter, self._shown, self._image, place, left)
        painter.setClipRect(right)
        self._paint_picture(painter, self._other, self._other_image, place, right)
        painter.setClipping(False)
        self._paint_line(painter, x, place)

    def _paint_line(self, painter: QPainter, x: float, place: QRectF) -> None:
        painter.setPen(QPen(QColor(16, 18, 22, 150), 4.0))
        painter.drawLine(QPointF(x, place.top()), QPointF(x, place.bottom()))
        painter.setPen(QPen(QColor("#f2f4f7"), 2.0))
        painter.drawLine(QPointF(x, place.top()), QPointF(x, place.bottom()))
        middle = QPointF(x, place.center().y())
        painter.setPen(QPen(QColor(16, 18, 22, 150), 1.0))
        painter.setBrush(QColor("#f2f4f7"))
        painter.drawEllipse(middle, _GRIP_PX, _GRIP_PX)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#30343c"))
        for sign in (-1.0, 1.0):
            tip = QPointF(middle.x() + sign * 9.0, middle.y())
            base = middle.x() + sign * 4.0
            painter.drawPolygon(QPolygonF([tip, QPointF(base, tip.y() - 5.0), QPointF(base, tip.y() + 5.0)]))
        font = QFont(self.font())
        font.setPixelSize(12)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        for name, sign in zip(self._names, (-1.0, 1.0), strict=True):
            width = painter.fontMetrics().horizontalAdvance(name) + 18.0
            start = x + 8.0 if sign > 0 else x - 8.0 - width
            if start < place.left() or start + width > place.right():
                continue
            box = QRectF(start, place.top() + 10.0, width, 24.0)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(16, 18, 22, 190))
            painter.drawRoundedRect(box, 12.0, 12.0)
            painter.setPen(QColor("#f2f4f7"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)
