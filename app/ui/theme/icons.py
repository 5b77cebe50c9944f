"""Small line icons, drawn from paths so that they take the theme's colour at any density."""

from __future__ import annotations

from PyQt6.QtCore import QByteArray, QRectF, QSize, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

ICON_SIZE = QSize(18, 18)

_DENSITY = 3
"""Device pixels per pixel that icons are drawn for; screens of less density shrink them."""

_SHAPES = {
    "camera": '<rect x="2.5" y="6" width="13" height="12" rx="2.5"/><path d="M15.5 10.5 21.5 7v10l-6-3.5z"/>',
    "mirror": '<path d="M12 3v18" stroke-dasharray="2.5 2.5"/><path d="M8.5 7 3 17h5.5zM15.5 7 21 17h-5.5z"/>',
    "power": '<path d="M12 3v8"/><path d="M6.6 6.6a8 8 0 1 0 10.8 0"/>',
    "hand": '<path d="M8 12V5.5a1.5 1.5 0 0 1 3 0V11M11 10.5V4a1.5 1.5 0 0 1 3 0v6.5M14 10.5V5.5a1.5 1.5 0 0 1 3 0V14'
    'c0 4-2 7-5.5 7-3 0-4.3-1.5-5.6-4L4.2 13.6a1.5 1.5 0 0 1 2.6-1.5L8 14"/>',
    "difference": '<circle cx="9" cy="12" r="6"/><circle cx="15" cy="12" r="6"/>',
    "tools": '<path d="M4 7h10M18 7h2M4 17h2M10 17h10"/><circle cx="16" cy="7" r="2"/><circle cx="8" cy="17" r="2"/>',
    "panels": '<rect x="3" y="4.5" width="18" height="15" rx="2.5"/><path d="M14.5 4.5v15"/>',
    "reset": '<path d="M4 12a8 8 0 1 0 2.6-5.9"/><path d="M4 3.5v4.5h4.5"/>',
    "play": '<path d="M7 4.5v15l12-7.5z"/>',
    "pause": '<path d="M8 5v14M16 5v14"/>',
    "step_back": '<path d="M18 5v14l-10-7zM5.5 5v14"/>',
    "step_on": '<path d="M6 5v14l10-7zM18.5 5v14"/>',
    "loop": '<path d="M4 11a6 6 0 0 1 6-6h9M16 2l3 3-3 3M20 13a6 6 0 0 1-6 6H5M8 22l-3-3 3-3"/>',
    "dark": '<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"/>',
    "light": '<circle cx="12" cy="12" r="4"/><path d="M12 2.5v2.5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3 7 7M17 17l1.7'
    ' 1.7M5.3 18.7 7 17M17 7l1.7-1.7"/>',
}


def icon(name: str, color: str, *, checked_color: str | None = None) -> QIcon:
    """An icon of this name.

    Args:
        name: one of the shapes of this file.
        color: #rrggbb.
        checked_color: when its button is down.
    """
    result = QIcon()
    result.addPixmap(_pixmap(name, color), QIcon.Mode.Normal, QIcon.State.Off)
    if checked_color is not None:
        result.addPixmap(_pixmap(name, checked_color), QIcon.Mode.Normal, QIcon.State.On)
    return result


def _pixmap(name: str, color: str) -> QPixmap:
    shape = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{color}" stroke-width="1.8" '
        f'stroke-linecap="round" stroke-linejoin="round">{_SHAPES[name]}</svg>'
    )
    size = ICON_SIZE * _DENSITY
    pixmap = QPixmap(size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(shape.encode())).render(painter, QRectF(0, 0, size.width(), size.height()))
    painter.end()
    pixmap.setDevicePixelRatio(_DENSITY)
    return pixmap
