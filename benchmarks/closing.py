"""How long the window takes to close, whatever cameras, networks and files are doing meanwhile.

    xvfb-run -a python -m benchmarks.closing

Each line opens the whole window, brings it into a state, closes it as its user does, and prints how long that took:
until camera and engines have been given back or left behind, and until no file is being written any more. The window
itself has gone from the screen before both.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from app.environment import prepare_process

if __name__ == "__main__":
    prepare_process()

import cv2

from app.end_signals import leave_process
from app.jobs.training import TrainingRuns
from app.machine import describe_machine
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from app.sources.base import Picture, SourceFacts
from app.sources.choose import ChosenSource, SourceOptions, choose_source
from app.sources.demo import DEMO_CLIP
from app.ui.recording.record_panel import RecordPanel
from app.ui.training.networks_panel import NetworksPanel
from app.ui.window.main_window import MainWindow
from app.user_dirs import default_runs_folder
from benchmarks.demo_window import close_measured, make_application, open_window, wait, wait_for_hands
from trainer.runs.run_folder import FineTuneRequest

_STREAM_PORT = 39102


class StuckCamera:
    """A camera whose driver does not return, from opening or from the first read on."""

    name = "Stuck camera"

    def __init__(self, *, opens: bool) -> None:
        """Not open.

        Args:
            opens: whether opening succeeds; no read does.
        """
        self._opens = opens
        self._never = threading.Event()

    def open(self) -> SourceFacts:
        """Returns where it should."""
        if not self._opens:
            self._never.wait()
        return SourceFacts(self.name, "camera", 640, 480, 30.0, live=True)

    def read(self) -> Picture:
        """Never returns."""
        self._never.wait()
        raise AssertionError

    def close(self) -> None:
        """Nothing to do."""

    def may_be_back(self) -> bool:
        """Never."""
        return False


def _measured(name: str, prepare: Callable[[Path], MainWindow], scratch: Path) -> None:
    window = prepare(scratch)
    given_back_s, saved_s = close_measured(window)
    window.deleteLater()
    wait(0.1)
    print(f"| {name} | {given_back_s:.2f} | {saved_s:.2f} |", flush=True)


def _playing(_scratch: Path) -> MainWindow:
    window = open_window()
    wait_for_hands(window)
    return window


def _loading(_scratch: Path) -> MainWindow:
    window = open_window()
    wait(0.3)
    return window


def _stuck(*, opens: bool) -> Callable[[Path], MainWindow]:
    def prepare(_scratch: Path) -> MainWindow:
        window = open_window(ChosenSource(StuckCamera(opens=opens), is_camera=True))
        wait(2.0)
        return window

    return prepare


def _next_source(_scratch: Path) -> MainWindow:
    """Prints besides how long the next source waits for a camera that does not return."""
    window = _stuck(opens=True)(_scratch)
    started_s = time.monotonic()
    window.choose(str(DEMO_CLIP))
    while window.pipeline.source_state.frames == 0:
        wait(0.02)
    print(f"| (the first frame of the next source came after) | {time.monotonic() - started_s:.2f} | |")
    return window


def _pipe(suffix: str) -> Callable[[Path], MainWindow]:
    """A pipe without a writer, which blocks at its opening."""

    def prepare(scratch: Path) -> MainWindow:
        pipe = scratch / f"pipe{suffix}"
        os.mkfifo(pipe)
        window = open_window(choose_source(str(pipe), SourceOptions()))
        wait(2.0)
        return window

    return prepare


def _pipes_as_files(scratch: Path) -> MainWindow:
    """Pipes in place of a picture in a folder, of a session's and of a network's files."""
    pictures = scratch / "pictures"
    pictures.mkdir()
    os.mkfifo(pictures / "a.jpg")
    window = open_window(choose_source(str(pictures), SourceOptions()))
    os.mkfifo(scratch / "a.handnet")
    panel = window.findChild(NetworksPanel)
    if panel is not None:
        panel.open_file(scratch / "a.handnet")
    wait(2.0)
    return window


def _recording(scratch: Path) -> MainWindow:
    window = _playing(scratch)
    panel = window.findChild(RecordPanel)
    if panel is not None:
        panel.home = scratch / "sessions"
        panel.begin()
    wait(3.0)
    return window


def _vetting(scratch: Path) -> MainWindow:
    window = _playing(scratch)
    network = scratch / "stranger"
    shutil.copytree(SHIPPED_NETWORK_DIR, network)
    # other content, so that it is not known; the child still takes seconds to load it
    (network / "network.json").write_bytes((network / "network.json").read_bytes() + b"\n" * os.getpid())
    panel = window.findChild(NetworksPanel)
    if panel is not None:
        panel.try_and_swap(network)
    wait(1.0)
    return window


def _training(scratch: Path) -> MainWindow:
    run = TrainingRuns(default_runs_folder()).create(FineTuneRequest(str(SHIPPED_NETWORK_DIR), str(scratch)))
    run.start()
    window = _playing(scratch)
    run.kill()
    return window


def _streaming(_scratch: Path) -> MainWindow:
    """Clients that connect and take nothing."""
    window = open_window(streams=("udp:39100", "osc:39101", f"ws:{_STREAM_PORT},mesh"))
    wait_for_hands(window)
    for _ in range(4):
        with suppress(OSError):
            client = socket.create_connection(("127.0.0.1", _STREAM_PORT))
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            _CLIENTS.append(client)
    wait(3.0)
    return window


_CLIENTS: list[socket.socket] = []

CASES: dict[str, Callable[[Path], MainWindow]] = {
    "while engines load": _loading,
    "a clip plays": _playing,
    "a camera does not return from being opened": _stuck(opens=False),
    "a camera does not return from reading": _stuck(opens=True),
    "the source after such a camera plays": _next_source,
    "a video is a pipe without a writer": _pipe(".mp4"),
    "a picture is a pipe without a writer": _pipe(".jpg"),
    "pictures and a shared network are such pipes": _pipes_as_files,
    "a session is recorded": _recording,
    "a stranger's network is tried": _vetting,
    "a training run is at work": _training,
    "streams have clients that take nothing": _streaming,
}


def main() -> NoReturn:
    """Prints a line for each state; the process is left as the program leaves it."""
    with tempfile.TemporaryDirectory(prefix="handlive-closing-") as scratch:
        # nothing of the user's is read or changed
        for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            os.environ[variable] = scratch
        application = make_application()
        cv2.setNumThreads(1)
        machine = describe_machine()
        print(f"{machine['processor']}, {machine['cores']} cores, load {os.getloadavg()[0]:.1f}\n")
        print("| state | given back after, s | files whole after, s |\n|---|---|---|")
        for number, (name, prepare) in enumerate(CASES.items()):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            _measured(name, prepare, folder)
        application.processEvents()
    sys.stdout.flush()
    leave_process(0)


if __name__ == "__main__":
    main()
