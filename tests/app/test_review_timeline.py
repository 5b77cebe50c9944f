"""The timeline: colours of the frames by status, and a position that moves without repainting the curves."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from app.palette import LIGHT
from app.ui.review.review_timeline import CORRECTED, KEPT, REJECTED, ReviewTimeline

FRAMES, WIDTH = 20_000, 1000


@pytest.fixture
def timeline(qtbot: QtBot) -> ReviewTimeline:
    timeline = ReviewTimeline()
    qtbot.addWidget(timeline)
    timeline.resize(WIDTH, 74)
    timeline.show_session(np.full(FRAMES, 0.5), np.ones(FRAMES, np.int8))
    return timeline


def picture(timeline: ReviewTimeline) -> QImage:
    return timeline.grab().toImage()


def strip_colors(timeline: ReviewTimeline) -> list[str]:
    shown = picture(timeline)
    return [QColor(shown.pixel(x, timeline.height() - 5)).name() for x in range(WIDTH)]


def test_the_worst_frame_of_a_pixel_gives_its_colour(timeline: ReviewTimeline) -> None:
    status = np.ones(FRAMES, np.int8)
    status[4_007], status[8_000:8_200] = 2, 3
    timeline.show_session(np.full(FRAMES, 0.5), status)
    timeline.show_place(FRAMES - 1, None)
    shown = strip_colors(timeline)
    assert [x for x, color in enumerate(shown) if color == REJECTED] == [200]
    assert [x for x, color in enumerate(shown) if color == CORRECTED] == list(range(400, 410))
    assert shown[100:200] == [KEPT] * 100


def test_change_of_position_does_not_repaint_the_curves(timeline: ReviewTimeline) -> None:
    before = picture(timeline)
    curves = timeline._curves
    timeline.show_place(FRAMES // 2, (FRAMES // 4, FRAMES // 2))
    after = picture(timeline)
    assert timeline._curves is curves
    assert after.pixel(WIDTH // 2, 5) != before.pixel(WIDTH // 2, 5)
    assert after.pixel(WIDTH * 3 // 8, 5) != before.pixel(WIDTH * 3 // 8, 5)


def test_change_of_theme_status_or_size_is_repainted(timeline: ReviewTimeline) -> None:
    before = picture(timeline)
    timeline.set_theme(LIGHT)
    other = picture(timeline)
    assert other.pixel(WIDTH // 2, 5) != before.pixel(WIDTH // 2, 5)
    timeline.show_session(np.full(FRAMES, 0.5), np.full(FRAMES, 2, np.int8))
    assert set(strip_colors(timeline)[10:]) == {REJECTED}
    timeline.resize(WIDTH // 2, 74)
    assert QColor(picture(timeline).pixel(WIDTH // 2 - 2, 69)).name() == REJECTED
