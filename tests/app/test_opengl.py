"""The OpenGL view renders the same picture as the software view."""

from __future__ import annotations

import numpy as np
import pytest
from app_fakes import found, hand_state, plain_image
from PyQt6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.palette import DARK
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.rendering.disagreement import LARGEST_MM, disagreement_colors
from app.rendering.hand_mesh import HandMeshBuilder, Scene
from app.rendering.mesh_picture import MeshPainter, background_picture
from app.rendering.orbit import FocusFollower
from app.rendering.pane_renderer import GHOST_RGB
from app.ui.views.opengl_mesh_view import OpenGLMeshView
from app.ui.views.opengl_support import hardware_renderer, opengl_renderer
from app.ui.views.software_mesh_view import SoftwareMeshView
from app.ui.window.window_layout import make_mesh_view
from hand.embedded import load_embedded_model
from hand.types import Frame

SIZE = 360


@pytest.mark.gl
@pytest.mark.parametrize("turn", [(0.0, 0.0), (1.1, 0.5), (-2.4, -0.3)])
@pytest.mark.parametrize("ghosted", [False, True])
def test_opengl_view_matches_the_software_view(qtbot: QtBot, turn: tuple[float, float], ghosted: bool) -> None:
    if not opengl_renderer():
        pytest.skip("there is no OpenGL 4.1 on this display")
    frame = Frame(0, 0, plain_image(), IntrinsicsChoice().intrinsics_for(320, 240), "x")
    builder, states = HandMeshBuilder(load_embedded_model()), found(frame).states
    mesh = builder.build(states, 0)
    ghost = None
    if ghosted:
        # colours from blue to red along the fingers, and the same hand a little aside as a ghost
        reach = states[0].vertices_m[:, 1]
        share = (reach - reach.min()) / np.ptp(reach)
        mesh = builder.build(states, 0, [disagreement_colors(LARGEST_MM * share)])
        ghost = builder.build((hand_state(frame, "right", 0.03),), 0, plain_rgb=GHOST_RGB)
    assert mesh is not None
    scene = Scene(mesh, ghost, FocusFollower().follow(mesh.vertices_m, 0))
    view = make_mesh_view("opengl")
    assert isinstance(view, OpenGLMeshView)
    view.resize(SIZE, SIZE)
    view._controls.orbit = view.orbit.turned(*turn)
    view.show_scene(view.prepare(scene))
    with qtbot.waitSignal(view.painted, timeout=20_000):
        view.show()
    drawn = _rgb(view.grabFramebuffer())
    view.close()
    view.deleteLater()
    expected = MeshPainter().paint(scene, view.orbit, (SIZE, SIZE), DARK)[:, :, 2::-1]
    background = background_picture(SIZE, SIZE, DARK)[:, :, 2::-1].astype(int)
    here, there = (np.abs(picture.astype(int) - background).max(2) > 12 for picture in (drawn, expected))
    assert there.mean() > 0.05
    assert (here & there).sum() / (here | there).sum() > 0.97
    both = here & there
    difference = np.abs(drawn.astype(int) - expected.astype(int))[both].mean()
    assert difference < 8.0  # of 255: light per pixel against light per vertex


def test_auto_renderer_is_software_without_hardware_opengl(qtbot: QtBot) -> None:
    view = make_mesh_view("auto")
    assert isinstance(view, OpenGLMeshView if hardware_renderer() else SoftwareMeshView)
    assert isinstance(make_mesh_view("software"), SoftwareMeshView)


def _rgb(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    bits = image.constBits()
    assert bits is not None
    data = np.frombuffer(bits.asarray(image.sizeInBytes()), np.uint8)
    return data.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()].reshape(SIZE, SIZE, 3).copy()
