"""What the network runs on: the graphics card where there is one that torch can use, the processor elsewhere."""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Final, Literal

from app.optional_parts.parts import TRAIN

Device = Literal["cpu", "cuda", "mps"]
"""The processor (ONNX Runtime, in this process), an NVIDIA card, or an Apple GPU (torch, in a process of its own)."""

DeviceChoice = Literal["auto", "cpu", "cuda", "mps"]

_CARD_NAMES: Final[dict[Device, str]] = {"cuda": "NVIDIA graphics card", "mps": "Apple GPU"}
_CUDA_LIBRARY: Final = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def chosen_device(choice: DeviceChoice) -> Device:
    """The device that a choice stands for on this machine.

    Args:
        choice: the user's; "auto" leaves it to the machine.
    """
    if choice != "auto":
        return choice
    if _cuda_cards() > 0:
        return "cuda"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    return "cpu"


def why_card_is_unused(choice: DeviceChoice) -> str:
    """One sentence when a graphics card is to run the network and only the training part is lacking, else empty.

    Args:
        choice: the user's; "auto" leaves it to the machine.
    """
    if TRAIN.is_installed():
        return ""
    device = chosen_device(choice)
    if device == "cpu":
        return ""
    return (
        f"The {_CARD_NAMES[device]} is not used, because the training part, which holds what it needs, is not "
        f"installed; install it in the panel Teach, or with '{TRAIN.command}'."
    )


def _cuda_cards() -> int:
    """Number of cards, from NVIDIA's driver itself, because torch must not be loaded into this process."""
    try:
        driver = ctypes.CDLL(_CUDA_LIBRARY)
        count = ctypes.c_int(0)
        failed = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else count.value
