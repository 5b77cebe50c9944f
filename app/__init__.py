"""The program people start: sources of pictures, the live pipeline, headless runs, predictions, and the window.

    sources/    where pictures come from: cameras, videos, folders, the demo clip
    pipeline/   capture thread, one worker thread per path, depth-1 mailboxes between them
    rendering/  what is drawn, without a toolkit: skeleton, software mesh, composed pictures
    ui/         the window; the only room here that imports PyQt6

Detecting hands is the work of ``ik_baseline`` and ``inference``, both used through ``HandPath``.
"""
