"""The picture with the skeleton over it, and in its place whatever has to be said when there is no picture."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PyQt6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.palette import DARK, HALO_COLOR, Theme
from app.rendering.display import ShownPicture
from app.rendering.skeleton import HandDrawing
from app.ui.images import bgra_image
from app.ui.message import Action, MessageCard
from app.ui.style import SPACING_PX, paint_corners

_MESSAGE_WIDTH_PX = 400
_DIMMED = 0.62


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
        self._message = MessageCard(self)
        self._hint = _floating_label(self)
        self._notice = _floating_label(self)

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
    def message_text(self) -> str:
        """Title and text of the message that is shown, or an empty text."""
        return self._message.text() if self._message.isVisibleTo(self) else ""

    @property
    def hint_text(self) -> str:
        """The hint that is shown, or an empty text."""
        return self._hint.text() if self._hint.isVisibleTo(self) else ""

    @property
    def notice_text(self) -> str:
        """The notice that is shown, or an empty text."""
        return self._notice.text() if self._notice.isVisibleTo(self) else ""

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

    def say(self, title: str, text: str, actions: tuple[Action, ...] = ()) -> None:
        """Puts a message over the picture; the same message again changes nothing."""
        self._message.fill(title, text, actions)
        self._message.show()
        self._arrange()
        self.update()

    def say_nothing(self) -> None:
        """Takes the message away."""
        if self._message.isVisibleTo(self):
            self._message.hide()
            self.update()

    def hint(self, text: str, *, warning: bool = False) -> None:
        """A line at the foot of the picture; empty takes it away."""
        self._float(self._hint, text, warning)

    def notice(self, text: str) -> None:
        """A line at the head of the picture; empty takes it away."""
        self._float(self._notice, text, warning=False)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Asks for pictures of the new size."""
        super().resizeEvent(event)
        self._arrange()
        self.resized.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paints the picture, the overlays and the corners."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.picture))
        if self._shown is not None:
            self._paint_picture(painter, self._shown)
        paint_corners(painter, self.width(), self.height(), self._theme)
        painter.end()
        if self._fresh:
            self._fresh = False
            self.painted.emit()

    def _paint_picture(self, painter: QPainter, shown: ShownPicture) -> None:
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
        painter.drawImage(QRectF(left, top, width, height), self._image)
        if self._message.isVisibleTo(self):
            veil = QColor(self._theme.picture)
            veil.setAlphaF(_DIMMED)
            painter.fillRect(self.rect(), veil)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(QRectF(left, top, width, height))
        to_view = placement.scale * scale / ratio

        def at(point: tuple[float, float]) -> QPointF:
            # pixel centres are integers in the frame and halves on the screen
            return QPointF(left + (point[0] + 0.5) * to_view, top + (point[1] + 0.5) * to_view)

        for drawing in shown.drawings:
            self._paint_hand(painter, drawing, to_view, at)
        painter.setClipping(False)

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
        for _, start, end in lines:
            painter.drawLine(start, end)
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

    def _float(self, label: QLabel, text: str, warning: bool) -> None:
        name = "warning" if warning else "hint"
        if label.text() == text and label.objectName() == name:
            return
        label.setText(text)
        if label.objectName() != name:
            label.setObjectName(name)
            label.setStyleSheet(label.styleSheet())  # a new name means other rules of the sheet
        label.setVisible(bool(text))
        self._arrange()

    def _arrange(self) -> None:
        room = self.width() - 4 * SPACING_PX
        for label, at_top in ((self._notice, True), (self._hint, False)):
            wide = label.fontMetrics().horizontalAdvance(label.text()) + 34
            label.setWordWrap(wide > room)
            label.setFixedWidth(min(wide, room))
            label.adjustSize()
            top = SPACING_PX if at_top else self.height() - label.height() - SPACING_PX
            label.move((self.width() - label.width()) // 2, top)
        self._message.setFixedWidth(min(_MESSAGE_WIDTH_PX, max(120, room)))
        self._message.adjustSize()
        self._message.move((self.width() - self._message.width()) // 2, (self.height() - self._message.height()) // 2)


def _floating_label(parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setObjectName("hint")
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    label.hide()
    return label
