"""The script behind `make run`: which system libraries it misses, under either of the names they go by."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "setup.sh"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the script needs bash")


def _what_is_said(folder: Path, commands: dict[str, str]) -> str:
    """Runs the script in a checkout whose Python packages are there; some of the system's commands are replaced."""
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
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", str(folder / "scripts" / "setup.sh"), "run"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


NOBODY = {"id": "echo 1000", "sudo": "exit 1"}
"""A user who may install nothing, and is told what to type."""

RENAMED = "libglib2.0-0"
"""One of the libraries that Ubuntu 24.04 and Debian 13 have under a name that ends in t64."""


def test_a_library_that_is_there_under_its_new_name_is_not_missed(tmp_path: Path) -> None:
    dpkg_query = f"""for name; do :; done
case "$name" in {RENAMED}) exit 1 ;; {RENAMED}t64) ;; *t64) exit 1 ;; esac
printf 'install ok installed'"""
    assert _what_is_said(tmp_path, {**NOBODY, "dpkg-query": dpkg_query}) == ""


@pytest.mark.parametrize(("known", "wanted"), [("exit 100", RENAMED), (f'[ "$2" = {RENAMED}t64 ]', f"{RENAMED}t64")])
def test_a_missing_library_is_asked_for_by_the_name_it_has_here(tmp_path: Path, known: str, wanted: str) -> None:
    dpkg_query = f"""for name; do :; done
case "$name" in {RENAMED}*) printf 'deinstall ok config-files' ;; *) printf 'install ok installed' ;; esac"""
    said = _what_is_said(tmp_path, {**NOBODY, "dpkg-query": dpkg_query, "apt-cache": known})
    assert said.endswith(f"sudo apt-get install -y {wanted}\n")
