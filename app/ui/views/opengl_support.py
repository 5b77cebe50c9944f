"""Tests whether a graphics card draws here, and sets the required OpenGL format."""

from __future__ import annotations

from typing import Any

from PyQt6.QtGui import QOffscreenSurface, QOpenGLContext, QSurfaceFormat
from PyQt6.QtOpenGL import QOpenGLVersionFunctionsFactory, QOpenGLVersionProfile

_MULTISAMPLES = 4
_RENDERER = 0x1F01  # GL_RENDERER
_SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swiftshader", "swrast", "software", "gdi generic", "basic render")


def opengl_format() -> QSurfaceFormat:
    """The OpenGL format that the view requires."""
    wanted = QSurfaceFormat()
    wanted.setVersion(4, 1)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    wanted.setDepthBufferSize(24)
    wanted.setSamples(_MULTISAMPLES)
    return wanted


def hardware_renderer() -> str:
    """Name of the graphics card that would draw, or an empty text where OpenGL is missing or done in software."""
    name = opengl_renderer()
    return "" if any(word in name.lower() for word in _SOFTWARE_RENDERERS) else name


def opengl_renderer() -> str:
    """OpenGL's name of its renderer, or an empty text where there is no OpenGL 4.1."""
    context = QOpenGLContext()
    context.setFormat(opengl_format())
    surface = QOffscreenSurface()
    surface.setFormat(opengl_format())
    surface.create()
    if not surface.isValid() or not context.create() or not context.makeCurrent(surface):
        return ""
    try:
        functions = opengl_functions(context)
        return "" if functions is None else str(functions.glGetString(_RENDERER) or "")
    finally:
        context.doneCurrent()


def opengl_functions(context: QOpenGLContext) -> Any:
    """PyQt6's own OpenGL 4.1 functions for a context, or None."""
    profile = QOpenGLVersionProfile()
    profile.setVersion(4, 1)
    profile.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    functions: Any = QOpenGLVersionFunctionsFactory.get(profile, context)  # the type hints name its base class alone
    if functions is None or not functions.initializeOpenGLFunctions():
        return None
    return functions
