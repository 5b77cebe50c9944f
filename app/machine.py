"""The description of the machine in reports."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("numpy", "opencv-python-headless", "numba", "onnxruntime", "PyQt6", "torch", "mediapipe")


def describe_machine() -> dict[str, str | int | dict[str, str]]:
    """System, processor, cores that may be used, Python and package versions; nothing that names a person."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": _usable_cores(),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in _PACKAGES},
    }


def product_version() -> str:
    return _version("handlive")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _usable_cores() -> int:
    # a container may own fewer cores than the machine has
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
