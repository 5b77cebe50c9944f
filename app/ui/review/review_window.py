"""Reviewing a session: filmstrip, picture with the label on it, timeline; keep, reject, correct a joint by dragging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.palette import Theme
from app.review.correction import HandCorrector
from app.review.linked_view import TwoViewCorrector
from app.review.session_review import FILTERS, Filter, SessionReview
from app.ui.review.filmstrip import Filmstrip, FilmstripView
from app.ui.review.label_editor import LabelPicture
from app.ui.review.review_timeline import ReviewTimeline
from app.ui.theme.style_sheet import SPACING_PX, palette, style_sheet
from app.ui.widgets.form_helpers import button
from hand.errors import HandliveError, RecordingError
from hand.model import HandModel
from hand.session_labels import FrameLabel

_MORE_STYLE = """
ReviewWindow {{ background: {window}; }}
QScrollBar:horizontal {{ background: {window}; height: 10px; border: none; }}
QScrollBar::handle:horizontal {{ background: {border}; border-radius: 5px; min-width: 40px; }}
QScrollBar::add-line:horizontal, QScrollBar::sub-line:horizontal {{ width: 0px; }}
QScrollBar::add-page:horizontal, QScrollBar::sub-page:horizontal {{ background: {raised}; }}
"""


class ReviewWindow(QWidget):
    """The review of one session."""

    def __init__(self, review: SessionReview, model: HandModel, theme: Theme) -> None:
        """Begins at the first frame.

        Args:
            review: of the session.
            model: hand model of its labels.
            theme: colours.
        """
        super().__init__()
        self.review = review
        self._model = model
        self.current = 0
        self._anchor: int | None = None
        self._corrector: HandCorrector | None = None
        self._two_view_corrector: TwoViewCorrector | None = None
        self.setWindowTitle(f"Review: {review.recording.info.name or review.folder.name}")
        self.setAutoFillBackground(True)
        self._build(theme)
        self.set_theme(theme)
        self._connect()
        self._after_decision([])
        self.go_to(0)
        self.resize(1100, 760)

    def set_theme(self, theme: Theme) -> None:
        self.setPalette(palette(theme))
        self.setStyleSheet(
            style_sheet(theme) + _MORE_STYLE.format(window=theme.window, raised=theme.raised, border=theme.border)
        )
        self.timeline.set_theme(theme)
        self.strip.set_theme(theme)

    def go_to(self, number: int, *, extend: bool = False) -> None:
        """Shows a frame.

        Args:
            number: its place in the session.
            extend: select everything from the present frame to it, as with the shift key.
        """
        if not len(self.review):
            self.description.setText("There is no frame in this session.")
            return
        self._anchor = (self.current if self._anchor is None else self._anchor) if extend else None
        self.current = int(np.clip(number, 0, len(self.review) - 1))
        self._corrector = self._two_view_corrector = None
        self._show_current()
        row = self.film.row_of(self.current)
        if len(self.film.numbers):
            self.strip.show_row(self.film.index(row))

    def step(self, by: int, *, extend: bool = False) -> None:
        """Goes on by so many frames of the filter."""
        if len(self.film.numbers):
            row = int(np.clip(self.film.row_of(self.current) + by, 0, len(self.film.numbers) - 1))
            self.go_to(int(self.film.numbers[row]), extend=extend)

    def chosen_numbers(self) -> list[int]:
        """The frames of a decision: the range, or the present one, of what the filter shows."""
        if self._anchor is None:
            return [self.current] if self.current in self.film.numbers else []
        low, high = sorted((self._anchor, self.current))
        numbers = self.film.numbers
        chosen: list[int] = numbers[(numbers >= low) & (numbers <= high)].tolist()
        return chosen

    def decide(self, status: Literal["kept", "rejected"]) -> None:
        """Keeps or rejects what is chosen; a single frame is left for the next one."""
        numbers = self.chosen_numbers()
        if not numbers or not self._try(lambda: self.review.decide(numbers, status)):
            return
        alone, self._anchor = len(numbers) == 1, None
        self._after_decision(numbers)
        if alone:
            self.step(1)
        else:
            self._show_current()

    def undo(self) -> None:
        """Takes the last decision back and goes there."""
        changed: list[int] = []
        if not self._try(lambda: changed.extend(self.review.undo())):
            return
        self._after_decision(changed)
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
        if self.review.linked is not None and labels[0].hand.origin == "two_views":
            self._drag_in_both(joint, x, y, done, in_other=False)
            return
        if self._corrector is None:
            intrinsics = self.review.recording.info.intrinsics
            self._corrector = HandCorrector(self._model, labels[0].hand, intrinsics)
        corrected = self._corrector.drag(joint, (x, y))
        self.picture.show_hands([(self._corrector.joints_px(), False), *self._drawn(labels[1:])])
        if done:
            self._corrector = None
            if self._try(lambda: self.review.correct(self.current, corrected)):
                self._after_decision([self.current])
                self._show_current()

    def drag_other(self, joint: int, x: float, y: float, done: bool) -> None:
        """The same in the other camera's picture; only a hand that two views measured has a place there."""
        labels = self.review.labels(self.current)
        if labels and labels[0].hand.origin == "two_views":
            self._drag_in_both(joint, x, y, done, in_other=True)

    def _drag_in_both(self, joint: int, x: float, y: float, done: bool, *, in_other: bool) -> None:
        """Triangulates the joint again, and shows the hand in both pictures."""
        linked, labels = self.review.linked, self.review.labels(self.current)
        assert linked is not None
        if self._two_view_corrector is None:
            self._two_view_corrector = TwoViewCorrector(self._model, labels[0].hand, linked)
        corrector = self._two_view_corrector
        corrected = corrector.drag(joint, (x, y), in_other=in_other)
        self.picture.show_hands([(corrector.joints_px(), False), *self._drawn(labels[1:])])
        self.other_picture.show_hands([(corrector.other_joints_px(), False)])
        if done and self._try(lambda: self.review.correct(self.current, corrected)):
            # the corrector stays for the next joint of this frame: what was dragged in one view holds in the other
            self._after_decision([self.current])
            self._describe_current()

    def _show_other(self) -> None:
        """The other camera's picture of this moment, with the label in that camera's view."""
        linked = self.review.linked
        if linked is None:
            return
        frame = linked.partner(self.review.recording, self.current)
        try:
            picture = None if frame is None else linked.recording.picture(frame)
        except RecordingError:
            picture = None
        labels = [label for label in self.review.labels(self.current) if label.hand.origin == "two_views"]
        hands = [
            (linked.seen_by_other(np.asarray(label.hand.joints_m, np.float64)), label.status == "rejected")
            for label in labels
        ]
        self.other_picture.show_frame(picture, hands)

    def _show_current(self) -> None:
        recording = self.review.recording
        try:
            picture: np.ndarray | None = recording.picture(recording.frames[self.current])
        except RecordingError:
            picture = None
        self.picture.show_frame(picture, self._drawn(self.review.labels(self.current)))
        self._show_other()
        self._describe_current()

    def _drawn(self, labels: Sequence[FrameLabel]) -> list[tuple[np.ndarray, bool]]:
        """Joints in the picture of each label, and whether it is rejected."""
        intrinsics = self.review.recording.info.intrinsics
        return [(label.joints_px(intrinsics), label.status == "rejected") for label in labels]

    def _describe_current(self) -> None:
        """The present frame and its label."""
        recording = self.review.recording
        chosen = None if self._anchor is None else (min(self._anchor, self.current), max(self._anchor, self.current))
        self.timeline.show_place(self.current, chosen)
        more = f"{len(self.chosen_numbers())} frames chosen. " if chosen else ""
        marker = recording.frames[self.current].marker
        self.description.setText(
            f"{more}Frame {self.current} of {len(self.review)}: {self.review.about(self.current)}"
            + (f" Marked: {marker}." if marker else "")
        )

    def _after_decision(self, numbers: Sequence[int]) -> None:
        self.timeline.show_session(self.review.confidence, self.review.status)
        self.film.refresh(numbers)
        self.undo_button.setEnabled(self.review.can_undo)
        counts = self.review.counts()
        self.counts.setText(
            f"{counts['kept']} kept, {counts['rejected']} rejected, {counts['corrected']} corrected; "
            f"{counts['decided']} decided by you"
        )
        for place, key in enumerate(FILTERS):
            self.filter.setItemText(place, self._filter_text(key))

    def _filter_text(self, key: Filter) -> str:
        return f"{FILTERS[key]} ({len(self.review.chosen(key))})"

    def _show_filter(self) -> None:
        self.film.show_filter(self.filter.currentData())
        if len(self.film.numbers):
            self.go_to(int(self.film.numbers[self.film.row_of(self.current)]))
        else:
            self.description.setText("No frame passes this filter.")

    def _try(self, act: Callable[[], object]) -> bool:
        """Writes something; where that fails, shows the saved state and the error."""
        try:
            act()
        except HandliveError as error:
            self._show_current()
            self.description.setText(str(error))
            return False
        return True

    def _build(self, theme: Theme) -> None:
        self.filter = QComboBox()
        self.filter.setAccessibleName("Which frames")
        for key in FILTERS:
            self.filter.addItem(self._filter_text(key), key)
        self.picture = LabelPicture()
        self.other_picture = LabelPicture("The other camera has no picture of this moment.")
        self.other_picture.setVisible(self.review.linked is not None)
        self.timeline = ReviewTimeline()
        self.film = Filmstrip(self.review)
        self.strip = FilmstripView(self.film, theme)
        self.description, self.counts = QLabel(), QLabel()
        self.description.setWordWrap(True)
        self.counts.setObjectName("messageText")
        self.keep_button = button("Keep  (K)", "This label is right", lambda: self.decide("kept"))
        self.reject_button = button(
            "Reject  (X)", "Nothing is to be learned from this frame", lambda: self.decide("rejected")
        )
        self.undo_button = button("Undo  (Ctrl+Z)", "Takes the last decision back", self.undo)
        buttons = (self.keep_button, self.reject_button, self.undo_button)
        for made in buttons:
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the arrow keys are for the frames
        where = "" if self.review.linked is None else " in either picture"
        hint = QLabel(f"Arrows go on, Shift+arrows choose a range. Drag a joint{where} to set the hand right.")
        hint.setObjectName("metricName")
        head = QHBoxLayout()
        for widget in (self.filter, *buttons):
            head.addWidget(widget)
        head.addStretch(1)
        head.addWidget(self.counts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACING_PX,) * 4)
        layout.setSpacing(SPACING_PX // 2)
        layout.addLayout(head)
        pictures = QHBoxLayout()
        pictures.setSpacing(SPACING_PX // 2)
        pictures.addWidget(self.picture, 1)
        pictures.addWidget(self.other_picture, 1)
        layout.addLayout(pictures, 1)
        layout.addWidget(self.description)
        layout.addWidget(self.timeline)
        layout.addWidget(self.strip)
        layout.addWidget(hint)

    def _connect(self) -> None:
        self.filter.currentIndexChanged.connect(lambda _index: self._show_filter())
        self.timeline.clicked.connect(self.go_to)
        self.strip.clicked.connect(lambda index: self.go_to(int(self.film.numbers[index.row()])))
        self.picture.dragged.connect(self.drag)
        self.other_picture.dragged.connect(self.drag_other)
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
            QShortcut(QKeySequence(key), self, act)
