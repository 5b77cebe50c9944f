"""The optional parts there are, what each costs on this system, and whether it is installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.child_process import PRODUCT_FOLDER

_LINE_MBIT_S: Final = 100.0
"""Speed of the internet connection that the stated minutes assume."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an installation costs beside a live part that is already there.

    Attributes:
        download_mb: size of the wheels, in 10^6 bytes.
        disk_mb: size of the unpacked files, in 10^6 bytes.
        unpack_minutes: time to unpack them, on two cores of a server and its disk.
    """

    download_mb: int
    disk_mb: int
    unpack_minutes: float

    @property
    def minutes(self) -> int:
        """Whole time on a line of 100 Mbit/s."""
        return max(round(self.download_mb * 8.0 / _LINE_MBIT_S / 60.0 + self.unpack_minutes), 1)

    def describe(self) -> str:
        """One sentence for people."""
        return (
            f"It downloads {size_text(self.download_mb)} and takes {size_text(self.disk_mb)} on disk: "
            f"about {self.minutes} min on a line of {_LINE_MBIT_S:.0f} Mbit/s."
        )


@dataclass(frozen=True, slots=True)
class OptionalPart:
    """A part that the live view does without.

    Attributes:
        name: of the extra in ``pyproject.toml``, and on the command line.
        title: for people, as it stands within a sentence.
        purpose: one sentence, what it is for.
        modules: all of them are there when the part is installed. Each is also the name of its distribution.
        costs: by system and processor, as :func:`_system` names them; "" holds for all others.
    """

    name: str
    title: str
    purpose: str
    modules: tuple[str, ...]
    costs: dict[str, Cost]

    @property
    def cost(self) -> Cost:
        """What it costs on this system."""
        return self.costs.get(_system(), self.costs[""])

    @property
    def command(self) -> str:
        """The command line that installs it, run from the program's folder."""
        try:
            python = Path(sys.executable).relative_to(PRODUCT_FOLDER).as_posix()
        except ValueError:
            python = "python"
        return f"{python} main_v2.py install {self.name}"

    def is_installed(self) -> bool:
        """Whether the running interpreter can import it; nothing of it is imported."""
        return all(map(_is_installed, self.modules))


# Measured by `python scripts/measure_parts.py NAME [PLATFORM]`, which prints these two figures.
TRAIN: Final = OptionalPart(
    name="train",
    title="training part",
    purpose="It holds PyTorch and what goes with it, for teaching a network your hand and for running it on a "
    "graphics card.",
    modules=("torch", "torchvision", "lightning", "tensorboard", "onnx", "onnxscript"),
    # nearly all of it on Linux is for NVIDIA cards, and the package index has no Linux build of PyTorch without that
    costs={
        "": Cost(3050, 5800, 2.0),
        "linux aarch64": Cost(3250, 5850, 2.0),
        "darwin arm64": Cost(120, 600, 0.5),
        "win32 amd64": Cost(165, 800, 0.5),
    },
)
OPEN3D: Final = OptionalPart(
    name="open3d",
    title="mesh part",
    purpose="It holds Open3D, for the window that inspects a mesh.",
    modules=("open3d",),
    costs={"": Cost(440, 1150, 0.5)},
)
MEDIAPIPE: Final = OptionalPart(
    name="mediapipe",
    title="MediaPipe part",
    purpose="It holds Google's own MediaPipe package, as a second hand detector to compare with.",
    modules=("mediapipe",),
    costs={"": Cost(140, 430, 0.3)},
)
PARTS: Final = {part.name: part for part in (TRAIN, OPEN3D, MEDIAPIPE)}


def size_text(megabytes: float) -> str:
    """A size for people: "80 MB", "2.7 GB"."""
    return f"{megabytes / 1000.0:.1f} GB" if megabytes >= 1000.0 else f"{megabytes:.0f} MB"


def _is_installed(module: str) -> bool:
    # a folder alone may be what an installation that was broken off has left: the metadata is the last to be unpacked
    try:
        importlib.metadata.version(module)
        return importlib.util.find_spec(module) is not None
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return False


def _system() -> str:
    return f"{sys.platform} {platform.machine().lower()}"
