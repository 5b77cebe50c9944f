"""The command ``finetune``: which request a run's folder takes, and which it refuses."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

from tests.app.tiny_training import tiny_request, write_session
from trainer.__main__ import main
from trainer.runs.run_folder import BEST_FILE, REQUEST_FILE, FineTuneRequest, read_request, write_request


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FineTuneRequest:
    """A request whose runs end before they train."""
    monkeypatch.delattr(os, "nice", raising=False)
    monkeypatch.setattr("trainer.finetune.claim_stdout", lambda: (tmp_path / "stdout").open("w"))
    monkeypatch.setattr("trainer.finetune.train", lambda *_: None)
    return tiny_request(tmp_path)


def start(run: Path, request: FineTuneRequest, *more: str) -> int:
    values = [f"{key}={json.dumps(value)}" for key, value in request.values.items()]
    given = ["--base", request.base, "--recordings", request.recordings, "--general", str(request.general_crops)]
    return main(["finetune", "--run", str(run), *given, "--recipe", request.recipe, *more, *values])


def test_new_run_keeps_the_names_of_its_sessions(begun: FineTuneRequest, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(run, begun)
    kept = read_request(run)
    assert (kept.train, kept.held_out) == (("s1", "s2"), ("s3",))
    assert replace(kept, train=(), held_out=(), name=begun.name) == begun


def test_same_request_goes_on_and_keeps_the_notes(
    begun: FineTuneRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also a request of an older version, which did not name the sessions."""
    run = tmp_path / "run"
    run.mkdir()
    write_request(run, replace(begun, notes="mine"))
    for more in ((), ("--name", "other"), ("--hold-out", "s3")):
        start(run, begun, *more)
        assert "before its first checkpoint" in capsys.readouterr().err
    assert not (run / BEST_FILE).exists()
    kept = read_request(run)
    assert (kept.notes, kept.name) == ("mine", "other")
    assert (kept.train, kept.held_out) == (("s1", "s2"), ("s3",))


@pytest.mark.parametrize(
    ("changed", "more", "words"),
    [
        ({"recipe": "thorough"}, (), "another --recipe"),
        ({"general_crops": 6}, (), "another --general"),
        ({"values": {"steps": 9}}, (), "another set of key=value"),
        ({"base": "elsewhere", "recordings": "elsewhere"}, (), "another --base, --recordings"),
        ({}, ("--train", "s1"), "another choice of sessions to learn from"),
    ],
    ids=["recipe", "general", "values", "folders", "sessions"],
)
def test_another_request_in_the_folder_of_a_run_is_refused(
    begun: FineTuneRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict,
    more: tuple[str, ...],
    words: str,
) -> None:
    run = tmp_path / "run"
    start(run, begun)
    before = (run / REQUEST_FILE).read_bytes()
    capsys.readouterr()
    assert start(run, replace(begun, **changed), *more) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "choose another --run" in message
    assert (run / REQUEST_FILE).read_bytes() == before


def test_session_that_was_recorded_later_is_another_request(
    begun: FineTuneRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    start(run, begun)
    write_session(tmp_path / "sessions" / "s4", 20, 4)
    assert start(run, begun) == 2
    assert "another choice of sessions" in capsys.readouterr().err
    main(["finetune", "--run", str(run)])
    assert "before its first checkpoint" in capsys.readouterr().err
    assert read_request(run).held_out == ("s3",)


@pytest.mark.parametrize(
    "more", [["--recipe", "thorough"], ["--general", "9"], ["steps=3"], ["--train", "s1"]], ids=str
)
def test_options_that_a_run_would_ignore_are_refused(
    begun: FineTuneRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    run = tmp_path / "run"
    start(run, begun)
    capsys.readouterr()
    assert main(["finetune", "--run", str(run), *more]) == 2
    message = capsys.readouterr().err
    assert more[0] in message
    assert "would change nothing" in message


def test_request_that_cannot_be_begun_leaves_the_folder_for_a_better_one(
    begun: FineTuneRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert start(run, replace(begun, recordings=str(tmp_path / "nothing"))) == 2
    start(run, begun)
    assert "before its first checkpoint" in capsys.readouterr().err
