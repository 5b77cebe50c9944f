"""A pane: heading, picture and 3D view of one path, of both together, or of the output."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from app.palette import Theme
from app.rendering.display import ShownPicture
from app.rendering.orbit import Orbit
from app.rendering.pane_renderer import Display, PaneName
from app.ui.theme.icons import icon
from app.ui.views.mesh_view import MeshView
from app.ui.views.picture_view import PictureView
from app.ui.views.wipe_view import WipeView
from app.ui.widgets.form_helpers import styled

_GAP_PX = 8
_LEAST_HEADING_PX = 150
_PICTURE_SHARE, _SCENE_SHARE = 60, 40
_WIDE = 1.35
"""Panes wider than this in proportion have picture and 3D view side by side, others below each other."""


class Pane(QWidget):
    """Shows its drawings and emits a signal when both views have painted them."""

    painted = pyqtSignal(str)
    """Both views show the newest display; carries the pane's name."""
    resized = pyqtSignal()
    """Drawings of another size are needed."""

    def __init__(
        self,
        name: PaneName,
        title: str,
        picture: PictureView,
        scene: MeshView,
        *,
        switchable: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        """Starts empty.

        Args:
            name: which pane.
            title: for people.
            picture: shows frames.
            scene: shows hands in 3D.
            switchable: its path can be switched off.
            parent: the widget around it.
        """
        super().__init__(parent)
        self.name: PaneName = name
        self.picture = picture
        self.scene = scene
        self.heading = PaneHeading(title, switchable=switchable)
        self.display: Display[Any] | None = None
        self._unpainted: set[str] = set()
        self._views = QSplitter(Qt.Orientation.Vertical)
        self._views.setHandleWidth(_GAP_PX)
        self._views.setChildrenCollapsible(False)
        self._views.addWidget(picture)
        self._views.addWidget(scene.widget)
        self._views.setStretchFactor(0, _PICTURE_SHARE)
        self._views.setStretchFactor(1, _SCENE_SHARE)
        self._views.setSizes([_PICTURE_SHARE * 10, _SCENE_SHARE * 10])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_GAP_PX)
        layout.addWidget(self.heading)
        layout.addWidget(self._views, 1)
        picture.painted.connect(lambda: self._view_painted("picture"))
        scene.painted.connect(lambda: self._view_painted("scene"))
        picture.resized.connect(self.resized)

    def show_display(self, display: Display[Any], *, fresh: bool) -> None:
        """Paints this from now on.

        Args:
            display: what was drawn.
            fresh: a new frame, not the last one drawn again.
        """
        self.display = display
        self._unpainted = {"picture", "scene"} if fresh else set()
        if isinstance(self.picture, WipeView) and display.other_picture is not None:
            self.picture.show_both(display.picture, display.other_picture)
        else:
            self.picture.show_picture(display.picture)
        self.scene.show_scene(display.scene)

    def show_bare(self, picture: ShownPicture) -> None:
        """Paints a picture without a hand."""
        self._unpainted = set()
        self.picture.show_picture(picture)
        self.scene.clear()

    def clear(self) -> None:
        """Removes everything, as for a new source."""
        self.display, self._unpainted = None, set()
        self.picture.clear()
        self.scene.clear()

    def set_theme(self, theme: Theme) -> None:
        self.heading.set_theme(theme, {"network": theme.network, "ik": theme.ik}.get(self.name, theme.accent))
        self.picture.set_theme(theme)
        self.scene.set_theme(theme)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Lays the views out along the longer side."""
        super().resizeEvent(event)
        wide = self.width() > _WIDE * self.height()
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self._views.orientation() != wanted:
            self._views.setOrientation(wanted)
            self._views.setSizes([_PICTURE_SHARE * 10, _SCENE_SHARE * 10])

    def _view_painted(self, view: str) -> None:
        if view in self._unpainted:
            self._unpainted.remove(view)
            if not self._unpainted:
                self.painted.emit(self.name)


class PaneHeading(QWidget):
    """Title, output badge, rates, and the switch that disables the path."""

    switched = pyqtSignal(bool)

    def __init__(self, title: str, *, switchable: bool) -> None:
        """Starts without the badge.

        Args:
            title: for people.
            switchable: has a switch.
        """
        super().__init__()
        self._dot = QLabel("●")
        self._title_text, self._switchable = title, switchable
        self._title = styled(title, "paneTitle")
        self._badge = styled("OUTPUT", "badge")
        self._badge.setToolTip("The hand that other programs and recordings get")
        self._badge.hide()
        self._numbers = styled("", "paneNumbers")
        self._numbers.setToolTip("Frames per second and milliseconds of work per frame")
        self.switch = QPushButton()
        self.switch.setObjectName("switch")
        self.switch.setCheckable(True)
        self.switch.setChecked(True)
        self.switch.setAccessibleName(f"{title} on or off")
        self.switch.setVisible(switchable)
        self.switch.setIconSize(QSize(15, 15))
        self.switch.toggled.connect(self.switched)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (self._dot, self._title, self._badge):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self._numbers)
        layout.addWidget(self.switch)
        self.setFixedHeight(26)

    def minimumSizeHint(self) -> QSize:
        """Narrow: three panes stand beside each other, and what does not fit is left out or shortened."""
        return QSize(_LEAST_HEADING_PX, 26)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Leaves out the numbers where there is no room for them."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """The title comes first, then the badge, then the numbers."""
        badge = [] if self._badge.isHidden() else [self._badge]
        parts = [self._dot, *badge, *([self.switch] if self._switchable else [])]
        room = self.width() - 4 - sum(part.sizeHint().width() + 8 for part in parts)
        wanted = self._title.fontMetrics().horizontalAdvance(self._title_text) + 4
        self._numbers.setVisible(room >= wanted + self._numbers.minimumWidth() + 8)
        self._title.setText(
            self._title.fontMetrics().elidedText(self._title_text, Qt.TextElideMode.ElideRight, max(room, 20))
        )

    @property
    def is_output(self) -> bool:
        """Whether the badge is shown."""
        return self._badge.isVisibleTo(self)

    def mark(self, output: bool) -> None:
        """Sets whether this is the output."""
        if output != self.is_output:
            self._badge.setVisible(output)
            self._fit()

    @property
    def title(self) -> str:
        return self._title_text

    def set_title(self, title: str) -> None:
        if title != self._title_text:
            self._title_text = title
            self._fit()

    def set_numbers(self, text: str) -> None:
        if text != self._numbers.text():
            self._numbers.setText(text)
            self._numbers.setMinimumWidth(max(self._numbers.minimumWidth(), self._numbers.sizeHint().width()))
            self._fit()

    def set_theme(self, theme: Theme, color: str) -> None:
        self._dot.setStyleSheet(f"color: {color};")
        self.switch.setIcon(icon("power", theme.muted, checked_color=color))
        self.switch.setToolTip("Switch this path off or on; one that is off costs nothing")


def link_orbits(scenes: Sequence[MeshView]) -> None:
    """Gives all 3D views the same orbit: turning one turns the others."""

    def follow(source: MeshView, orbit: Orbit) -> None:
        for scene in scenes:
            if scene is not source:
                scene.turn_to(orbit)

    for scene in scenes:
        scene.orbit_changed.connect(partial(follow, scene))
