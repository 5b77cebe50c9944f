"""Mouse and keys that turn the 3D view; put on any widget that shows a mesh."""

from __future__ import annotations

import math

from PyQt6.QtCore import QEvent, QObject, QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.rendering.orbit import Orbit

_RAD_PER_PIXEL = math.radians(0.45)
_RAD_PER_KEY = math.radians(10.0)
_ZOOM_PER_NOTCH = 1.12
_WHEEL_UNITS_PER_NOTCH = 120.0

HELP = "Drag to turn, scroll to zoom, double-click to reset"

_TURNS = {
    Qt.Key.Key_Left: (-_RAD_PER_KEY, 0.0),
    Qt.Key.Key_Right: (_RAD_PER_KEY, 0.0),
    Qt.Key.Key_Up: (0.0, _RAD_PER_KEY),
    Qt.Key.Key_Down: (0.0, -_RAD_PER_KEY),
}
_ZOOMS = {
    Qt.Key.Key_Plus: _ZOOM_PER_NOTCH,
    Qt.Key.Key_Equal: _ZOOM_PER_NOTCH,
    Qt.Key.Key_Minus: 1.0 / _ZOOM_PER_NOTCH,
}


class OrbitControls(QObject):
    """Holds the orbit of one view; ``changed`` is emitted where the user turns it."""

    changed = pyqtSignal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.orbit = Orbit()
        self._last: QPointF | None = None
        widget.setAccessibleName("3D hand")
        widget.setAccessibleDescription(f"The hand as a mesh. {HELP}.")
        widget.setToolTip(HELP)
        widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.setCursor(Qt.CursorShape.OpenHandCursor)
        widget.installEventFilter(self)
        self._widget = widget

    def reset(self) -> None:
        """Back to the camera's own view."""
        self._set(Orbit())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Takes what turns the view, leaves everything else."""
        if isinstance(event, QMouseEvent):
            return self._mouse(event)
        if isinstance(event, QWheelEvent):
            self._set(self.orbit.zoomed(_ZOOM_PER_NOTCH ** (event.angleDelta().y() / _WHEEL_UNITS_PER_NOTCH)))
            return True
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._key(Qt.Key(event.key()))
        return False

    def _mouse(self, event: QMouseEvent) -> bool:
        if event.type() == QEvent.Type.MouseButtonDblClick:
            self.reset()
        elif event.type() == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton:
            self._last = event.position()
            self._widget.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.type() == QEvent.Type.MouseMove and self._last is not None:
            step = event.position() - self._last
            self._last = event.position()
            # the hand follows the pointer, so the eye goes the other way
            self._set(self.orbit.turned(-step.x() * _RAD_PER_PIXEL, step.y() * _RAD_PER_PIXEL))
        elif event.type() == QEvent.Type.MouseButtonRelease and event.button() == Qt.MouseButton.LeftButton:
            self._last = None
            self._widget.setCursor(Qt.CursorShape.OpenHandCursor)
        else:
            return False
        return True

    def _key(self, key: Qt.Key) -> bool:
        if key in _TURNS:
            self._set(self.orbit.turned(*_TURNS[key]))
        elif key in _ZOOMS:
            self._set(self.orbit.zoomed(_ZOOMS[key]))
        else:
            return False
        return True

    def _set(self, orbit: Orbit) -> None:
        if orbit != self.orbit:
            self.orbit = orbit
            self.changed.emit()
