"""Tests in a child process with limits whether a network can be loaded at all.

An ONNX file is a program: it may compute for ever, or request all memory, and the process that runs it cannot stop it.
So a network that is not shipped with the product is first loaded and run on the demo clip by
a child process with limits of memory and time (:mod:`app.networks.vetting_child`), which is killed when it exceeds them
or when the result is not needed any more. A network that passed is recorded by its content, and is not tried again.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.child_process import PRODUCT_FOLDER, child_environment, python_command
from app.user_dirs import networks_folder
from assets import ASSETS_DIR
from hand.atomic_file import append_line
from hand.errors import CheckpointError
from inference.runtime import METADATA_FILE, ONNX_FILE, read_metadata

MEMORY_BYTES: Final = 1536 << 20
"""Memory limit for loading and running a network; the shipped one takes a tenth."""

COMPUTE_S: Final = 60
"""Limit of processor time; the shipped network needs two seconds."""

WAIT_S: Final = 180.0
"""Passed time, because other programs may keep the processor busy."""

_POLL_S: Final = 0.05
_CHUNK_BYTES: Final = 1 << 20


def vetted_file() -> Path:
    """Digests of the networks that passed, one a line."""
    return networks_folder() / "vetted.txt"


class NetworkVetting:
    """Tries networks, one or several at a time, until it is aborted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._broken_off = False

    def vet(self, folder: Path) -> None:
        """Returns when the network in a folder may be loaded; takes seconds where it is not known yet.

        Args:
            folder: of an exported network.

        Raises:
            CheckpointError: it cannot be loaded or run within the limits, or the trial was broken off.
        """
        read_metadata(folder)
        if folder.resolve().is_relative_to(ASSETS_DIR.resolve()):
            return
        digest = _digest(folder)
        with suppress(OSError):
            if digest in vetted_file().read_text(encoding="ascii", errors="replace").split():
                return
        self._try(folder)
        with suppress(OSError):  # then it is tried again the next time
            append_line(vetted_file(), digest)

    def break_off(self) -> None:
        """Aborts the trial at once and for good; threads that wait for it get an error."""
        with self._lock:
            self._broken_off = True
            for child in self._children:
                child.kill()

    def _try(self, folder: Path) -> None:
        command = python_command(
            "app.networks.vetting_child", str(folder.absolute()), str(MEMORY_BYTES), str(COMPUTE_S)
        )
        with self._lock:
            if self._broken_off:
                raise CheckpointError(f"The trial of the network in {folder} was broken off.")
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,  # closed with this program, which ends the child
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    cwd=PRODUCT_FOLDER,
                    env=child_environment(),
                )
            except OSError as problem:
                raise CheckpointError(
                    f"No process can be started to try the network in {folder} ({problem.strerror}); free some memory."
                ) from None
            self._children.add(child)
        try:
            in_time = _wait(child)
        finally:
            with self._lock:
                self._children.discard(child)
            child.kill()
            output = child.communicate()[0]
        if self._broken_off:
            raise CheckpointError(f"The trial of the network in {folder} was broken off.")
        try:
            content = json.loads(output.splitlines()[-1])
            message = str(content.get("problem", ""))
        except (ValueError, IndexError, AttributeError):
            message = (
                f"The network in {folder} takes longer than {COMPUTE_S} s to be tried; do not use it."
                if not in_time or child.returncode in (-24, -9, 152)  # SIGXCPU, and SIGKILL at the hard limit
                else f"The network in {folder} needs more than {MEMORY_BYTES >> 20} MiB of memory, or breaks its "
                "engine; do not use it."
            )
        if message:
            raise CheckpointError(message)


def _wait(child: subprocess.Popen[bytes]) -> bool:
    """False where it has not ended in time; its output is far shorter than what a pipe holds."""
    end_s = time.monotonic() + WAIT_S
    while child.poll() is None:
        if time.monotonic() > end_s:
            return False
        time.sleep(_POLL_S)
    return True


def _digest(folder: Path) -> str:
    """Of everything that is run: the model and its metadata."""
    found = hashlib.sha256()
    try:
        for name in (METADATA_FILE, ONNX_FILE):
            with (folder / name).open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    found.update(chunk)
            found.update(b"|")
    except OSError as problem:
        raise CheckpointError(
            f"The network {folder / ONNX_FILE} cannot be read ({problem.strerror}); install it again."
        ) from None
    return found.hexdigest()
