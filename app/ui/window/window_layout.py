"""How the window is put together: the panes of its paths, with tool bar, pane area and status bar."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QMainWindow, QStatusBar, QTabWidget, QVBoxLayout, QWidget

from app.pipeline.worker import PATH_NAMES
from app.rendering.pane_renderer import PaneName
from app.ui.theme.style_sheet import SPACING_PX
from app.ui.views.mesh_view import MeshView
from app.ui.views.opengl_mesh_view import OpenGLMeshView
from app.ui.views.opengl_support import hardware_renderer, opengl_renderer
from app.ui.views.picture_view import PictureView
from app.ui.views.software_mesh_view import SoftwareMeshView
from app.ui.views.wipe_view import WipeView
from app.ui.window.pane import Pane
from app.ui.window_options import RendererChoice
from hand.types import PathId

_TITLES: dict[PaneName, str] = {
    "network": PATH_NAMES["network"],
    "ik": PATH_NAMES["ik"],
    "combined": "Both paths",
    "output": "Output",
}


def make_panes(path_ids: Sequence[PathId], renderer: RendererChoice) -> dict[PaneName, Pane]:
    """A pane for each path, and where there are two of them, one for both and one for the output."""
    names: list[PaneName] = list(path_ids)
    if len(path_ids) > 1:
        names = ["network", "ik", "combined", "output"]
    panes: dict[PaneName, Pane] = {}
    for name in names:
        picture = WipeView(PATH_NAMES["network"], PATH_NAMES["ik"]) if name == "combined" else PictureView()
        switchable = len(path_ids) > 1 and name in path_ids
        panes[name] = Pane(name, _TITLES[name], picture, make_mesh_view(renderer), switchable=switchable)
    return panes


def lay_out(window: QMainWindow, head: QWidget, body: QWidget, foot: QWidget) -> None:
    """Puts the bar above everything, also the panels, the pane area in the middle and the status bar at the foot."""
    window.setWindowTitle("handlive")
    window.setDockOptions(QMainWindow.DockOption.AllowTabbedDocks)
    window.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
    window.setMenuWidget(_padded(head, "bar", SPACING_PX))
    window.setCentralWidget(_padded(body, "body", SPACING_PX))
    status = QStatusBar()
    status.setSizeGripEnabled(False)
    status.setContentsMargins(SPACING_PX - 4, 0, SPACING_PX - 4, 0)
    status.addWidget(foot, 1)
    window.setStatusBar(status)


def _padded(widget: QWidget, name: str, top: int) -> QWidget:
    around = QWidget()
    around.setObjectName(name)
    layout = QVBoxLayout(around)
    layout.setContentsMargins(SPACING_PX, top, SPACING_PX, 0)
    layout.addWidget(widget, 1)
    return around


def make_mesh_view(choice: RendererChoice) -> MeshView:
    """OpenGL where a graphics card draws, else software: OpenGL on the processor takes longer than our own rasteriser.

    Args:
        choice: "auto", or the user's choice; OpenGL that is not available is replaced by software.
    """
    name = "" if choice == "software" else opengl_renderer() if choice == "opengl" else hardware_renderer()
    return OpenGLMeshView(name) if name else SoftwareMeshView()
