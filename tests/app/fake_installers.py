"""Installers that need no network: a pip with scripted behaviour, and wheels of a few bytes.

The fake pip is a package ``pip`` in a folder of its own; put that folder first on ``PYTHONPATH`` and ``python -m pip``
runs it.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from app.optional_parts.environment import PythonEnvironment
from app.optional_parts.parts import Cost, OptionalPart

MODULE = "handlive_tiny_part"

TINY_PART = OptionalPart("tiny", "tiny part", "It is an empty module for tests.", (MODULE,), {"": Cost(3, 4, 0.1)})

_PIP_FAKE = """
import os, pathlib, subprocess, sys, time

def echo(*lines):
    print(*lines, sep="\\n", flush=True)

behaviour, site = os.environ["PIP_FAKE"], pathlib.Path(os.environ["PIP_FAKE_SITE"])
(pathlib.Path(os.environ["PIP_FAKE_ARGUMENTS"])).write_text("\\n".join(sys.argv[1:]))

def download():
    echo("Collecting handlive_tiny_part>=1", "  Downloading handlive_tiny_part-1.0-py3-none-any.whl (3.0 MB)")
    folder = pathlib.Path(os.environ["TMPDIR"]) / "pip-unpack-x"
    folder.mkdir()
    (folder / "handlive_tiny_part-1.0-py3-none-any.whl").write_bytes(bytes(2_000_000))

def unpack(*names):
    echo("Installing collected packages: " + ", ".join(names))

def place(name):
    (site / f"{name}.py").write_text("")
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")

if behaviour == "install":
    download()
    unpack("handlive_tiny_part")
    place("handlive_tiny_part")
elif behaviour == "wait while downloading":
    download()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (site.parent / "child").write_text(str(child.pid))
    time.sleep(60)
elif behaviour == "wait while unpacking":
    download()
    unpack("first", "handlive_tiny_part")
    place("first")
    time.sleep(60)
elif behaviour == "do not listen":
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    echo("Collecting handlive_tiny_part>=1")
    time.sleep(60)
elif behaviour == "nothing":
    pass
else:
    echo(*behaviour.split("|"))
    sys.exit(1)
"""


def write_fake_pip(folder: Path) -> Path:
    """Writes the package; returns the folder for ``PYTHONPATH``."""
    package = folder / "pip"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(_PIP_FAKE)
    return folder


def use_fake_pip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> PythonEnvironment:
    """This interpreter with the fake pip, which installs into an empty site-packages folder below ``folder``."""
    site = folder / "site"
    site.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(write_fake_pip(folder / "fake")))
    monkeypatch.setenv("PIP_FAKE_SITE", str(site))
    monkeypatch.setenv("PIP_FAKE_ARGUMENTS", str(folder / "arguments"))
    monkeypatch.setenv("PIP_FAKE", "install")
    return PythonEnvironment(Path(sys.executable), site, (str(site),))


def write_product(folder: Path, *requirements: str) -> Path:
    """Writes a ``pyproject.toml`` whose extra ``tiny`` consists of the requirements; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(f'"{requirement}"' for requirement in requirements)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "p"\n[project.optional-dependencies]\ntiny = [{listed}]\n'
    )
    return folder


def write_wheel(folder: Path, name: str, version: str, *requires: str) -> Path:
    """Writes a wheel with one empty module (the binary distribution format of PyPA)."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
