"""The script behind `make run`: missing system libraries, the choice of Python, and what it installs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "setup.sh"

ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("VENV", "PYTHON")}
"""Without the variables that ``make`` exports to the tests."""
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the script needs bash")


def _output_of(folder: Path, commands: dict[str, str]) -> str:
    """The script's output in a checkout with all Python packages installed and some system commands replaced."""
    (folder / "scripts").mkdir()
    (folder / ".venv").mkdir()
    (folder / "bin").mkdir()
    shutil.copy(SCRIPT, folder / "scripts" / "setup.sh")
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    (folder / ".venv" / ".ready-run").write_text(hashlib.sha256(SCRIPT.read_bytes()).hexdigest() + "\n")
    for name, lines in commands.items():
        command = folder / "bin" / name
        command.write_text(f"#!/bin/sh\n{lines}\n")
        command.chmod(0o755)
    environment = {**ENVIRONMENT, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", str(folder / "scripts" / "setup.sh"), "run"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


UNPRIVILEGED = {"id": "echo 1000", "sudo": "exit 1"}
"""A user who may install nothing; the script prints the command."""

RENAMED = "libglib2.0-0"
"""One of the libraries that Ubuntu 24.04 and Debian 13 have under a name that ends in t64."""


def test_library_installed_under_its_t64_name_is_not_reported(tmp_path: Path) -> None:
    dpkg_query = f"""for name; do :; done
case "$name" in {RENAMED}) exit 1 ;; {RENAMED}t64) ;; *t64) exit 1 ;; esac
printf 'install ok installed'"""
    assert _output_of(tmp_path, {**UNPRIVILEGED, "dpkg-query": dpkg_query}) == ""


@pytest.mark.parametrize(("known", "wanted"), [("exit 100", RENAMED), (f'[ "$2" = {RENAMED}t64 ]', f"{RENAMED}t64")])
def test_missing_library_is_requested_by_its_name_in_this_release(tmp_path: Path, known: str, wanted: str) -> None:
    dpkg_query = f"""for name; do :; done
case "$name" in {RENAMED}*) printf 'deinstall ok config-files' ;; *) printf 'install ok installed' ;; esac"""
    output = _output_of(tmp_path, {**UNPRIVILEGED, "dpkg-query": dpkg_query, "apt-cache": known})
    assert output.endswith(f"sudo apt-get install -y {wanted}\n")


FAKE_PYTHON = """case "$1 $2" in
"-V ") echo "Python NAME" ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip") [ "$3" = --version ] || echo "pip $*" ;;
-c*) case "$2" in *print*) echo NAME ;; esac ;;
esac"""
"""Prints its version, makes copies of itself for environments, and repeats pip's arguments."""

BROKEN_SHIM = "echo 'pyenv: this version is not selected' >&2; exit 127"


class Checkout:
    """A folder with the script, and a PATH on which only the given interpreters can be found."""

    def __init__(self, folder: Path, interpreters: dict[str, str]) -> None:
        self.folder = folder
        (folder / "scripts").mkdir()
        (folder / "bin").mkdir()
        shutil.copy(SCRIPT, folder / "scripts" / "setup.sh")
        for name in ("pyproject.toml", "constraints.txt"):
            (folder / name).touch()
        for name in ("bash", "cat", "cp", "cut", "dirname", "mkdir", "rm", "sha256sum"):
            found = shutil.which(name)
            assert found is not None
            (folder / "bin" / name).symlink_to(found)
        for name, lines in interpreters.items():
            command = folder / "bin" / name
            command.write_text(f"#!/bin/sh\n{lines.replace('NAME', name)}\n")
            command.chmod(0o755)

    def set_up(self, level: str = "run", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "bin" / "bash"), "scripts/setup.sh", level],
            env={"PATH": str(self.folder / "bin"), **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
        )


def test_the_newest_python_that_runs_is_taken(tmp_path: Path) -> None:
    interpreters = {"python3.14": BROKEN_SHIM, "python3.13": FAKE_PYTHON, "python3.11": FAKE_PYTHON}
    checkout = Checkout(tmp_path, interpreters)
    done = checkout.set_up()
    assert done.returncode == 0, done.stderr
    assert "(Python python3.13)" in done.stdout
    assert re.search(r"at most about \d+ MB, which take \d+ MB on disk", done.stdout)
    assert done.stdout.endswith("-c constraints.txt -e .\n")
    assert checkout.set_up().stdout == ""  # nothing is missing now


def test_the_python_that_is_named_is_taken(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, {"python3.13": FAKE_PYTHON, "python3.11": FAKE_PYTHON})
    assert "(Python python3.13)" in checkout.set_up().stdout
    done = checkout.set_up("train", PYTHON="python3.11")
    assert "Making .venv anew." in done.stdout
    assert "(Python python3.11)" in done.stdout
    assert done.stdout.endswith("-c constraints.txt -e .[train]\n")
    assert "(Python python3.11)" in checkout.set_up("dev").stdout  # what is there stays


@pytest.mark.parametrize(
    ("interpreters", "environment", "sentence"),
    [
        ({"python3": "exit 1"}, {}, "Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found"),
        ({"python3.13": FAKE_PYTHON, "old": "exit 1"}, {"PYTHON": "old"}, "PYTHON=old is no Python 3.11"),
        ({"python3.13": FAKE_PYTHON}, {"PYTHON": "missing"}, "PYTHON=missing is no Python 3.11"),
    ],
)
def test_missing_python_is_reported(
    tmp_path: Path, interpreters: dict[str, str], environment: dict[str, str], sentence: str
) -> None:
    done = Checkout(tmp_path, interpreters).set_up(**environment)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert not (tmp_path / ".venv").exists()


def test_environment_with_an_old_mediapipe_is_rebuilt(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, {"python3.12": FAKE_PYTHON})
    checkout.set_up()
    (tmp_path / ".venv" / "lib" / "python3.12" / "site-packages" / "mediapipe-0.10.21.dist-info").mkdir(parents=True)
    (tmp_path / "constraints.txt").write_text("numpy==2.4.6\n")
    assert "Making .venv anew." in checkout.set_up().stdout
    assert not (tmp_path / ".venv" / "lib").exists()


def test_an_unknown_level_is_refused(tmp_path: Path) -> None:
    done = Checkout(tmp_path, {"python3.12": FAKE_PYTHON}).set_up("everything")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: scripts/setup.sh run|train|test|dev")
