"""Set-up of the process before heavy imports: quiet libraries, a clean environment, crash reports."""

from __future__ import annotations

import faulthandler
import getpass
import logging
import os
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from app.process_memory import limit_memory_arenas
from hand.terminal_output import tolerate_any_letter

logger = logging.getLogger(__name__)

# OpenCV's builds with a window, which MediaPipe's package brings along, point these at a Qt of their own when cv2 is
# imported, where PyQt6's platform plugin is not
_OVERWRITTEN_BY_OPENCV = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR", "LD_LIBRARY_PATH")

_DEFAULTS = {
    # engines with several threads each collapse when they share few cores
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # MediaPipe's start-up chatter
    "GLOG_minloglevel": "2",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # ONNX Runtime reports its use to its maker, and keeps a number for that in the home folder
    "ORT_DISABLE_TELEMETRY": "1",
    # seconds; OpenCV waits ten for a frame of a camera that went silent, and the program cannot close meanwhile
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1",
    # unreadable files and busy cameras are reported by us, in one sentence
    "OPENCV_LOG_LEVEL": "OFF",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}


_SWITCH_INTERVAL_S = 0.0005


def prepare_process() -> None:
    """Sets up environment, OpenCV and crash reports; call it before importing anything that imports cv2 or Qt."""
    install_crash_reports()
    tolerate_any_letter()
    # sets what OpenCV reads when it is loaded
    import hand.picture_limits  # noqa: F401

    limit_memory_arenas()
    give_missing_folders()
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # how long a thread may compute in Python while others wait: by default 5 ms, a third of a frame
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    load_opencv()


def give_missing_folders() -> None:
    """Lends temporary folders: a home where there is none, and a place for compiled functions where there is none."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.expanduser raises where there is no home
    if not home.is_dir():
        home = _temporary_folder("home")
        os.environ.update(HOME=str(home), USERPROFILE=str(home))
        logger.warning("There is no home folder, so settings and recordings go to %s.", home)
    beside_program = Path(__file__).resolve().parent.parent / "hand"
    if "NUMBA_CACHE_DIR" not in os.environ and not (_is_writable(beside_program) or _is_writable(home)):
        os.environ["NUMBA_CACHE_DIR"] = str(_temporary_folder("compiled"))


def _temporary_folder(purpose: str) -> Path:
    """A folder of the user, the same in every run; a new one each time where another user has taken that name."""
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = Path(tempfile.gettempdir()) / f"handlive-{purpose}-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # compiled functions are loaded from there, so no other user may write into it
        if not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid():
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix=f"handlive-{purpose}-"))


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def load_opencv() -> None:
    """Imports cv2, gives back the environment variables it overwrites, and keeps it to one thread."""
    before = {name: os.environ.get(name) for name in _OVERWRITTEN_BY_OPENCV}
    import cv2

    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    cv2.setNumThreads(1)


def install_crash_reports() -> None:
    """Logs uncaught exceptions of any thread; without this an exception in a Qt slot aborts the program."""
    if sys.stderr is not None:
        faulthandler.enable()
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("unexpected error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    name = uncaught.thread.name if uncaught.thread is not None else "a thread"
    error = uncaught.exc_value or uncaught.exc_type()
    logger.critical("unexpected error in %s", name, exc_info=(uncaught.exc_type, error, uncaught.exc_traceback))
