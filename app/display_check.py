"""Whether a window can be opened here. Checked before Qt starts, because Qt ends the process where it cannot."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform

_XCB_LIBRARIES = {
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}
"""What Qt's xcb plugin loads and a bare system lacks, with the Debian package of each."""


def why_no_window() -> str:
    """The reason why no window can be opened here, or an empty text."""
    if importlib.util.find_spec("PyQt6") is None:
        return "PyQt6 is not installed"
    if platform.system() != "Linux" or os.environ.get("QT_QPA_PLATFORM"):
        return ""
    if os.environ.get("WAYLAND_DISPLAY"):
        return ""
    if not os.environ.get("DISPLAY"):
        return "There is no display"
    missing = [package for library, package in _XCB_LIBRARIES.items() if not _loads(library)]
    if missing:
        return f"Libraries for the window are missing (sudo apt-get install -y {' '.join(missing)})"
    if not _answers():
        return f"The display {os.environ['DISPLAY']} does not answer"
    return ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _answers() -> bool:
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    refused = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not refused
