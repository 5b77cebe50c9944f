"""``python -m trainer.serving.network_server FOLDER DEVICE``: serves an exported network under torch over pipes.

The program has no torch in its own process (docs/architecture.md gives the reason), so where there is a graphics card
it starts this one: crops come in on standard input, answers go out on standard output (``inference.pipe_protocol``). It
ends when the input does, so it never outlives the program.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch

from hand.errors import HandliveError
from inference.pipe_protocol import (
    NetworkProcessError,
    pack,
    receive_crops,
    send_answers,
    send_greeting,
    send_problem,
)
from inference.runtime import INPUT_NAME, LANDMARKS_NAME, OUTPUT_NAMES, Session, input_sizes, read_metadata
from trainer.serving.cuda_session import CudaSession
from trainer.serving.torch_session import TorchSession, network_in_folder

MEMORY_SENTENCE = "the graphics card has no memory left; close what else uses it"


def main(arguments: Sequence[str]) -> int:
    """Serves until the input ends.

    Args:
        arguments: folder of an exported network, and "cuda", "mps" or "cpu".

    Returns:
        0, or 2 when the network cannot run or stopped running; the reason was sent to the program.
    """
    folder, device = Path(arguments[0]), arguments[1]
    # the program ends this process by closing its input; Ctrl+C in a terminal goes to both
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not end up among the answers
    try:
        session, name = open_session(folder, device)
        input_px, landmark_numbers = input_sizes(read_metadata(folder))
    except HandliveError as problem:
        send_greeting(answers, device, str(problem))
        return 2
    send_greeting(answers, name)
    return serve(session, input_px, sys.stdin.buffer, answers, landmark_numbers)


def open_session(folder: Path, device: str) -> tuple[Session, str]:
    """A network that is ready on a device, and the device's name for people.

    Args:
        folder: of an exported network.
        device: "cuda", "mps" or "cpu".

    Raises:
        HandliveError: the folder cannot be used, or the device.
    """
    network = network_in_folder(folder)
    if device == "cuda":
        return CudaSession(network), torch.cuda.get_device_name()
    return TorchSession(network, device), {"mps": "Apple GPU"}.get(device, "processor, under torch")


def serve(session: Session, input_px: int, questions: IO[bytes], answers: IO[bytes], landmark_numbers: int = 0) -> int:
    """Answers questions until there are none, or until the session fails.

    Args:
        session: what answers.
        input_px: side of its crops.
        questions: from the program.
        answers: to the program.
        landmark_numbers: that come with each crop; 0 for a network that takes no landmarks.
    """
    try:
        while (question := receive_crops(questions, input_px, landmark_numbers)) is not None:
            inputs = dict(zip((INPUT_NAME, LANDMARKS_NAME), question, strict=True))
            if not landmark_numbers:
                del inputs[LANDMARKS_NAME]
            values = session.run(OUTPUT_NAMES, inputs)
            send_answers(answers, pack(dict(zip(OUTPUT_NAMES, values, strict=True))))
    except torch.cuda.OutOfMemoryError:
        send_problem(answers, MEMORY_SENTENCE)
        return 2
    except (NetworkProcessError, RuntimeError) as problem:
        send_problem(answers, (str(problem) or type(problem).__name__).splitlines()[0])
        return 2
    except BrokenPipeError:
        pass
    return 0


if __name__ == "__main__":
    # there is nothing to save, and the program waits: unloading torch takes longer than all else
    os._exit(main(sys.argv[1:]))
