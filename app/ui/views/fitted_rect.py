"""Where a picture lies in a part of the window that has other proportions."""

from __future__ import annotations

from PyQt6.QtCore import QRectF


def fitted_rect(place: QRectF, width_px: int, height_px: int) -> QRectF:
    """The largest rectangle of a picture's proportions in the middle of another.

    Args:
        place: the room there is.
        width_px: of the picture.
        height_px: of the picture.
    """
    scale = min(place.width() / width_px, place.height() / height_px)
    width, height = width_px * scale, height_px * scale
    return QRectF(place.center().x() - width / 2.0, place.center().y() - height / 2.0, width, height)
