"""Looking through a session: filmstrip, picture with the label on it, timeline; keep, reject, drag a joint right."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from PyQt6.QtCore import QAbstractListModel, QModelIndex, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QAction,
    QColor,
    QImage,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.palette import FINGER_COLORS, PALM_COLOR, Theme
from app.review.correction import HandCorrector
from app.review.session_review import FILTERS, Filter, SessionReview
from app.ui.review_timeline import CORRECTED, KEPT, REJECTED, ReviewTimeline
from app.ui.style import SPACING_PX, palette, style_sheet
from hand.errors import HandliveError, RecordingError
from hand.model import HandModel
from hand.recording import RecordedHand
from hand.session_labels import FrameLabel

_THUMB_PX = QSize(120, 90)
_STATUS = ("no hand", "kept", "rejected", "corrected")
_COLORS = ("#666c78", KEPT, REJECTED, CORRECTED)
_REACH_PX = 16.0
_MORE_STYLE = """
ReviewWindow {{ background: {window}; }}
QScrollBar:horizontal {{ background: {window}; height: 10px; border: none; }}
QScrollBar::handle:horizontal {{ background: {border}; border-radius: 5px; min-width: 40px; }}
QScrollBar::add-line:horizontal, QScrollBar::sub-line:horizontal {{ width: 0px; }}
QScrollBar::add-page:horizontal, QScrollBar::sub-page:horizontal {{ background: {raised}; }}
"""
_CHAINS = [[0, *range(1 + 4 * finger, 5 + 4 * finger)] for finger in range(5)]


class Filmstrip(QAbstractListModel):
    """The frames that a filter lets through; thumbnails are read when they are seen."""

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
            return _about(self._review.labels(number), self._review.status[number])
        return None

    def show_filter(self, chosen: Filter) -> None:
        """Shows what a filter lets through."""
        self.beginResetModel()
        self.numbers = self._review.chosen(chosen)
        self.endResetModel()

    def refresh(self) -> None:
        """Shows new decisions; which frames are shown stays, or the one under the eye would disappear."""
        if len(self.numbers):
            self.dataChanged.emit(self.index(0), self.index(len(self.numbers) - 1))

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
        bgr: np.ndarray | None = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_4)
        if bgr is None:
            pixmap = QPixmap(_THUMB_PX)
            pixmap.fill(QColor("#402020"))
            return pixmap
        return QPixmap.fromImage(_image(np.ascontiguousarray(bgr[..., ::-1]))).scaled(
            _THUMB_PX, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )


class LabelPicture(QWidget):
    """A frame with its labels; joints can be dragged."""

    dragged = pyqtSignal(int, float, float, bool)
    """Joint, place in the picture, and whether it was let go."""

    def __init__(self) -> None:
        """Empty."""
        super().__init__()
        self._image: QImage | None = None
        self._hands: list[tuple[np.ndarray, bool]] = []
        self._held: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(420, 300)
        self.setMouseTracking(True)

    def show_frame(self, picture: np.ndarray | None, hands: list[tuple[np.ndarray, bool]]) -> None:
        """Shows a picture and joints.

        Args:
            picture: RGB; None where it is damaged.
            hands: joints in pixels (21, 2), and whether the label is rejected.
        """
        self._image = None if picture is None else _image(picture)
        self._hands = hands
        self.update()

    def show_hands(self, hands: list[tuple[np.ndarray, bool]]) -> None:
        """Shows other joints on the same picture."""
        self._hands = hands
        self.update()

    def place_of(self, x: float, y: float) -> QPointF:
        """Where a pixel of the picture is in the widget."""
        rect, scale = self._rect()
        return QPointF(rect.left() + (x + 0.5) * scale, rect.top() + (y + 0.5) * scale)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draws picture and skeletons."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if self._image is None:
            painter.setPen(QColor(PALM_COLOR))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "This picture is damaged.")
            return
        painter.drawImage(self._rect()[0], self._image)
        for joints, rejected in self._hands:
            points = [self.place_of(float(x), float(y)) for x, y in joints]
            for finger, chain in enumerate(_CHAINS):
                color = QColor("#8a8f99" if rejected else FINGER_COLORS[finger])
                for start, end in pairwise(chain):
                    for pen in (QPen(QColor(16, 18, 22, 190), 6), QPen(color, 3)):
                        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
                        painter.setPen(pen)
                        painter.drawLine(points[start], points[end])
                painter.setPen(QPen(QColor(16, 18, 22), 1.5))
                painter.setBrush(color)
                for joint in chain[1:]:
                    painter.drawEllipse(points[joint], 5.0, 5.0)
            painter.setBrush(QColor(PALM_COLOR))
            painter.drawEllipse(points[0], 6.0, 6.0)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Takes hold of the nearest joint of the first hand."""
        if event is None or not self._hands:
            return
        gaps = [
            np.hypot(place.x() - event.position().x(), place.y() - event.position().y())
            for place in (self.place_of(float(x), float(y)) for x, y in self._hands[0][0])
        ]
        nearest = int(np.argmin(gaps))
        self._held = nearest if gaps[nearest] < _REACH_PX else None

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Drags it."""
        self._tell(event, done=False)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Lets go."""
        self._tell(event, done=True)
        self._held = None

    def _tell(self, event: QMouseEvent | None, *, done: bool) -> None:
        if event is None or self._held is None:
            return
        rect, scale = self._rect()
        x = (event.position().x() - rect.left()) / scale - 0.5
        y = (event.position().y() - rect.top()) / scale - 0.5
        self.dragged.emit(self._held, x, y, done)

    def _rect(self) -> tuple[QRectF, float]:
        if self._image is None:
            return QRectF(self.rect()), 1.0
        scale = min(self.width() / self._image.width(), self.height() / self._image.height())
        width, height = self._image.width() * scale, self._image.height() * scale
        return QRectF((self.width() - width) / 2.0, (self.height() - height) / 2.0, width, height), scale


class ReviewWindow(QWidget):
    """The review of one session."""

    def __init__(self, folder: Path, model: HandModel, theme: Theme) -> None:
        """Opens a session at its first frame.

        Args:
            folder: of the session.
            model: hand model of its labels.
            theme: colours.

        Raises:
            RecordingError: it is no recording, is damaged, or was recorded with another hand model.
        """
        super().__init__()
        self.review = SessionReview(folder)
        info = self.review.recording.info
        if info.hand_model_digest != model.digest:
            raise RecordingError(
                f"{folder} was recorded with the hand model {info.hand_model}; open it with that model."
            )
        self._model = model
        self.current = 0
        self._anchor: int | None = None
        self._corrector: HandCorrector | None = None
        self._corrected: RecordedHand | None = None
        self.setWindowTitle(f"Review: {info.name or folder.name}")
        self.setPalette(palette(theme))
        self.setStyleSheet(
            style_sheet(theme) + _MORE_STYLE.format(window=theme.window, raised=theme.raised, border=theme.border)
        )
        self.setAutoFillBackground(True)
        self._build(theme)
        self._connect()
        self._after_decision()
        self.go_to(0)
        self.resize(1100, 760)

    def go_to(self, number: int, *, extend: bool = False) -> None:
        """Looks at a frame.

        Args:
            number: its place in the session.
            extend: with everything between it and where one was, as with the shift key.
        """
        if not len(self.review):
            self.words.setText("There is no frame in this session.")
            return
        self._anchor = (self.current if self._anchor is None else self._anchor) if extend else None
        self.current = int(np.clip(number, 0, len(self.review) - 1))
        self._corrector = self._corrected = None
        self._show_current()
        row = self.film.row_of(self.current)
        if len(self.film.numbers):
            self.strip.setCurrentIndex(self.film.index(row))
            self.strip.scrollTo(self.film.index(row), QListView.ScrollHint.PositionAtCenter)

    def step(self, by: int, *, extend: bool = False) -> None:
        """Goes on by so many frames of the filter."""
        if len(self.film.numbers):
            row = int(np.clip(self.film.row_of(self.current) + by, 0, len(self.film.numbers) - 1))
            self.go_to(int(self.film.numbers[row]), extend=extend)

    def chosen_numbers(self) -> list[int]:
        """The frames a decision is about: the range, or the one that is looked at, of what the filter shows."""
        if self._anchor is None:
            return [self.current]
        low, high = sorted((self._anchor, self.current))
        return [int(number) for number in self.film.numbers if low <= number <= high]

    def decide(self, status: str) -> None:
        """Keeps or rejects what is chosen; a single frame is left for the next one."""
        numbers = self.chosen_numbers()
        self._try(lambda: self.review.decide(numbers, status))  # type: ignore[arg-type]
        alone, self._anchor = len(numbers) == 1, None
        self._after_decision()
        if alone:
            self.step(1)
        else:
            self._show_current()

    def undo(self) -> None:
        """Takes the last decision back and goes there."""
        changed: list[int] = []
        self._try(lambda: changed.extend(self.review.undo()))
        self._after_decision()
        if changed:
            self.go_to(changed[0])

    def drag(self, joint: int, x: float, y: float, done: bool) -> None:
        """Solves the hand with a joint dragged somewhere; saves it when it is let go.

        Args:
            joint: 0 to 20.
            x: place in the picture.
            y: place in the picture.
            done: it was let go.
        """
        labels = self.review.labels(self.current)
        if not labels:
            return
        intrinsics = self.review.recording.info.intrinsics
        if self._corrector is None:
            self._corrector = HandCorrector(self._model, labels[0].hand, intrinsics)
        self._corrected = self._corrector.drag(joint, (x, y))
        others = [(label.joints_px(intrinsics), label.status == "rejected") for label in labels[1:]]
        self.picture.show_hands([(self._corrector.joints_px(), False), *others])
        if done:
            corrected = self._corrected
            self._try(lambda: self.review.correct(self.current, corrected))
            self._corrector = None
            self._after_decision()
            self._show_current()

    def _show_current(self) -> None:
        recording = self.review.recording
        labels = self.review.labels(self.current)
        try:
            picture: np.ndarray | None = recording.picture(recording.frames[self.current])
        except RecordingError:
            picture = None
        hands = [(label.joints_px(recording.info.intrinsics), label.status == "rejected") for label in labels]
        self.picture.show_frame(picture, hands)
        chosen = None if self._anchor is None else (min(self._anchor, self.current), max(self._anchor, self.current))
        self.timeline.show_place(self.current, chosen)
        more = f"{len(self.chosen_numbers())} frames chosen. " if chosen else ""
        marker = recording.frames[self.current].marker
        self.words.setText(
            f"{more}Frame {self.current} of {len(self.review)}: {_about(labels, self.review.status[self.current])}"
            + (f" Marked: {marker}." if marker else "")
        )

    def _after_decision(self) -> None:
        self.timeline.show_session(self.review.confidence, self.review.status)
        self.film.refresh()
        self.undo_button.setEnabled(self.review.can_undo)
        counts = self.review.counts()
        self.counts.setText(
            f"{counts['kept']} kept, {counts['rejected']} rejected, {counts['corrected']} corrected; "
            f"{counts['decided']} decided by you"
        )

    def _show_filter(self) -> None:
        self.film.show_filter(self.filter.currentData())
        if len(self.film.numbers):
            self.go_to(int(self.film.numbers[self.film.row_of(self.current)]))
        else:
            self.words.setText("No frame passes this filter.")

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except HandliveError as error:
            self.counts.setText(str(error))

    def _build(self, theme: Theme) -> None:
        self.filter = QComboBox()
        self.filter.setAccessibleName("Which frames")
        for key, name in FILTERS.items():
            self.filter.addItem(f"{name} ({len(self.review.chosen(key))})", key)
        self.picture = LabelPicture()
        self.timeline = ReviewTimeline()
        self.timeline.set_theme(theme)
        self.film = Filmstrip(self.review)
        self.strip = QListView()
        self.strip.setAccessibleName("Filmstrip")
        self.strip.setModel(self.film)
        self.strip.setFlow(QListView.Flow.LeftToRight)
        self.strip.setViewMode(QListView.ViewMode.IconMode)
        self.strip.setWrapping(False)
        self.strip.setUniformItemSizes(True)
        self.strip.setLayoutMode(QListView.LayoutMode.Batched)
        self.strip.setMovement(QListView.Movement.Static)
        self.strip.setIconSize(_THUMB_PX)
        self.strip.setGridSize(QSize(_THUMB_PX.width() + 10, _THUMB_PX.height() + 24))
        self.strip.setFixedHeight(_THUMB_PX.height() + 50)
        self.strip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.strip.setStyleSheet(f"QListView {{ background: {theme.surface}; color: {theme.muted}; border: none; }}")
        self.words, self.counts = QLabel(), QLabel()
        self.words.setWordWrap(True)
        self.counts.setObjectName("messageText")
        self.keep_button = _button("Keep  (K)", "This label is right")
        self.reject_button = _button("Reject  (X)", "Nothing is to be learned from this frame")
        self.undo_button = _button("Undo  (Ctrl+Z)", "Takes the last decision back")
        hint = QLabel("Arrows go on, Shift+arrows choose a range. Drag a joint to set the hand right.")
        hint.setObjectName("metricName")
        head = QHBoxLayout()
        for widget in (self.filter, self.keep_button, self.reject_button, self.undo_button):
            head.addWidget(widget)
        head.addStretch(1)
        head.addWidget(self.counts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACING_PX,) * 4)
        layout.setSpacing(SPACING_PX // 2)
        layout.addLayout(head)
        layout.addWidget(self.picture, 1)
        layout.addWidget(self.words)
        layout.addWidget(self.timeline)
        layout.addWidget(self.strip)
        layout.addWidget(hint)

    def _connect(self) -> None:
        self.filter.currentIndexChanged.connect(lambda _index: self._show_filter())
        self.keep_button.clicked.connect(lambda _checked: self.decide("kept"))
        self.reject_button.clicked.connect(lambda _checked: self.decide("rejected"))
        self.undo_button.clicked.connect(lambda _checked: self.undo())
        self.timeline.clicked.connect(self.go_to)
        self.strip.clicked.connect(lambda index: self.go_to(int(self.film.numbers[index.row()])))
        self.picture.dragged.connect(self.drag)
        keys: list[tuple[str, Callable[[], object]]] = [
            ("K", lambda: self.decide("kept")),
            ("X", lambda: self.decide("rejected")),
            ("Del", lambda: self.decide("rejected")),
            ("Ctrl+Z", self.undo),
            ("Right", lambda: self.step(1)),
            ("Left", lambda: self.step(-1)),
            ("Shift+Right", lambda: self.step(1, extend=True)),
            ("Shift+Left", lambda: self.step(-1, extend=True)),
            ("PgDown", lambda: self.step(30)),
            ("PgUp", lambda: self.step(-30)),
            ("Shift+PgDown", lambda: self.step(30, extend=True)),
            ("Shift+PgUp", lambda: self.step(-30, extend=True)),
            ("Home", lambda: self.go_to(0)),
            ("End", lambda: self.go_to(len(self.review) - 1)),
        ]
        for key, act in keys:
            action = QAction(self)
            action.setShortcut(QKeySequence(key))
            action.triggered.connect(lambda _checked, act=act: act())
            self.addAction(action)


def _about(labels: list[FrameLabel], status: int) -> str:
    """What is known of a frame, for people."""
    if not labels:
        return "no hand was seen."
    label = labels[0]
    who = "you" if label.decided else "the labelling"
    reasons = f" ({', '.join(label.reasons)})" if label.reasons else ""
    return f"{_STATUS[int(status)]} by {who}, believed {label.weight:.0%}{reasons}."


def _image(rgb: np.ndarray) -> QImage:
    height, width = rgb.shape[:2]
    return QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _button(text: str, help_text: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(help_text)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
