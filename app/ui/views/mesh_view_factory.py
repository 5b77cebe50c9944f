"""Which of the two 3D views a machine gets."""

from __future__ import annotations

from app.ui.views.mesh_view import MeshView
from app.ui.views.opengl_mesh_view import OpenGLMeshView
from app.ui.views.opengl_support import hardware_renderer, opengl_renderer
from app.ui.views.software_mesh_view import SoftwareMeshView
from app.ui.window_options import RendererChoice


def make_mesh_view(choice: RendererChoice) -> MeshView:
    """OpenGL where a graphics card draws, else software: OpenGL on the processor takes longer than our own rasteriser.

    Args:
        choice: "auto", or what the user insists on; OpenGL that is not there becomes software all the same.
    """
    name = "" if choice == "software" else opengl_renderer() if choice == "opengl" else hardware_renderer()
    return OpenGLMeshView(name) if name else SoftwareMeshView()
