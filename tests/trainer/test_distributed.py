"""Two processes on CPUs (gloo), as on several machines: same weights, one writer, no deadlock after a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import torch
import yaml
from lightning.fabric import Fabric
from torch import nn
from two_processes import trained

from trainer.runs.run_folder import read_events
from trainer.training.checkpoint import load_training_state
from trainer.training.distributed import Termination, first_rank_with
from trainer.training.loop import share_batch_statistics

pytestmark = pytest.mark.timeout(500)  # starting three Python processes is slow on a busy machine

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a command in its own process group, so that a test can end all of it."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env, cwd=ROOT, start_new_session=True
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of two processes, see two_processes.py."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, str(Path(__file__).with_name("two_processes.py")), str(folder)]
    process = started(command, folder / "log")
    try:
        assert process.wait(timeout=400) == 0, (folder / "log").read_text()
    finally:
        end(process)
    return folder


def apart(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """Length of the difference over the length of the whole."""
    one, other = (torch.cat([part[name].double().flatten() for name in sorted(ours)]) for part in (ours, theirs))
    return float((one - other).norm() / one.norm())


def test_two_processes_train_the_same_weights_as_one(together: Path, tmp_path: Path) -> None:
    alone = trained(Fabric(accelerator="cpu", devices=1), tmp_path, lambda numbers: numbers)
    first, second = (torch.load(together / f"state_of_{rank}.pt") for rank in (0, 1))
    for name in ("gradients", "weights"):
        assert apart(first["together"][name], second["together"][name]) == 0.0
        assert apart(alone[name], first["together"][name]) < 1e-5
    # "plain_average": each process divides by its own number of labelled hands before the gradients are averaged
    assert apart(alone["gradients"], first["plain_average"]["gradients"]) > 0.1
    histories = [read_events(folder / "events.jsonl")[0] for folder in (tmp_path, together / "run_of_0")]
    losses, their_losses = ([event["loss"] for event in history if event["event"] == "step"] for history in histories)
    assert their_losses == pytest.approx(losses, rel=1e-4)


def test_only_the_first_process_writes(together: Path) -> None:
    assert {path.name for path in (together / "run_of_0").iterdir()} == {
        *("events.jsonl", "last.pt", "progress.json", "best.safetensors"),
    }
    assert not (together / "run_of_1").exists()


def test_requests_and_failures_are_shared_between_the_processes(together: Path) -> None:
    first, second = (json.loads((together / f"words_of_{rank}.json").read_text()) for rank in (0, 1))
    assert first["request of the second"] == second["request of the second"] == 1
    assert first["no request"] is None
    assert (first["made by all"], second["made by all"]) == ("gave 0", "gave 1")
    assert first["made by first"] == second["made by first"] == "gave by 0"
    assert first["second fails"] == "DataError: The second machine has no pictures."
    assert second["second fails"] == "SystemExit: 2"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe that trains for hours; the tests interrupt it."""
    content: dict[str, Any] = {
        "name": "long",
        "steps": 100_000,
        "batch": 4,
        "evaluate_every": 100_000,
        "evaluation_count": 1,
        "log_every": 1,
        "accelerator": "cpu",
        "tensorboard": False,
        "network": {"trunk": "mobilenet_v3_small", "head": "mlp", "input_px": 32, "width": 32},
        "sources": [{"kind": "rendered", "repeat": 2}],
    }
    path = tmp_path / "long.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def training(recipe: Path) -> Iterator[subprocess.Popen[bytes]]:
    """torchrun with the real command on two processes, after a few steps."""
    fit = ["-m", "trainer", "fit", "--config", str(recipe), "--out", str(recipe.parent / "run")]
    process = started([*TORCHRUN, *fit], recipe.parent / "log")
    while step_of(recipe.parent / "run") < 3 and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, (recipe.parent / "log").read_text()
    yield process
    end(process)


def step_of(run: Path) -> int:
    """The last step that a run has logged."""
    return max((event["step"] for event in read_events(run / "events.jsonl")[0] if event["event"] == "step"), default=0)


def second_process(launcher: subprocess.Popen[bytes]) -> int:
    """The process id of rank 1."""
    for child in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split():
        if b"LOCAL_RANK=1\0" in Path(f"/proc/{child}/environ").read_bytes():
            return int(child)
    raise AssertionError("there is no second process")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the second process through Linux's /proc")
def test_a_killed_process_ends_the_run_with_one_message_and_a_checkpoint(
    training: subprocess.Popen[bytes], recipe: Path
) -> None:
    os.kill(second_process(training), signal.SIGKILL)
    assert training.wait(timeout=60) != 0
    output = (recipe.parent / "log").read_text()
    assert output.count("Another one of the 2 processes of this training has ended") == 1
    # the one traceback is torchrun's own
    assert output.count("Traceback") == 1
    events = read_events(recipe.parent / "run" / "events.jsonl")[0]
    saved = load_training_state(recipe.parent / "run")
    assert saved is not None
    assert saved[0].step == events[-1]["step"]
    # reporting a step is a collective operation too; where that one fails, its step is already done and saved
    assert saved[0].step - step_of(recipe.parent / "run") in (0, 1)
    assert events[-1]["event"] == "checkpoint"


def test_ctrl_c_in_the_terminal_saves_the_last_whole_step(recipe: Path) -> None:
    run = recipe.parent / "run"
    fit = ["-m", "trainer", "fit", "--config", str(recipe), "--out", str(run), "workers=1"]
    process = started([sys.executable, *fit], recipe.parent / "log")
    try:
        while step_of(run) < 3 and process.poll() is None:
            time.sleep(0.05)
        # a terminal signals the whole group, the process that makes samples too
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 0, (recipe.parent / "log").read_text()
    finally:
        end(process)
    assert "Traceback" not in (recipe.parent / "log").read_text()
    saved = load_training_state(run)
    assert saved is not None
    assert saved[0].step == step_of(run) >= 3
    assert read_events(run / "events.jsonl")[0][-1]["reason"] == "stopped"


RAISES_WHILE_A_WORKER_RUNS = """
from lightning.fabric import Fabric
from trainer.recipe.config import FitConfig
from trainer.samples.rendered import RenderedCrops
from trainer.training.loop import batches

fabric = Fabric(accelerator="cpu", devices=1)
stream = batches(RenderedCrops(32, seed=1, empty_share=1.0), FitConfig(steps=9, batch=1, workers=1), fabric, 0)
next(stream)
raise OSError("the folder is gone")
"""


def test_failed_training_exits_without_waiting_for_its_workers(tmp_path: Path) -> None:
    process = started([sys.executable, "-c", RAISES_WHILE_A_WORKER_RUNS], tmp_path / "log")
    try:
        assert process.wait(timeout=60) == 1
    finally:
        end(process)
    assert "the folder is gone" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("request_to_end", [signal.SIGTERM, signal.SIGINT])
def test_termination_signal_sets_a_flag_once_it_is_polled(request_to_end: signal.Signals) -> None:
    before = signal.getsignal(request_to_end)
    with Termination() as terminated:
        assert signal.getsignal(request_to_end) is before
        assert not terminated()
        os.kill(os.getpid(), request_to_end)
        assert terminated()
        # a second one ends the process
        assert signal.getsignal(request_to_end) is before
    assert signal.getsignal(request_to_end) is before


def test_batch_norm_is_synchronised_on_several_gpus_only(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    names = list(network.state_dict())
    fabric = Fabric(accelerator="cpu", devices=1)

    def share(processes: int, device: str) -> type:
        monkeypatch.setattr(Fabric, "world_size", processes)
        monkeypatch.setattr(Fabric, "device", torch.device(device))
        share_batch_statistics(network, fabric)
        return type(network[1])

    assert share(2, "cpu") is nn.BatchNorm2d
    assert share(1, "cuda") is nn.BatchNorm2d
    assert share(2, "cuda") is nn.SyncBatchNorm
    assert list(network.state_dict()) == names


def test_request_in_a_single_process_needs_no_exchange() -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    assert (first_rank_with(fabric, True), first_rank_with(fabric, False)) == (0, None)
