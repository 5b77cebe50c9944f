"""The network on a graphics card: a child process runs torch and answers over a pipe; the processor takes over from it.

torch and software OpenGL crash each other in one process (docs/architecture.md), so a crop is sent through a pipe, and
some hundred numbers come back.
"""

from __future__ import annotations

import logging
import math
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.child_process import PRODUCT_FOLDER, child_environment, python_command
from app.networks.device import Device
from hand.errors import CheckpointError
from inference.pipe_protocol import (
    NetworkProcessError,
    receive_answers,
    receive_greeting,
    send_crops,
    unpack,
)
from inference.runtime import INPUT_NAME, LANDMARKS_NAME, Session, grey_inputs, open_session

logger = logging.getLogger(__name__)

_END_S: Final = 1.0
_LOOK_S: Final = 0.5
START_S: Final = 120.0
"""For torch to come up and the network to get ready on the card."""

ANSWER_S: Final = 5.0
"""For an answer; a card takes milliseconds, but one that other programs fill up or that is being reset hangs."""


class GpuSession:
    """Replaces ONNX Runtime's session; when the card's process fails, that one takes over for good."""

    def __init__(self, folder: Path, device: Device, metadata: Mapping[str, Any]) -> None:
        """Starts the process, waits until the network is on the card, and tries it.

        Args:
            folder: of an exported network.
            device: not the processor.
            metadata: the network's own.

        Raises:
            CheckpointError: the card cannot be used, or the network.
        """
        self._folder = folder
        self._metadata = metadata
        self._lock = threading.Lock()
        self._instead: Session | None = None
        self.note = ""
        self._process = subprocess.Popen(
            python_command("trainer.serving.network_server", str(folder.absolute()), device),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=PRODUCT_FOLDER,
            env=child_environment(),
        )
        self._time_limit = _TimeLimit(self._process)
        # ends the process with the session or the program
        self._end = weakref.finalize(self, _end, self._process, self._time_limit)
        try:
            assert self._process.stdout is not None
            with self._time_limit.for_s(START_S):
                self.device_name = receive_greeting(self._process.stdout)
            answers = self._ask(grey_inputs(metadata))
            if not all(np.isfinite(answer).all() for answer in answers.values()):
                raise CheckpointError("On the graphics card the network gives numbers that are not finite.")
        except CheckpointError:
            self.close()
            raise
        except NetworkProcessError as problem:
            self.close()
            raise CheckpointError(f"The network could not be started on the graphics card ({problem}).") from None

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        """The named outputs for a batch, as ``onnxruntime.InferenceSession.run`` gives them.

        Raises:
            CheckpointError: the card failed, and the processor cannot run the network either.
        """
        with self._lock:
            if self._instead is None:
                try:
                    parts = self._ask(inputs)
                    return [parts[name] for name in output_names]
                except NetworkProcessError as problem:
                    self._fall_back(str(problem))
            assert self._instead is not None
            return self._instead.run(output_names, inputs)

    def close(self) -> None:
        """Ends the process."""
        self._end()

    def _ask(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        images = inputs[INPUT_NAME]
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None
        assert answers is not None
        try:
            with self._time_limit.for_s(ANSWER_S):
                send_crops(questions, images, inputs.get(LANDMARKS_NAME))
                return unpack(receive_answers(answers, len(images)))
        except NetworkProcessError:
            if self._time_limit.is_lost:
                raise NetworkProcessError(f"it did not answer for {ANSWER_S:g} s") from None
            raise

    def _fall_back(self, cause: str) -> None:
        self._instead = open_session(self._folder, self._metadata)
        self.note = f"The graphics card stopped running the network ({cause}), so the processor does."
        logger.warning(self.note)
        self.close()


class _TimeLimit:
    """Kills a process that exceeds the time limit; the waiting reader then reaches the end of the pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.is_lost = False
        self._process = process
        self._deadline_s = math.inf
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="time limit of the card", daemon=True)
        self._thread.start()

    @contextmanager
    def for_s(self, seconds: float) -> Iterator[None]:
        """Inside, the process is killed after so many seconds."""
        self._deadline_s = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline_s = math.inf

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            if time.monotonic() > self._deadline_s:
                self.is_lost = True
                self._process.kill()
                return


def _end(process: subprocess.Popen[bytes], time_limit: _TimeLimit) -> None:
    """Closes the pipes; the process ends by itself at the end of its input."""
    time_limit.end()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):  # nothing reads what was to be flushed
                stream.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
