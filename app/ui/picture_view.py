"""The picture with the overlay of each hand over it, and a hint at its foot."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QLineF, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.palette import DARK, HALO_COLOR, Theme
from app.rendering.display import ShownPicture
from app.rendering.skeleton import HandDrawing
from app.ui.floating_label import FloatingLabel
from app.ui.images import bgra_image
from app.ui.style import paint_corners


class PictureView(QWidget):
    """Shows what it is given; all scaling was done elsewhere."""

    painted = pyqtSignal()
    """A new picture is on the screen."""
    resized = pyqtSignal()
    """Pictures of another size are wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Empty."""
        super().__init__(parent)
        self.setAccessibleName("Camera picture")
        self.setAccessibleDescription("The current picture with the skeleton of each hand that was found")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._theme = DARK
        self._shown: ShownPicture | None = None
        self._image = QImage()
        self._fresh = False
        self.landmarks_shown = True
        self._hint = FloatingLabel(self)
        self._word = FloatingLabel(self, at_top=True, at_left=True)

    def sizeHint(self) -> QSize:
        """Of a webcam picture."""
        return QSize(760, 560)

    def minimumSizeHint(self) -> QSize:
        """Small enough for two views at 1280 x 720."""
        return QSize(320, 240)

    @property
    def size_px(self) -> tuple[int, int]:
        """Size in device pixels."""
        ratio = self.devicePixelRatioF()
        return round(self.width() * ratio), round(self.height() * ratio)

    @property
    def hint_text(self) -> str:
        """The hint that is shown, or an empty text."""
        return self._hint.text()

    def set_theme(self, theme: Theme) -> None:
        """Takes the colours of a theme."""
        self._theme = theme
        self.update()

    def show_picture(self, shown: ShownPicture) -> None:
        """Paints this picture from now on."""
        self._shown = shown
        self._image = bgra_image(shown.image_bgra)
        self._fresh = True
        self.update()

    def clear(self) -> None:
        """Forgets the picture, as for a new source."""
        self._shown, self._image, self._fresh = None, QImage(), False
        self.update()

    def hint(self, text: str, *, warning: bool = False) -> None:
        """A line at the foot of the picture; empty takes it away."""
        self._hint.say(text, warning=warning)

    @property
    def word_text(self) -> str:
        """The words in the corner, or an empty text."""
        return self._word.text()

    def word(self, text: str) -> None:
        """Words in the upper left corner; empty takes them away."""
        self._word.say(text)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Asks for pictures of the new size."""
        super().resizeEvent(event)
        self._hint.arrange()
        self._word.arrange()
        self.resized.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paints the picture, the overlays and the corners."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.picture))
        self._paint_content(painter)
        paint_corners(painter, self.width(), self.height(), self._theme)
        painter.end()
        if self._fresh:
            self._fresh = False
            self.painted.emit()

    def _paint_content(self, painter: QPainter) -> None:
        if self._shown is not None:
            self._paint_picture(painter, self._shown, self._image, self.picture_rect(self._shown))

    def picture_rect(self, shown: ShownPicture) -> QRectF:
        """Where a picture lies in the view, in the view's own coordinates."""
        ratio = self.devicePixelRatioF()
        placement = shown.placement
        # while the window is being resized the picture still has its old size: let Qt stretch it into the new place
        size = self.size_px
        scale = min(size[0] / placement.width_px, size[1] / placement.height_px)
        if abs(scale - 1.0) * max(placement.width_px, placement.height_px) < 1.5:
            scale = 1.0
        width, height = placement.width_px * scale / ratio, placement.height_px * scale / ratio
        left = round((self.width() - width) / 2.0 * ratio) / ratio
        top = round((self.height() - height) / 2.0 * ratio) / ratio
        return QRectF(left, top, width, height)

    def _paint_picture(self, painter: QPainter, shown: ShownPicture, image: QImage, place: QRectF) -> None:
        """Paints a picture and its overlays inside the painter's clip."""
        painter.drawImage(place, image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_view = place.width() / shown.placement.width_px * shown.placement.scale

        def at(point: tuple[float, float]) -> QPointF:
            # pixel centres are integers in the frame and halves on the screen
            return QPointF(place.left() + (point[0] + 0.5) * to_view, place.top() + (point[1] + 0.5) * to_view)

        for drawing in shown.drawings:
            self._paint_hand(painter, drawing, to_view, at)

    def _paint_hand(
        self,
        painter: QPainter,
        drawing: HandDrawing,
        to_view: float,
        at: Callable[[tuple[float, float]], QPointF],
    ) -> None:
        line = min(max(drawing.size_px * to_view / 85.0, 2.0), 4.5)
        lines = [(stroke, at(stroke.start_px), at(stroke.end_px)) for stroke in drawing.strokes]
        halo = QColor(HALO_COLOR)
        halo.setAlphaF(0.55)
        painter.setPen(QPen(halo, line + 2.5, cap=Qt.PenCapStyle.RoundCap))
        painter.drawLines(*(QLineF(start, end) for _, start, end in lines))
        for stroke, start, end in lines:
            painter.setPen(QPen(QColor(stroke.color), line, cap=Qt.PenCapStyle.RoundCap))
            painter.drawLine(start, end)
        if self.landmarks_shown:
            painter.setPen(QPen(QColor(255, 255, 255, 190), 1.2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for point in drawing.observed_px:
                painter.drawEllipse(at(point), line + 1.5, line + 1.5)
        painter.setPen(QPen(halo, 1.2))
        for dot in drawing.dots:
            painter.setBrush(QColor(dot.color))
            painter.drawEllipse(at(dot.center_px), line * 0.95, line * 0.95)
        self._paint_label(painter, drawing.label, at(drawing.label_anchor_px))

    def _paint_label(self, painter: QPainter, text: str, anchor: QPointF) -> None:
        font = QFont(self.font())
        font.setPixelSize(13)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        width, height = painter.fontMetrics().horizontalAdvance(text) + 20.0, 26.0
        left = min(max(anchor.x() - width / 2.0, 8.0), self.width() - width - 8.0)
        top = min(anchor.y() + 14.0, self.height() - height - 10.0)
        box = QRectF(left, top, width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(16, 18, 22, 200))
        painter.drawRoundedRect(box, height / 2.0, height / 2.0)
        painter.setPen(QColor("#f2f4f7"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
