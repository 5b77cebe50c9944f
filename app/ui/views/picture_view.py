"""The picture with the overlay of each hand over it, and a hint at its foot."""

from __future__ import annotations

import math

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPaintEvent, QPixmap, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.palette import DARK, Theme
from app.rendering.display import ShownPicture
from app.ui.theme.style_sheet import paint_corners
from app.ui.views.qimage import bgra_image
from app.ui.widgets.floating_label import FloatingLabel

_MOST_LABELS = 256


class PictureView(QWidget):
    """Shows what it is given; all scaling was done elsewhere."""

    painted = pyqtSignal()
    """A new picture is on the screen."""
    resized = pyqtSignal()
    """Pictures of another size are needed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Camera picture")
        self.setAccessibleDescription("The current picture with the skeleton of each hand that was found")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._theme = DARK
        self._shown: ShownPicture | None = None
        self._image = QImage()
        self._fresh = False
        self._labels: dict[tuple[str, float], QPixmap] = {}
        self._hint = FloatingLabel(self)
        self._caption = FloatingLabel(self, at_top=True, aside=True)
        self._caption_picture = QPixmap()
        self._grabbing = False

    def sizeHint(self) -> QSize:
        return QSize(760, 560)

    def minimumSizeHint(self) -> QSize:
        """Small enough for three panes at 1024 x 640."""
        return QSize(190, 150)

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
        self._theme = theme
        self._grab_caption()

    def show_picture(self, shown: ShownPicture) -> None:
        self._shown = shown
        self._image = bgra_image(shown.image_bgra)
        self._fresh = True
        self.update()

    def clear(self) -> None:
        """Removes the picture, as for a new source."""
        self._shown, self._image, self._fresh = None, QImage(), False
        self.update()

    def hint(self, text: str, *, warning: bool = False) -> None:
        """A line at the foot of the picture; empty takes it away."""
        self._hint.show_text(text, warning=warning)

    @property
    def caption_text(self) -> str:
        """The caption that is shown, or an empty text."""
        return self._caption.text()

    def caption(self, text: str) -> None:
        """A line in the upper left corner; empty takes it away."""
        if text != self._caption.text():
            self._caption.show_text(text)
            self._grab_caption()

    def _grab_caption(self) -> None:
        """The view paints a picture of the label: the label itself would be painted again with every frame below it."""
        if self._grabbing:
            return  # to grab a label, Qt first delivers the resize events that its parents still wait for
        self._grabbing = True
        try:
            self._caption.arrange()
            self._caption_picture = self._caption.grab() if self._caption.text() else QPixmap()
            self._caption.hide()
        finally:
            self._grabbing = False
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Requests pictures of the new size."""
        super().resizeEvent(event)
        self._hint.arrange()
        self._grab_caption()
        self.resized.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paints the picture, the overlays and the corners."""
        painter = QPainter(self)
        try:
            self._fill_beside_picture(painter)
            self._paint_content(painter)
            paint_corners(painter, self.width(), self.height(), self._theme)
            if not self._caption_picture.isNull():
                painter.drawPixmap(self._caption.pos(), self._caption_picture)
        finally:
            painter.end()  # a painter that outlives its event takes the program down
        if self._fresh:
            self._fresh = False
            self.painted.emit()

    def _fill_beside_picture(self, painter: QPainter) -> None:
        """Fills the bars: to fill what the picture is painted over would take as long as the picture itself."""
        color, width, height = QColor(self._theme.picture), self.width(), self.height()
        if self._shown is None:
            painter.fillRect(self.rect(), color)
            return
        place = self.picture_rect(self._shown)
        left, top = math.ceil(place.left()), math.ceil(place.top())
        right, bottom = math.floor(place.right()), math.floor(place.bottom())
        painter.fillRect(0, 0, left, height, color)
        painter.fillRect(right, 0, width - right, height, color)
        painter.fillRect(left, 0, right - left, top, color)
        painter.fillRect(left, bottom, right - left, height - bottom, color)

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

    def _paint_picture(
        self, painter: QPainter, shown: ShownPicture, image: QImage, place: QRectF, room: QRectF | None = None
    ) -> None:
        """Paints a picture and its labels inside the painter's clip.

        Args:
            painter: on the view.
            shown: the picture.
            image: its pixels.
            place: where it lies.
            room: labels stay inside, where they fit; the whole view when left out.
        """
        painter.drawImage(place, image)
        room = QRectF(self.rect()) if room is None else room
        to_view = place.width() / shown.placement.width_px * shown.placement.scale
        for drawing in shown.drawings:
            # pixel centres are integers in the frame and halves on the screen
            x, y = ((value + 0.5) * to_view for value in drawing.label_anchor_px)
            self._paint_label(painter, drawing.label, QPointF(place.left() + x, place.top() + y), room)

    def _paint_label(self, painter: QPainter, text: str, anchor: QPointF, room: QRectF) -> None:
        label = self._label(text)
        width, height = label.deviceIndependentSize().width(), label.deviceIndependentSize().height()
        if width + 16.0 > room.width():
            return
        left = min(max(anchor.x() - width / 2.0, room.left() + 8.0), room.right() - width - 8.0)
        top = min(anchor.y() + 14.0, self.height() - height - 10.0)
        painter.drawPixmap(QPointF(round(left), round(top)), label)

    def _label(self, text: str) -> QPixmap:
        """A label as a picture; there are only some hundred different ones, and text is slow to paint."""
        key = text, self.devicePixelRatioF()
        if key not in self._labels:
            if len(self._labels) >= _MOST_LABELS:
                self._labels.clear()
            self._labels[key] = self._make_label(text)
        return self._labels[key]

    def _make_label(self, text: str) -> QPixmap:
        font = QFont(self.font())
        font.setPixelSize(13)
        font.setWeight(QFont.Weight.DemiBold)
        size = QSize(QFontMetrics(font).horizontalAdvance(text) + 20, 26)
        ratio = self.devicePixelRatioF()
        label = QPixmap(size * ratio)
        label.setDevicePixelRatio(ratio)
        label.fill(Qt.GlobalColor.transparent)
        painter = QPainter(label)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(16, 18, 22, 200))
        box = QRectF(0.0, 0.0, size.width(), size.height())
        painter.drawRoundedRect(box, box.height() / 2.0, box.height() / 2.0)
        painter.setPen(QColor("#f2f4f7"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()
        return label
