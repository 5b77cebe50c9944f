"""The window. It owns a live pipeline, pulls results on its update signal, and paints; it never waits.

Whatever takes longer than a millisecond (finding hands, scaling pictures, drawing the mesh without OpenGL) happens in
the pipeline's threads, through :class:`app.rendering.pane_renderer.ScreenPainter`.
"""
