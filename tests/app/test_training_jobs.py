from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_training import tiny_request

from app.jobs.training import TrainingRun, TrainingRuns
from hand.errors import ConfigError
from inference.runtime import load_network
from trainer.runs.run_folder import FineTuneRequest, read_events
from trainer.runs.run_history import RunHistory, RunPhase, is_running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420), pytest.mark.usefixtures("training_part")]


def wait_until(condition: Callable[[], bool], run: TrainingRun, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        run.refresh()
        assert time.monotonic() < end, f"{run.phase}, step {run.history.step}: {run.history.lines}\n{run.log_tail()}"
        time.sleep(0.1)


@pytest.fixture
def runs(tmp_path: Path) -> TrainingRuns:
    return TrainingRuns(tmp_path / "runs")


def test_a_run_from_start_to_report(tmp_path: Path, runs: TrainingRuns) -> None:
    run = runs.create(tiny_request(tmp_path))
    run.start()
    wait_until(lambda: is_running(run.folder), run)
    with pytest.raises(ConfigError, match="at work already"):
        run.start()
    wait_until(lambda: run.phase is RunPhase.FINISHED, run)
    assert run.history.step == run.history.steps == 8
    assert [point.step for point in run.history.evaluations] == [2, 4, 6, 8]
    assert "your hand" in run.history.sentence
    assert run.history.metrics["own_after_mm"] > 0.0
    load_network(run.folder / "network")
    report = json.loads((run.folder / "report" / "report.json").read_text())
    assert report["own"]["count"] == 20  # the newest session alone
    assert (run.folder / "report" / "report.html").is_file()
    # a later start of the program reads the same history
    later = TrainingRuns(runs.folder).refresh()
    assert [(found.phase, found.history.sentence) for found in later] == [(RunPhase.FINISHED, run.history.sentence)]


def test_a_killed_training_process_loses_no_checkpoint(tmp_path: Path, runs: TrainingRuns) -> None:
    run = runs.create(tiny_request(tmp_path, steps=400))
    run.start()
    wait_until(lambda: run.history.checkpoint_step >= 2, run)
    assert run.history.pid is not None
    os.kill(run.history.pid, signal.SIGKILL)
    wait_until(lambda: not run.running, run)
    assert run.phase is RunPhase.INTERRUPTED
    saved = run.history.checkpoint_step
    run.start()
    wait_until(lambda: any(line.startswith("Going on at step") for line in run.history.lines), run)
    # a checkpoint may be complete before its event is written
    (going_on,) = (line for line in run.history.lines if line.startswith("Going on at step"))
    assert int(going_on.rstrip(".").split()[-1]) >= saved >= 2
    wait_until(lambda: run.history.step > saved + 1 and run.phase is RunPhase.TRAINING, run)
    steps = [step for step, _ in run.history.losses]
    assert steps == sorted(set(steps))
    run.stop()
    wait_until(lambda: run.phase is RunPhase.STOPPED, run)
    assert run.history.checkpoint_step == run.history.step
    # the run can be finished without further training
    run.start(finish=True)
    wait_until(lambda: run.phase is RunPhase.FINISHED, run)


def test_training_continues_after_its_window_is_killed(tmp_path: Path, runs: TrainingRuns) -> None:
    run = runs.create(tiny_request(tmp_path, steps=400))
    window = (
        "import sys, time; from pathlib import Path; from app.jobs.training import TrainingRuns\n"
        "run = TrainingRuns(Path(sys.argv[1])).refresh()[0]; run.start(); print('started', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", window, str(runs.folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        wait_until(lambda: run.history.step >= 1, run)
        process.kill()
    step = run.history.step
    wait_until(lambda: run.history.step > step, run)
    # another window finds the running process and can stop it
    found = TrainingRuns(runs.folder).refresh()[0]
    assert found.phase is RunPhase.TRAINING
    found.stop()
    wait_until(lambda: found.phase is RunPhase.STOPPED, found)
    assert found.history.checkpoint_step >= 1


def test_unresponsive_process_can_be_terminated_and_killed(tmp_path: Path, runs: TrainingRuns) -> None:
    run = runs.create(tiny_request(tmp_path, steps=400))
    run.start()
    wait_until(lambda: run.history.checkpoint_step >= 2, run)
    assert run.history.pid is not None
    os.kill(run.history.pid, signal.SIGSTOP)
    run.stop()
    assert not run.may_terminate
    run._asked_to_stop_s = time.monotonic() - 60.0
    assert run.may_terminate
    run.terminate()
    run._terminated_s = time.monotonic() - 60.0
    run.refresh()
    assert run.may_kill  # a process stopped by SIGSTOP does not react to termination
    run.kill()
    wait_until(lambda: not run.running, run)
    assert run.phase is RunPhase.INTERRUPTED


def test_request_without_a_base_network_fails_with_a_message(tmp_path: Path, runs: TrainingRuns) -> None:
    run = runs.create(FineTuneRequest(base=str(tmp_path / "nothing"), recordings=str(tmp_path)))
    run.start()
    wait_until(lambda: not run.running, run)
    assert run.phase is RunPhase.FAILED
    assert "There is no trained network at" in run.history.error


def test_history_skips_truncated_and_unknown_lines(tmp_path: Path) -> None:
    lines = ['{"event": "step", "step": 3, "loss": 1.0}', "garbage", '{"no": 1}', '{"event": "end", "rea']
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    events, place, damaged = read_events(tmp_path / "events.jsonl")
    assert [event["event"] for event in events] == ["step"]
    assert damaged == 2
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('son": "stopped", "step": 3}\n')
    assert read_events(tmp_path / "events.jsonl", place)[0][0]["reason"] == "stopped"
    history = RunHistory(tmp_path)
    assert history.update()
    assert not history.update()
    assert history.phase(running=False) is RunPhase.STOPPED


def test_lines_with_invalid_values_are_skipped_and_reported_once(tmp_path: Path) -> None:
    lines = ['{"event": "step", "step": null}', '{"event": "evaluation"}', '{"event": "step", "step": 3, "loss": 1.0}']
    (tmp_path / "events.jsonl").write_text("\n".join(lines) + "\n")
    history = RunHistory(tmp_path)
    assert history.update()
    assert (history.step, history.damaged) == (3, 2)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write("garbage\n")
    assert history.update()
    assert history.damaged == 3
    assert [line for line in history.lines if "damaged" in line] == [
        "Some lines of events.jsonl are damaged and left out."
    ]


def test_damaged_run_is_reported_and_does_not_hide_the_others(tmp_path: Path) -> None:
    runs = TrainingRuns(tmp_path)
    whole = runs.create(FineTuneRequest(base="base", recordings="sessions"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "request.json").write_text("{")
    assert [run.folder for run in TrainingRuns(tmp_path).refresh()] == [whole.folder]
    again = TrainingRuns(tmp_path)
    again.refresh()
    assert list(again.problems) == ["bad"]
    assert "request.json" in again.problems["bad"]
