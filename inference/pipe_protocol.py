"""Messages between the program and the child process that runs its network under torch, for both ends.

Crops go one way and packed outputs come back, as little-endian numbers after a short header; nothing that is read
is executed. Before the first crop the server sends one JSON line that describes it. This module does not import torch.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import IO, Final

import numpy as np
from jaxtyping import Float

from hand.errors import CheckpointError
from inference.runtime import OUTPUT_NAMES

OUTPUT_SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "rotations": (16, 3, 3),
    "shape": (10,),
    "camera": (3,),
    "joints_crop": (21, 2),
    "log_sigma": (21,),
    "presence_logit": (),
    "right_logit": (),
    "certainty": (),
}
"""Of one crop's outputs, by name, in the order in which they are packed."""

ANSWER_LENGTH: Final = sum(math.prod(shape) for shape in OUTPUT_SHAPES.values())

MOST_CROPS: Final = 4096
"""In one question; more is no question but a broken pipe."""

_HEAD: Final = struct.Struct("<II")
_PROBLEM: Final = 0xFFFFFFFF
_LONGEST_LINE: Final = 4096


class NetworkProcessError(Exception):
    """The other process refuses or has ended; the text is a clause without a full stop."""


def pack(parts: Mapping[str, np.ndarray]) -> Float[np.ndarray, "B N"]:
    """A network's outputs, concatenated in the order of their names into one array."""
    return np.concatenate([np.reshape(parts[name], (len(parts[name]), -1)) for name in OUTPUT_NAMES], 1)


def unpack(packed: Float[np.ndarray, "B N"]) -> dict[str, np.ndarray]:
    """What :func:`pack` packed, by name, in arrays of their own.

    Args:
        packed: of every crop :data:`ANSWER_LENGTH` numbers.
    """
    parts: dict[str, np.ndarray] = {}
    start = 0
    for name in OUTPUT_NAMES:
        shape = OUTPUT_SHAPES[name]
        length = math.prod(shape)
        parts[name] = packed[:, start : start + length].reshape(len(packed), *shape).copy()
        start += length
    return parts


def send_greeting(stream: IO[bytes], device: str, problem: str = "") -> None:
    """Sends the name of the server's device, or the reason why it cannot run."""
    stream.write(json.dumps({"device": device, "problem": problem}).encode() + b"\n")
    stream.flush()


def receive_greeting(stream: IO[bytes]) -> str:
    """The name of the server's device.

    Raises:
        CheckpointError: the server cannot run; the message gives the reason.
        NetworkProcessError: it ended without a message.
    """
    try:
        content = json.loads(stream.readline(_LONGEST_LINE))
        device, problem = str(content["device"]), str(content["problem"])
    except (ValueError, KeyError, TypeError, OSError):
        raise NetworkProcessError("it ended before it was ready") from None
    if problem:
        raise CheckpointError(problem)
    return device


def send_crops(
    stream: IO[bytes], images: Float[np.ndarray, "B 3 S S"], landmarks: Float[np.ndarray, "B L"] | None = None
) -> None:
    """Sends a request: a batch of crops.

    Args:
        stream: to the server.
        images: RGB, 0 to 255.
        landmarks: for a network that takes them.

    Raises:
        NetworkProcessError: the server has ended.
    """
    try:
        stream.write(_HEAD.pack(len(images), images.shape[-1]))
        stream.write(np.ascontiguousarray(images, "<f4").data)
        if landmarks is not None:
            stream.write(np.ascontiguousarray(landmarks, "<f4").data)
        stream.flush()
    except (OSError, ValueError):
        raise NetworkProcessError("it has ended") from None


def receive_crops(
    stream: IO[bytes], input_px: int, landmark_numbers: int = 0
) -> tuple[Float[np.ndarray, "B 3 S S"], Float[np.ndarray, "B L"]] | None:
    """Reads the next request; None at the end of the stream.

    Args:
        stream: from the program.
        input_px: side of the network's crops.
        landmark_numbers: of each crop; 0 for a network that takes no landmarks.

    Raises:
        NetworkProcessError: the bytes are not a request.
    """
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    count, side = _HEAD.unpack(head)
    if side != input_px or not 0 < count <= MOST_CROPS:
        raise NetworkProcessError(f"crops of {input_px} px expected, got {count} of {side} px")
    lengths = (count * 3 * side * side, count * landmark_numbers)
    parts = [stream.read(length * 4) for length in lengths]
    if any(len(part) < length * 4 for part, length in zip(parts, lengths, strict=True)):
        return None
    images, landmarks = (np.frombuffer(part, "<f4") for part in parts)
    return images.reshape(count, 3, side, side), landmarks.reshape(count, landmark_numbers)


def send_answers(stream: IO[bytes], packed: Float[np.ndarray, "B N"]) -> None:
    """Sends the reply to a request."""
    stream.write(_HEAD.pack(len(packed), packed.shape[1]))
    stream.write(np.ascontiguousarray(packed, "<f4").data)
    stream.flush()


def send_problem(stream: IO[bytes], problem: str) -> None:
    """Sends the reason why there is no reply; the server ends afterwards."""
    words = problem.encode()[:_LONGEST_LINE]
    stream.write(_HEAD.pack(_PROBLEM, len(words)) + words)
    stream.flush()


def receive_answers(stream: IO[bytes], count: int) -> Float[np.ndarray, "B N"]:
    """Reads the packed outputs for a number of crops.

    Raises:
        NetworkProcessError: the server sent a reason instead, or has ended.
    """
    try:
        head = stream.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise NetworkProcessError("it has ended")
        came, length = _HEAD.unpack(head)
        if came == _PROBLEM:
            raise NetworkProcessError(stream.read(min(length, _LONGEST_LINE)).decode(errors="replace"))
        if (came, length) != (count, ANSWER_LENGTH):
            raise NetworkProcessError(f"it gave {came} answers of {length} numbers to {count} crops")
        content = stream.read(count * length * 4)
    except (OSError, ValueError):
        raise NetworkProcessError("it has ended") from None
    if len(content) < count * length * 4:
        raise NetworkProcessError("it has ended")
    return np.frombuffer(content, "<f4").reshape(count, length)
