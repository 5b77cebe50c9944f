"""``python -m benchmarks.install_size [LEVEL]``: what an installation downloads, takes on disk and lasts.

Downloads every wheel of the level into an empty folder, then installs from there into a new virtual environment, with
pip and, where it is found, with uv: so the size of the download, the time of the line and the time of the unpacking are
measured separately. Nothing of this checkout's own environment is touched. scripts/setup.sh states these figures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

from app.machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
LEVELS = {"run": (), **{extra: (extra,) for extra in ("train", "open3d", "mediapipe", "test", "dev")}}


def main() -> None:
    """Prints the figures of one level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("level", nargs="?", choices=tuple(LEVELS), default="run")
    parser.add_argument("--python", default=sys.executable, help="interpreter to install for (default: this one)")
    parser.add_argument("--download-only", action="store_true", help="do not install what was downloaded")
    options = parser.parse_args()
    wanted = requirements(LEVELS[options.level])
    machine = describe_machine()
    print(f"{machine['system']}, {machine['processor']}, {machine['cores']} cores")
    with tempfile.TemporaryDirectory() as folder:
        wheels, python = Path(folder) / "wheels", _new_environment(options.python, Path(folder) / "downloading")
        pip = [str(python), "-m", "pip"]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        constraints = ["-c", str(ROOT / "constraints.txt")]
        seconds = _run([*pip, "download", *quiet, *constraints, "-d", str(wheels), *wanted])
        files = [path for path in wheels.iterdir() if path.is_file()]
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
        size = f"{_megabytes(files):.0f} MB to download ({seconds:.0f} s here)"
        print(f"{options.level} with {version}: {len(files)} wheels, {size}")
        local = ["--no-index", "--find-links", str(wheels), *constraints, *wanted]
        for installer in () if options.download_only else ("pip", "uv"):
            if installer == "uv" and shutil.which("uv") is None:
                continue
            began_s, began_cpu_s = time.perf_counter(), _children_cpu_s()
            target = Path(folder) / installer
            inside = _new_environment(options.python, target)
            if installer == "pip":
                _run([str(inside), "-m", "pip", "install", *quiet, *local])
            else:
                _run(["uv", "pip", "install", "--quiet", "--no-cache", "--python", str(inside), *local])
            seconds, cpu_s = time.perf_counter() - began_s, _children_cpu_s() - began_cpu_s
            size = _megabytes(path for path in target.rglob("*") if path.is_file() and not path.is_symlink())
            print(
                f"{installer}: {size:.0f} MB on disk, {seconds:.0f} s to make the environment and unpack "
                f"({cpu_s:.0f} s of processor time, which a busy machine does not stretch)"
            )
            shutil.rmtree(target)


def requirements(extras: tuple[str, ...]) -> list[str]:
    """Requirements of pyproject.toml, with some extras; extras that name others are followed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: list[str] = list(project["dependencies"])
    waiting = list(extras)
    while waiting:
        for requirement in project["optional-dependencies"][waiting.pop()]:
            if requirement.startswith(f"{project['name']}["):
                waiting += [name.strip() for name in requirement.partition("[")[2].rstrip("]").split(",")]
            else:
                found.append(requirement)
    return found


def _new_environment(python: str, folder: Path) -> Path:
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _run(command: list[str]) -> float:
    began_s = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stderr}")
    return time.perf_counter() - began_s


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _megabytes(files: Iterable[Path]) -> float:
    return sum(path.stat().st_size for path in files) / 1e6


if __name__ == "__main__":
    main()
