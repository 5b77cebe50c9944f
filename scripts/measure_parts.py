#!/usr/bin/env python3
"""Prints what an optional part downloads and takes on disk, beside a live part that is there.

The figures stand in app/optional_parts/parts.py.

usage: python scripts/measure_parts.py PART [SYSTEM] [PYTHON]
       SYSTEM is linux, linux-arm, macos or windows; PYTHON is a version such as 3.13.

It resolves the live part with and without the part (uv), downloads the wheels that are new (pip) into a temporary
folder (TMPDIR names it), and adds up the sizes of the files, and of what they become on disk.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_COMPILED_SHARE = 1.5
"""Size of .pyc files over that of their .py files: 1.51 in a whole environment of Python 3.11."""
_LINUX = [
    "manylinux2014",
    *(f"manylinux_2_{minor}" for minor in range(5, 41)),
]  # a tag given to pip stands for no older one
SYSTEMS = {
    "linux": ("x86_64-manylinux_2_40", [f"{tag}_x86_64" for tag in _LINUX]),
    "linux-arm": ("aarch64-manylinux_2_40", [f"{tag}_aarch64" for tag in _LINUX]),
    "macos": ("aarch64-apple-darwin", ["macosx_14_0_arm64", "macosx_14_0_universal2"]),
    "windows": ("x86_64-pc-windows-msvc", ["win_amd64"]),
}
"""By name: the target for uv, the platform tags for pip."""


def main(part: str, system: str = "linux", python: str = "3.13") -> None:
    """Measures one part on one system."""
    target, tags = SYSTEMS[system]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    live = project["dependencies"]
    wanted = live + project["optional-dependencies"][part]
    new = sorted(resolve(wanted, target, python) - resolve(live, target, python))
    with tempfile.TemporaryDirectory() as folder:
        download(new, tags, python, Path(folder))
        wheels = list(Path(folder).iterdir())
        packed = sum(wheel.stat().st_size for wheel in wheels)
        unpacked = sum(size_on_disk(entry) for wheel in wheels for entry in zipfile.ZipFile(wheel).infolist())
    sizes = f"download {packed / 1e6:.0f} MB, disk {unpacked / 1e6:.0f} MB"
    print(f"{part} on {system}, Python {python}: {len(new)} packages, {sizes}")


def resolve(requirements: list[str], target: str, python: str) -> set[str]:
    """Names and versions that requirements come to, as "name==version"."""
    command = ["uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--python-platform", target]
    given = "\n".join(requirements)
    done = subprocess.run(
        [*command, "--python-version", python], input=given, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split("\n")) - {""}


def size_on_disk(entry: zipfile.ZipInfo) -> float:
    """Bytes of a packed file once it is installed; pip keeps a compiled copy of each module beside it."""
    return entry.file_size * (1.0 + _COMPILED_SHARE * entry.filename.endswith(".py"))


def download(pinned: list[str], tags: list[str], python: str, folder: Path) -> None:
    """Downloads wheels of exactly these versions."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += [word for tag in tags for word in ("--platform", tag)]
    subprocess.run([*command, "--python-version", python, "--dest", str(folder), *pinned], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
