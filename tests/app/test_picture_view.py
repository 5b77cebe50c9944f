"""The picture view paints the picture and fills the bars beside it."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from app.palette import DARK
from app.rendering.display import show_picture
from app.ui.theme.style_sheet import RADIUS_PX
from app.ui.views.picture_view import PictureView
from app.ui.views.wipe_view import WipeView


@pytest.mark.parametrize("size", [(451, 314), (300, 500), (500, 141), (320, 240)])
def test_bars_are_filled_and_the_picture_covers_the_rest(qtbot: QtBot, size: tuple[int, int]) -> None:
    view = PictureView()
    qtbot.addWidget(view)
    view.set_theme(DARK)
    view.resize(*size)
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    shown = show_picture(image, size)
    view.show_picture(shown)
    painted = _rendered(view)
    bar = QColor(DARK.picture)
    expected = np.full((size[1], size[0], 3), _color(bar), np.uint8)
    place = view.picture_rect(shown).toRect()
    expected[place.top() : place.bottom() + 1, place.left() : place.right() + 1] = shown.image_bgra[..., :3]
    # the frame and its rounded corners are painted over both
    inner = np.s_[RADIUS_PX : size[1] - RADIUS_PX, 1 : size[0] - 1]
    np.testing.assert_array_equal(painted[inner], expected[inner])

    view.clear()
    assert (_rendered(view)[inner] == _color(bar)).all()


def test_single_picture_takes_the_place_of_both_pictures(qtbot: QtBot) -> None:
    view = WipeView("left", "right")
    qtbot.addWidget(view)
    view.set_theme(DARK)
    view.resize(320, 240)
    first, second, bare = (show_picture(np.full((240, 320, 3), grey, np.uint8), (320, 240)) for grey in (50, 100, 200))
    view.show_both(first, second)
    middle = _rendered(view)[120]
    assert (middle[40, 0], middle[280, 0]) == (50, 100)
    view.show_picture(bare)
    middle = _rendered(view)[120]
    assert (middle[40, 0], middle[280, 0]) == (200, 200)


def _color(color: QColor) -> tuple[int, int, int]:
    return color.blue(), color.green(), color.red()


def _rendered(view: PictureView) -> np.ndarray:
    """The view as BGR, painted over magenta so that uncovered pixels are noticed."""
    image = QImage(view.size(), QImage.Format.Format_RGB32)
    image.fill(QColor("#ff00ff"))
    view.render(image)
    bits = image.constBits()
    assert bits is not None
    return np.frombuffer(bits.asarray(image.sizeInBytes()), np.uint8).reshape(view.height(), -1, 4)[..., :3].copy()
