"""Child processes import no modules from the current folder and do not inherit secrets from the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.child_process import PRODUCT_FOLDER, child_environment, python_command
from app.jobs.training import EstimateProcess, TrainingRuns
from app.networks.gpu_session import GpuSession
from app.snapshot import mesh_files
from hand.errors import CheckpointError
from trainer.runs.run_folder import FineTuneRequest

PLANTED = ("torch", "numpy", "json", "runpy", "yaml", "sitecustomize", "usercustomize", "open3d", "cv2")


def plant(folder: Path) -> Path:
    """Writes modules that record their execution; returns the file of the record."""
    note = folder / "executed"
    for name in PLANTED:
        (folder / f"{name}.py").write_text(f"open({str(note)!r}, 'a').write({name!r})\n", encoding="utf-8")
    return note


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, which relative import paths name too, has such modules, and the environment has tokens."""
    here = tmp_path / "here"
    here.mkdir()
    note = plant(here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", ".", str(PRODUCT_FOLDER))))
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield here
    assert not note.exists(), note.read_text()


# the imports at the top of each module are tested; help or invalid arguments then end the process
MODULES = {
    "trainer": ("synthesize", "--help"),
    "app.labelling": ("--help",),
    "app.recording": ("--help",),
    "app.snapshot.open3d_child": ("a", "b"),
}


@pytest.mark.parametrize("module", MODULES)
def test_modules_do_not_import_from_the_current_folder(planted: Path, module: str) -> None:
    done = subprocess.run(
        python_command(module, *MODULES[module]), env=child_environment(), capture_output=True, text=True, check=False
    )
    assert "ModuleNotFoundError" not in done.stderr, done.stderr
    assert done.returncode == (1 if "open3d" in module else 0), done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("training_part")
def test_training_imports_the_installed_torch(planted: Path) -> None:
    done = subprocess.run(
        python_command("trainer", "finetune", "--help"), env=child_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_planted_modules_are_executed_without_isolation(tmp_path: Path) -> None:
    note = plant(tmp_path)
    subprocess.run([sys.executable, "-c", "import torch"], cwd=tmp_path, check=True)
    assert note.exists()


class StartedError(Exception):
    """Raised instead of starting a process."""


def _train(folder: Path) -> None:
    TrainingRuns(folder / "runs").create(FineTuneRequest("base", "sessions")).start()


def _estimate(folder: Path) -> None:
    EstimateProcess(FineTuneRequest("base", "sessions"), folder)


def _gpu_session(folder: Path) -> None:
    GpuSession(folder, "cuda", {})


def _meshes(_folder: Path) -> None:
    mesh = mesh_files.PlainMesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    mesh_files.show_meshes({"a": mesh}, "A")


@pytest.mark.parametrize("start", [_train, _estimate, _gpu_session, _meshes])
def test_every_child_is_isolated(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[Path], None]
) -> None:
    given: dict[str, Any] = {}

    def popen(command: list[str], **options: Any) -> None:
        given.update(options, command=command)
        raise StartedError

    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    with pytest.raises((StartedError, CheckpointError)):
        start(tmp_path)
    assert given["command"][:2] == [sys.executable, "-P"]
    assert given["cwd"] == PRODUCT_FOLDER
    assert "secret" not in given["env"].values()
    assert given["env"]["PYTHONPATH"] == str(PRODUCT_FOLDER), "a relative entry would be the current folder"
    relative = [word for word in given["command"][4:] if word in ("base", "sessions")]
    assert relative == [], "the child has another working folder"


def test_child_environment_keeps_library_variables_and_drops_secrets() -> None:
    full = {
        "PATH": "/bin",
        "HF_TOKEN": "x",
        "TORCH_HOME": "/t",
        "TORCH_API_KEY": "x",
        "PIP_INDEX_URL": "https://me:word@index",
        "https_proxy": "http://proxy",
        "EDITOR": "ed",
    }
    assert child_environment(environment=full) == {
        "PATH": "/bin",
        "TORCH_HOME": "/t",
        "OMP_NUM_THREADS": "1",
        "PYTHONSAFEPATH": "1",
    }
    assert {"PIP_INDEX_URL", "https_proxy"} <= set(child_environment(environment=full, downloads=True))
