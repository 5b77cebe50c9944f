"""The Python environment that a part is installed into: where it lies, what is in it, and why it may not be changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BUILD_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv"})
"""No running code has loaded them, and some packages require newer ones."""


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """An environment.

    Attributes:
        python: its interpreter.
        site_packages: the folder that packages are installed into.
        search_path: folders in which its interpreter finds packages.
        externally_managed: the system's package manager owns it, marked by the file EXTERNALLY-MANAGED (PEP 668).
    """

    python: Path
    site_packages: Path
    search_path: tuple[str, ...]
    externally_managed: bool = False

    def installed_versions(self) -> dict[str, str]:
        """Version of each distribution, by its normalised name; tools that install and build are left out."""
        versions: dict[str, str] = {}
        for folder in self.search_path:
            for name, version in _distributions_in(folder or "."):
                versions.setdefault(name, version)  # the first one found is the one imported
        return {name: version for name, version in versions.items() if name not in _BUILD_TOOLS}

    def packages_now(self) -> set[str]:
        """Normalised names of what lies in its folder."""
        return {name for name, _ in _distributions_in(str(self.site_packages))}

    def installer(self) -> list[str] | None:
        """The command that installs into it, ending in ``install``: pip, or else uv; None where there is neither."""
        if self._has_pip():
            return [str(self.python), "-P", "-m", "pip", "install"]
        uv = shutil.which("uv")
        return None if uv is None else [uv, "pip", "install", "--python", str(self.python)]

    def is_writable(self) -> bool:
        """Whether files can be made in it; tried, because root may write where the file system may not be written."""
        probe = self.site_packages / f".handlive-probe-{os.getpid()}"
        try:
            probe.touch()
            probe.unlink()
        except OSError:
            return False
        return True

    def free_mb(self) -> float:
        """Free space where it lies, in 10^6 bytes."""
        return shutil.disk_usage(self.site_packages).free / 1e6

    def _has_pip(self) -> bool:
        command = [
            str(self.python),
            "-P",
            "-c",
            "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)",
        ]
        return subprocess.run(command, capture_output=True, check=False, cwd=self.site_packages).returncode == 0


def running_environment() -> PythonEnvironment:
    in_venv = sys.prefix != sys.base_prefix
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    return PythonEnvironment(
        Path(sys.executable), Path(sysconfig.get_path("purelib")), tuple(sys.path), not in_venv and marker.is_file()
    )


def _distributions_in(folder: str) -> Iterator[tuple[str, str]]:
    """Normalised name and version of each distribution in a folder.

    From the names of the metadata folders alone (PEP 427: NAME-VERSION.dist-info), because :mod:`importlib.metadata`
    parses every file, which holds the window up for half a second.
    """
    try:
        entries = [entry.name for entry in os.scandir(folder)]
    except OSError:  # search paths may name archives, and folders that are not there
        return
    for entry in entries:
        stem, dot, suffix = entry.rpartition(".")
        name, dash, version = stem.partition("-")
        if dot and dash and suffix in ("dist-info", "egg-info") and not name.startswith("~"):  # so pip marks what goes
            yield normalised(name), version.partition("-")[0]


def normalised(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return "-".join(filter(None, name.lower().replace("_", "-").replace(".", "-").split("-")))
